"""Elements picked by place, by mask or by index, and their transposes, which add cotangents where elements came from.

An index may repeat: the cotangents of an element that was picked twice are summed. Each transpose is an op of its own
whose rule picks again, so that gathering and scattering differentiate to any order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import EllipsisType, NoneType
from typing import Any, Literal

import numpy as np

from trainer import op
from trainer_ops._common import Array, converted, draw, refuse, shapes, summed_to

Mode = Literal["raise", "wrap", "clip"]
_BASIC = (int, np.integer, slice, NoneType, EllipsisType)


@op(implements=operator.getitem)
def getitem(x: Array, index: Any) -> Array:
    """x[index], with any index that NumPy understands."""
    return x[index]


@op
def scatter_add(values: Array, index: Any, *, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with `values` added at `index`: the transpose of `x[index]`.

    >>> scatter_add(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]), shape=(3,))
    array([5., 0., 2.])
    """
    if _is_basic(index) or (type(index) is not tuple and np.asarray(index).dtype == bool):
        y = np.zeros(shape, values.dtype)  # nothing is picked twice
        y[index] = values
        return y
    return _add_at(values, np.arange(int(np.prod(shape))).reshape(shape)[index], shape)


@scatter_add.assembled
def _(y: Array, values: Array, index: Any, *, shape: Any) -> list[Any] | None:
    place = y[index] if _is_basic(index) else None
    return [(place, values, False)] if isinstance(place, np.ndarray) and np.may_share_memory(place, y) else None


def _is_basic(index: Any) -> bool:
    """Whether no index is an array: what it picks is a view."""
    return all(isinstance(part, _BASIC) for part in (index if type(index) is tuple else (index,)))


