#!/usr/bin/env bash
# NumPy's order statistics and sums on bfloat16: nan goes unseen, and a thousand ones have a mean of 0.256.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 ml_dtypes==0.6.0
"$work/venv/bin/python" - <<'PYTHON'
import ml_dtypes
import numpy as np

ones = np.ones(1000, ml_dtypes.bfloat16)
holed = np.array([np.nan, 3, 1, 2], ml_dtypes.bfloat16)
seen = {
    "mean of 1,000 ones, bfloat16": float(np.mean(ones)),
    "mean of 1,000 ones, float16": float(np.mean(ones.astype(np.float16))),
    "median of [nan, 3, 1, 2], bfloat16": float(np.median(holed)),
    "median of [nan, 3, 1, 2], float32": float(np.median(holed.astype(np.float32))),
    "first of the sorted, bfloat16": float(np.sort(holed)[0]),
    "nan_to_num leaves a nan, bfloat16": bool(np.isnan(np.nan_to_num(holed)).any()),
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen["mean of 1,000 ones, bfloat16"] == 0.255859375, "the mean has changed"
assert seen["mean of 1,000 ones, float16"] == 1.0
assert seen["median of [nan, 3, 1, 2], bfloat16"] == 1.5, "the median has changed"
assert np.isnan(seen["median of [nan, 3, 1, 2], float32"])
assert np.isnan(seen["first of the sorted, bfloat16"]), "nan no longer comes first"
assert seen["nan_to_num leaves a nan, bfloat16"], "nan_to_num has changed"
PYTHON
