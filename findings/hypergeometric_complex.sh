#!/usr/bin/env bash
# SciPy's hypergeometric functions at real numbers written as complex ones: nan and infinity where the real call is right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PYTHON'
import scipy.special as special

rows = [
    ("hyp2f1(1, 1, 1, -5)", special.hyp2f1(1, 1, 1, -5.0), special.hyp2f1(1, 1, 1, -5 + 0j)),
    ("hyp1f1(-1, -2, 1)", special.hyp1f1(-1, -2, 1.0), special.hyp1f1(-1, -2, 1 + 0j)),
]
for what, real, complex_ in rows:
    print(f"{what}: real argument {real}, complex argument {complex_}")
assert abs(rows[0][1] - 1 / 6) < 1e-15 and rows[0][2] != rows[0][2], "hyp2f1 has changed"
assert rows[1][1] == 1.5 and rows[1][2].real == float("inf"), "hyp1f1 has changed"
PYTHON
