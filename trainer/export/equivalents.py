"""What each of NumPy's functions is called in ONNX.

A converter is told the graph, the call as both records have it, and the names of its array inputs; it adds nodes and
gives the name of the result. A table where ONNX has the same function, a few lines where it takes another form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import islice
from string import ascii_letters
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.compiler.program import Instruction
from trainer.errors import UsageError
from trainer.export.calls import Call, Converter
from trainer.export.graph import Graph
from trainer.export.indexing import FIRST, LAST, getitem

__all__ = ["CONVERTERS"]

CONVERTERS: dict[str, Converter] = {}


def _converts(*names: str) -> Callable[[Converter], Converter]:
    def register(converter: Converter) -> Converter:
        CONVERTERS.update(dict.fromkeys(names, converter))
        return converter

    return register


# Element by element.

_SAME = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow", "maximum": "Max",
    "minimum": "Min", "negative": "Neg", "absolute": "Abs", "fabs": "Abs", "exp": "Exp", "log": "Log", "sqrt": "Sqrt",
    "reciprocal": "Reciprocal", "tanh": "Tanh", "sin": "Sin", "cos": "Cos", "tan": "Tan", "arcsin": "Asin",
    "arccos": "Acos", "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "arcsinh": "Asinh", "arccosh": "Acosh",
    "arctanh": "Atanh", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "rint": "Round", "erf": "Erf",
    "expit": "Sigmoid", "remainder": "Mod",
}  # fmt: skip
_COMPARISONS = {
    "equal": "Equal", "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
}  # fmt: skip
_LOGICAL = {
    "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "logical_not": "Not", "bitwise_and": "And",
    "bitwise_or": "Or", "bitwise_xor": "Xor", "invert": "Not",
}  # fmt: skip
# f(c·x), and c·f(x).
_OF_SCALED = {"exp2": ("Exp", math.log(2)), "exp10": ("Exp", math.log(10))}
_SCALED = {
    "log2": ("Log", 1 / math.log(2)), "log10": ("Log", 1 / math.log(10)),
    "deg2rad": ("Identity", math.pi / 180), "radians": ("Identity", math.pi / 180),
    "rad2deg": ("Identity", 180 / math.pi), "degrees": ("Identity", 180 / math.pi),
}  # fmt: skip


def _operands(g: Graph, call: Call, dtype: npt.DTypeLike) -> list[str]:
    """The inputs in one dtype: ONNX never converts by itself."""
    names = []
    for name, value in zip(call.inputs, call.one.inputs, strict=True):
        if value.shape is None:  # a Python number, which takes the others' dtype
            names.append(g.constant(value.known, dtype))
        else:
            names.append(name if value.dtype == dtype else g.cast(name, dtype))
    return names


def _common(call: Call) -> np.dtype[Any]:
    operands = [v.known if v.shape is None else v.dtype for v in call.one.inputs]
    common: np.dtype[Any] = np.result_type(*operands)
    return common


def _same(g: Graph, call: Call, kind: str) -> str:
    return g.node(kind, *_operands(g, call, call.dtype))


def _compared(g: Graph, call: Call, kind: str) -> str:
    return g.node(kind, *_operands(g, call, _common(call)))


for _name, _kind in _SAME.items():
    CONVERTERS[_name] = partial(_same, kind=_kind)
for _name, _kind in _COMPARISONS.items():
    CONVERTERS[_name] = partial(_compared, kind=_kind)


def _logical(g: Graph, call: Call, kind: str) -> str:
    if call.dtype != bool:
        raise UsageError(f"{call.one.op.name} of {call.dtype} has no ONNX equivalent here; of bool it has")
    return g.node(kind, *_operands(g, call, bool))


for _name, _kind in _LOGICAL.items():
    CONVERTERS[_name] = partial(_logical, kind=_kind)


@_converts("not_equal")
def _not_equal(g: Graph, call: Call) -> str:
    return g.node("Not", g.node("Equal", *_operands(g, call, _common(call))))


for _name, (_kind, _factor) in _OF_SCALED.items():

    @_converts(_name)
    def _of_scaled(g: Graph, call: Call, kind: str = _kind, factor: float = _factor) -> str:
        (x,) = _operands(g, call, call.dtype)
        return g.node(kind, g.node("Mul", x, g.constant(factor, call.dtype)))


for _name, (_kind, _factor) in _SCALED.items():

    @_converts(_name)
    def _scaled(g: Graph, call: Call, kind: str = _kind, factor: float = _factor) -> str:
        (x,) = _operands(g, call, call.dtype)
        return g.node("Mul", g.node(kind, x), g.constant(factor, call.dtype))


@_converts("trunc", "fix")
def _trunc(g: Graph, call: Call) -> str:
    (x,) = _operands(g, call, call.dtype)
    return g.node("Mul", g.node("Sign", x), g.node("Floor", g.node("Abs", x)))


@_converts("cbrt")
def _cbrt(g: Graph, call: Call) -> str:
    (x,) = _operands(g, call, call.dtype)
    root = g.node("Pow", g.node("Abs", x), g.constant(1 / 3, call.dtype))
    return g.node("Mul", g.node("Sign", x), root)


@_converts("erfc")
def _erfc(g: Graph, call: Call) -> str:
    (x,) = _operands(g, call, call.dtype)
    return g.node("Sub", g.constant(1.0, call.dtype), g.node("Erf", x))


@_converts("square")
def _square(g: Graph, call: Call) -> str:
    (x,) = _operands(g, call, call.dtype)
    return g.node("Mul", x, x)


@_converts("hypot")
def _hypot(g: Graph, call: Call) -> str:
    """The larger one times √(1 + the quotient's square), so that no square leaves the range; 0 of two zeros."""
    a, b = (g.node("Abs", name) for name in _operands(g, call, call.dtype))
    large, zero = g.node("Max", a, b), g.constant(0.0, call.dtype)
    quotient = g.node("Div", g.node("Min", a, b), large)
    one = g.constant(1.0, call.dtype)
    length = g.node("Mul", large, g.node("Sqrt", g.node("Add", one, g.node("Mul", quotient, quotient))))
    return g.node("Where", g.node("Equal", large, zero), zero, length)


@_converts("isnan")
def _isnan(g: Graph, call: Call) -> str:
    return g.node("IsNaN", call.inputs[0])


@_converts("isfinite")
def _isfinite(g: Graph, call: Call) -> str:
    x = call.inputs[0]
    return g.node("Not", g.node("Or", g.node("IsNaN", x), g.node("IsInf", x)))


@_converts("expm1")
def _expm1(g: Graph, call: Call) -> str:
    """2·e^(x/2)·sinh(x/2), which keeps its digits near 0."""
    (x,) = _operands(g, call, call.dtype)
    half = g.node("Mul", x, g.constant(0.5, call.dtype))
    return g.node("Mul", g.constant(2.0, call.dtype), g.node("Mul", g.node("Exp", half), g.node("Sinh", half)))


def _log1p_of(g: Graph, x: str, dtype: npt.DTypeLike) -> str:
    """x·log(u)/(u − 1) for u = 1 + x as it was rounded (Kahan), and x itself where u is 1."""
    one = g.constant(1.0, dtype)
    u = g.node("Add", x, one)
    quotient = g.node("Div", g.node("Mul", x, g.node("Log", u)), g.node("Sub", u, one))
    return g.node("Where", g.node("Equal", u, one), x, quotient)


@_converts("log1p")
def _log1p(g: Graph, call: Call) -> str:
    (x,) = _operands(g, call, call.dtype)
    return _log1p_of(g, x, call.dtype)


@_converts("logaddexp")
def _logaddexp(g: Graph, call: Call) -> str:
    """The larger one plus log1p(e^−|difference|)."""
    a, b = _operands(g, call, call.dtype)
    apart = g.node("Neg", g.node("Abs", g.node("Sub", a, b)))
    return g.node("Add", g.node("Max", a, b), _log1p_of(g, g.node("Exp", apart), call.dtype))


@_converts("ndtr")
def _ndtr(g: Graph, call: Call) -> str:
    (x,) = _operands(g, call, call.dtype)
    erf = g.node("Erf", g.node("Mul", x, g.constant(math.sqrt(0.5), call.dtype)))
    return g.node("Mul", g.constant(0.5, call.dtype), g.node("Add", erf, g.constant(1.0, call.dtype)))


@_converts("log_expit")
def _log_expit(g: Graph, call: Call) -> str:
    (x,) = _operands(g, call, call.dtype)
    return g.node("Neg", g.node("Softplus", g.node("Neg", x)))


@_converts("where")
def _where(g: Graph, call: Call) -> str:
    condition, *others = call.inputs
    values = Call(_tail(call.one), _tail(call.two), others)
    return g.node("Where", g.cast(condition, bool), *_operands(g, values, call.dtype))


def _tail(i: Instruction) -> Instruction:
    return Instruction(i.op, i.inputs[1:], i.attributes, i.outputs, i.scope)


@_converts("astype", "entry_numbers")
def _astype(g: Graph, call: Call) -> str:
    return g.cast(call.inputs[0], call.dtype)


@_converts("copy", "contiguous", "ascontiguousarray", "positive")
def _copy(g: Graph, call: Call) -> str:
    return call.inputs[0]


# Shapes.


@_converts("reshape", "ravel", "expand_dims", "squeeze", "atleast_1d")
def _reshape(g: Graph, call: Call) -> str:
    if call.attributes.get("order", "C") not in ("C", "A", "K"):
        raise UsageError(f"{call.one.op.name} in the order '{call.attributes['order']}' has no ONNX equivalent")
    lengths = call.lengths()
    known = [length.first if length.times is None else -1 for length in lengths]
    return g.node("Reshape", call.inputs[0], g.integers(known) if known.count(-1) < 2 else g.shape(lengths))


@_converts("broadcast_to")
def _broadcast(g: Graph, call: Call) -> str:
    return g.node("Expand", call.inputs[0], g.shape(call.lengths()))


@_converts("transpose", "swapaxes", "moveaxis")
def _transpose(g: Graph, call: Call) -> str:
    """The order of the axes is asked of the function itself, on an array of none but different lengths."""
    probe = np.empty(tuple(range(2, 2 + call.rank(0))))
    turned = call.one.op.forward(probe, **call.attributes)
    return g.transposed(call.inputs[0], [length - 2 for length in turned.shape])


def _axis(call: Call, value: int | None = 0) -> int:
    axis = int(call.attributes.get("axis", 0))
    return axis % call.rank(value)


@_converts("concatenate")
def _concatenate(g: Graph, call: Call) -> str:
    return g.node("Concat", *_operands(g, call, call.dtype), axis=_axis(call))


@_converts("stack")
def _stack(g: Graph, call: Call) -> str:
    axis = _axis(call, None)
    parts = [g.node("Unsqueeze", name, g.integers([axis])) for name in _operands(g, call, call.dtype)]
    return g.node("Concat", *parts, axis=axis)


@_converts("pad")
def _pad(g: Graph, call: Call) -> str:
    width = np.broadcast_to(np.asarray(call.attributes["pad_width"], np.int64), (call.rank(0), 2))
    mode = call.attributes.get("mode", "constant")
    modes = {"constant": "constant", "edge": "edge", "reflect": "reflect", "wrap": "wrap"}
    if mode not in modes:
        raise UsageError(f"pad in the mode '{mode}' has no ONNX equivalent; there are {', '.join(modes)}")
    values = call.attributes.get("constant_values", 0)
    if np.ndim(values):
        raise UsageError("pad with several values has no ONNX equivalent; pad with one")
    inputs = [call.inputs[0], g.integers(width.T.ravel().tolist())]
    return g.node("Pad", *inputs, *([g.constant(values, call.dtype)] if mode == "constant" else []), mode=modes[mode])


# Elements.


@_converts("take", "embedding")
def _take(g: Graph, call: Call) -> str:
    table, index = call.inputs
    axis = call.attributes.get("axis", 0)
    if axis is None:
        table, axis = g.node("Reshape", table, g.integers([-1])), 0
    return g.node("Gather", table, g.cast(index, np.int64), axis=int(axis) % call.rank(0))


@_converts("flip", "fliplr", "flipud")
def _flip(g: Graph, call: Call) -> str:
    named = {"fliplr": 1, "flipud": 0}.get(call.one.op.name, call.attributes.get("axis"))
    axes = list(range(call.rank(0))) if named is None else [a % call.rank(0) for a in np.atleast_1d(named).tolist()]
    count = len(axes)
    bounds = [LAST] * count, [FIRST] * count, axes, [-1] * count
    return g.node("Slice", call.inputs[0], *map(g.integers, bounds))


@_converts("take_along_axis")
def _take_along(g: Graph, call: Call) -> str:
    return g.node("GatherElements", call.inputs[0], g.cast(call.inputs[1], np.int64), axis=_axis(call))


CONVERTERS["getitem"] = getitem


# Sums and the like.

# What does the same to two numbers, and the number that it does nothing with; of the two last `initial=` is that.
_REDUCTIONS = {
    "sum": ("ReduceSum", "Add", 0), "prod": ("ReduceProd", "Mul", 1), "max": ("ReduceMax", "Max", None),
    "min": ("ReduceMin", "Min", None),
}  # fmt: skip


def _reduced(g: Graph, call: Call, kind: str, name: str) -> str:
    axis = call.attributes.get("axis")
    axes = range(call.rank(0)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    keep = int(bool(call.attributes.get("keepdims", False)))
    return g.node(kind, name, g.integers([a % call.rank(0) for a in axes]), keepdims=keep)


def _mask(g: Graph, call: Call) -> str | None:
    """What `where=` leaves in, in the shape of what is reduced; None where that is everything."""
    if all(value.constant and value.known is True for value in call.one.inputs[1:]):
        return None
    return g.node("Expand", g.cast(call.inputs[1], bool), g.shape(call.lengths(0)))


for _name, (_kind, _pair, _nothing) in _REDUCTIONS.items():

    @_converts(_name)
    def _reduce(g: Graph, call: Call, kind: str = _kind, pair: str = _pair, nothing: int | None = _nothing) -> str:
        x, mask, initial = g.cast(call.inputs[0], call.dtype), _mask(g, call), call.attributes.get("initial")
        if mask is not None:
            left_out: Any = initial if nothing is None else nothing
            x = g.node("Where", mask, x, g.constant(left_out, call.dtype))
        y = _reduced(g, call, kind, x)
        return y if initial is None else g.node(pair, y, g.constant(initial, call.dtype))


@_converts("mean")
def _mean(g: Graph, call: Call) -> str:
    x, mask = g.cast(call.inputs[0], call.dtype), _mask(g, call)
    if mask is None:
        return _reduced(g, call, "ReduceMean", x)
    total = _reduced(g, call, "ReduceSum", g.node("Where", mask, x, g.constant(0, call.dtype)))
    return g.node("Div", total, _reduced(g, call, "ReduceSum", g.cast(mask, call.dtype)))


@_converts("any", "all")
def _truth(g: Graph, call: Call) -> str:
    some, mask = call.one.op.name == "any", _mask(g, call)
    x = g.cast(call.inputs[0], bool)
    if mask is not None:
        x = g.node("And", x, mask) if some else g.node("Or", x, g.node("Not", mask))
    return g.cast(_reduced(g, call, "ReduceMax" if some else "ReduceMin", g.cast(x, np.int32)), bool)


@_converts("argmax", "argmin")
def _arg(g: Graph, call: Call) -> str:
    if call.attributes.get("axis") is None:
        raise UsageError(f"{call.one.op.name} over all axes has no ONNX equivalent; name an axis")
    kind = "ArgMax" if call.one.op.name == "argmax" else "ArgMin"
    return g.node(kind, call.inputs[0], axis=_axis(call), keepdims=int(call.attributes.get("keepdims", False)))


@_converts("cumsum")
def _cumsum(g: Graph, call: Call) -> str:
    return g.node("CumSum", call.inputs[0], g.constant(_axis(call), np.int64))


# Products.


@_converts("matmul", "dot")
def _matmul(g: Graph, call: Call) -> str:
    if call.one.op.name == "dot" and min(call.rank(0), call.rank(1)) == 0:
        return g.node("Mul", *_operands(g, call, call.dtype))
    if call.one.op.name == "dot" and call.rank(1) > 2:  # matmul would go through both arrays side by side
        letters = iter(ascii_letters)
        i, j, k, m = ("".join(islice(letters, n)) for n in (call.rank(0) - 1, 1, call.rank(1) - 2, 1))
        equation = f"{i}{j},{k}{j}{m}->{i}{k}{m}"
        return g.node("Einsum", *_operands(g, call, call.dtype), equation=equation)
    return g.node("MatMul", *_operands(g, call, call.dtype))


@_converts("einsum")
def _einsum(g: Graph, call: Call) -> str:
    return g.node("Einsum", *_operands(g, call, call.dtype), equation=call.attributes["subscripts"])
