"""Memory of a program: where each value lies, from its computation to its last use.

Values are dense arrays laid out as eager NumPy lays them out. A value's place is free again after the last use of it
and of every view of it; an element-wise call writes over an argument that it is the last to use; the parts of a
concatenation are computed where they will stand; and what is carried from one run to the next takes its new value where
it lies. All that is settled for the whole program before the first place is given away (`trainer.compiler.offsets`).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Container, Mapping, Sequence
from itertools import accumulate

import numpy as np

from trainer.compiler.chain import chain_of
from trainer.compiler.offsets import Stay, end_of, lines, most_at_once, offsets
from trainer.compiler.program import Instruction, Program, Value
from trainer.engine.dispatch import TABLE
from trainer.engine.memory import aligned
from trainer.types import Array

__all__ = ["Buffers", "dense"]


def dense(value: Value, block: Array) -> Array:
    """The value's array at the start of a block: dense, with the axes in the value's memory order."""
    return np.ndarray(value.shape, value.dtype, block.data, 0, _strides(value))


class Buffers:
    """Places for the values of a program.

    A value that owns memory has a stay there: from the instruction that computes it to the last that reads it or a view
    of it. Those who are written over one another have one stay, with the first and last of them all.

    In this program the view %2 lets its owner %1 live on until %3 is computed from it, in another place therefore; and
    %4 is written over %3, which it is the last to read:

    >>> from trainer.compiler.layout import live_ranges
    >>> from trainer.compiler.numpy_executor import NumpyExecutor
    >>> from trainer.compiler.tracing import trace
    >>> program = trace(lambda x: np.negative(np.tanh(np.reshape(np.exp(x), (2, 2)))), [np.zeros(4)]).program
    >>> program
    %0 = input  float64 (4,)
    %1 = exp(%0)  float64 (4,)
    %2 = reshape(%1, shape=(2, 2))  float64 (2, 2)
    %3 = tanh(%2)  float64 (2, 2)
    %4 = negative(%3)  float64 (2, 2)
    return %4
    >>> names = program.names()
    >>> for value in live_ranges(NumpyExecutor(program))[1:]:
    ...     print(names[value.value], "at", value.start, "from", value.first, "to", value.last)
    %1 at 0 from 0 to 2
    %3 at 64 from 2 to 3
    %4 at 64 from 3 to 4

    Args:
        views: the instructions whose result is a view of their first argument.
        carried: by an output the input that takes its value after a run. The output is written over the input where
            nothing reads that any more, but for instructions up to position `checked`, after which a run may be given
            up and the inputs must be what they were.
        spare: memory that is free before the first instruction.

    Attributes:
        over: by a result that is computed where an input lies, that input.
        blocks: all the memory, as bytes: what was spare, and what is needed beside it.
        alive: bytes of the values that are alive at once, when they are most: what any plan takes.
    """

    def __init__(
        self,
        program: Program,
        views: Container[Instruction],
        carried: Mapping[Value, Value] | None = None,
        checked: int = -1,
        spare: Sequence[Array] = (),
    ) -> None:
        self.over: dict[Value, Value] = {}
        self._owner: dict[Value, Value] = {}  # of a view, or a part, or what is written over an input
        self._within: dict[Value, int] = {}  # of a part, at which byte of the whole
        self._stay: dict[Value, int] = {}  # of a value that owns memory
        self._stays: list[Stay] = []
        self._gone: set[Value] = set()  # what was written over
        self._last = {value: positions[-1] for value, positions in program.users().items()}
        self._last |= dict.fromkeys(program.outputs, len(program))  # read after the last instruction
        self._carried, self._checked = dict(carried or {}), checked
        self._parts = _parts(program)
        for position, instruction in enumerate(program.instructions):
            if instruction in views:
                self._alias(instruction.outputs[0], instruction.inputs[0])
                continue
            for value in instruction.outputs:
                self._settle(position, instruction, value)
        for value, number in self._stay.items():
            stay = self._stays[number]
            self._stays[number] = stay._replace(last=max(stay.last, self._last.get(value, stay.first)))
        self.alive = most_at_once(self._stays)
        walls = [*accumulate(block.nbytes for block in spare)]
        self._offsets = offsets(self._stays, walls)
        more = end_of(self._stays, self._offsets) - (walls[-1] if walls else 0)
        self.blocks: list[Array] = [*spare, *([aligned(more)] if more > 0 else [])]
        self._starts = [0, *accumulate(block.nbytes for block in self.blocks)]

    @property
    def nbytes(self) -> int:
        """Bytes of all blocks."""
        return sum(b.nbytes for b in self.blocks)

    def owner(self, value: Value) -> Value:
        """The value whose array holds this one: itself, or what it is a view of."""
        return self._owner.get(value, value)

    def array(self, value: Value) -> Array:
        """Where a result is computed that is no view and is not written over an input."""
        start = self._offsets[self._stay[self.owner(value)]] + self._within.get(value, 0)
        block = bisect_right(self._starts, start, hi=len(self.blocks)) - 1
        return dense(value, self.blocks[block][start - self._starts[block] :])

    def _alias(self, value: Value, source: Value) -> None:
        """A value lies where another does, which must live as long."""
        owner = self._owner[value] = self.owner(source)
        self._last[owner] = max(self._last.get(owner, -1), self._last.get(value, -1))

    def _settle(self, position: int, instruction: Instruction, value: Value) -> None:
        """Find a stay for a result."""
        source = self._carried.get(value)
        if source is not None and self._may_replace(position, instruction, value, source):
            del self._carried[value]
            self.over[value] = source
            self._alias(value, source)
        elif value in self._parts:
            whole, self._within[value] = self._parts[value]
            if whole not in self._stay:
                self._arrive(position, whole)
            self._alias(value, whole)
        elif value not in self._stay:  # but a concatenation has its stay since its first part was computed
            argument = self._over_an_argument(position, instruction, value)
            if argument is None:
                self._arrive(position, value)
            else:
                self._gone.add(argument)
                self._stay[value] = self._stay[argument]

    def _arrive(self, position: int, value: Value) -> None:
        self._stay[value] = len(self._stays)
        self._stays.append(Stay(lines(value.nbytes), position, position, _row(value)))

    def _may_replace(self, position: int, instruction: Instruction, value: Value, source: Value) -> bool:
        """Whether a result may be computed where the input lies that it is carried over to."""
        free = position > self._checked and self._last.get(source, -1) <= position
        return free and _may_overwrite(instruction, value, source) and not self._views_of(source, instruction)

    def _over_an_argument(self, position: int, instruction: Instruction, value: Value) -> Value | None:
        """An argument that an element-wise call may write over."""
        for argument in instruction.inputs:
            owned = argument in self._stay and argument not in self._gone and self._last[argument] == position
            if owned and _may_overwrite(instruction, value, argument) and not self._views_of(argument, instruction):
                return argument
        return None

    def _views_of(self, value: Value, instruction: Instruction) -> bool:
        return any(self._owner.get(v) is value for v in instruction.inputs)


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
