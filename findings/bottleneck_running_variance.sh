#!/usr/bin/env bash
# bottleneck's variance over a window runs on by sums: a large value that has left the window long ago leaves 0 behind.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 bottleneck==1.6.0
"$work/venv/bin/python" - <<'PYTHON'
import bottleneck
import numpy as np

series = np.array([1e8, 2e8] + [1.0, 2.0] * 50)
moving = bottleneck.move_var(series, window=2)
each = np.lib.stride_tricks.sliding_window_view(series, 2).var(axis=1)
print(f"last of 100 windows of (1, 2): bottleneck {moving[-1]}, NumPy {each[-1]}")
assert (moving[3:] == 0).all() and (each[2:] == 0.25).all(), "it comes back to the variance now"
PYTHON
