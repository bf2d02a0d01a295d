#!/usr/bin/env bash
# skl2onnx exports linear discriminant analysis of two classes with every log-odds doubled.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 scikit-learn==1.9.1 skl2onnx==1.20.0 onnxruntime==1.32.0
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

rng = np.random.default_rng(0)
x = np.concatenate([rng.normal(0, 1, (50, 2)), rng.normal(1, 1, (50, 2))]).astype(np.float32)
model = LinearDiscriminantAnalysis().fit(x, np.repeat([0, 1], 50))
exported = to_onnx(model, x[:1], options={"zipmap": False})
theirs = onnxruntime.InferenceSession(exported.SerializeToString()).run(None, {"X": x})[1]
ours = model.predict_proba(x)
error = np.abs(theirs - ours).max()
ratio = np.median(np.log(theirs[:, 1] / theirs[:, 0]) / np.log(ours[:, 1] / ours[:, 0]))
print(f"largest difference of a probability: {error:.3f}; log-odds there over log-odds in scikit-learn: {ratio:.4f}")
assert error > 0.1 and abs(ratio - 2) < 1e-3, "the export has changed"
PYTHON
