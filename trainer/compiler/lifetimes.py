"""How long the values of a program live, and which of them share their place.

A value that owns memory has a stay there: from the instruction that computes it to the last that reads it or a view of
it. An element-wise call writes over an argument that it is the last to use, also where that is a view of all of another
value, as what a convolution computes is before its bias is added, and both have one stay; the parts of a
concatenation are computed where they will stand; and what is carried from one run to the next takes its new value where
it lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainer.compiler.chain import chain_of
from trainer.compiler.functions import UNKNOWN, known_ops
from trainer.compiler.offsets import Stay, at_once, lines, most_at_once
from trainer.compiler.program import Instruction, Program, Value
from trainer.engine.dispatch import TABLE
from trainer.engine.memory import aligned
from trainer.types import Array

__all__ = ["Lifetimes", "dense"]


def dense(value: Value, block: Array) -> Array:
    """The value's array at the start of a block: dense, with the axes in the value's memory order."""
    return np.ndarray(value.shape, value.dtype, block.data, 0, _strides(value))


class Lifetimes:
    """The stays of a program's values.

    In this program the view %2, a part of its owner %1, lets that live on until %3 is computed from it, in another
    place therefore; and %4 is written over %3, which it is the last to read:

    >>> from trainer.compiler.tracing import trace
    >>> program = trace(lambda x: np.negative(np.tanh(np.exp(x)[:2])), [np.zeros(4)]).program
    >>> program
    %0 = input  float64 (4,)
    %1 = exp(%0)  float64 (4,)
    %2 = getitem(%1, slice(None, 2, None))  float64 (2,)
    %3 = tanh(%2)  float64 (2,)
    %4 = negative(%3)  float64 (2,)
    return %4
    >>> lives = Lifetimes(program)
    >>> lives.stays
    [Stay(nbytes=64, first=0, last=2, row=8), Stay(nbytes=64, first=2, last=4, row=8)]
    >>> names = program.names()
    >>> {names[value]: number for value, number in lives.stay.items()}
    {'%1': 0, '%3': 1, '%4': 1}

    Args:
        carried: so many of the first inputs take the values of as many last outputs after a run. Such an output is
            written over its input where nothing reads that any more, and all other outputs are known: a run may be
            given up then, and the inputs must be what they were.

    Attributes:
        known: the position of the instruction after which all other outputs are known; −1 where they are before.
        views: the instructions whose result is a view of their first argument.
        stays: of those that own memory.
        stay: by a value that owns memory, the number of its stay.
        over: by a result that is computed where an input lies, that input.
        within: by a part of a concatenation, at which byte of it.
        last: by a value, the position of the last instruction that reads it or a view of it; an output is read after
            all of them.
        alive: bytes of the values that are alive at once, when they are most: what any plan takes.
    """

    def __init__(self, program: Program, carried: int = 0) -> None:
        first = len(program.outputs) - carried
        given = set(program.outputs[:first])
        self.known = max((p for p, i in enumerate(program.instructions) if not given.isdisjoint(i.outputs)), default=-1)
        self.views, self._whole = _views(program)
        self.stays: list[Stay] = []
        self.stay: dict[Value, int] = {}
        self.over: dict[Value, Value] = {}
        self.within: dict[Value, int] = {}
        self.last = {value: positions[-1] for value, positions in program.users().items()}
        self.last |= dict.fromkeys(program.outputs, len(program))
        self._owner: dict[Value, Value] = {}  # of a view, or a part, or what is written over an input
        self._gone: set[Value] = set()  # what was written over
        self._carried = dict(zip(program.outputs[first:], program.inputs, strict=False))
        self._parts = _parts(program)
        for position, instruction in enumerate(program.instructions):
            if instruction in self.views:
                self._alias(instruction.outputs[0], instruction.inputs[0])
                continue
            for value in instruction.outputs:
                self._settle(position, instruction, value)
        for value, number in self.stay.items():
            stay = self.stays[number]
            self.stays[number] = stay._replace(last=max(stay.last, self.last.get(value, stay.first)))
        self.alive = most_at_once(self.stays)

    def fullest(self) -> int:
        """At which instruction most is alive."""
        return int(at_once(self.stays).argmax())

    def owner(self, value: Value) -> Value:
        """The value whose array holds this one: itself, or what it is a view of."""
        return self._owner.get(value, value)

    def _alias(self, value: Value, source: Value) -> None:
        """A value lies where another does, which must live as long."""
        owner = self._owner[value] = self.owner(source)
        self.last[owner] = max(self.last.get(owner, -1), self.last.get(value, -1))

    def _settle(self, position: int, instruction: Instruction, value: Value) -> None:
        """Find a stay for a result."""
        source = self._carried.get(value)
        if source is not None and self._may_replace(position, instruction, value, source):
            del self._carried[value]
            self.over[value] = source
            self._alias(value, source)
        elif value in self._parts:
            whole, self.within[value] = self._parts[value]
            if whole not in self.stay:
                self._arrive(position, whole)
            self._alias(value, whole)
        elif value not in self.stay:  # but a concatenation has its stay since its first part was computed
            argument = self._over_an_argument(position, instruction, value)
            if argument is None:
                self._arrive(position, value)
            else:
                owner = self.owner(argument)
                self._gone.add(owner)
                self.stay[value] = self.stay[owner]

    def _arrive(self, position: int, value: Value) -> None:
        self.stay[value] = len(self.stays)
        self.stays.append(Stay(lines(value.nbytes), position, position, _row(value)))

    def _may_replace(self, position: int, instruction: Instruction, value: Value, source: Value) -> bool:
        """Whether a result may be computed where the input lies that it is carried over to."""
        free = position > self.known and self.last.get(source, -1) <= position
        return free and _may_overwrite(instruction, value, source) and not self._views_of(source, instruction)

    def _over_an_argument(self, position: int, instruction: Instruction, value: Value) -> Value | None:
        """An argument that an element-wise call may write over: what owns memory, or all of it, seen otherwise."""
        for argument in instruction.inputs:
            owner = self.owner(argument)
            owned = owner in self.stay and owner not in self._gone and self.last[owner] == position
            if argument is not owner and (argument not in self._whole or argument.nbytes != owner.nbytes):
                continue
            others = any(v is not argument and self.owner(v) is owner for v in instruction.inputs)
            if owned and not others and _may_overwrite(instruction, value, argument):
                return argument
        return None

    def _views_of(self, value: Value, instruction: Instruction) -> bool:
        return any(self._owner.get(v) is value for v in instruction.inputs)


def _views(program: Program) -> tuple[set[Instruction], set[Value]]:
    """The instructions whose result is a view of their first argument, found out on zeros that all values share; and
    those results that begin where the memory does and lie as an array of their own would."""
    functions, found, own = known_ops(), set[Instruction](), set[Value]()
    values = [*program.inputs, *(o for i in program.instructions for o in i.outputs)]
    zeros = aligned(max((v.nbytes for v in values), default=0))
    arrays: dict[Value, Any] = {v: dense(v, zeros) for v in program.inputs}
    for instruction in program.instructions:
        view = None
        if functions.get(instruction.op, UNKNOWN).view:
            view = _view(instruction, [v.known if v.constant else arrays[v] for v in instruction.inputs])
        if view is None:
            arrays.update((o, dense(o, zeros)) for o in instruction.outputs)
        else:
            (value,) = instruction.outputs
            found.add(instruction)
            arrays[value] = view
            alike = all(n == 1 or a == b for n, a, b in zip(view.shape, view.strides, _strides(value), strict=True))
            if alike and view.ctypes.data == zeros.ctypes.data:
                own.add(value)
    return found, own


def _view(instruction: Instruction, inputs: Sequence[Any]) -> Array | None:
    """The result as a view of the first input, or None where it is none."""
    first, *rest = instruction.inputs
    if first.constant or not all(v.constant for v in rest) or not _is_basic(inputs[1:]):
        return None
    result = instruction.op.forward(*inputs, **instruction.attributes)
    shares = isinstance(result, np.ndarray) and np.may_share_memory(result, inputs[0])
    return result if shares or (isinstance(result, np.ndarray) and not result.size) else None


def _is_basic(rest: Sequence[object]) -> bool:
    """Whether what follows the array is a basic index (or nothing)."""
    if not rest:
        return True
    index = rest[0] if isinstance(rest[0], tuple) else (rest[0],)
    return all(i is None or i is Ellipsis or (isinstance(i, slice | int) and not isinstance(i, bool)) for i in index)


def _strides(value: Value) -> list[int]:
    strides, step = [0] * len(value.shape), value.dtype.itemsize
    for axis in reversed(value.order):
        strides[axis] = step
        step *= max(1, value.shape[axis])
    return strides


def _row(value: Value) -> int:
    """Bytes from one element of the first axis to the next; 0 where it has no two."""
    return next((step for n, step in zip(value.shape, _strides(value), strict=True) if n > 1), 0)


def _may_overwrite(instruction: Instruction, value: Value, argument: Value) -> bool:
    """Whether this result may be written where that argument lies, for all that the call itself reads."""
    if (argument.shape, argument.dtype, argument.order) != (value.shape, value.dtype, value.order):
        return False
    if value.dtype.kind == "c" and math.prod(value.shape) < 2:
        return False  # NumPy multiplies a complex number alone in another way where it is written over
    chain = chain_of(instruction)
    if chain is not None:
        return chain.may_overwrite(instruction.outputs.index(value), instruction.inputs, argument)
    ufunc = instruction.op.forward
    return isinstance(ufunc, np.ufunc) and not ufunc.signature and len(instruction.outputs) == 1


def _parts(program: Program) -> dict[Value, tuple[Value, int]]:
    """By a value that is a part of a flat concatenation, as it stands or reshaped: the whole, and at which byte."""
    concatenate, reshape = TABLE.get(np.concatenate), TABLE.get(np.reshape)
    made = {output: i for i in program.instructions for output in i.outputs}
    parts: dict[Value, tuple[Value, int]] = {}
    for instruction in program.instructions:
        if instruction.op is not concatenate or any(len(v.shape or ()) != 1 for v in instruction.inputs):
            continue
        whole, offset = instruction.outputs[0], 0
        for part in instruction.inputs:
            source = part
            while source in made and made[source].op is reshape:
                source = made[source].inputs[0]
            in_c_order = source.order == tuple(range(len(source.order)))
            if source in made and source not in parts and in_c_order and part.dtype == whole.dtype:
                parts[source] = whole, offset
            offset += part.shape[0] * whole.dtype.itemsize
    return parts
