"""How a layer is called: in evaluation, in training, and on sequences with a mask.

`apply(parameters, x)` is all that most layers have. A layer that behaves differently in training has

    train(parameters, x, draw) -> (y, updates)

beside it: `draw(shape)` are uniform random numbers of this step, and `updates` are new values for what its `init`
wrapped in `Kept`, by name. Nothing is written to in place; whoever runs the step carries the updates to the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from trainer.errors import ShapeError
from trainer.nn.draw import Draw
from trainer.types import Array

__all__ = ["Kept", "Masked", "Still", "evaluate", "name_of", "on_values", "train"]

Parameters = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Kept:
    """In what `init` returns: an array that the layer keeps from step to step and that no gradient reaches.

    A moving average is one. It is saved with the parameters, and is no part of θ.
    """

    value: Array


class Still(dict[str, Any]):
    """Parameters of a layer of which all that it keeps is frozen: it uses these values in training too.

    Frozen batch norm normalizes with its averages, not with the batch: Keras's rule for `trainable = False`, and what
    one calls `eval()` for in PyTorch.
    """


class Masked(NamedTuple):
    """Sequences of unequal length: `values` (m, T, …), and `mask` (m, T), true where a position exists.

    A layer with the attribute `masked = True` is handed it whole. One with `positionwise = True`, which treats every
    position on its own, gets the values, and the mask goes around its result. Any other refuses it: it would take
    positions that do not exist for real.
    """

    values: Any
    mask: Any


def evaluate(layer: Any, parameters: Parameters, x: Any) -> Any:
    """The layer's output when nothing is learnt."""
    if not isinstance(x, Masked) or getattr(layer, "masked", False):
        return layer.apply(parameters, x)
    _check_positionwise(layer)
    return Masked(layer.apply(parameters, x.values), x.mask)


def train(layer: Any, parameters: Parameters, x: Any, draw: Draw) -> tuple[Any, dict[str, Any]]:
    """The layer's output in training, and the new values of what it keeps."""
    own = getattr(layer, "train", None)
    if own is None or isinstance(parameters, Still):
        return evaluate(layer, parameters, x), {}
    if not isinstance(x, Masked) or getattr(layer, "masked", False):
        y, updates = own(parameters, x, draw)
        return y, updates
    _check_positionwise(layer)
    y, updates = own(parameters, x.values, draw)
    return Masked(y, x.mask), updates


def _check_positionwise(layer: Any) -> None:
    if not getattr(layer, "positionwise", False):
        raise ShapeError(
            f"{name_of(layer)} would take positions that a mask leaves out for real; put it before `masking`, or "
            f"reduce the positions first, as lstm and mean_over_positions do"
        )


def on_values(function: Callable[..., Any], *xs: Any) -> Any:
    """`function` of arrays, where some are Masked: of their values; what exists in the result exists in all of them."""
    masks = [x.mask for x in xs if isinstance(x, Masked)]
    y = function(*(x.values if isinstance(x, Masked) else x for x in xs))
    if not masks:
        return y
    mask = masks[0]
    for other in masks[1:]:
        mask = np.logical_and(mask, other)
    return Masked(y, mask)


def name_of(layer: Any) -> str:
    """What messages call a layer: its own `name`, or its class's as a config writes it."""
    return getattr(layer, "name", None) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
