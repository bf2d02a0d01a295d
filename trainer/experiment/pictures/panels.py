"""Tables of numbers that are looked at as a whole: the filters of convolutions, the attention of each head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from trainer.data.prepared import Rows
from trainer.experiment.model import Model
from trainer.experiment.products import PRECISE
from trainer.nn.calls import name_of, watched
from trainer.nn.contract import drawn
from trainer.training.threads import pinned
from trainer.types import Array
from trainer.wording import count, number, visible

__all__ = ["Panel", "Panels", "attention", "filters"]

MOST_FILTERS, MOST_CHANNELS = 32, 8
MOST_POSITIONS = 48
MOST_HEADS = 8
MOST_LAYERS = 12


@dataclass(frozen=True, eq=False)
class Panel:
    """A table of numbers from −1 to 1, by a name; nan where nothing is, between two parts of it."""

    name: str
    values: Array


@dataclass(frozen=True, eq=False)
class Panels:
    """What belongs together.

    Attributes:
        title: the layer, and what of it.
        deepest: the number that 1 stands for; −1 for its opposite where it has a ±.
        told: what is where, and what is left out.
        panels: side by side.
        marks: what the rows and the columns of each panel are, a letter or two each; none where they are just counted.
    """

    title: str
    deepest: str
    told: str
    panels: tuple[Panel, ...]
    marks: tuple[str, ...] = ()

    @property
    def coloured(self) -> str:
        """What the colours of a picture stand for, and what is where in it."""
        signed = self.deepest.startswith("±")
        colours = "blue is below 0, orange above, the" if signed else "the"
        return "; ".join(filter(None, [f"{colours} deepest is {self.deepest}", self.told]))


def filters(model: Model) -> list[Panels]:
    """The filters of each convolution along one or two axes, below one another the channels that each of them sees."""
    found = _drawn(model, "filters", np.zeros((1, *model.network.input_shape), model.dtype))
    return [_filters(title, weights) for title, weights in found if weights.ndim in (3, 4)][:MOST_LAYERS]


def _filters(title: str, weights: Array) -> Panels:
    """weights: (*window, channels, filters)."""
    weights = weights.astype(PRECISE, copy=False)  # whatever this machine computes in, the same shares of the largest
    weights = weights[np.newaxis] if weights.ndim == 3 else weights
    *window, channels, many = weights.shape
    largest = float(np.abs(weights).max()) or 1.0
    shown = np.moveaxis(weights[:, :, :MOST_CHANNELS, :MOST_FILTERS] / largest, -1, 0)
    size = " × ".join(map(str, window if window[0] > 1 else window[1:]))
    told = [f"{_some(MOST_CHANNELS, channels, 'channel')} below one another"] if channels > 1 else []
    told += [_some(MOST_FILTERS, many, "filter")] if many > MOST_FILTERS else []
    panels = (Panel(str(i), _below_one_another(each)) for i, each in enumerate(shown))
    return Panels(f"{title}: {count(many, 'filter')} of {size}", f"±{number(largest)}", "; ".join(told), tuple(panels))


def _some(most: int, of: int, what: str) -> str:
    """How many are shown.

    >>> _some(8, 5, "channel"), _some(8, 16, "channel")
    ('5 channels', 'the first 8 of 16 channels')
    """
    return count(of, what) if of <= most else f"the first {most} of {count(of, what)}"


def _below_one_another(channels: Array) -> Array:
    """(height, width, channels) as a table, with a gap between channels."""
    height, width, many = channels.shape
    if height == 1:  # those of a sequence need none: a row is a channel
        return np.ascontiguousarray(channels[0].T)
    table = np.full((many, height + 1, width), np.nan)
    table[:, :height] = np.moveaxis(channels, -1, 0)
    return table.reshape(many * (height + 1), width)[:-1]


def attention(model: Model, row: Rows) -> list[Panels]:
    """How much each position of a row takes from each other one, for each head of each layer.

    Args:
        row: one, as the network takes it. Where its targets are what comes next, as in a text, its positions are called
            by the classes that they are of, such as letters.
    """
    found = _drawn(model, "attention", row.inputs[:1])
    names = _letters(model, row.inputs[0], row.targets[0])
    return [_heads(title, weights[0], names) for title, weights in found[:MOST_LAYERS]]


def _letters(model: Model, x: Array, y: Array) -> tuple[str, ...]:
    """What the positions of a row are called; nothing where its classes are those of something else."""
    if y.dtype.kind != "i" or y.ndim != 1 or x.shape != y.shape or not np.array_equal(x[1:], y[:-1]):
        return ()
    return tuple(visible(model.class_names[int(i)]) for i in x)


def _heads(title: str, weights: Array, names: Sequence[str]) -> Panels:
    """weights: (heads, positions, positions)."""
    heads, positions = weights.shape[:2]
    shown = weights[:MOST_HEADS, :MOST_POSITIONS, :MOST_POSITIONS]
    largest = float(shown.max()) or 1.0
    told = ["a row for each position, a column for each that it takes from"]
    told += [_some(MOST_POSITIONS, positions, "position")] if positions > MOST_POSITIONS else []
    told += [_some(MOST_HEADS, heads, "head")] if heads > MOST_HEADS else []
    panels = (Panel(f"head {i}", each / largest) for i, each in enumerate(shown))
    names = tuple(names[:MOST_POSITIONS])
    return Panels(f"{title}: {count(heads, 'head')}", number(largest), "; ".join(told), tuple(panels), names)


def _drawn(model: Model, what: Literal["filters", "attention"], x: Array) -> list[tuple[str, Array]]:
    """What each layer has for a picture, those within layers too, with what to call the layer.

    x: rows as the network takes them.
    """
    network, found = model.network, list[tuple[str, Array]]()
    parameters = network.tree({name: model.computed_with(value) for name, value in model.parameters.items()})
    places = {id(own): place for i, each in enumerate(parameters) for own, place in _within(each, str(i))}

    def watcher(layer: object, own: Mapping[str, Any], seen: object) -> None:
        made = drawn(layer, what, own, *([seen] if what == "attention" else []))
        if made is not None:
            place = places.get(id(own))  # a layer of layers may have made its dict anew
            found.append((name_of(layer) if place is None else f"layer {place} ({name_of(layer)})", made))

    with pinned(1), np.errstate(all="ignore"), watched(watcher):
        network.apply(parameters, x.astype(model.computing, copy=False))
    return found


def _within(tree: Mapping[str, Any], place: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """A layer's parameters, and those of the layers in it, with their places, as the names of parameters begin."""
    yield tree, place
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _within(value, key[1:] if key.startswith("@") else f"{place}.{key}")
