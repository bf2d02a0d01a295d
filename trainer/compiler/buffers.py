"""Memory of a program: which block holds which value, from its computation to its last use.

Values are dense arrays laid out as eager NumPy lays them out. A block is free again after the last use of the value in
it and of every view of that value; an element-wise call writes over an argument that it is the last to use; the parts
of a concatenation are computed where they will stand; and what is carried from one run to the next takes its new value
where it lies.

In a block that had another size rows begin elsewhere, and threads that go through a few rows each would have to wait
there for one another: a small value goes into a block of its own size, or into one that has long been free.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence

import numpy as np

from trainer.compiler.chain import chain_of
from trainer.compiler.program import Instruction, Program, Value
from trainer.engine.dispatch import TABLE
from trainer.engine.memory import aligned
from trainer.types import Array

__all__ = ["Buffers", "dense"]

SMALL = 1 << 16  # bytes
APART = 64  # instructions


def dense(value: Value, block: Array) -> Array:
    """The value's array at the start of a block: dense, with the axes in the value's memory order."""
    strides, step = [0] * len(value.shape), value.dtype.itemsize
    for axis in reversed(value.order):
        strides[axis] = step
        step *= max(1, value.shape[axis])
    return np.ndarray(value.shape, value.dtype, block.data, 0, strides)


class Buffers:
    """Blocks of a program, handed out as its instructions are bound in order.

    A value that owns memory lies in one block for its live range: from the instruction that computes it to the last
    that reads it or a view of it. What holds between any two calls:

    - `_block` has the owners that are alive. A block is the block of one of them, or it is in `_free`.
    - `_owner` leads from a view to the value that owns its memory, which is never a view itself.
    - `_last` says where a value's live range ends; an owner's includes those of its views.
    - `_dying` has every owner in `_block` exactly once, at its `_last`: there `release` frees its block.
    - `_carried` has the outputs that may yet be written over the input that they replace.
    - `_parts` leads from a part of a concatenation to the whole, in whose block it will be computed; the first part
      takes the block.

    In this program the view %2 lets its owner %1 live on until %3 is computed from it, in another block therefore; and
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
    ...     print(names[value.value], "in block", value.buffer - 1, "from", value.first, "to", value.last)
    %1 in block 0 from 0 to 2
    %3 in block 1 from 2 to 3
    %4 in block 1 from 3 to 4

    Args:
        carried: by an output the input that takes its value after a run. The output is written over the input where
            nothing reads that any more, but for instructions up to position `checked`, after which a run may be given
            up and the inputs must be what they were.
        spare: blocks that are free before the first instruction.

    Attributes:
        blocks: every block, as bytes.
    """

    def __init__(
        self,
        program: Program,
        carried: Mapping[Value, Value] | None = None,
        checked: int = -1,
        spare: Sequence[Array] = (),
    ) -> None:
        self.blocks: list[Array] = [*spare]
        self._free = sorted(
            range(len(spare)), key=self._length
        )  # the smallest first, and of equal ones that which is free the longest
        self._since: dict[int, int] = {}  # at which position a block was freed
        self._block: dict[Value, int] = {}  # of a value that owns one
        self._owner: dict[Value, Value] = {}  # of a view
        self._last = {value: positions[-1] for value, positions in program.users().items()}
        self._last |= dict.fromkeys(program.outputs, len(program))  # read after the last instruction
        self._dying: dict[int, list[Value]] = {}
        self._carried, self._checked = dict(carried or {}), checked
        self._parts = _parts(program)

    @property
    def nbytes(self) -> int:
        """Bytes of all blocks."""
        return sum(b.nbytes for b in self.blocks)

    def alias(self, view: Value, source: Value) -> None:
        """`view` lies in the block of `source`, which must live as long."""
        owner = self._owner[view] = self._owner.get(source, source)
        last = max(self._last.get(owner, -1), self._last.get(view, -1))
        if owner in self._block:
            self._dying.get(self._last.get(owner, -1), []).remove(owner)
            self._dying.setdefault(last, []).append(owner)
        self._last[owner] = last

    def owner(self, value: Value) -> Value:
        """The value whose array holds this one: itself, or what it is a view of."""
        return self._owner.get(value, value)

    def over_input(self, position: int, instruction: Instruction, value: Value) -> Value | None:
        """The input that a result is carried over to, where it may be computed right there."""
        source = self._carried.get(value)
        if source is None or position <= self._checked or self._last.get(source, -1) > position:
            return None
        if not _may_overwrite(instruction, value, source) or self._views_of(source, instruction):
            return None
        del self._carried[value]
        self.alias(value, source)
        return source

    def allocate(self, position: int, instruction: Instruction, value: Value) -> Array:
        """The array for a result, in a block that is free at this position."""
        if value in self._parts:
            whole, offset = self._parts[value]
            if whole not in self._block:
                self._take(position, whole, self._fitting(position, whole))
            self.alias(value, whole)
            return dense(value, self.blocks[self._block[whole]][offset:])
        if value not in self._block:  # but a concatenation has its block since its first part was computed
            number = self._over_an_argument(position, instruction, value)
            self._take(position, value, self._fitting(position, value) if number is None else number)
        return dense(value, self.blocks[self._block[value]])

    def release(self, position: int) -> None:
        """Free the blocks of the values that are not used after this position."""
        for value in self._dying.pop(position, ()):
            number = self._block.pop(value)
            self._since[number] = position
            insort(self._free, number, key=self._length)

    def _take(self, position: int, value: Value, number: int) -> None:
        self._block[value] = number
        self._dying.setdefault(self._last.get(value, position), []).append(value)

    def _fitting(self, position: int, value: Value) -> int:
        """The smallest free block that is large enough and may be taken, or a new one."""
        wanted = value.nbytes
        for place in range(bisect_left(self._free, wanted, key=self._length), len(self._free)):
            number = self._free[place]
            apart = position - self._since.get(number, -APART)
            if wanted > SMALL or self._length(number) == wanted or apart >= APART:
                return self._free.pop(place)
        self.blocks.append(aligned(max(wanted, 1)))
        return len(self.blocks) - 1

    def _length(self, number: int) -> int:
        return self.blocks[number].nbytes

    def _over_an_argument(self, position: int, instruction: Instruction, value: Value) -> int | None:
        """The block of an argument that an element-wise call may write over."""
        for argument in instruction.inputs:
            owned = argument in self._block and self._last[argument] == position
            if owned and _may_overwrite(instruction, value, argument) and not self._views_of(argument, instruction):
                self._dying[position].remove(argument)
                return self._block.pop(argument)
        return None

    def _views_of(self, value: Value, instruction: Instruction) -> bool:
        return any(self._owner.get(v) is value for v in instruction.inputs)


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