def _add_at(values: Array, places: Array, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with `values` added at the elements numbered `places`. One axis: NumPy's quick case."""
    y = np.zeros(int(np.prod(shape)), values.dtype)
    np.add.at(y, places.ravel(), np.broadcast_to(values, places.shape).ravel())
    return y.reshape(shape)


getitem.nondifferentiable("index").defvjp(x=lambda dy, index, x_shape: scatter_add(dy, index, shape=x_shape))
scatter_add.nondifferentiable("index").defvjp(
    values=lambda dy, values_shape, index: summed_to(getitem(dy, index), values_shape)
)


def gathered_from(dy: Array, x_shape: tuple[int, ...], rearrange: Callable[[Any], Any]) -> Array:
    """The transpose of a rearrangement that copies elements: applied to the elements' own numbers it says where each
    came from, and there its cotangent is added."""
    size = int(np.prod(x_shape))
    if not size:
        return np.zeros(x_shape, dy.dtype)
    places = rearrange(np.arange(size).reshape(x_shape))
    return np.reshape(scatter_add(dy, places, shape=(size,)), x_shape)


@getitem.samples
def _(rng: np.random.Generator) -> list[Any]:
    x = rng.normal(size=(3, 4, 2))
    mask = rng.random((3, 4)) < 0.5
    indices = [
        1, slice(None, None, 2), (slice(1, None), None, -1), (..., 0), np.array([2, 0, 2]), np.array([[0, 0], [1, 2]]),
        (np.array([0, 2, 0]), slice(None), np.array([1, 1, 1])), mask, (np.array([0, 0]), np.array([1, 1])), (1, 2, 0),
    ]  # fmt: skip
    return [(x, i) for i in indices]


@scatter_add.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [
        (rng.normal(size=3), np.array([2, 0, 2]), {"shape": (4,)}),
        (rng.normal(size=(2, 4)), slice(1, None), {"shape": (3, 4)}),
        (rng.normal(size=(3, 2)), (slice(None), np.array([1, 1])), {"shape": (3, 4)}),
    ]


# Along one axis.


@op(implements=np.take)
def take(x: Array, indices: Array, *, axis: int | None = None, mode: Mode = "raise") -> Array:
    """The slices numbered `indices` along an axis, as `np.take`; of the flattened array for None."""
    return np.take(x, indices, axis=axis, mode=mode)


@op
def scatter_take(
    values: Array, indices: Array, *, shape: tuple[int, ...], axis: int | None = None, mode: Mode = "raise"
) -> Array:
    """Zeros of `shape` with `values` added at the slices numbered `indices`: the transpose of `take`.

    >>> scatter_take(np.ones((3, 2)), np.array([1, 1, 0]), shape=(2, 2), axis=0).tolist()
    [[1.0, 1.0], [2.0, 2.0]]
    """
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    return _add_at(values, np.take(numbers, indices, axis=axis, mode=mode), shape)


take.nondifferentiable("indices").defvjp(
    x=lambda dy, indices, x_shape, axis, mode: scatter_take(dy, indices, shape=x_shape, axis=axis, mode=mode)
)
scatter_take.nondifferentiable("indices").defvjp(
    values=lambda dy, values_shape, indices, axis, mode: summed_to(
        take(dy, indices, axis=axis, mode=mode), values_shape
    )
)
_ROWS = np.array([2, 0, 2])
draw(
    take,
    [(3, 4), _ROWS],
    [(3, 4), np.array([[0, 1], [1, 1]]), {"axis": 1}],
    [(3, 4), 1, {"axis": 0}],
    [(3,), _ROWS + 2, {"mode": "wrap"}],
)
draw(scatter_take, [(3, 4), _ROWS, {"shape": (3, 4), "axis": 0}], [(3,), _ROWS, {"shape": (2, 3)}])


@op(implements=np.take_along_axis)
def take_along_axis(x: Array, indices: Array, *, axis: int | None = -1) -> Array:
    """Per slice along the axis its own elements, as `np.take_along_axis`."""
    return np.take_along_axis(x, indices, axis)


@op
def scatter_along_axis(values: Array, indices: Array, *, shape: tuple[int, ...], axis: int | None = -1) -> Array:
    """Zeros of `shape` with `values` added per slice at `indices`: the transpose of `take_along_axis`.

    >>> scatter_along_axis(np.ones((2, 1)), np.array([[2], [0]]), shape=(2, 3)).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    return _add_at(values, np.take_along_axis(numbers, indices, axis), shape)


take_along_axis.nondifferentiable("indices").defvjp(
    x=lambda dy, indices, x_shape, axis: scatter_along_axis(dy, indices, shape=x_shape, axis=axis)
)
scatter_along_axis.nondifferentiable("indices").defvjp(
    values=lambda dy, values_shape, indices, axis: summed_to(np.take_along_axis(dy, indices, axis), values_shape)
)
_ALONG = np.array([[0, 0, 2], [3, 1, 1], [2, 3, 0]])
draw(take_along_axis, [(3, 4), _ALONG, {"axis": 1}], [(4, 3), _ALONG, {"axis": 0}], [(3,), _ROWS, {"axis": None}])
draw(scatter_along_axis, [(3, 3), _ALONG, {"shape": (3, 4), "axis": 1}])

# By condition. What a condition hides contributes exactly 0, were it nan or infinite.


def _where(condition: Array, x: Array = None, y: Array = None) -> Any:
    if x is None and y is None:
        from trainer.errors import OpError

        raise OpError("np.where(condition) alone gives indices; on a Tensor write np.nonzero(condition)")
    return (condition, x, y), {}


@op(implements=np.where, elementwise=True, binder=_where)
def where(condition: Array, x1: Array, x2: Array) -> Array:
    """x1 where the condition holds and x2 elsewhere, as `np.where`."""
    return np.where(condition, x1, x2)


where.zero("condition").defvjp(
    x1=lambda dy, condition: np.where(condition, dy, 0), x2=lambda dy, condition: np.where(condition, 0, dy)
)


def _clip(
    a: Array, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None, **others: Any
) -> Any:
    refuse("np.clip", out=out, **others)
    return (a, _given(a_min, min), _given(a_max, max)), {}


def _given(*values: Any) -> Any:
    """The first that is neither None nor absent."""
    return next((v for v in values if v is not None and v is not np._NoValue), None)


@op(implements=np.clip, elementwise=True, binder=_clip)
def clip(x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    """Held between two bounds, as `np.clip`. At a bound the gradient is x's; beyond it, the bound's."""
    return np.clip(x, low, high)


def _inside(x: Array, low: Array | None, high: Array | None) -> Array:
    return (x >= low if low is not None else True) & (x <= high if high is not None else True)


clip.defvjp(
    x=lambda dy, x, low, high: np.where(_inside(x, low, high), dy, 0),
    low=lambda dy, x, low, high: np.where((x < low) & (True if high is None else low <= high), dy, 0),
    high=lambda dy, x, low, high: np.where((x > high) if low is None else (np.maximum(x, low) > high), dy, 0),
)

_MASK = np.array([[True, False, True, True], [True, True, False, False], [False, True, True, True]])
draw(where, [_MASK, (3, 4), (3, 4)], [_MASK, (4,), 0.5], [_MASK[:, :1], (), (3, 4)])
draw(
    clip,
    [(3, 4), -0.5, 0.5],
    [(3, 4), (4,), {}],
    [(3, 4), None, np.asarray(0.3)],
    [(3, 4), np.full((3, 1), -0.4), np.full(4, 0.6)],
)


@op(implements=np.compress)
def compress(condition: Array, x: Array, *, axis: int | None = None) -> Array:
    """The slices along an axis where the condition holds, as `np.compress`."""
    return np.compress(condition, x, axis=axis)


@op(implements=np.extract)
def extract(condition: Array, x: Array) -> Array:
    """The elements where the condition holds, in one axis, as `np.extract`."""
    return np.extract(condition, x)


compress.nondifferentiable("condition").defvjp(
    x=lambda dy, condition, x_shape, axis: gathered_from(dy, x_shape, lambda x: compress(condition, x, axis=axis))
)
extract.nondifferentiable("condition").defvjp(
    x=lambda dy, condition, x_shape: gathered_from(dy, x_shape, lambda x: extract(condition, x))
)
draw(compress, [np.array([True, False, True]), (3, 4), {"axis": 0}], [np.array([False, True]), (3,)])
draw(extract, [_MASK, (3, 4)])

# Diagonals and triangles.


@op(implements=np.diagonal)
def diagonal(x: Array, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonal of two axes, as the last axis, as `np.diagonal`."""
    return np.diagonal(x, offset, axis1, axis2)


@op(implements=np.trace)
def trace(x: Array, *, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Array:
    """The sum of the diagonal of two axes, as `np.trace`."""
    return np.trace(x, offset, axis1, axis2, dtype)


@diagonal.vjp("x")
def _(dy: Array, x_shape: Any, *, offset: int, axis1: int, axis2: int) -> Array:
    return gathered_from(dy, x_shape, lambda x: np.diagonal(x, offset, axis1, axis2))


@trace.vjp("x")
def _(dy: Array, x_shape: Any, x_dtype: Any, *, offset: int, axis1: int, axis2: int) -> Array:
    length = np.diagonal(np.broadcast_to(0, x_shape), offset, axis1, axis2).shape[-1]
    same = np.broadcast_to(np.expand_dims(dy, -1), (*dy.shape, length))
    return converted(gathered_from(same, x_shape, lambda x: np.diagonal(x, offset, axis1, axis2)), x_dtype)


@op(implements=np.diag)
def diag(x: Array, *, k: int = 0) -> Array:
    """A matrix's diagonal, or a matrix with this diagonal, as `np.diag`."""
    return np.diag(x, k)


@op(implements=np.diagflat)
def diagflat(x: Array, *, k: int = 0) -> Array:
    """A matrix with the flattened array as its diagonal, as `np.diagflat`."""
    return np.diagflat(x, k)


@diag.vjp("x")
def _(dy: Array, x_shape: Any, *, k: int) -> Array:
    if len(x_shape) == 1:
        return np.diag(dy, k)
    return gathered_from(dy, x_shape, lambda x: np.diag(x, k))


diagflat.defvjp(x=lambda dy, x_shape, k: np.reshape(np.diag(dy, k), x_shape))


@op(implements=np.tril)
def tril(x: Array, *, k: int = 0) -> Array:
    """Zeros above the k-th diagonal, as `np.tril`."""
    return np.tril(x, k)


@op(implements=np.triu)
def triu(x: Array, *, k: int = 0) -> Array:
    """Zeros below the k-th diagonal, as `np.triu`."""
    return np.triu(x, k)


def _of_rows(dy: Array, shape: tuple[int, ...]) -> Array:
    """A vector is taken for each row of a matrix."""
    return np.sum(dy, axis=0) if len(shape) == 1 else dy


tril.defvjp(x=lambda dy, x_shape, k: _of_rows(np.tril(dy, k), x_shape))
triu.defvjp(x=lambda dy, x_shape, k: _of_rows(np.triu(dy, k), x_shape))
for _op in (diagonal, trace):
    draw(_op, *shapes((3, 4), (4, 3, 2)), [(3, 4), {"offset": 1}], [(2, 3, 4), {"offset": -1, "axis1": 2, "axis2": 0}])
for _op in (diag, diagflat):
    draw(_op, *shapes((3,)), [(3,), {"k": -1}])
draw(diag, *shapes((3,), (3, 4)), [(3,), {"k": 2}], [(3, 4), {"k": -1}])
for _op in (tril, triu):
    draw(_op, *shapes((3, 4), (2, 3, 3), (3,)), [(3, 4), {"k": 1}])
