"""A trained model as one Python file that needs NumPy alone: the calls that its network comes down to, a line for each.

The numbers stand at the end of the file, as text; nothing is unpickled and no code is made of data. Rows are computed
in blocks of one size, as `Model` does it, so every shape in the file is a number.
"""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer import __version__
from trainer.compiler.packed import Packed
from trainer.compiler.program import Instruction, Program, Value
from trainer.errors import UsageError
from trainer.experiment.model import Model
from trainer.export.recording import recorded
from trainer.export.steps import preprocessed
from trainer.types import Array

__all__ = ["to_python"]

# What is no function of NumPy's, and what it is in its terms. The text goes to the top of the file.
HELPERS = {
    "erf": "erf = np.vectorize(math.erf, otypes=[float])",
    "erfc": "erfc = np.vectorize(math.erfc, otypes=[float])",
    "expit": "def expit(x):\n    return 1 / (1 + np.exp(-x))",
    "log_expit": "def log_expit(x):\n    return -np.logaddexp(0, -x)",
    "ndtr": "ndtr = np.vectorize(lambda x: math.erfc(-x / math.sqrt(2)) / 2, otypes=[float])",
    "entry_numbers": (
        "def entry_numbers(x, entries):\n    index = x.astype(np.int64)\n"
        "    if ((index != x) | (index < 0) | (index >= entries)).any():\n"
        '        raise ValueError(f"an embedding takes whole numbers from 0 to {entries - 1}")\n    return index'
    ),
    "overlap_add": (
        "def overlap_add(*parts, places, shape, overlapping=True):\n"
        "    y = np.zeros_like(parts[0], shape=shape)\n"
        "    for part, place in zip(parts, places):\n        y[place] += part\n    return y"
    ),
}
LISTS = ("concatenate", "stack")
INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**", "equal": "==",
    "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
}  # fmt: skip
METHODS = ("astype",)
CALLED = {"contiguous": "ascontiguousarray"}


def to_python(model: Model, name: str) -> str:
    """The text of the file.

    name: what it will be called without its ending, for the example in it.

    Raises UsageError for a call that NumPy alone does not have, with the layer, and for a step that cannot be written.
    """
    numbers: dict[str, Array] = {}
    named = {key: np.asarray(model.parameters[key]) for key in sorted(model.parameters)}
    wide = {key: model.computed_with(value) for key, value in named.items()}
    program = recorded(model.network, wide, model.computing, model.rows)
    writer = _Writer(program, [f'P["{key}"]' for key in named], numbers)
    body = [*writer.lines()]
    numbers |= named
    before = _prepared(model, numbers)
    helpers = [HELPERS[helper] for helper in HELPERS if helper in writer.helpers]
    parts = [
        _heading(model, name, uses_math=any("math." in helper for helper in helpers)),
        *helpers,
        before,
        f"def network(x):\n{_indented(body)}",
        _ENDING.format(last=_last(model), **_precisions(model)),
        _probabilities(model),
        _predict(model),
        f'P = dict(np.load(io.BytesIO(base64.b64decode("""\n{_text(numbers)}\n"""))))' + _widened(model),
    ]
    return "\n\n\n".join(part for part in parts if part) + "\n"


def _heading(model: Model, name: str, uses_math: bool) -> str:
    what = f"one of {len(model.class_names)} classes" if model.class_names else "numbers"
    what = "labels of 0 and 1" if model.has_labels else what
    example = "x" if len(model.inputs.shape) != 1 else f"[[{', '.join(['0.0'] * min(model.inputs.shape[0], 8))}]]"
    math = "\nimport math" if uses_math else ""
    return f'''"""{name}: a trained network that predicts {what}. It needs NumPy alone.

    import {name}
    {name}.predict({example})

Layers: {", ".join(model.network.names)}. Written by tape-trainer {__version__}.
"""

import base64
import io{math}

import numpy as np

CLASS_NAMES = {list(model.class_names)!r}
FEATURE_NAMES = {list(model.feature_names)!r}
INPUT_SHAPE = {model.inputs.shape!r}  # of a row, as the data set had it
ROWS = {model.rows}  # are computed together; fewer are filled up, so that a row has the same bits in every batch'''


