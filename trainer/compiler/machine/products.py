"""How NumPy sums a product of matrices: found by trial, so that the machine can do it itself, to the bit.

Each element of a product is a sum along k. OpenBLAS does most of them in one chain of fused operations and others in
two, by where they stand; long sums it cuts. Random matrices of the shapes and layouts in question are multiplied by
NumPy, and by the machine in either way: each row of each block of eight columns has to be the one or the other. The
executor compares what is found with NumPy once more, as every instruction.
"""

from __future__ import annotations

from collections.abc import Hashable
from time import thread_time
from typing import NamedTuple

import numpy as np

from trainer.compiler import blas
from trainer.compiler.machine import _machine as m
from trainer.compiler.machine import instructions as make
from trainer.types import Array

__all__ = ["Sums", "sums_of"]

BLOCK = 8  # columns of one class
ALL = np.ones(BLOCK, bool).view(np.uint64)  # of which each is right
SMALL, LARGE, LARGEST = 1 << 18, 1 << 24, 1 << 31  # multiply-adds
BYTES = 1 << 25  # of matrices that are tried
NUMBERS = 16_411  # random ones, of which they are made; a prime, so that no two rows or columns begin alike
# The length at which OpenBLAS cuts sums along k, and the unit of what it cuts off the rest, by dtype: with its kernels
# for AVX2, and with those for AVX-512.
_CUTS = {np.dtype(np.float32): ((320, 8), (448, 16)), np.dtype(np.float64): ((256, 4), (384, 16))}
_first: list[int] = [0, 1, 2]  # the order in which these, and sums of small products, are tried

MOST = 256  # findings that are kept


class Sums(NamedTuple):
    """`classes`: 1 or 2 chains, for each row and block of eight columns; `cuts`: where the pieces of a sum end; `zero`:
    to what they are added in the end; `whole`: NumPy's own, where that is the quicker one for one thread."""

    classes: bytes
    cuts: tuple[int, ...]
    zero: float = 0.0
    whole: np.ufunc | None = None


_found: dict[Hashable, Sums | None] = {}


def cuts_of(k: int, length: int, unit: int) -> tuple[int, ...]:
    """Where the pieces of a sum of k end: as long as `length`, and the last two of what is left alike.

    >>> cuts_of(300, 320, 8), cuts_of(784, 320, 8)
    ((300,), (320, 552, 784))
    """
    ends, left = [0], k
    while left:
        piece = min(left, length)
        if length < left < 2 * length:
            piece = -(-(left // 2) // unit) * unit
        ends.append(ends[-1] + piece)
        left = k - ends[-1]
    return tuple(ends[1:])


def sums_of(a: Array, b: Array, out: Array) -> Sums | None:
    """How NumPy sums the product of two matrices of these shapes and layouts, where the machine can do the same; else
    None. Found once in a process."""
    key = (blas.threads(), out.dtype, *((array.shape, array.strides) for array in (a, b, out)))
    if key not in _found:
        if len(_found) == MOST:
            del _found[next(iter(_found))]
        _found[key] = _search(a, b, out)
    return _found[key]


def _search(a: Array, b: Array, out: Array) -> Sums | None:
    (n, k), columns, dtype = a.shape, b.shape[1], out.dtype
    if not m.VECTORS or dtype not in _CUTS or min(n, k, columns) < 2:
        return None
    if n * k * columns > LARGEST or a.nbytes + b.nbytes + out.nbytes > BYTES:
        return None
    ways = [*((cuts_of(k, *cut), 0.0) for cut in _CUTS[dtype]), ((k,), -0.0)]
    tried = set()
    for number in list(_first):
        if repr(ways[number]) in tried:
            continue
        tried.add(repr(ways[number]))
        found = _found_by(a, b, out, *ways[number])
        if found is not None:
            _first.remove(number)
            _first.insert(0, number)
            return found
    return None


def _found_by(a: Array, b: Array, out: Array, cuts: tuple[int, ...], zero: float) -> Sums | None:
    """The classes with which sums that are cut so have NumPy's bits, if there are any."""
    (n, k), columns, dtype = a.shape, b.shape[1], out.dtype
    work, blocks, rng = n * k * columns, -(-columns // BLOCK), np.random.default_rng(0)
    ways = [Sums(bytes([way]) * (n * blocks), cuts, zero) for way in (1, 2)]
    right = np.ones((2, n, blocks * BLOCK), bool)
    numpys, own = [], []
    draws = 3 if work < LARGE else 2  # of two ways that differ, no eight elements agree by luck in all of them
    bits = np.dtype(f"u{dtype.itemsize}")  # which tell zeros of different signs apart
    numbers, place = rng.standard_normal(NUMBERS, dtype.type), np.empty(out.shape, dtype)
    for draw in range(draws):
        left, top = (_like(array, numbers, int(rng.integers(NUMBERS))) for array in (a, b))
        if draw == 0:  # sums of products below the smallest number, from the negative side
            left[[0, -1]], top[:, [0, -1]] = -np.finfo(dtype).tiny, np.finfo(dtype).tiny
        began = thread_time()
        expected = np.matmul(left, top)
        numpys.append(thread_time() - began)
        for way, sums in enumerate(ways):
            machine = m.Machine([make.product(left, top, place, *sums)])
            began = thread_time()
            machine.run(0, 1)
            own.append(thread_time() - began)
            right[way, :, :columns] &= place.view(bits) == expected.view(bits)
        one, two = right.view(np.uint64) == ALL  # eight elements at a time
        if not (one | two).all():
            return None
    slower = work > SMALL and min(own) > min(numpys)  # small ones are quicker wherever right
    return Sums(np.where(one, 1, 2).astype(np.uint8).tobytes(), cuts, zero, np.matmul if slower else None)


def _like(array: Array, numbers: Array, start: int) -> Array:
    """These numbers in the array's layout, from `start` on and over and over."""
    given = np.empty_like(array)
    given.ravel("K")[...] = np.resize(np.roll(numbers, start), given.size)  # a view: nothing lies between its elements
    return given
