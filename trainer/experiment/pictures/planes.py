"""What a model says over a plane: of each place which class and how surely, or what number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.data.prepared import Rows
from trainer.errors import UsageError
from trainer.experiment.model import Model, check_outputs, expected
from trainer.metrics.decoding import decoded
from trainer.nn.contract import says
from trainer.runs.lines import PALETTE
from trainer.types import Array
from trainer.wording import count, number

__all__ = ["Dots", "Plane", "regions", "unfit"]

ACROSS, DOWN = 132, 99  # places that are looked at
MARGIN = 0.08  # around what the data reach, of their span
MOST_ROWS = 500  # that are drawn


@dataclass(frozen=True, eq=False)
class Dots:
    """Rows of two inputs, (n, 2), as the data set had them; the class of each, and the depth of its number."""

    rows: Array
    places: Array
    depths: Array


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane of two inputs, as it is drawn.

    Attributes:
        axes: what the inputs are called.
        spans: from where to where each is looked at.
        places: of each place (DOWN, ACROSS), the top row first, its class; 0 where numbers are predicted.
        depths: of each place, from 0 to 1: how sure of the class the model is, where 0 is as sure as one who guesses;
            or where a number lies between the least and the largest.
        key: what the classes are called, or what stands for 0 and for 1 where numbers are predicted.
        numbers: whether numbers are predicted.
        dots: rows of the data set, which are drawn over it; None where there are none.
    """

    axes: tuple[str, str]
    spans: tuple[tuple[float, float], tuple[float, float]]
    places: Array
    depths: Array
    key: tuple[str, ...]
    numbers: bool = False
    dots: Dots | None = None

    @property
    def told(self) -> str:
        """What there is to see, in a line."""
        rows = "" if self.dots is None else f"; the dots are {count(len(self.dots.rows), 'row')} of the data set"
        return f"What is predicted of each place, the deeper, the {'larger' if self.numbers else 'surer'}{rows}"

    @property
    def labels(self) -> list[tuple[float, float, str]]:
        """Where the names of classes stand that are too many to be told by colours: x, y and name of each."""
        if self.numbers or len(self.key) <= len(PALETTE):
            return []
        (left, right), (low, high) = self.spans
        found = []
        for place in np.unique(self.places).tolist():
            there = np.argwhere(self.places == place)  # a place that is its own, and near the middle of all of them
            row, column = there[np.abs(there - there.mean(axis=0)).sum(axis=1).argmin()].tolist()
            x, y = left + (right - left) * column / (ACROSS - 1), high - (high - low) * row / (DOWN - 1)
            found.append((x, y, self.key[place]))
        return found


def regions(model: Model, rows: Rows | None = None) -> Plane:
    """What a model of two inputs says over the plane of them.

    Args:
        rows: to be drawn over it, as the network takes them and with targets as its cost wants them. Rows that went
            through `preprocess:` are not drawn: nobody knows what they were.

    Raises UsageError for a model whose rows are no two numbers, or that says more of them than a class or a number.
    """
    if why := unfit(model):
        raise UsageError(f"{model.name} has no regions to draw: {why}")
    spans = _widened(model.inputs.spans)
    (left, right), (low, high) = spans
    across, up = np.meshgrid(np.linspace(left, right, ACROSS), np.linspace(high, low, DOWN))
    outputs = model.outputs(np.stack([across.ravel(), up.ravel()], axis=1))
    check_outputs(outputs, lambda place: f"place {place}")
    names = model.feature_names or ("input 0", "input 1")
    places, depths = np.zeros(len(outputs), np.int64), np.zeros(len(outputs))
    if model.class_names:
        places, depths, key = model.classes(outputs), _sure(model, outputs), model.class_names
    else:
        values = _values(model, outputs)
        depths, key = _between(values, values), (number(values.min()), number(values.max()))
    shape = (DOWN, ACROSS)
    dots = None if rows is None or model.preprocessing is not None else _dots(model, outputs, rows)
    whole = not model.class_names
    return Plane((names[0], names[1]), spans, places.reshape(shape), depths.reshape(shape), key, whole, dots)


def _dots(model: Model, outputs: Array, rows: Rows) -> Dots:
    """Some rows, evenly, where they are many."""
    some = np.unique(np.linspace(0, len(rows) - 1, min(MOST_ROWS, len(rows))).astype(np.int64))
    inputs, targets = rows.inputs[some].astype(np.float64), rows.targets[some]
    raw = inputs if model.scaling is None else model.scaling.inverse(inputs)
    if model.class_names:
        _, places = decoded("regions", model.network.predict(model.parameters, rows.inputs[some]), targets)
        return Dots(raw, places, np.ones(len(raw)))
    values = targets.reshape(len(targets)).astype(np.float64)
    return Dots(raw, np.zeros(len(raw), np.int64), _between(values, _values(model, outputs)))


def _values(model: Model, outputs: Array) -> Array:
    return expected(model.link, outputs)[:, 0]


def unfit(model: Model) -> str:
    """Why there are no regions to draw of a model; nothing where there are."""
    if model.inputs.shape != (2,) or any(says(layer, "looks_up") for layer in model.network.layers):
        return f"they are of rows of two numbers, and its rows are {model.inputs.shape}"
    if not model.inputs.spans:
        return "nobody noted where its two inputs lie, as an older version did not; train again"
    shape = model.network.output_shape
    if len(shape) != 1 or (not model.class_names and len(expected(model.link, np.zeros((1, *shape)))[0]) != 1):
        return f"they are of a class or of one number for each row, and it gives {shape}"
    return ""


def _widened(spans: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    margins = [MARGIN * (high - low) or 0.5 * abs(low) or 0.5 for low, high in spans]
    one, other = ((low - margin, high + margin) for (low, high), margin in zip(spans, margins, strict=True))
    return one, other


def _sure(model: Model, outputs: Array) -> Array:
    """How sure, from that of one who guesses, 0, to that of one who knows, 1; halfway where nothing is known of it."""
    if not model.has_probabilities:
        return np.full(len(outputs), 0.5)
    chances = model.probabilities(outputs)
    guess = 1 / chances.shape[1]
    return np.asarray(np.clip((chances.max(axis=1) - guess) / (1 - guess), 0, 1))


def _between(values: Array, ends: Array) -> Array:
    """Where values lie between the least and the largest of others, 0 and 1."""
    least, largest = ends.min(), ends.max()
    return np.asarray(np.clip((values - least) / ((largest - least) or 1.0), 0, 1))
