"""Memory of a program: which block holds which value, from its computation to its last use.

Values are dense arrays laid out as eager NumPy lays them out. A block is free again after the last use of the value in
it and of every view of that value; an element-wise call writes over an argument that it is the last to use.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.compiler.program import Instruction, Program, Value

__all__ = ["Buffers", "dense"]


def dense(value: Value, block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The value's array at the start of a block: dense, with the axes in the value's memory order."""
    strides, step = [0] * len(value.shape), value.dtype.itemsize
    for axis in reversed(value.order):
        strides[axis] = step
        step *= max(1, value.shape[axis])
    return np.ndarray(value.shape, value.dtype, block.data, 0, strides)


class Buffers:
    """Blocks of a program, handed out as its instructions are bound in order.

    Attributes:
        blocks: every block, as bytes.
    """

    def __init__(self, program: Program) -> None:
        self.blocks: list[np.ndarray[Any, Any]] = []
        self._free: list[int] = []
        self._block: dict[Value, int] = {}  # of a value that owns one
        self._owner: dict[Value, Value] = {}  # of a view
        self._last = {value: positions[-1] for value, positions in program.users().items()}
        self._last |= dict.fromkeys(program.outputs, len(program))  # read after the last instruction
        self._dying: dict[int, list[Value]] = {}
        self._sizes: dict[int, int] = {}

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

    def allocate(self, position: int, instruction: Instruction, value: Value) -> np.ndarray[Any, Any]:
        """The array for a result, in a block that is free at this position."""
        number = self._over_an_argument(position, instruction, value)
        if number is None:
            fitting = [n for n in self._free if self.blocks[n].nbytes >= value.nbytes]
            number = min(fitting, key=lambda n: self.blocks[n].nbytes, default=None)
            if number is None:
                number = len(self.blocks)
                self.blocks.append(np.zeros(max(value.nbytes, 1), np.uint8))
            else:
                self._free.remove(number)
        self._block[value] = number
        self._dying.setdefault(self._last.get(value, position), []).append(value)
        return dense(value, self.blocks[number])

    def release(self, position: int) -> None:
        """Free the blocks of the values that are not used after this position."""
        for value in self._dying.pop(position, ()):
            self._free.append(self._block.pop(value))

    def _over_an_argument(self, position: int, instruction: Instruction, value: Value) -> int | None:
        """The block of an argument that an element-wise call may write over."""
        if not isinstance(instruction.op.forward, np.ufunc) or instruction.op.forward.signature:
            return None
        if len(instruction.outputs) > 1:
            return None
        for argument in instruction.inputs:
            owned = argument in self._block and self._last[argument] == position
            views = [v for v in instruction.inputs if self._owner.get(v) is argument]
            if (
                owned
                and not views
                and (argument.shape, argument.dtype, argument.order) == (value.shape, value.dtype, value.order)
            ):
                self._dying[position].remove(argument)
                return self._block.pop(argument)
        return None
