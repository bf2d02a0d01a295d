"""What the families share: names for types, axis arithmetic, and the samples that the checker draws.

Families read like the reference: an op per line or two, from simple to tricky. Every rule is plain NumPy on arrays that
may be Tensors, so a rule is itself differentiable; it branches on shapes and attributes, never on values. A constant in
a rule is a Python number, which takes the array's dtype; a NumPy scalar would turn float32 into float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trainer import Op
from trainer.types import ArrayLike as Array

__all__ = [
    "Array",
    "Axis",
    "axes_of",
    "converted",
    "draw",
    "elementwise",
    "placed",
    "reduced_size",
    "refuse",
    "restore",
    "shapes",
    "shared",
    "summed_to",
    "total",
    "with_axes",
]

Axis = int | tuple[int, ...] | None


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes that `axis` names, from 0 to ndim - 1; all of them for None.

    An array of no axes has none, whatever the name: NumPy's reductions take 0 and -1 there.

    >>> axes_of(-1, 3), axes_of(None, 2), axes_of(-1, 0)
    ((2,), (0, 1), ())
    """
    if axis is None or ndim == 0:
        return tuple(range(ndim))
    return tuple(a % ndim for a in ((axis,) if isinstance(axis, int | np.integer) else axis))


def reduced_size(shape: Sequence[int], axis: Axis) -> int:
    """How many elements a reduction over `axis` takes for each of its results."""
    size = 1
    for a in axes_of(axis, len(shape)):
        size *= shape[a]
    return size


def restore(reduced: Array, shape: Sequence[int], axis: Axis, keepdims: bool) -> Array:
    """A reduction's result with the reduced axes back, of length 1, so that it broadcasts against the input."""
    if keepdims or axis is None:
        return reduced
    return np.expand_dims(reduced, tuple(sorted(axes_of(axis, len(shape)))))


def placed(weights: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """The weights with an axis for each of x's."""
    if weights.shape == shape:
        return weights
    axes = axes_of(axis, len(shape))
    turned = np.transpose(weights, tuple(np.argsort(axes)))
    return np.reshape(turned, tuple(n if a in axes else 1 for a, n in enumerate(shape)))


def converted(g: Array, dtype: Any) -> Array:
    """A cotangent in the dtype of its input; of a complex one, where the input is real, the real part."""
    return (np.real(g) if dtype.kind == "f" and g.dtype.kind == "c" else g).astype(dtype, copy=False)


def shared(dy: Array, n: Any) -> Array:
    """δy/n for a count n, which may be beyond float16's 65,504 where the quotient is not."""
    return (dy.astype(np.float32) / n).astype(np.float16) if dy.dtype == np.float16 else dy / n


def total(x: Array, axis: Axis) -> Array:
    """Σ x with the axes kept, in float32 for float16, whose range many small numbers leave."""
    return np.sum(x, axis=axis, keepdims=True, dtype=np.float32 if x.dtype == np.float16 else None)


def summed_to(g: Array, shape: tuple[int, ...]) -> Array:
    """A cotangent summed down to the shape of an array that was broadcast to it."""
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1))
    return np.reshape(np.sum(g, axis=axes), shape)


def with_axes(name: str, least: int, *arrays: Array) -> None:
    """Raise a ShapeError for arrays of fewer axes than an op needs."""
    from trainer.errors import ShapeError

    for x in arrays:
        if np.ndim(x) < least:
            what = {1: "vectors", 2: "matrices"}[least]
            raise ShapeError(f"{name} takes {what}, or stacks of them, and an array of shape {np.shape(x)} came")


def refuse(function: str, **arguments: Any) -> None:
    """Raise an OpError for an argument of NumPy's `function` that came, and that a call on Tensors cannot honour."""
    from trainer.errors import OpError

    for name, value in arguments.items():
        if value is not None and value is not np._NoValue:
            hint = "a Tensor is never written to; use the result instead" if name == "out" else "leave it out"
            raise OpError(f"argument '{name}' of {function} cannot be used on a Tensor: {hint}")


# Samples.


def draw(op: Op, *cases: Sequence[Any], low: float | None = None, high: float = 2.0) -> Op:
    """Give `op` samples. A case lists its arrays and, last, a dict of attributes.

    A tuple of ints is a shape: standard normal numbers are drawn for it, or uniform ones from [low, high) where `low`
    is given. Anything else stands for itself.
    """

    def samples(rng: np.random.Generator) -> list[tuple[Any, ...]]:
        return [tuple(_draw(item, rng, low, high) for item in case) for case in cases]

    op.samples(samples)
    return op


def shapes(*cases: tuple[int, ...]) -> list[list[Any]]:
    """One case per shape, for an op of one array."""
    return [[shape] for shape in cases]


def _draw(item: Any, rng: np.random.Generator, low: float | None, high: float) -> Any:
    if type(item) is not tuple:
        return item
    return np.asarray(rng.normal(size=item) if low is None else rng.uniform(low, high, item))


def elementwise(*ops: Op, low: float = -2.0, high: float = 2.0, cast: Callable[[Any], Any] | None = None) -> None:
    """Give element-wise ops samples on [low, high): a matrix, a 0-d array and, for two inputs, shapes that broadcast
    and Python numbers. `cast` makes the second input something else, such as integers."""
    for op in ops:
        _elementwise(op, low, high, cast)


def _elementwise(op: Op, low: float, high: float, cast: Callable[[Any], Any] | None) -> None:
    def samples(rng: np.random.Generator) -> list[tuple[Any, ...]]:
        def some(*shape: int) -> Any:
            return np.asarray(rng.uniform(low, high, shape))

        if len(op.inputs) == 1:
            return [(some(3, 4),), (some(),)]
        pairs = [(some(3, 4), some(3, 4)), (some(3, 1), some(4)), (some(), some(2, 3))]
        if cast is not None:
            return [(a, cast(b)) for a, b in pairs]
        return [*pairs, (some(3), float(some())), (float(some()), some(3))]

    op.samples(samples)
