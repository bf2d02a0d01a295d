#!/usr/bin/env bash
# In float32 a row of a product of NumPy's has other bits by its place in the matrix, with OpenBLAS's kernels for AVX2.
# They are those of every x86-64 processor with AVX2 that OpenBLAS has no other for, Zen among them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6
OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=Haswell "$work/venv/bin/python" - <<'PYTHON'
import numpy as np

rng = np.random.default_rng(0)
row, weights = rng.normal(size=64), rng.normal(size=(64, 64))
for dtype in (np.float32, np.float64):
    product = np.tile(row.astype(dtype), (96, 1)) @ weights.astype(dtype)  # 96 times the same row
    differ = np.flatnonzero((product != product[0]).any(axis=1))
    print(f"{np.dtype(dtype)}: of 96 equal rows {len(differ)} have other bits than the first: {differ[:8].tolist()} …")
    if dtype is np.float32:
        assert differ[:6].tolist() == [6, 7, 8, 9, 10, 11], "equal rows have equal bits now"
    else:
        assert not len(differ), "in double they differ now, too"
PYTHON
