"""Calls whose arrays lie inside of their arguments: `x[i, labels]`, or a plugin's op that takes a tuple.

A program knows the arrays that an instruction takes one by one, so such a call is written down with each of them as an
input of its own, and a forward function that puts them back in their places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trainer.engine.holders import Number
from trainer.engine.op import Op
from trainer.engine.tensor import Tensor
from trainer.engine.tree import refilled

__all__ = ["Packed", "unpacked"]

# What stands in a holder for an array, and for a Python float, that is an input of the instruction.
_ARRAY, _FLOAT = object(), object()


class Packed:
    """A forward function whose arrays lie inside of its arguments: it takes them one by one."""

    def __init__(self, forward: Callable[..., object], holders: tuple[object, ...]) -> None:
        self.forward = forward
        self.holders = holders

    def __call__(self, *leaves: object, **attributes: object) -> object:
        return self.forward(*self.arguments(leaves), **attributes)

    def arguments(self, leaves: Sequence[object]) -> tuple[Any, ...]:
        """The forward function's arguments, with these in the arrays' places."""
        coming = iter(leaves)

        def fill(part: object) -> object:
            if part is _FLOAT:
                leaf = next(coming)
                return leaf.item() if isinstance(leaf, np.ndarray | np.generic) else leaf
            return next(coming) if part is _ARRAY else part

        return tuple(refilled(holder, fill) for holder in self.holders)


def unpacked(op: Op, args: Sequence[object], attributes: dict[str, object]) -> tuple[Op, Sequence[Any]]:
    """The call with every array that lies in a tuple, a list, a dict or a slice as an argument of its own."""
    if isinstance(op.forward, np.ufunc) and not attributes:
        return op, args
    leaves: list[Any] = []

    def leaf(value: object) -> object:
        if not isinstance(value, Tensor | np.ndarray) and type(value) is not Number:
            return value
        leaves.append(value)
        return _FLOAT if type(value) is Number else _ARRAY

    holders = tuple(refilled(a, leaf) for a in args)
    if len(leaves) == sum(isinstance(a, Tensor | np.ndarray) for a in args):
        return op, args  # no array lies within an argument
    packed = Op(Packed(op.forward, holders), name=op.name, inputs=("arrays",))
    packed.primitive = op.primitive
    return packed, leaves
