#!/usr/bin/env bash
# The square of a complex number, np.square(z) or z * z, has other last bits alone than in an array, where the processor
# fuses multiplication with addition (x86-64 with AVX2): NumPy's loops over arrays do, those of a number alone do not.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np

rng = np.random.default_rng(0)
z = rng.normal(size=1000) + 1j * rng.normal(size=1000)
together, alone = np.square(z), np.array([np.square(each) for each in z])
product, products = z * z, np.array([each * each for each in z])
print(f"squares: {np.sum(together != alone)} of 1000 differ; z * z: {np.sum(product != products)}")
assert 100 < np.sum(together != alone) < 500, "a number alone is squared as one in an array now, or this processor cannot fuse"
assert np.allclose(together, alone, rtol=1e-14) and (product != products).any()
PYTHON
