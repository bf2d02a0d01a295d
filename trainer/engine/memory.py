"""Where an array's elements lie, and whether somebody else may write to them."""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from trainer.engine.tree import refilled
from trainer.types import Array

__all__ = ["ALIGNMENT", "aligned", "forget", "is_dense", "laid_out", "may_change", "own"]

LARGE = 1 << 20  # bytes
ALIGNMENT = 64  # bytes: a line of the cache, and the longest of vectors
_FIXED = frozenset({int, float, bool, complex, str, type(None), type(Ellipsis)})


def aligned(nbytes: int) -> Array:
    """So many zero bytes that begin at a line of the cache."""
    whole = np.zeros(nbytes + ALIGNMENT, np.uint8)
    start = -whole.ctypes.data % ALIGNMENT
    return whole[start : start + nbytes]


def forget(array: Array) -> None:
    """Give the pages of an array whose numbers nobody needs back to the system: it holds zeros, or what it held.

    Only for memory that is the array's own. Where no system call does this, the pages stay.
    """
    if sys.platform == "linux" and array.nbytes >= LARGE:
        low, high = byte_bounds(array)
        start, end = -(-low // mmap.PAGESIZE) * mmap.PAGESIZE, high // mmap.PAGESIZE * mmap.PAGESIZE
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def is_dense(array: Array) -> bool:
    """Whether an array's elements lie side by side in some order of its axes, as those of a program's values do."""
    if not array.flags.aligned or not array.dtype.isnative:
        return False
    if array.flags.forc:
        return True
    wanted = array.itemsize
    for stride, length in sorted(zip(array.strides, array.shape, strict=True)):
        if length > 1:
            if stride != wanted:
                return False
            wanted *= length
    return True


def laid_out(array: Array) -> Array:
    """A copy whose elements lie as the array's do, gaps and repetitions too: NumPy adds up in an order that depends on
    it."""
    if is_dense(array):
        return np.array(array, order="K")
    low, high = byte_bounds(array)
    start = low % ALIGNMENT
    memory = aligned(start + high - low)
    offset = start + array.__array_interface__["data"][0] - low
    copy: Array = np.ndarray(array.shape, array.dtype, memory.data, offset, array.strides)
    copy[...] = array
    return copy


def may_change(array: Array) -> bool:
    """Whether anybody may write to an array: it, or what it is a view of, is writeable."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        if 0 in owner.strides or owner.flags.writeable:  # of a broadcast array NumPy warns who asks for its flag
            return True
        owner = owner.base
    return owner is not None  # memory that is not NumPy's own


def own(value: object) -> Any:
    """The same, with copies of the arrays that somebody else may write to, in tuples, lists, dicts and slices too."""
    if type(value) is np.ndarray:
        return laid_out(value) if may_change(value) else value
    if type(value) is tuple and _FIXED.issuperset(map(type, value)):
        return value
    return refilled(value, own) if isinstance(value, tuple | list | dict) or type(value) is slice else value
