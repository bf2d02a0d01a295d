"""Whether a row of a matrix product has the same bits wherever it stands in its matrix.

BLAS cuts a product into blocks, and where its kernels for blocks of different heights sum up in different orders, the
bits of a row depend on its place: in float32 with OpenBLAS's kernels for AVX2 (`Haswell`, which is chosen on Zen too),
rows 0 to 5 and 6 to 11 of each twelve differ. Its kernels for double do not.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from trainer.training.threads import pinned

__all__ = ["PRECISE", "same_in_every_place"]

PRECISE = np.dtype(np.float64)
# Rows, a multiple of sixteen as those of a model's block are; depth; and columns as many as one kernel takes, and more.
ROWS, DEPTH, COLUMNS = 1024, 64, (1, 2, 4, 8, 16, 24, 32, 64, 200)


@cache
def same_in_every_place(dtype: np.dtype[np.generic]) -> bool:
    """Whether products of this type are such, on one thread; tried once in a process.

    >>> same_in_every_place(PRECISE)
    True
    """
    rng = np.random.default_rng(0)
    row = rng.normal(size=DEPTH).astype(dtype)
    with pinned(1):
        products = [np.tile(row, (ROWS, 1)) @ rng.normal(size=(DEPTH, n)).astype(dtype) for n in COLUMNS]
    return all((product == product[0]).all() for product in products)
