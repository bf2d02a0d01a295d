#!/usr/bin/env bash
# ONNX's own reference evaluator runs a GRU or LSTM without its activations, its clip and the lengths of its sequences.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper
from onnx.reference import ReferenceEvaluator

GATES = {"GRU": 3, "LSTM": 4}


def states(kind, length, **attributes):
    """Of a sequence of three ones of which `length` count, by the reference and by onnxruntime."""
    inputs = {
        "x": np.ones((3, 1, 1), np.float32),
        "w": np.full((1, GATES[kind], 1), 0.5, np.float32),
        "r": np.full((1, GATES[kind], 1), 0.5, np.float32),
        "lengths": np.array([length], np.int32),
    }
    node = helper.make_node(kind, ["x", "w", "r", "", "lengths"], ["y"], hidden_size=1, **attributes)
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in inputs.items()
    ]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 1, 1, 1])
    model = helper.make_model(
        helper.make_graph([node], "states", infos, [y]), opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    checker.check_model(model)
    (reference,) = ReferenceEvaluator(model).run(None, inputs)
    (runtime,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs)
    return reference.ravel(), runtime.ravel()


for kind, relus in ("GRU", ["Sigmoid", "Relu"]), ("LSTM", ["Sigmoid", "Relu", "Relu"]):
    plain, same = states(kind, 3)
    assert np.allclose(plain, same, atol=1e-6), "they differ without any of the three"
    for said, length, attributes in ("one of three counts", 1, {}), ("relu", 3, {"activations": relus}), ("clip 0.1", 3, {"clip": 0.1}):
        reference, runtime = states(kind, length, **attributes)
        print(f"{kind}, {said}: reference {reference.round(3)}, onnxruntime {runtime.round(3)}, without it {plain.round(3)}")
        assert (reference == plain).all() and not np.allclose(runtime, plain, atol=1e-3), "the reference heeds it now"
PYTHON