def _prepared(model: Model, numbers: dict[str, Array]) -> str:
    """What is done to a row before the network."""
    dtype = f"np.{model.dtype.name}"
    if model.scaling is not None:
        numbers |= {"scaling.mean": model.scaling.mean, "scaling.scale": model.scaling.scale}
        lines = [f'return ((x - P["scaling.mean"]) / P["scaling.scale"]).astype({dtype})']
    elif model.preprocessing is not None:
        code = _Code(numbers)
        made = preprocessed(code, "x", model.preprocessing)
        lines = [*code.text, f"return {made}.astype({dtype})"]
    else:
        lines = [f"return x.astype({dtype})"]
    return f'def prepared(x):\n    """Rows as the network takes them."""\n{_indented(lines)}'


def _precisions(model: Model) -> dict[str, str]:
    """How a block comes to the precision of computing and back, where that is another than the model's."""
    casts = {"wide": model.computing, "narrow": model.dtype}
    return {name: "" if model.computing == model.dtype else f".astype(np.{kind})" for name, kind in casts.items()}


def _widened(model: Model) -> str:
    """The line that brings the parameters to the precision of computing, which holds the same numbers."""
    if model.computing == model.dtype:
        return ""
    narrow, wide = model.dtype, model.computing
    return f"\nP = {{n: a.astype(np.{wide}) if a.dtype == np.{narrow} else a for n, a in P.items()}}"


_ENDING = '''def outputs(x):
    """What the network gives for rows of inputs, shape (rows, *INPUT_SHAPE)."""
    x = np.asarray(x, dtype=np.float64)
    if x.shape[1:] != INPUT_SHAPE:
        raise ValueError(f"a row has the shape {{INPUT_SHAPE}}, and these have {{x.shape[1:]}}")
    blocks = []
    for start in range(0, len(x), ROWS):
        rows = x[start : start + ROWS]
        filled = np.concatenate([rows, np.repeat(rows[-1:], ROWS - len(rows), axis=0)])
        with np.errstate(all="ignore"):
            blocks.append(network(prepared(filled){wide})[: len(rows)]{narrow})
    return np.concatenate(blocks) if blocks else np.empty({last})'''


def _last(model: Model) -> str:
    return repr((0, *model.network.output_shape))


def _probabilities(model: Model) -> str:
    if not model.has_probabilities:
        return ""
    begin = 'def predict_proba(x):\n    """The probability of each class, in the order of CLASS_NAMES."""\n'
    if model.link == "softmax":
        return begin + _indented(
            [
                "z = outputs(x).astype(np.float64)",
                "e = np.exp(z - z.max(axis=-1, keepdims=True))",
                "return e / e.sum(axis=-1, keepdims=True)",
            ]
        )
    lines = ["p = np.exp(-np.logaddexp(0, -outputs(x).astype(np.float64)))"]
    if model.has_labels:
        begin = 'def predict_proba(x):\n    """The probability that each label is 1."""\n'
        return begin + _indented([*lines, "return p"])
    return begin + _indented([*lines, "return np.concatenate([1 - p, p], axis=-1)"])


