#!/usr/bin/env bash
# dask.array.linalg.norm squares whole numbers in their own dtype: the norm of a hundred 200s of uint8 is 80, and NumPy's is 2000.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 "dask[array]==2026.8.0"
"$work/venv/bin/python" - <<'PYTHON'
import dask.array
import numpy as np

pixels = np.full(100, 200, np.uint8)
theirs, numpys = float(dask.array.linalg.norm(dask.array.from_array(pixels)).compute()), float(np.linalg.norm(pixels))
print(f"dask {theirs}, NumPy {numpys}")
assert theirs == 80.0 and numpys == 2000.0, "the norm has changed"
PYTHON
