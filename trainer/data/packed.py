"""Inputs of several parts, some in double precision and some narrower: a structured array, as NumPy calls it, with a
field for each part, laid flat.

So a few doubles beside a picture widen none of its pixels, and the rows lie one behind the other all the same: they
are sliced, gathered, joined, saved and given back as those of any other array.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trainer.types import Array, Shape

__all__ = ["packed", "packed_type", "shape_of", "unpacked", "widths_of"]


def packed_type(types: Mapping[str, np.dtype[Any]], widths: Mapping[str, int]) -> np.dtype[Any]:
    """The type of a row whose parts are so many numbers of these types.

    >>> packed_type({"a": np.dtype(np.uint8), "b": np.dtype(np.float64)}, {"a": 3, "b": 1}).itemsize
    11
    """
    return np.dtype([(name, dtype, (widths[name],)) for name, dtype in types.items()])


def widths_of(dtype: np.dtype[Any]) -> dict[str, int]:
    """How many numbers each part of a row has; none where a row is no structure."""
    return {name: dtype[name].shape[0] for name in dtype.names or ()}


def shape_of(inputs: Array) -> Shape:
    """The shape that the inputs have where all their numbers are of one type."""
    return inputs.shape if inputs.dtype.names is None else (*inputs.shape, sum(widths_of(inputs.dtype).values()))


def packed(values: Array, dtype: np.dtype[Any]) -> Array:
    """Numbers (n, total) in the types of the parts, of which they may be none."""
    made, end = np.empty(len(values), dtype), 0
    for name, width in widths_of(dtype).items():
        made[name] = values[:, end : end + width]
        end += width
    return made


def unpacked(inputs: Array, rows: slice | Array = slice(None), columns: slice = slice(None)) -> Array:
    """Some rows and columns of (n, total), as float64.

    >>> inputs = packed(np.array([[1, 2, 0.1], [3, 4, 0.2]]), np.dtype([("a", np.uint8, (2,)), ("b", float, (1,))]))
    >>> unpacked(inputs, slice(1, 2), slice(1, 3))
    array([[4. , 0.2]])
    """
    left, right, _ = columns.indices(shape_of(inputs)[1])
    some, end = [], 0
    for name, width in widths_of(inputs.dtype).items():
        some.append(inputs[name][rows, max(0, left - end) : max(0, right - end)])
        end += width
    made = np.empty((len(some[0]), right - left))  # row after row: a sum over columns in another order has other bits
    return np.concatenate(some, axis=1, out=made)
