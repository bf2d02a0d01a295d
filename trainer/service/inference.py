"""The Open Inference Protocol, version 2: a model's inputs and outputs as named tensors of JSON.

A model of a table takes a tensor for each column, [rows] or [rows, 1]; any other takes one that is called `inputs`.
It gives `predictions`, and `probabilities` where its outputs are such.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from trainer.errors import DataError
from trainer.experiment.model import Model, check_outputs
from trainer.types import Array
from trainer.wording import did_you_mean

__all__ = ["Unreadable", "describe", "infer", "parsed"]

INPUTS = "inputs"
MOST = 1 << 24  # numbers of a tensor
TYPES = {
    **{f"{'U' * (kind == 'u')}INT{bits}": f"{kind}{bits // 8}" for kind in "iu" for bits in (8, 16, 32, 64)},
    "BOOL": "?", "FP32": "f4", "FP64": "f8", "BYTES": "O",
}  # fmt: skip
NAMES = {"U": "BYTES", "f": "FP64", "i": "INT64"}  # of kinds of predictions


class Unreadable(DataError):
    """A body that is no JSON, or no mapping."""


def parsed(text: str) -> dict[str, Any]:
    """The mapping that a JSON text is. Raises Unreadable; numbers that JSON has no word for are refused."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no number of JSON's")

    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise Unreadable("the body is a mapping: {...}")
    return value


def describe(model: Model, name: str) -> dict[str, Any]:
    """What the protocol calls a model's metadata."""
    return {
        "name": name,
        "versions": [],
        "platform": "tape-trainer",
        "inputs": [_told(each, kind, shape) for each, (kind, shape) in _inputs(model).items()],
        "outputs": [_told(each, kind, shape) for each, (kind, shape) in _outputs(model).items()],
    }


def _told(name: str, kind: str, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"name": name, "datatype": kind, "shape": [-1, *shape]}


def _inputs(model: Model) -> dict[str, tuple[str, tuple[int, ...]]]:
    if not (model.inputs.named and model.inputs.columns):
        return {INPUTS: ("FP64", model.inputs.shape)}
    kinds = {
        column.name: "BYTES" if column.categories or column.dates else "BOOL" if column.boolean else "FP64"
        for column in model.inputs.columns
    }
    return {name: (kind, ()) for name, kind in kinds.items()}


def _outputs(model: Model) -> dict[str, tuple[str, tuple[int, ...]]]:
    zeros = np.zeros((1, *model.network.output_shape), model.dtype)
    given = {name: make(zeros) for name, make in _made(model).items()}
    return {name: (NAMES[values.dtype.kind], values.shape[1:]) for name, values in given.items()}


def _made(model: Model) -> dict[str, Callable[[Array], Array]]:
    """What is made of the network's outputs, by name."""
    probabilities = {"probabilities": model.probabilities} if model.has_probabilities else {}
    return {"predictions": model.decided, **probabilities}


def infer(model: Model, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a request for an inference. Raises DataError and ShapeError."""
    made, wanted = _made(model), request.get("outputs", [])
    if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
        raise DataError("outputs is a list of mappings, each with the name of an output")
    names = [each.get("name") for each in wanted] or list(made)
    for each in names:
        if each not in made:
            raise DataError(f"{name} gives no output {each!r}; it gives {', '.join(made)}")
    values = model.outputs(_given(model, request.get("inputs")))
    check_outputs(values, lambda row: f"row {row}, counted from 0")
    outputs = {each: made[each](values) for each in names}
    answer = {
        "model_name": name,
        "outputs": [
            {"name": each, "datatype": NAMES[array.dtype.kind], "shape": [*array.shape], "data": array.ravel().tolist()}
            for each, array in outputs.items()
        ],
    }
    return answer | ({"id": request["id"]} if isinstance(request.get("id"), str) else {})


def _given(model: Model, tensors: object) -> object:
    """Columns by name, or an array, of the tensors of a request."""
    if not isinstance(tensors, list) or not tensors:
        raise DataError("inputs is a list of tensors: {name, shape, datatype, data}")
    known, found = _inputs(model), dict[str, Array]()
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise DataError(f"inputs[{i}] is no tensor: {{name, shape, datatype, data}}")
        if tensor["name"] in found:
            raise DataError(f"inputs[{i}]: '{tensor['name']}' is given twice")
        if tensor["name"] not in known:
            hint = did_you_mean(tensor["name"], known, f"it takes {', '.join(list(known)[:10])}")
            raise DataError(f"inputs[{i}]: the model takes no '{tensor['name']}'; {hint}")
        found[tensor["name"]] = _array(tensor, f"inputs[{i}], '{tensor['name']}'")
    if INPUTS in known and not model.inputs.named:
        return found[INPUTS]
    return {name: array.reshape(len(array)) if array.shape[1:] == (1,) else array for name, array in found.items()}


def _array(tensor: Mapping[str, Any], where: str) -> Array:
    """The numbers or texts of a tensor, in its shape, however its data nest."""
    kind, shape, data = tensor.get("datatype"), tensor.get("shape"), tensor.get("data")
    if not isinstance(kind, str) or kind not in TYPES:
        raise DataError(f"{where}: datatype is one of {', '.join(TYPES)}, found {kind!r}")
    if not isinstance(shape, list) or not shape or not all(type(n) is int and 0 <= n <= MOST for n in shape):
        raise DataError(f"{where}: shape is a list of whole numbers, such as [64, 4], found {shape!r}")
    if len(shape) > 8 or math.prod(shape) > MOST:
        raise DataError(f"{where}: a tensor has at most 8 axes and {MOST:,} values")
    if not isinstance(data, list):
        raise DataError(f"{where}: data is a list of values; binary data are not read here")
    flat = _flat(data)
    if len(flat) != math.prod(shape):
        raise DataError(f"{where}: {len(flat):,} values are no tensor of shape {shape}")
    return _typed(flat, kind, where).reshape(shape)


def _flat(data: list[Any]) -> list[Any]:
    """Row by row; lists in lists are opened, as deep as they go."""
    while any(isinstance(each, list) for each in data):
        data = [value for each in data for value in (each if isinstance(each, list) else [each])]
    return data


def _typed(flat: list[Any], kind: str, where: str) -> Array:
    wanted = {"BYTES": str, "BOOL": bool}.get(kind, int if "INT" in kind else (int, float))
    for i, value in enumerate(flat):
        absent = value is None and kind in ("BYTES", "FP32", "FP64")
        if not absent and (not isinstance(value, wanted) or (isinstance(value, bool) and kind != "BOOL")):
            raise DataError(f"{where}: value {i}, counted from 0, is no {kind}: {str(value)[:40]!r}")
    if kind == "BYTES":
        return np.array(flat, dtype=object)
    try:
        return np.array([math.nan if value is None else value for value in flat], dtype=TYPES[kind])
    except OverflowError:
        raise DataError(f"{where}: a value is too large for {kind}") from None
