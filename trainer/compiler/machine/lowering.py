"""From a call of NumPy to instructions of the machine.

Each function here takes an instruction's arrays and gives a list of the machine's instructions that compute the same,
or None where there is none; then the machine calls back into Python for it. What is said here about NumPy (in which
order a sum adds, where a maximum starts) is not trusted: the executor compares every lowered instruction with NumPy's
own result, to the bit, before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.compiler.chain import Chain, chain_of
from trainer.compiler.functions import COMPARISONS, Known
from trainer.compiler.machine import instructions as make
from trainer.compiler.machine.instructions import MachineInstruction
from trainer.compiler.machine.lowering_chain import CODES, lower_chain
from trainer.compiler.machine.products import sums_of
from trainer.compiler.numpy_executor import Bound, assembly, pieces_of
from trainer.engine.op import Piece
from trainer.engine.random import uniform
from trainer.types import Array

__all__ = ["lower", "lower_own"]

Lowered = list[MachineInstruction] | None

_CASTS = {np.dtype(t) for t in (np.bool_, np.int64, np.float32, np.float64)}


def lower(bound: Bound) -> Lowered:
    """The machine's instructions for one of the program's, or None."""
    op, outputs = bound.instruction.op, bound.outputs
    if len(outputs) != 1 or not isinstance(outputs[0], np.ndarray):
        return None
    attributes = {k: v for k, v in bound.instruction.attributes.items() if v is not None}
    known = bound.known
    if known.lowering is None and isinstance(op.forward, np.ufunc):
        return None if attributes or op.forward.signature else _elementwise(op.forward, bound.inputs, outputs[0])
    pieces = assembly(bound.instruction, bound.inputs, outputs[0])
    if pieces is not None:
        return _assembled(pieces, outputs[0])
    if op is uniform:
        return _uniform(bound.inputs, outputs[0], attributes["key"])
    if known.lowering == "reduction":
        return _reduction(known, bound.inputs, outputs[0], **attributes)
    return _RULES[known.lowering](bound.inputs, outputs[0], **attributes) if known.lowering else None


def lower_own(bound: Bound) -> Lowered:
    """The instructions for arithmetic that the machine does by itself: a chain, a call that could be one, a sum or a
    maximum or a mean of short rows, a column times a row, a product of matrices; else None."""
    instruction, out = bound.instruction, bound.outputs[0]
    if bound.known.reduces in (np.add, np.maximum, np.minimum):
        lowered = lower(bound)
        if lowered is None:
            return None
        start, total, *division = lowered
        target, source, _ = total.operands
        return [start, make.reduce(total.what, CODES[total.what], target, source), *division]
    if instruction.op.forward is np.matmul and out.ndim >= 2 and bound.inputs[0].shape[-1:] == (1,):
        # A column times a row: sums of one product each, which start from 0.
        product = Chain(((np.multiply, (0, 1)), (np.add, (~0, 2))), (1,))
        return lower_chain(product, [*bound.inputs, 0.0], bound.outputs)
    if instruction.op.forward is np.matmul:
        return _product(bound.inputs, out)
    chain = chain_of(instruction)
    if chain is not None:
        # Small whole numbers, which a comparison takes, become the chain's type here, where they are known.
        known = [v.constant and v.dtype is not None for v in instruction.inputs]
        inputs = [np.asarray(x, out.dtype) if k else x for x, k in zip(bound.inputs, known, strict=True)]
        return lower_chain(chain, inputs, bound.outputs)
    ufunc = instruction.op.forward
    if not isinstance(ufunc, np.ufunc) or ufunc not in CODES or ufunc in COMPARISONS or out.size < 2:
        return None
    given = [i.dtype if isinstance(i, np.ndarray | np.generic) else type(i) for i in bound.inputs]
    if any(g not in (out.dtype, int, float) for g in given) or any(
        v is not None for v in instruction.attributes.values()
    ):
        return None
    return lower_chain(Chain(((ufunc, tuple(range(len(given)))),), (0,)), bound.inputs, bound.outputs)


def _elementwise(ufunc: np.ufunc, inputs: Sequence[object], out: Array) -> Lowered:
    given = [i.dtype if isinstance(i, np.ndarray | np.generic) else type(i) for i in inputs]
    try:
        wanted = ufunc.resolve_dtypes((*given, None))
    except TypeError:  # an argument that is no number
        return None
    if wanted[-1] != out.dtype or (ufunc is np.power and out.dtype.kind in "iu"):
        return None  # a power of whole numbers may raise, which is for Python to do
    if out.dtype.kind == "c" and out.size < 2:
        return None  # NumPy multiplies a complex number alone in another way than several
    casts, operands = [], []
    for value, dtype in zip(inputs, wanted, strict=False):
        cast = _cast(value, dtype)
        if cast is None:
            return None
        operand, instructions = cast
        casts += instructions
        operands.append(np.broadcast_to(operand, out.shape))
    return [*casts, make.loop(ufunc, *operands, out)]


def _cast(value: object, dtype: np.dtype[Any]) -> tuple[Array, list[MachineInstruction]] | None:
    """The value as an array of a dtype, and the instructions that keep it so."""
    if not isinstance(value, np.ndarray):
        return np.asarray(value, dtype), []
    if value.dtype == dtype:
        return value, []
    if not {value.dtype, dtype} <= _CASTS or dtype == np.bool_:
        return None
    place = np.empty_like(value, dtype)  # in the value's own memory order
    return place, [make.cast(place, value)]


def _matmul(inputs: Sequence[Any], out: Array) -> Lowered:
    if not all(isinstance(i, np.ndarray) and i.ndim >= 2 and i.dtype == out.dtype for i in inputs) or out.ndim < 2:
        return None
    stack = out.shape[:-2]
    a, b = (np.broadcast_to(i, stack + i.shape[-2:]) for i in inputs)
    return [make.matmul(a, b, out)]


def _product(inputs: Sequence[Any], out: Array) -> Lowered:
    """A product by the machine itself, where it can find out how NumPy sums it."""
    lowered = _matmul(inputs, out)
    if lowered is None or not out.size or out.strides[-1] != out.itemsize:
        return None
    a, b, _ = lowered[0].operands
    first = (0,) * (out.ndim - 2)
    sums = sums_of(a[first], b[first], out[first])
    return None if sums is None else [make.product(a, b, out, *sums)]


def _reduction(
    known: Known,
    inputs: Sequence[Any],
    out: Array,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
    **others: object,
) -> Lowered:
    """The output has stride 0 along the reduced axes. A sum starts from 0, a maximum from the first."""
    ufunc, x = known.reduces, inputs[0]
    if ufunc is None or others or len(inputs) != 1 or x.dtype != out.dtype or not x.size:
        return None
    if any(n > 1 and not stride for n, stride in zip(x.shape, x.strides, strict=True)):
        return None  # NumPy goes through a broadcast axis in an order of its own
    whole, spread = _spread(x, out, axis, keepdims)
    if ufunc.identity is not None:
        start = make.fill(out, ufunc.identity)
    else:
        start = make.copy(whole, x[(*(slice(0, n) for n in whole.shape), ...)])
    total = [start, make.loop(ufunc, spread, x, spread)]
    return total + _division(out, x.size // max(out.size, 1)) if known.averages else total


def _division(out: Array, count: int) -> list[MachineInstruction]:
    """A sum divided by a count as np.mean does it: in float64, and rounded back."""
    wide = out if out.dtype == np.float64 else np.empty(out.shape, np.float64)
    divide = make.loop(np.true_divide, wide, np.broadcast_to(np.float64(count), out.shape), wide)
    return [divide] if wide is out else [make.cast(wide, out), divide, make.cast(out, wide)]


def _spread(x: Array, out: Array, axis: int | tuple[int, ...] | None, keepdims: bool) -> tuple[Array, Array]:
    """The output with the reduced axes back, of length 1, and broadcast along them."""
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    whole = out if keepdims else np.expand_dims(out, tuple(a % x.ndim for a in axes))
    return whole, np.broadcast_to(whole, x.shape)


def _concatenate(inputs: Sequence[object], out: Array, axis: int | None = 0) -> Lowered:
    if axis is None or not all(isinstance(i, np.ndarray) and i.dtype == out.dtype for i in inputs):
        return None
    return [make.copy(place, array) for place, array in pieces_of(out, inputs, axis)]


def _stack(inputs: Sequence[Any], out: Array, axis: int = 0) -> Lowered:
    if not all(isinstance(i, np.ndarray) and i.dtype == out.dtype for i in inputs):
        return None
    return [make.copy(np.moveaxis(out, axis, 0)[i, ...], array) for i, array in enumerate(inputs)]


def _reshape(inputs: Sequence[object], out: Array, **attributes: object) -> Lowered:
    """A reshape that is no view copies the elements in C order."""
    x = inputs[0]
    if attributes.get("order", "C") != "C" or not out.flags.c_contiguous or not isinstance(x, np.ndarray):
        return None
    return [make.copy(out.reshape(x.shape), x)]


def _astype(inputs: Sequence[object], out: Array, **attributes: object) -> Lowered:
    if not isinstance(inputs[0], np.ndarray):
        return None
    cast = _cast(inputs[0], out.dtype)
    return None if cast is None else [*cast[1], make.copy(out, cast[0])]


def _where(inputs: Sequence[object], out: Array) -> Lowered:
    mask, *values = inputs
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        return None
    found = [_cast(v, out.dtype) for v in values]
    operands, casts = [np.broadcast_to(mask, out.shape)], []
    for one in found:
        if one is None:
            return None
        operands.append(np.broadcast_to(one[0], out.shape))
        casts += one[1]
    return [*casts, make.where(out, *operands)]


def _take_along_axis(inputs: Sequence[object], out: Array, axis: int | None = -1) -> Lowered:
    x, index = inputs
    if axis is None or not isinstance(index, np.ndarray) or index.dtype != np.int64 or not isinstance(x, np.ndarray):
        return None
    axis %= x.ndim
    if x.shape[axis] == 0 or x.shape[:axis] + x.shape[axis + 1 :] != out.shape[:axis] + out.shape[axis + 1 :]:
        return None
    first = np.broadcast_to(np.moveaxis(np.moveaxis(x, axis, 0)[:1], 0, axis), out.shape)
    return [make.gather(out, x, index, first, axis)]


def _take(inputs: Sequence[object], out: Array, axis: int | None = None, **others: object) -> Lowered:
    x, index = inputs
    if axis is None or others.get("mode", "raise") != "raise":
        return None
    if not isinstance(index, np.ndarray) or index.dtype != np.int64 or not isinstance(x, np.ndarray) or not x.size:
        return None
    axis %= x.ndim
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    first = np.moveaxis(x, axis, 0)[0].reshape(before + (1,) * index.ndim + after)
    if not np.may_share_memory(first, x):
        return None
    places = index.reshape(index.shape + (1,) * len(after))
    return [make.gather(out, x, np.broadcast_to(places, out.shape), np.broadcast_to(first, out.shape), axis)]


def _full_like(inputs: Sequence[object], out: Array, **attributes: object) -> Lowered:
    cast = _cast(inputs[1], out.dtype)
    return None if cast is None else [*cast[1], make.copy(out, cast[0])]


def _pad(
    inputs: Sequence[Any], out: Array, pad_width: Sequence[tuple[int, int]], mode: str = "constant", *,
    constant_values: npt.ArrayLike = 0, **others: object,
) -> Lowered:  # fmt: skip
    """A frame of one number around the elements."""
    x, value = inputs[0], constant_values
    if mode != "constant" or np.ndim(value) or np.shape(pad_width) != (out.ndim, 2):
        return None
    inside = out[tuple(slice(before, before + n) for (before, _), n in zip(pad_width, x.shape, strict=True))]
    return [make.copy(out, np.asarray(value, out.dtype)), make.copy(inside, x)]


def _assembled(pieces: Sequence[Piece], out: Array) -> Lowered:
    """Zeros, in which arrays are put or added, one after the other."""
    steps = [make.fill(out, 0)]
    for place, array, added in pieces:
        if array.dtype != out.dtype:
            return None
        spread = np.broadcast_to(array, place.shape)
        steps.append(make.loop(np.add, place, spread, place) if added else make.copy(place, spread))
    return steps


def _uniform(inputs: Sequence[object], out: Array, key: tuple[int, int]) -> Lowered:
    if not out.flags.c_contiguous or not out.size:
        return None
    return [make.random(out, key, np.asarray(inputs[0], np.int64))]


_RULES: dict[str, Callable[..., Lowered]] = {
    "matmul": _matmul,
    "concatenate": _concatenate,
    "stack": _stack,
    "reshape": _reshape,
    "astype": _astype,
    "full_like": _full_like,
    "pad": _pad,
    "where": _where,
    "take": _take,
    "take_along_axis": _take_along_axis,
}
