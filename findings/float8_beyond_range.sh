#!/usr/bin/env bash
# What lies beyond float8_e4m3fn: PyTorch makes 448 of it, the largest number, of infinity too; ml_dtypes makes NaN.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 ml_dtypes==0.6.0 torch==2.14.1
"$work/venv/bin/python" - <<'PYTHON'
import ml_dtypes
import numpy as np
import torch

x = np.array([1.0, 1000.0, np.inf], np.float32)
cast = torch.from_numpy(x).to(torch.float8_e4m3fn).float().tolist()
other = x.astype(ml_dtypes.float8_e4m3fn).astype(np.float32).tolist()
print(f"{x.tolist()} as float8_e4m3fn: PyTorch {cast}, ml_dtypes {other}")
assert cast == [1.0, 448.0, 448.0] and np.isnan(other[1:]).all(), "they agree now, or differ otherwise"
PYTHON
