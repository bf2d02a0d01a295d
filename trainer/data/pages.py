"""Memory for large arrays of data that goes back to the system page by page, while what was in it goes elsewhere.

What a file holds is scaled, cast and split on its way into the arrays that training reads, in another type and another
order than it came in. Freed as a whole, it would be there twice until the last row is done; given back behind each
row, hardly more is there at any time than the larger of the two.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from trainer.types import Array, Shape

__all__ = ["give_back", "joined", "moved", "pages"]

LEAST = 2**20  # bytes from which on it pays
AT_ONCE = 2**21  # bytes that go back together, which is a large page where there are such
_HUGE = getattr(mmap, "MADV_HUGEPAGE", None)  # as NumPy asks for, where the system decides by array
_GONE = getattr(mmap, "MADV_DONTNEED", None)


class _Pages(mmap.mmap):
    """Memory of this process alone, at some multiple of a page."""

    back: int = 0  # bytes at its beginning that were given back


def pages(shape: Shape, dtype: npt.DTypeLike) -> Array:
    """An array of zeros whose memory `give_back` takes; an ordinary one where it is small, or the system has no way.

    Raises MemoryError, as NumPy words it.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LEAST or _GONE is None or not hasattr(mmap, "MAP_ANONYMOUS"):
        return np.zeros(shape, dtype)
    try:
        memory = _Pages(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError):
        return np.zeros(shape, dtype)  # which says what was asked for
    if _HUGE is not None:
        with suppress(OSError):  # of a kernel that has none
            memory.madvise(_HUGE)
    return np.ndarray(shape, dtype, memory)


def give_back(array: Array, rows: int) -> None:
    """Let go of the first rows of an array, which are zeros from then on, as is what lies beside them in its memory.

    It does nothing for an array that is not in memory of `pages`, or does not lie there row after row. Large pages go
    back whole, the last one with the last row.
    """
    whole = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    memory = whole.base
    if _GONE is None or not isinstance(memory, _Pages) or not array.size or array.strides[0] < max(array.strides):
        return
    first = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    end = first + min(rows, len(array)) * array.strides[0]
    end -= end % (AT_ONCE if rows < len(array) else mmap.PAGESIZE)  # what follows in a page may be somebody's still
    start = max(memory.back, first + -first % mmap.PAGESIZE)
    if end > start:
        memory.madvise(_GONE, start, end - start)
        memory.back = end


def moved(array: Array, into: Array) -> None:
    """Copy rows to as many others, cast to their type, and give each back when it is copied."""
    width = max(1, math.prod(into.shape[1:]) * into.itemsize)
    together = max(1, AT_ONCE // width)
    for start in range(0, len(array), together):
        into[start : start + together] = array[start : start + together]
        give_back(array, start + together)


def joined(arrays: Sequence[Array]) -> Array:
    """The rows of arrays of one type, one array behind the other; they are given back.

    >>> joined([np.zeros((1, 2)), np.ones((2, 2))])
    array([[0., 0.],
           [1., 1.],
           [1., 1.]])
    """
    made = pages((sum(map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype)
    end = 0
    for array in arrays:
        moved(array, made[end : end + len(array)])
        end += len(array)
    return made
