"""Random numbers that any step can redraw.

Every draw names its purpose and its step, so nothing depends on how many numbers somebody else has drawn before, and a
run that resumes at step 10,000 draws what the uninterrupted run would have drawn there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from trainer.types import Array, Shape

__all__ = ["Drawing", "Sketch", "generator", "key"]

ROW = 4096  # numbers of a sketch, at most


class Drawing(np.random.Generator):
    """A generator that knows in which type the numbers are kept.

    Attributes:
        dtype: of initial values, which are drawn in double and cast a piece at a time.
    """

    dtype: np.dtype[Any] = np.dtype(np.float64)


def generator(seed: int, purpose: str, step: int = 0) -> Drawing:
    """A generator that is a function of its three arguments alone.

    The seed and a digest of the purpose are the key of a Philox counter generator (Salmon et al., *Parallel random
    numbers: as easy as 1, 2, 3*, 2011); the step is the high word of its counter, which leaves 2**192 blocks for each.

    >>> draws = [generator(0, "shuffle", step=3).permutation(5).tolist() for _ in range(2)]
    >>> draws[0] == draws[1]
    True
    """
    return Drawing(np.random.Philox(key=list(key(seed, purpose)), counter=[0, 0, 0, step]))


def key(seed: int, purpose: str) -> tuple[int, int]:
    """The two words of Philox's key for a seed and a purpose."""
    digest = hashlib.sha256(purpose.encode()).digest()
    return seed & 0xFFFF_FFFF_FFFF_FFFF, int.from_bytes(digest[:8], "little")


class Sketch(Drawing):
    """Draws shapes, for whoever wants to know what a network comes to and not what is in it.

    `drawn` gives a row of a few numbers that stands for all rows and takes no memory; `trainer.nn.initial.draw` asks
    for nothing else. Who draws by the other methods gets numbers of a Generator.

    counted: is told how many numbers a draw has, before there are any; what it raises, the draw does.

    >>> values = Sketch(print).drawn((1_000_000, 1_000_000))
    1000000000000
    >>> values.shape, values.strides
    ((1000000, 1000000), (0, 0))
    """

    def __init__(self, counted: Callable[[int], None] = lambda count: None) -> None:
        super().__init__(np.random.PCG64(0))
        self._counted = counted

    def drawn(self, shape: Shape) -> Array:
        """Numbers from -0.1 to 0.1; one, where the last axis is long. What is written to one row is in all."""
        self._counted(math.prod(shape))
        short = bool(shape) and shape[-1] <= ROW
        row = np.linspace(-0.1, 0.1, shape[-1] if short else 1)
        strides = [0] * len(shape)
        if short:
            strides[-1] = row.itemsize
        return as_strided(row, shape, strides)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        self._counted(math.prod(np.atleast_1d(1 if size is None else size).tolist()))
        return super().normal(loc, scale, size)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        self._counted(math.prod(np.atleast_1d(1 if size is None else size).tolist()))
        return super().uniform(low, high, size)
