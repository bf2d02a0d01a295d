"""Memory of a program: where each value lies, from its computation to its last use.

Values are dense arrays laid out as eager NumPy lays them out. How long each of them stays is settled for the whole
program (`trainer.compiler.lifetimes`) before the first place is given away (`trainer.compiler.offsets`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from trainer.compiler.lifetimes import Lifetimes, dense
from trainer.compiler.offsets import end_of, offsets
from trainer.compiler.program import Value
from trainer.engine.memory import aligned
from trainer.types import Array

__all__ = ["Buffers"]


class Buffers:
    """Places for the values of a program.

    Args:
        lives: how long they stay there.
        spare: memory that is free before the first instruction.

    Attributes:
        blocks: all the memory, as bytes: what was spare, and what is needed beside it.
    """

    def __init__(self, lives: Lifetimes, spare: Sequence[Array] = ()) -> None:
        walls = [*accumulate(block.nbytes for block in spare)]
        self._lives, self._offsets = lives, offsets(lives.stays, walls)
        more = end_of(lives.stays, self._offsets) - (walls[-1] if walls else 0)
        self.blocks: list[Array] = [*spare, *([aligned(more)] if more > 0 else [])]
        self._starts = [0, *accumulate(block.nbytes for block in self.blocks)]

    @property
    def nbytes(self) -> int:
        """Bytes of all blocks."""
        return sum(b.nbytes for b in self.blocks)

    def array(self, value: Value) -> Array:
        """Where a result is computed that is no view and is not written over an input."""
        lives = self._lives
        start = self._offsets[lives.stay[lives.owner(value)]] + lives.within.get(value, 0)
        block = bisect_right(self._starts, start, hi=len(self.blocks)) - 1
        return dense(value, self.blocks[block][start - self._starts[block] :])