def _predict(model: Model) -> str:
    if model.class_names:
        one = model.network.output_shape[-1] == 1
        chosen = "(z[..., 0] > 0).astype(int)" if one else "z.argmax(axis=-1)"
        lines = ["z = outputs(x)", f"return np.array(CLASS_NAMES)[{chosen}]"]
        return f'def predict(x):\n    """The name of the class of each row."""\n{_indented(lines)}'
    if model.has_labels:
        lines = ["return (outputs(x) > 0).astype(int)"]
        return f'def predict(x):\n    """The labels of each row, 0 or 1."""\n{_indented(lines)}'
    half = -(-model.network.output_shape[-1] // 2)
    given = {"exp": "np.exp(z)", "halves": f"z[..., :{half}]"}.get(model.link or "", "z")
    column = (
        (half if model.link == "halves" else model.network.output_shape[-1]) == 1 == len(model.network.output_shape)
    )
    lines = ["z = outputs(x).astype(np.float64)", f"return {given}{'[:, 0]' if column else ''}"]
    return f'def predict(x):\n    """The numbers of each row."""\n{_indented(lines)}'


def _indented(lines: Sequence[str]) -> str:
    return textwrap.indent("\n".join(lines), "    ")


def _text(numbers: Mapping[str, Array]) -> str:
    """The arrays as an .npz file in letters."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **numbers)
    return "\n".join(textwrap.wrap(base64.b64encode(buffer.getvalue()).decode(), 118))


@dataclass
class _Writer:
    """Writes a program. A name is used again as soon as the value that had it was read for the last time.

    arguments: what the program's parameters are called.
    numbers: takes the constants that are arrays.
    """

    program: Program
    arguments: Sequence[str]
    numbers: dict[str, Array]
    helpers: set[str] = field(default_factory=set)

    def lines(self) -> Iterator[str]:
        names: dict[Value, str] = dict(zip(self.program.inputs, ["x", *self.arguments], strict=True))
        last = {value: i for i, each in enumerate(self.program.instructions) for value in each.inputs}
        free: list[str] = []
        count, layer = 0, ""
        for i, each in enumerate(self.program.instructions):
            if each.scope.layer != layer:
                layer = each.scope.layer
                yield f"# {layer}"
            call = self._call(each, names)
            for value in dict.fromkeys(each.inputs):
                if last[value] == i and names.get(value, "").startswith("h") and value not in self.program.outputs:
                    free.append(names[value])
            if not free:
                count += 1
                free.append(f"h{count}")
            names[each.outputs[0]] = free.pop()
            yield f"{names[each.outputs[0]]} = {call}"
        yield f"return {self._value(self.program.outputs[0], names)}"

    def _call(self, each: Instruction, names: Mapping[Value, str]) -> str:
        name, forward = CALLED.get(each.op.name, each.op.name), each.op.forward
        if name == "getitem":
            return self._item(each, names)
        inputs = [self._value(value, names) for value in each.inputs]
        options = {k: v for k, v in each.attributes.items() if v is not None and v is not each.op.attributes.get(k)}
        told = [f"{key}={_literal(value)}" for key, value in options.items()]
        if len(each.outputs) > 1 or isinstance(forward, Packed) or not _is_numpy(name, forward):
            self._refuse(each)
        if name in METHODS:
            return f"{inputs[0]}.astype({_literal(each.outputs[0].dtype)})"
        if name in HELPERS:
            self.helpers.add(name)
            cast = "" if name in ("entry_numbers", "overlap_add") else f".astype({_literal(each.outputs[0].dtype)})"
            return f"{name}({', '.join([*inputs, *told])}){cast}"
        if name in INFIX and not told:
            return f"{inputs[0]} {INFIX[name]} {inputs[1]}"
        inputs = [f"[{', '.join(inputs)}]"] if name in LISTS else inputs
        return f"np.{name}({', '.join([*inputs, *told])})"

    def _item(self, each: Instruction, names: Mapping[Value, str]) -> str:
        """x[index], of an index that is known."""
        values = each.inputs[1:]
        if any(not value.constant for value in values):
            self._refuse(each)
        known = [value.known for value in values]
        if isinstance(each.op.forward, Packed):
            known = list(each.op.forward.arguments([None, *known])[1:])
        index = known[0] if len(known) == 1 else tuple(known)
        parts = index if isinstance(index, tuple) else (index,)
        told = [self._constant(part) if isinstance(part, np.ndarray) else _index(part) for part in parts]
        return f"{self._value(each.inputs[0], names)}[{', '.join(told)}]"

    def _value(self, value: Value, names: Mapping[Value, str]) -> str:
        if value in names:
            return names[value]
        known = value.known
        return self._constant(known) if isinstance(known, np.ndarray) and known.ndim else _literal(known)

    def _constant(self, array: Array) -> str:
        for name, known in self.numbers.items():
            if known.dtype == array.dtype and known.shape == array.shape and known.tobytes() == array.tobytes():
                return f'P["{name}"]'
        name = f"constant.{len(self.numbers)}"
        self.numbers[name] = np.ascontiguousarray(array)
        return f'P["{name}"]'

    def _refuse(self, each: Instruction) -> None:
        layer = f"; layer '{each.scope.layer}' calls it" if each.scope.layer else ""
        what = f"'{each.op.name}' of {each.op.module} is no call of NumPy's"
        raise UsageError(f"{what}, and the file has NumPy alone{layer}")


def _is_numpy(name: str, forward: object) -> bool:
    """Whether NumPy, or a helper, has a function of this name that does this."""
    if isinstance(forward, np.ufunc):
        return name in HELPERS or getattr(np, name, None) is forward
    ours = str(getattr(forward, "__module__", "")).split(".")[0] in ("trainer_ops", "trainer", "numpy")
    return ours and (name in METHODS or name in HELPERS or callable(getattr(np, name, None)))


def _literal(value: object) -> str:
    """A number, an option, as Python has it."""
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return f"np.{np.dtype(value).name}" if np.dtype(value) != bool else "bool"
    if isinstance(value, np.ndarray | np.generic):
        return f"np.{value.dtype.name}({_literal(value.item())})" if value.dtype != bool else repr(bool(value))
    if isinstance(value, float) and not np.isfinite(value):
        return {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}[str(value)]
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value)


def _index(part: object) -> str:
    """A part of an index, as it stands between brackets."""
    if part is Ellipsis:
        return "..."
    if not isinstance(part, slice):
        return _literal(part)
    start, stop, step = ("" if each is None else str(each) for each in (part.start, part.stop, part.step))
    return f"{start}:{stop}" + (f":{step}" if step not in ("", "1") else "")


# What a node of a step is in NumPy; see `trainer.export.steps`.
_NODES = {
    "Add": "{0} + {1}", "Sub": "{0} - {1}", "Mul": "{0} * {1}", "Div": "{0} / {1}", "Neg": "-{0}",
    "MatMul": "{0} @ {1}",
    "Max": "np.maximum({0}, {1})", "Min": "np.minimum({0}, {1})", "Abs": "np.abs({0})", "Sqrt": "np.sqrt({0})",
    "Exp": "np.exp({0})", "Log": "np.log({0})", "Cos": "np.cos({0})", "IsNaN": "np.isnan({0})",
    "Equal": "{0} == {1}", "Less": "{0} < {1}", "Greater": "{0} > {1}", "GreaterOrEqual": "{0} >= {1}",
    "Where": "np.where({0}, {1}, {2})", "Reshape": "{0}.reshape({1})", "Gather": "{0}[:, {1}]",
    "ReduceSum": "{0}.sum(axis=1, keepdims=True)", "ReduceMax": "{0}.max(axis=1, keepdims=True)",
}  # fmt: skip


class _Code:
    """Takes the nodes of steps as `Graph` does, and writes NumPy."""

    def __init__(self, numbers: dict[str, Array]) -> None:
        self.text: list[str] = []
        self._numbers = numbers

    def _named(self, expression: str) -> str:
        self.text.append(f"s{len(self.text) + 1} = {expression}")
        return f"s{len(self.text)}"

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Write a call; the name of its result."""
        if kind == "Concat":
            return self._named(f"np.concatenate([{', '.join(inputs)}], axis={attributes['axis']})")
        return self._named(_NODES[kind].format(*inputs))

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> str:
        """A number in its place, or an array by its name."""
        array = np.asarray(value, dtype)
        if not array.ndim:
            return _literal(array.item())
        name = f"step.{len(self._numbers)}"
        self._numbers[name] = np.ascontiguousarray(array)
        return f'P["{name}"]'

    def integers(self, values: Sequence[int]) -> str:
        """Places, axes or lengths."""
        return repr(list(values))

    def cast(self, name: str, dtype: npt.DTypeLike) -> str:
        """The value as another dtype."""
        return self._named(f"{name}.astype({_literal(np.dtype(dtype))})")
