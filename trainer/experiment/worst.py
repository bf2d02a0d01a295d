"""The rows that a model predicts worst, for a person to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trainer.data.prepared import Rows
from trainer.experiment.model import Model, expected
from trainer.metrics.decoding import decoded
from trainer.nn.several import Several
from trainer.training.evaluation import COSTS_AT_ONCE
from trainer.types import Array, CostFunction
from trainer.wording import number

__all__ = ["Worst", "worst_rows"]

MOST = 12  # rows that are looked at one by one
MOST_NUMBERS = 4  # of a row, that are written out


@dataclass(frozen=True, eq=False)
class Worst:
    """A row that is predicted badly.

    row: where it is among the rows of its data set, counted from 0.
    cost: of its prediction.
    target, predicted: in words; "" where the outputs are no classes, and more numbers than one reads.
    inputs: as the network takes them, of the shape of its first layer's output where that only reshapes.
    """

    row: int
    cost: float
    target: str
    predicted: str
    inputs: Array


def worst_rows(model: Model, cost: CostFunction, outputs: Array, rows: Rows) -> tuple[Worst, ...]:
    """The rows of the largest cost, the worst first, of the network's outputs for them."""
    with np.errstate(all="ignore"):
        pieces = [slice(i, i + COSTS_AT_ONCE) for i in range(0, len(rows), COSTS_AT_ONCE)]
        costs = np.concatenate([np.asarray(cost(outputs[piece], rows.targets[piece])) for piece in pieces])
    which = np.argsort(-np.where(np.isnan(costs), np.inf, costs), kind="stable")[:MOST]
    words = _words(model, cost, outputs[which], rows.targets[which])
    inputs = rows.inputs[which].reshape(len(which), *_shape(model, rows.inputs.shape[1:]))
    places = zip(rows.indices[which].tolist(), costs[which].tolist(), words, inputs, strict=True)
    return tuple(Worst(row, value, target, predicted, x) for row, value, (target, predicted), x in places)


def _words(model: Model, cost: CostFunction, outputs: Array, targets: Array) -> Iterator[tuple[str, str]]:
    """What each row is, and what it was taken for."""
    plain = expected(model.link, outputs)
    if isinstance(cost, Several) or outputs.ndim != 2:
        yield from [("", "")] * len(outputs)
    elif model.class_names and outputs.shape[1] in (1, len(model.class_names)):
        _, classes = decoded("the worst rows", outputs, targets)
        sure = model.probabilities(outputs).max(axis=1).tolist() if model.has_probabilities else [None] * len(outputs)
        for true, said, share in zip(classes.tolist(), model.classes(outputs).tolist(), sure, strict=True):
            yield model.class_names[true], model.class_names[said] + ("" if share is None else f" ({share:.1%})")
    elif plain.shape == targets.shape and plain.shape[1] <= MOST_NUMBERS:
        for true, said in zip(targets.tolist(), plain.tolist(), strict=True):
            yield ", ".join(map(number, true)), ", ".join(map(number, said))
    else:
        yield from [("", "")] * len(outputs)


def _shape(model: Model, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a row's inputs; of numbers that the first layer makes a picture of, that of the picture."""
    first = model.loaded.config.network[0]
    return tuple(first.options["shape"]) if first.name == "reshape" else shape
