"""A matrix that several products take turned is turned once.

The machine packs such a matrix for every product, and each thread packs it for its own rows. In a recurrence that is as
much work as the product of a position, at every position, and the matrix is the same at all of them. How the sums are
done is said by classes and cuts, whatever the layout, so that no bit depends on it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from trainer.compiler.machine import _machine as m
from trainer.compiler.machine import instructions as make
from trainer.compiler.machine.instructions import MachineInstruction
from trainer.types import Array

__all__ = ["turned_once"]

LARGE = 1 << 18  # bytes: what is larger is packed in less time than its product takes


def turned_once(table: Sequence[MachineInstruction]) -> list[MachineInstruction]:
    """The same instructions, in which products that follow one another take a copy of what they would each have packed,
    as long as nothing else touches that matrix in between."""
    copies: dict[Hashable, MachineInstruction] = {}  # that hold now
    before: dict[int, MachineInstruction] = {}  # which copy is made before which instruction
    uses: dict[int, list[int]] = {}  # by the copy's place, where it is taken
    places: dict[Hashable, int] = {}
    for place, instruction in enumerate(table):
        key = _turned(instruction)
        others = instruction.operands if key is None else (instruction.operands[0], instruction.operands[2])
        for known, copied in list(copies.items()):
            matrix = copied.operands[1]
            if instruction.kind == m.CALL or any(np.may_share_memory(matrix, array) for array in others):
                del copies[known], places[known]
        if key is None:
            continue
        if key not in copies:
            matrix = instruction.operands[1]
            copies[key] = before[place] = make.copy(np.empty(matrix.shape, matrix.dtype), matrix)
            places[key], uses[place] = place, []
        uses[places[key]].append(place)
    result = list(table)
    for first, taking in uses.items():
        if len(taking) < 2:
            del before[first]
            continue
        straight = before[first].operands[0]
        for place in taking:
            a, _, out = table[place].operands
            result[place] = table[place]._replace(operands=(a, straight, out))
    return [each for place, one in enumerate(result) for each in (before.get(place), one) if each is not None]


def _turned(instruction: MachineInstruction) -> Hashable | None:
    """Equal for products of the machine's own that take the same small matrix, whose rows are not dense; else None."""
    if instruction.kind != m.PRODUCT:
        return None
    b: Array = instruction.operands[1]
    if b.ndim != 2 or b.strides[-1] == b.itemsize or b.nbytes > LARGE:
        return None
    return b.ctypes.data, b.shape, b.strides, b.dtype.str
