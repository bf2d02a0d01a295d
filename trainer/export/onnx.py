"""A trained network as an ONNX graph.

The network's forward function is recorded as a program, which comes down to NumPy's own functions, and each call is
written as what ONNX calls it. So a layer of a plugin exports like one that ships, as long as ONNX has what its op
calls; where it does not, the error names the op and its line. Convolution and pooling stay whole: ONNX has them too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer import __version__
from trainer.compiler.program import Instruction, Program, Value
from trainer.errors import UsageError
from trainer.export.calls import Call
from trainer.export.equivalents import CONVERTERS
from trainer.export.graph import BATCHES, Graph, Length
from trainer.export.recording import recorded
from trainer.export.steps import preprocessed
from trainer.export.whole import WHOLE
from trainer.nn.network import Network
from trainer.types import Array

if TYPE_CHECKING:
    from onnx import ModelProto

    from trainer.data import Preprocessing, Scaling

__all__ = ["CHANCES", "OPSET", "largest_difference", "to_onnx"]

OPSET = 20
IR_VERSION = 10  # what every runtime of the last two years reads
INPUT, OUTPUT, CHANCES = "inputs", "outputs", "probabilities"


def to_onnx(
    network: Network,
    parameters: Mapping[str, Array],
    *,
    scaling: Scaling | None = None,
    preprocessing: Preprocessing | None = None,
    link: str | None = None,
    dtype: npt.DTypeLike = np.float32,
    about: Mapping[str, str] | None = None,
) -> ModelProto:
    """The network with these parameters, by full name (what a layer keeps included), for batches of any size.

    The graph takes `inputs` (batch, *input_shape) of `dtype` and gives `outputs` (batch, *output_shape).

    scaling, preprocessing: what inputs go through first, in float64 as in training; it becomes part of the graph.
    link: "softmax" or "sigmoid" adds `probabilities` (batch, …, classes); see `trainer.plugins.traits.CostTraits`.
    about: what is written of the model, names and texts.

    Raises UsageError for a function or a step that ONNX has no equivalent of, with the layer that calls it.
    """
    from onnx import checker, helper, numpy_helper

    named = {name: np.asarray(parameters[name], dtype) for name in sorted(parameters)}  # the order of a tree's leaves
    one, two = (recorded(network, named, dtype, rows, whole=WHOLE) for rows in BATCHES)
    g = Graph(INPUT)
    output, shape = _converted(g, one, two, [_changed(g, scaling, preprocessing, dtype), *named], named)
    takes = network.input_shape if preprocessing is None else preprocessing.input_shape
    kind = int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    result = int(helper.np_dtype_to_tensor_dtype(np.dtype(one.outputs[0].dtype)))
    given = [helper.make_tensor_value_info(OUTPUT, result, [_axis(length) for length in shape])]
    g.nodes.append(helper.make_node("Identity", [output], [OUTPUT], name=OUTPUT))
    if link in ("softmax", "sigmoid"):
        g.nodes.append(helper.make_node("Identity", [_probabilities(g, output, link, one)], [CHANCES], name=CHANCES))
        classes = 2 if link == "sigmoid" and shape[-1].first == 1 else shape[-1].first
        axes = [*(_axis(length) for length in shape[:-1]), classes]
        given.append(helper.make_tensor_value_info(CHANCES, result, axes))
    graph = helper.make_graph(
        g.nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, kind, ["batch", *takes])],
        given,
        [numpy_helper.from_array(array, key) for key, array in g.constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tape-trainer",
        producer_version=__version__,
    )
    helper.set_model_props(model, dict(about or {}))
    checker.check_model(model, full_check=True)
    return model


def _changed(g: Graph, scaling: Scaling | None, preprocessing: Preprocessing | None, dtype: npt.DTypeLike) -> str:
    """The input as the network wants it."""
    if scaling is None and preprocessing is None:
        return INPUT
    x = g.cast(INPUT, np.float64)
    if scaling is not None:
        x = g.node("Div", g.node("Sub", x, g.constant(scaling.mean)), g.constant(scaling.scale))
    return g.cast(x if preprocessing is None else preprocessed(g, x, preprocessing), dtype)


def _probabilities(g: Graph, output: str, link: str, program: Program) -> str:
    """Of the classes, or of labels; of a single output those of both classes."""
    if link == "softmax":
        return g.node("Softmax", output, axis=-1)
    one = g.constant(1.0, program.outputs[0].dtype)
    second = g.node("Sigmoid", output)
    if program.outputs[0].shape[-1] > 1:
        return second
    return g.node("Concat", g.node("Sub", one, second), second, axis=-1)


def _axis(length: Length) -> int | str:
    return length.first if length.times is None else "batch" if length.times == 1 else f"{length.times}*batch"


def _converted(
    g: Graph, one: Program, two: Program, inputs: list[str], named: Mapping[str, Array]
) -> tuple[str, list[Length]]:
    """Write every instruction; the name and shape of the result."""
    if len(one) != len(two):
        raise UsageError(
            f"the network makes {len(one)} calls for {BATCHES[0]} rows and {len(two)} for {BATCHES[1]}: what it does "
            f"depends on the size of a batch, and has no ONNX graph"
        )
    names: dict[Value, str] = dict(zip(one.inputs, inputs, strict=True))
    for name, array in named.items():
        g.constant(array, name=name)

    def name_of(a: Value, b: Value) -> str:
        if a not in names:
            names[a] = _constant(g, a, b)
        return names[a]

    for i, j in zip(one.instructions, two.instructions, strict=True):
        converter = _converter(i)
        arrays = [name_of(a, b) if a.shape is not None else "" for a, b in zip(i.inputs, j.inputs, strict=True)]
        names[i.outputs[0]] = converter(g, Call(i, j, arrays))
    a, b = one.outputs[0], two.outputs[0]
    return name_of(a, b), [Length(m, n) for m, n in zip(a.shape, b.shape, strict=True)]


def _converter(instruction: Instruction) -> Callable[[Graph, Call], str]:
    op = instruction.op
    converter = WHOLE.get(op.name) or CONVERTERS.get(op.name)
    if converter is None or len(instruction.outputs) > 1:
        raise UsageError(f"'{op.name}' of {op.module} has no ONNX equivalent{_inside(instruction)}")
    return converter


def _inside(instruction: Instruction) -> str:
    """Which layer calls it."""
    layer = instruction.scope.layer
    return f"; layer '{layer}' calls it" if layer else ""


def _constant(g: Graph, one: Value, two: Value) -> str:
    """A constant; one that is as long as the batch must be alike along it, and is made as long as the batch is."""
    a, b = np.asarray(one.known), np.asarray(two.known)
    if a.shape == b.shape:
        if a.tobytes() != b.tobytes():
            raise UsageError("a constant of the network depends on the size of the batch: it has no ONNX graph")
        return g.constant(a)
    lengths = [Length(m, n) for m, n in zip(a.shape, b.shape, strict=True)]
    along = tuple(slice(0, 1) if length.times else slice(None) for length in lengths)
    if not (np.array_equal(np.broadcast_to(a[along], a.shape), a, equal_nan=a.dtype.kind == "f")):
        raise UsageError("a constant of the network counts the rows of a batch: it has no ONNX graph")
    return g.node("Expand", g.constant(a[along]), g.shape(lengths))


def largest_difference(model: ModelProto, expected: Array, inputs: Array, output: str = OUTPUT) -> float:
    """The largest |difference| of what onnxruntime makes of `inputs` (batch, …) from `expected`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = session.run([output], {INPUT: inputs})[0]
    if found.shape != expected.shape:
        raise UsageError(f"onnxruntime gives shape {found.shape} where the network gives {expected.shape}")
    return float(np.max(np.abs(found.astype(np.float64) - expected), initial=0.0))
