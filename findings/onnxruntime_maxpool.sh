#!/usr/bin/env bash
# MaxPool in onnxruntime (CPU): a NaN loses against a number, and a window of -inf gives -3.4e38.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2])
graph = helper.make_graph(
    [node],
    "pool",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
session = onnxruntime.InferenceSession(model.SerializeToString())


def pooled(pair):
    return float(session.run(None, {"x": np.array([[pair]], np.float32)})[0].item())


found = [pooled([np.nan, 1]), pooled([1, np.nan]), pooled([-np.inf, -np.inf])]
print(f"max of (nan, 1): {found[0]}; of (1, nan): {found[1]}; of (-inf, -inf): {found[2]}")
assert found[:2] == [1.0, 1.0], "NaN is treated otherwise now"
assert found[2] == float(np.finfo(np.float32).min), "-inf is treated otherwise now"
PYTHON
