"""Where in one memory values lie, some of which are alive at once.

The largest is placed first, and of equal ones that which stays the longest; each at the lowest offset at which it meets
nothing that is alive with it (Pisarchyk & Lee, *Efficient Memory Management for Deep Neural Net Inference*, 2020): what
is small fits between what is large, and little is lost.

Threads that go through some rows of a batch each have to wait for one another where rows begin elsewhere than they did
for what was there before. So a small value does not come soon to where something else was, unless that had as many
bytes, in rows as long: values of one size begin at multiples of it, and two of them are in one place, or apart. Where
that takes too much, what stays the longest is placed first, or it is soon enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainer.engine.memory import ALIGNMENT
from trainer.types import Array

__all__ = ["Stay", "at_once", "end_of", "lines", "most_at_once", "offsets", "placed"]

SMALL = 1 << 16  # bytes
SOON = 64, 16, 0  # instructions: the first is taken that does not take too much
TOO_MUCH = 1.1  # of what is there at once, where that is more than a little
LITTLE = 1 << 20  # bytes
_NEVER = np.iinfo(np.int64).max


class Stay(NamedTuple):
    """A value's time in memory: how many bytes, in whole lines of the cache; from which instruction to which; and how
    many bytes a row has."""

    nbytes: int
    first: int
    last: int
    row: int = 0


def offsets(stays: Sequence[Stay], walls: Sequence[int] = ()) -> list[int]:
    """Where each of them begins, at a line of the cache; none lies across a wall.

    The third comes when the first is gone, and the second is there with both:

    >>> offsets([Stay(128_000, 0, 4), Stay(256_000, 2, 9), Stay(96_000, 5, 9)])
    [256000, 0, 256000]
    """
    enough = max(LITTLE, TOO_MUCH * most_at_once(stays))
    best: tuple[int, list[int]] | None = None
    for soon in SOON:
        for longest_first in (False, True):
            found = placed(stays, walls, soon, longest_first)
            end = end_of(stays, found)
            if end <= enough:
                return found
            best = min(best or (end, found), (end, found))
    assert best is not None
    return best[1]


def placed(stays: Sequence[Stay], walls: Sequence[int], soon: int, longest_first: bool = False) -> list[int]:
    """The offsets, where what comes so many instructions later comes soon; the largest first, and of equal ones the
    longest, or the other way round."""
    found = [0] * len(stays)
    kinds: dict[tuple[int, int], int] = {}  # of the small ones
    # Those that are placed, a column each, by where they begin: where they begin and end, from when on nothing else may
    # be there, from when to when they are, and their kind.
    columns = np.empty((6, len(walls) + len(stays)), np.int64)
    for count, wall in enumerate(walls):
        columns[:, count] = wall, wall, -1, -1, _NEVER, -1
    count = len(walls)
    ranks = [(-stay.nbytes, stay.first - stay.last) for stay in stays]
    for i in sorted(range(len(stays)), key=lambda i: ranks[i][::-1] if longest_first else ranks[i]):
        size, first, last, row = stays[i]
        begins, ends, sinces, firsts, lasts, theirs = columns[:, :count]
        if size > SMALL or not soon:
            unit, since, kind = ALIGNMENT, first, -1
            met = (sinces <= last) & (lasts >= since)
        else:
            unit, since, kind = size, first - soon, kinds.setdefault((size, row), len(kinds))
            met = (sinces <= last) & (lasts >= since) & ((theirs != kind) | ((firsts <= last) & (lasts >= first)))
        # A gap is from the furthest end so far to where the next one begins.
        gaps = -(-np.concatenate(([0], np.maximum.accumulate(ends[met]))) // unit) * unit
        fits = gaps + size <= np.concatenate((begins[met], [_NEVER]))
        found[i] = begin = int(gaps[fits.argmax()])
        at = int(np.searchsorted(begins, begin))
        columns[:, at + 1 : count + 1] = columns[:, at:count].copy()
        columns[:, at] = begin, begin + size, since, first, last, kind
        count += 1
    return found


def end_of(stays: Sequence[Stay], places: Sequence[int]) -> int:
    """How much memory they take at these places."""
    return max((place + stay.nbytes for place, stay in zip(places, stays, strict=True)), default=0)


def most_at_once(stays: Sequence[Stay]) -> int:
    """The bytes that are there at once, when they are most: no plan takes less.

    >>> most_at_once([Stay(128_000, 0, 4), Stay(256_000, 2, 9), Stay(96_000, 5, 9)])
    384000
    """
    return int(at_once(stays).max())


def at_once(stays: Sequence[Stay]) -> Array:
    """The bytes that are there at each instruction."""
    change = np.zeros(max((stay.last for stay in stays), default=0) + 2, np.int64)
    for stay in stays:
        change[stay.first] += stay.nbytes
        change[stay.last + 1] -= stay.nbytes
    return change.cumsum()


def lines(nbytes: int) -> int:
    """The bytes of as many lines of the cache as hold so many, and at least one."""
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT
