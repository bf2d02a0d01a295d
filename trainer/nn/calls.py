"""How a layer is called: in evaluation, in training, and on sequences with a mask.

What it may have beside `init` and `apply` is said in `trainer.nn.contract`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from trainer.errors import ShapeError
from trainer.nn.contract import Parameters, Updates, own_train, says
from trainer.nn.draw import Draw
from trainer.types import Array

__all__ = ["LayerState", "Masked", "Still", "evaluate", "name_of", "on_values", "seen_by", "train", "watched"]

Watcher = Callable[[object, Parameters, Any], None]
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@dataclass(frozen=True, eq=False)
class LayerState:
    """In what `init` returns: an array that the layer keeps from step to step and that no gradient reaches.

    A moving average is one. It is saved with the parameters, and is no part of θ.
    """

    value: Array


class Still(dict[str, Any]):
    """Parameters of a layer of which all that it keeps is frozen: it uses these values in training too.

    Frozen batch norm normalizes with its averages, not with the batch: Keras's rule for `trainable = False`, and what
    puts a module into evaluation mode for in PyTorch.
    """


class Masked(NamedTuple):
    """Sequences of unequal length: `values` (m, T, …), and `mask` (m, T), true where a position exists.

    Which layers are handed it whole, which its values, and which refuse it: see `trainer.nn.Layer`.
    """

    values: Any
    mask: Any


def evaluate(layer: Any, parameters: Parameters, x: object) -> Any:
    """The layer's output when nothing is learnt."""
    seen, around = seen_by(layer, x)
    watcher = _watcher.get()
    if watcher is not None:
        watcher(layer, parameters, seen)
    return around(layer.apply(parameters, seen))


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """In the block, `watcher` is told each layer that is evaluated, those within layers too, with its parameters and
    what it is handed."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def train(layer: object, parameters: Parameters, x: object, draw: Draw) -> tuple[Any, Updates]:
    """The layer's output in training, and the new values of what it keeps."""
    own = own_train(layer)
    if own is None or isinstance(parameters, Still):
        return evaluate(layer, parameters, x), {}
    seen, around = seen_by(layer, x)
    y, updates = own(parameters, seen, draw)
    return around(y), updates


def seen_by(layer: object, x: object) -> tuple[Any, Callable[[Any], Any]]:
    """What of `x` a layer is handed, and what puts a mask that it does not see around its result.

    Raises ShapeError where a mask would be lost.
    """
    if not isinstance(x, Masked) or says(layer, "masked"):
        return x, _as_it_is
    if not says(layer, "positionwise"):
        raise ShapeError(
            f"{name_of(layer)} would take positions that a mask leaves out for real; put it before `masking`, or "
            f"reduce the positions first, as lstm and mean_over_positions do"
        )
    return x.values, lambda y: Masked(y, x.mask)


def _as_it_is(y: object) -> Any:
    return y


def on_values(function: Callable[..., object], *xs: object) -> Any:
    """`function` of arrays, where some are Masked: of their values; what exists in the result exists in all of them."""
    masks = [x.mask for x in xs if isinstance(x, Masked)]
    y = function(*(x.values if isinstance(x, Masked) else x for x in xs))
    if not masks:
        return y
    mask = masks[0]
    for other in masks[1:]:
        mask = np.logical_and(mask, other)
    return Masked(y, mask)


def name_of(layer: object) -> str:
    """What messages call a layer: its own `name`, or its class's as a config writes it."""
    return getattr(layer, "name", None) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
