"""Layers that put the numbers of an example into another shape, order or size. None has parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from trainer.errors import ShapeError
from trainer.limits import Checked, Limits
from trainer.types import Array, Shape
from trainer_ops._geometry import pairs, per_axis
from trainer_ops.layers._examples import spatial
from trainer_ops.layers.convolution import Count, Edges

__all__ = ["LAYERS"]


@dataclass(frozen=True)
class Reshape(Checked):
    """The numbers of each example in a new shape, in the same order: (m, …) → (m, *shape).

        - reshape: [8, 8, 1]
        - reshape: [-1, 3]

    Args:
        shape: of an example; one of its axes may be -1, which is whatever is left.
    """

    shape: tuple[Annotated[int, Limits(ge=-1)], ...]
    moves: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        return {}, self._shape(input_shape)

    def _shape(self, input_shape: Shape) -> Shape:
        count, known = math.prod(input_shape), math.prod(n for n in self.shape if n != -1)
        if self.shape.count(-1) > 1:
            raise ShapeError(f"only one axis of {list(self.shape)} can be -1, whatever is left")
        if 0 in self.shape:
            raise ShapeError(f"{list(self.shape)} has an axis of length 0, and so no numbers")
        if -1 not in self.shape:
            if known != count:
                raise ShapeError(f"{list(self.shape)} has {known:,} numbers, and each example has {count:,}")
            return self.shape
        if count % known:
            raise ShapeError(f"{list(self.shape)} has a multiple of {known:,} numbers, and each example has {count:,}")
        return tuple(count // known if n == -1 else n for n in self.shape)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return np.reshape(x, (x.shape[0], *self._shape(x.shape[1:])))


@dataclass(frozen=True)
class Permute(Checked):
    """The axes of each example in another order.

        - permute: [2, 0, 1]

    Args:
        axes: of an example, counted from 0, in their new order, as for `np.transpose`; Keras counts them from 1.
    """

    axes: tuple[Annotated[int, Limits(ge=0)], ...]

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        if sorted(self.axes) != list(range(len(input_shape))):
            raise ShapeError(
                f"axes: {list(self.axes)} must be {list(range(len(input_shape)))} in some order, the axes of an example"
            )
        return {}, tuple(input_shape[axis] for axis in self.axes)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return np.transpose(x, (0, *(axis + 1 for axis in self.axes)))


@dataclass(frozen=True)
class ZeroPadding(Checked):
    """Zeros around the spatial axes: (m, *spatial, channels) → (m, *larger, channels), for any number of them.

        - zero_padding: 1
        - zero_padding: [[0, 1], [2, 2]]

    Args:
        amount: how many at each end, 1; one number, one per axis, or a pair (before, after) per axis.
    """

    amount: Edges = 1

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        places = spatial("zero_padding", input_shape)
        edges = _edges(self.amount, len(places))
        return {}, (*(n + a + b for n, (a, b) in zip(places, edges, strict=True)), input_shape[-1])

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return np.pad(x, ((0, 0), *_edges(self.amount, x.ndim - 2), (0, 0)))


@dataclass(frozen=True)
class Cropping(Checked):
    """The spatial axes without their ends: (m, *spatial, channels) → (m, *smaller, channels).

        - cropping: 2
        - cropping: [[0, 1], [2, 2]]

    Args:
        amount: how many are cut off at each end, 1; one number, one per axis, or a pair (before, after) per axis.
    """

    amount: Edges = 1

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        places = spatial("cropping", input_shape)
        edges = _edges(self.amount, len(places))
        left = tuple(n - a - b for n, (a, b) in zip(places, edges, strict=True))
        if min(left) < 1:
            raise ShapeError(f"cropping by {self.amount} leaves {left} of {places}, which is nothing")
        return {}, (*left, input_shape[-1])

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        edges = _edges(self.amount, x.ndim - 2)
        return x[(slice(None), *(slice(a, n - b) for n, (a, b) in zip(x.shape[1:-1], edges, strict=True)))]


def _edges(amount: Any, rank: int) -> tuple[tuple[int, int], ...]:
    try:
        return pairs(amount, (0,) * rank, (1,) * rank, (1,) * rank)
    except ShapeError as error:
        raise ShapeError(str(error).replace("padding=", "amount: ")) from None


@dataclass(frozen=True)
class Upsampling(Checked):
    """Spatial axes made larger: (m, *spatial, channels) → (m, *spatial · factor, channels).

        - upsampling: 2
        - upsampling: {factor: [2, 3], method: linear}

    Args:
        factor: how much larger, 2; one number, or one per axis.
        method: 'nearest', which repeats each number, the default, or 'linear', which draws lines between them, axis by
            axis (bilinear for images). New numbers lie at the centres of equal parts of the old ones, and beyond the
            first and the last centre nothing changes: Keras, and PyTorch with align_corners=False.
    """

    factor: Count | tuple[Count, ...] = 2
    method: Literal["nearest", "linear"] = "nearest"

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        places = spatial("upsampling", input_shape)
        factors = per_axis("factor", self.factor, len(places))
        return {}, (*(n * f for n, f in zip(places, factors, strict=True)), input_shape[-1])

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        factors = per_axis("factor", self.factor, x.ndim - 2)
        if self.method == "nearest":
            return _repeated(x, factors)
        for axis, factor in enumerate(factors, start=1):
            x = _interpolated(x, axis, factor)
        return x


def _repeated(x: Any, factors: Shape) -> Any:
    apart = [part for n in x.shape[1:-1] for part in (n, 1)]
    copies = [part for n, f in zip(x.shape[1:-1], factors, strict=True) for part in (n, f)]
    larger = [n * f for n, f in zip(x.shape[1:-1], factors, strict=True)]
    first, last = x.shape[0], x.shape[-1]
    spread = np.broadcast_to(np.reshape(x, (first, *apart, last)), (first, *copies, last))
    return np.reshape(spread, (first, *larger, last))


def _interpolated(x: Any, axis: int, factor: int) -> Any:
    """A matrix product along one axis."""
    if factor == 1:
        return x
    n, rest = x.shape[axis], x.shape[axis + 1 :]
    rows = np.reshape(x, (-1, n, math.prod(rest)))
    y = np.matmul(_weights(n, factor, x.dtype.name), rows)
    return np.reshape(y, (*x.shape[:axis], n * factor, *rest))


@lru_cache(maxsize=64)
def _weights(n: int, factor: int, dtype: str) -> Array:
    """How much each new number takes of each old one, (n · factor, n)."""
    centres = np.clip((np.arange(n * factor) + 0.5) / factor - 0.5, 0, n - 1)
    weights: Array = np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(n))).astype(dtype)
    weights.flags.writeable = False  # many calls share it
    return weights


LAYERS = (Reshape, Permute, ZeroPadding, Cropping, Upsampling)
