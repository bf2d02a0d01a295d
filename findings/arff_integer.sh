#!/usr/bin/env bash
# liac-arff reads 1.5 in an INTEGER column as 1, and -0.7 as 0, without a word; the OpenML reader of scikit-learn goes through it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet liac-arff==2.5.0
"$work/venv/bin/python" - <<'PYTHON'
import arff

text = "@RELATION readings\n@ATTRIBUTE level INTEGER\n@DATA\n1.5\n2\n-0.7\n"
rows = arff.loads(text)["data"]
print(f"1.5, 2, -0.7 in an INTEGER column come back as {rows}")
assert rows == [[1], [2], [0]], "the reader has changed"
PYTHON
