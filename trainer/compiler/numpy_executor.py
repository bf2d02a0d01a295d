"""Running a program with NumPy: bound calls on planned buffers.

Everything that can be decided before the first run is: which buffer holds what, which results are views of a buffer,
and which call writes straight into one. A run is then a loop over calls that are ready to be made. The calls are those
that eager NumPy makes, in its order and on arrays of its layout, so the bits are the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import starmap, zip_longest
from typing import Any

import numpy as np

from trainer.compiler.buffers import Buffers
from trainer.compiler.chain import Chain, chain_of
from trainer.compiler.functions import UNKNOWN, Known, known_ops
from trainer.compiler.lifetimes import Lifetimes, dense
from trainer.compiler.program import Instruction, Program, Value
from trainer.engine.dispatch import TABLE
from trainer.engine.memory import aligned
from trainer.engine.op import Piece
from trainer.errors import ShapeError
from trainer.types import Array

__all__ = ["Bound", "NumpyExecutor"]

Call = Callable[[], Any]

PIECE = 1 << 17  # bytes of an array that go through a chain at a time: a few of them stay in the second cache


@dataclass(frozen=True, eq=False)
class Bound:
    """An instruction, the arrays it reads and writes, the NumPy calls that compute it, and what is known of it."""

    instruction: Instruction
    inputs: list[Any]
    outputs: list[Any]
    calls: list[Call]
    known: Known = UNKNOWN


class NumpyExecutor:
    """Runs one program with NumPy's calls (see `trainer.compiler.executors.Executor`), on planned buffers.

    Args:
        carried: how many of the first inputs take the values of as many last outputs before the next run. The outputs
            may then lie where the inputs do; they are written there only by `bound[checked:]`, when all other outputs
            are known.
        beside: an executor that carries the same and never runs while this one does: what is carried lies where it lies
            there, and its blocks are used again.

    Attributes:
        inputs, outputs: the arrays (of outputs that are constant, what they are).
        bound: the instructions, but for those whose result is a view.
        checked: how many of them there are before the other outputs are known.

    >>> from trainer.compiler.tracing import trace
    >>> program = trace(lambda x: np.tanh(x) * 2.0, [np.zeros(3)]).program
    >>> NumpyExecutor(program).run([np.array([0.0, np.inf, -np.inf])])
    [array([ 0.,  2., -2.])]
    """

    name = "numpy"

    def __init__(self, program: Program, carried: int = 0, beside: NumpyExecutor | None = None) -> None:
        self.program, self.carried = program, carried
        self.called_back: list[tuple[Bound, str]] = []
        self._lock = threading.Lock()
        self._known = known_ops()
        self.lives = Lifetimes(program, carried)
        self.buffers: Buffers = Buffers(self.lives, () if beside is None else beside.buffers.blocks)
        self._arrays: dict[Value, Any] = {}
        self._between: dict[Any, Any] = {}  # by register and layout, what lies between two calls of a chain
        shared = [] if beside is None else beside.inputs[:carried]
        self.inputs: list[Any] = [self._input(v, a) for v, a in zip_longest(program.inputs, shared)]
        bound = [self._bind(i) for i in program.instructions]
        self.checked = sum(b is not None for b in bound[: self.lives.known + 1])
        self.bound = [b for b in bound if b is not None]
        self._first = [call for bound in self.bound[: self.checked] for call in bound.calls]
        self._rest = [call for bound in self.bound[self.checked :] for call in bound.calls]
        self.outputs = [self._array(v) for v in program.outputs]

    def run(self, inputs: Sequence[object]) -> list[Any]:
        """The program's outputs for these inputs, as arrays of their own."""
        with self._lock:
            for buffer, value in zip(self.inputs, inputs, strict=True):
                buffer[...] = value
            self.compute()
            self.commit()
            return [np.array(o)[()] if isinstance(o, np.ndarray | np.generic) else o for o in self.outputs]

    def compute(self) -> None:
        for call in self._first:
            call()

    def commit(self) -> None:
        for call in self._rest:
            call()

    def repeat(self, bound: Bound, count: int) -> None:
        for _ in range(count):
            for call in bound.calls:
                call()

    @property
    def raised(self) -> int:
        return 0  # NumPy has warned of all there was

    @property
    def blocks(self) -> Sequence[Array]:
        return self.buffers.blocks

    @property
    def held(self) -> Sequence[Array]:
        return ()

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers together."""
        return self.buffers.nbytes + sum(int(array.nbytes) for array in self._between.values())

    @property
    def alive(self) -> int:
        return self.lives.alive

    def _input(self, value: Value, shared: Array | None) -> Array:
        array = self._arrays[value] = dense(value, aligned(value.nbytes)) if shared is None else shared
        return array

    def _array(self, value: Value) -> Any:
        return value.known if value.constant else self._arrays[value]

    def _bind(self, instruction: Instruction) -> Bound | None:
        """An instruction with its places; None for a view, which is there already."""
        inputs = [self._array(v) for v in instruction.inputs]
        if instruction in self.lives.views:
            self._arrays[instruction.outputs[0]] = instruction.op.forward(*inputs, **instruction.attributes)
            return None
        outputs = [self._output(o) for o in instruction.outputs]
        self._arrays.update(zip(instruction.outputs, outputs, strict=True))
        known = self._known.get(instruction.op, UNKNOWN)
        return Bound(instruction, inputs, outputs, self._calls(instruction, known, inputs, outputs), known)

    def _output(self, value: Value) -> Any:
        source = self.lives.over.get(value)
        return self.buffers.array(value) if source is None else self._arrays[source]

    def _calls(self, instruction: Instruction, known: Known, inputs: list[Any], outputs: list[Array]) -> list[Call]:
        op, attributes = instruction.op, instruction.attributes
        if isinstance(op.forward, np.ufunc) and not attributes:
            return [partial(op.forward, *inputs, out=tuple(outputs) if len(outputs) > 1 else outputs[0])]
        if known.reduces is not None and len(inputs) == 1:
            reduced = _reduction(known, inputs[0], outputs[0], **attributes)
            if reduced is not None:
                return reduced
        if op is TABLE.get(np.concatenate) and attributes.get("axis", 0) is not None:
            parts = pieces_of(outputs[0], inputs, attributes.get("axis", 0))
            return [partial(np.copyto, place, array) for place, array in parts]
        pieces = assembly(instruction, inputs, outputs[0])
        if pieces is not None:
            return [partial(outputs[0].fill, 0), *starmap(_put, pieces)]
        chain = chain_of(instruction)
        if chain is not None:
            return self._chain(chain, inputs, outputs, instruction.outputs[0].order[0])
        return [partial(_into, tuple(outputs), partial(op.forward, **attributes), *inputs)]

    def _chain(self, chain: Chain, inputs: list[Any], outputs: list[Any], axis: int) -> list[Call]:
        """The calls of a chain, piece by piece along the slowest axis."""
        length, place = outputs[0].shape[axis], axis - outputs[0].ndim
        rows = max(1, length * PIECE // outputs[0].nbytes)
        calls: list[Call] = []
        for start in range(0, length, rows):
            piece = (..., slice(start, start + rows), *[slice(None)] * (-place - 1))
            # An argument that is broadcast along the axis goes in whole.
            taken = [x[piece] if np.ndim(x) >= -place and x.shape[place] > 1 else x for x in inputs]
            given = dict(zip(chain.results, (o[piece] for o in outputs), strict=True))
            found: list[Any] = []
            for k, ((ufunc, arguments), register) in enumerate(zip(chain.steps, chain.registers(), strict=True)):
                out = given[k] if k in given else self._scratch(register, outputs[0][piece], chain.is_mask(k))
                calls.append(partial(ufunc, *(taken[t] if t >= 0 else found[~t] for t in arguments), out=out))
                found.append(out)
        return calls

    def _scratch(self, register: int, like: Array, mask: bool) -> object:
        """An array for a result between two calls of a chain; all chains share them."""
        key = register, like.shape, like.strides, np.dtype(np.bool_) if mask else like.dtype
        if key not in self._between:
            self._between[key] = np.empty_like(like, key[-1])
        return self._between[key]


def _reduction(
    known: Known,
    x: Array,
    out: Array,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
    dtype: object = None,
    initial: object = None,
    **others: object,
) -> list[Call] | None:
    """A reduction straight into its place, where NumPy's function does no more than that."""
    if dtype is not None or initial is not None or x.dtype != out.dtype or known.reduces is None:
        return None
    calls: list[Call] = [partial(known.reduces.reduce, x, axis=axis, out=out, keepdims=keepdims)]
    if known.averages:
        if x.dtype.char not in "fd" or not out.size:
            return None
        # The count is an integer of its own, as in np.mean: with one of Python's the division would be in float32.
        calls.append(partial(np.true_divide, out, np.intp(x.size // out.size), out=out, casting="unsafe"))
    return calls


def assembly(instruction: Instruction, inputs: Sequence[Any], output: Any) -> list[Piece] | None:
    """The steps in which an op says that its result is put together, from zeros; None for one that says none."""
    function = getattr(instruction.op, "pieces", None)
    return function and function(output, *inputs, **instruction.attributes)


def _put(place: Array, array: Array, added: bool) -> Call:
    return partial(np.add, place, array, out=place) if added else partial(np.copyto, place, array)


def pieces_of(whole: Array, parts: Sequence[Any], axis: int) -> list[tuple[Array, Array]]:
    """Per part of a concatenation its place and the part, but for those that lie in their place."""
    found, start = [], 0
    for part in parts:
        place = np.moveaxis(np.moveaxis(whole, axis, 0)[start : start + part.shape[axis]], 0, axis)
        start += part.shape[axis]
        if place.ctypes.data != part.ctypes.data or place.strides != part.strides:
            found.append((place, part))
    return found


def _into(outputs: tuple[Any, ...], forward: Callable[..., Any], *inputs: object) -> None:
    """Call a function that brings its own arrays, and copy what it gives."""
    result = forward(*inputs)
    for output, array in zip(outputs, result if isinstance(result, tuple) else (result,), strict=True):
        if np.shape(array) != output.shape:
            raise ShapeError(
                f"a result has shape {np.shape(array)} for these values, and shape {output.shape} was recorded: a "
                "compiled function's shapes must not depend on values; np.where(mask, x, 0) keeps them"
            )
        if np.result_type(array) != output.dtype:
            raise ShapeError(
                f"a result has dtype {np.result_type(array)} for these values, and dtype {output.dtype} was recorded: "
                "a compiled function's dtypes must not depend on values; complex numbers in, x.astype(complex), keep "
                "them"
            )
        output[...] = array
