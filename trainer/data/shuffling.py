"""The order in which an epoch reads the training rows.

Rows in memory are shuffled freely. Rows on disk are read a page at a time, and a page that holds a single wanted row
costs as much as one full of them: so they are shuffled by blocks of neighbours. The blocks come in random order, and
the rows of several blocks together are shuffled, so that a batch holds rows of many blocks and only so many blocks need
to be in memory.
"""

from __future__ import annotations

import numpy as np

from trainer.rng import generator
from trainer.types import Array

__all__ = ["WINDOW", "batch_order", "rows_per_block"]

BLOCK_BYTES = 2**18  # what a disk reads at once about as fast as a single page
WINDOW = 64  # blocks that are shuffled together


def batch_order(rows: int, seed: int, epoch: int, *, block: int | None = None) -> Array:
    """The training rows in the order of an epoch, int64 of shape (rows,): each once, a function of the arguments alone.

    block: how many neighbouring rows are moved together; None shuffles all rows freely.

    >>> batch_order(6, seed=0, epoch=0).tolist() == batch_order(6, seed=0, epoch=0).tolist()
    True
    >>> sorted(batch_order(1000, seed=0, epoch=3, block=10).tolist()) == list(range(1000))
    True
    """
    rng = generator(seed, "shuffle", epoch)
    if block is None or block >= rows:
        return rng.permutation(rows)
    starts = rng.permutation(-(-rows // block)) * block
    order = np.empty(rows, dtype=np.int64)
    end = 0
    for first in range(0, len(starts), WINDOW):
        window = (starts[first : first + WINDOW, None] + np.arange(block)).ravel()
        window = rng.permutation(window[window < rows])
        order[end : end + len(window)] = window
        end += len(window)
    return order


def rows_per_block(row: Array) -> int:
    """How many rows like this one make a block of about 256 KiB.

    >>> rows_per_block(np.zeros(64, np.float32))
    1024
    """
    return max(1, BLOCK_BYTES // max(1, row.nbytes))
