"""Rows by number: a table's rows looked up, and rows of one number summed, which is the transpose."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer import op
from trainer.errors import ShapeError
from trainer_ops._common import Array, draw

__all__ = ["embedding", "one_hot", "segment_mean", "segment_sum"]


@op
def embedding(table: Array, index: Array) -> Array:
    """The table's rows of those numbers: table (rows, …), index of any shape → (*index, …).

    Negative numbers count from the end, as in NumPy; others that the table does not have are an error. The gradient of
    a row is the sum over its uses.

    >>> embedding(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 1, 0])).tolist()
    [[3.0, 4.0], [3.0, 4.0], [1.0, 2.0]]
    """
    _check("embedding", index)
    if not table.shape:
        raise ShapeError("embedding takes a table (rows, …), and a scalar came")
    return np.take(table, index, axis=0)


def _check(name: str, index: Array) -> None:
    dtype = np.result_type(index)
    if dtype.kind not in "iu":
        raise ShapeError(f"{name} counts rows with integers, and the index is {dtype}; write index.astype(int)")


@op
def segment_sum(values: Array, index: Array, *, count: int) -> Array:
    """The sum of the values that share a number: values (*index, …), index of any shape → (count, …).

    A number that does not occur has the sum 0.

    >>> segment_sum(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]), count=3)
    array([5., 0., 2.])
    """
    index = np.asarray(index)
    _check("segment_sum", index)
    shape = np.shape(values)
    if shape[: index.ndim] != index.shape:
        raise ShapeError(
            f"segment_sum takes values whose first axes are the index's: values are {shape} and index {index.shape}"
        )
    if index.size and not -count <= index.min() <= index.max() < count:
        raise ShapeError(
            f"segment_sum has count={count} segments, and the index runs from {index.min()} to {index.max()}"
        )
    rest = shape[index.ndim :]
    size = math.prod(rest)
    y = np.zeros(count * size, values.dtype)
    # Element by element on one axis is NumPy's quick case, four times as fast as adding whole rows.
    np.add.at(y, (np.reshape(index, (-1, 1)) * size + np.arange(size)).ravel(), np.ravel(values))
    return np.reshape(y, (count, *rest))


embedding.nondifferentiable("index").defvjp(
    table=lambda dy, index, table_shape: segment_sum(dy, index, count=table_shape[0])
)
segment_sum.nondifferentiable("index").defvjp(values=lambda dy, index: embedding(dy, index))


@op
def segment_mean(values: Array, index: Array, *, count: int) -> Array:
    """The mean of the values that share a number: values (*index, …), index of any shape → (count, …).

    A number that does not occur has the mean 0.

    >>> segment_mean(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]), count=3)
    array([2.5, 0. , 2. ])
    """
    return segment_sum(values, index, count=count) / _sizes(index, count, np.ndim(values), values.dtype)


def _sizes(index: Array, count: int, ndim: int, dtype: Any) -> Array:
    """How many values each segment has, at least 1, shaped to divide a (count, …) of values with `ndim` axes."""
    sizes = np.maximum(segment_sum(np.ones(np.shape(index), dtype), index, count=count), 1)
    return np.reshape(sizes, (count,) + (1,) * (ndim - np.ndim(index)))


@segment_mean.vjp("values")
def _(dy: Array, index: Array, values_shape: Any, *, count: int) -> Array:
    return embedding(dy / _sizes(index, count, len(values_shape), dy.dtype), index)


segment_mean.nondifferentiable("index")


@op
def one_hot(index: Array, *, classes: int, dtype: str = "float64") -> Array:
    """1 at the place of each number and 0 elsewhere: index of any shape → (*index, classes).

    A number outside of 0 … classes − 1 gives zeros.

    >>> one_hot(np.array([2, 0]), classes=3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    _check("one_hot", index)
    return (np.expand_dims(index, -1) == np.arange(classes)).astype(dtype)


one_hot.nondifferentiable("index")

# Samples, with numbers that repeat and one that does not occur.

_INDEX, _GRID = np.array([2, 0, 2, 3]), np.array([[0, 3, 3], [1, 0, 3]])
draw(embedding, [(4, 3), _INDEX], [(4, 2), _GRID], [(4,), _GRID])
for _op in (segment_sum, segment_mean):
    draw(_op, [(4, 3), _INDEX, {"count": 4}], [(2, 3, 2), _GRID, {"count": 5}], [(4,), _INDEX, {"count": 4}])
draw(one_hot, [_INDEX, {"classes": 4}], [_GRID, {"classes": 4, "dtype": "float32"}])
