"""Random numbers that any step can redraw.

Every draw names its purpose and its step, so nothing depends on how many numbers somebody else has drawn before, and a
run that resumes at step 10,000 draws what the uninterrupted run would have drawn there.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["generator", "key"]


def generator(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """A generator that is a function of its three arguments alone.

    The seed and a digest of the purpose are the key of a Philox counter generator (Salmon et al., *Parallel random
    numbers: as easy as 1, 2, 3*, 2011); the step is the high word of its counter, which leaves 2**192 blocks for each.

    >>> draws = [generator(0, "shuffle", step=3).permutation(5).tolist() for _ in range(2)]
    >>> draws[0] == draws[1]
    True
    """
    return np.random.Generator(np.random.Philox(key=list(key(seed, purpose)), counter=[0, 0, 0, step]))


def key(seed: int, purpose: str) -> tuple[int, int]:
    """The two words of Philox's key for a seed and a purpose."""
    digest = hashlib.sha256(purpose.encode()).digest()
    return seed & 0xFFFF_FFFF_FFFF_FFFF, int.from_bytes(digest[:8], "little")
