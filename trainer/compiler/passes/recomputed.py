"""Computing again: what is cheap to compute, and waits for a late use while most is alive, is computed anew for it.

    %1 = stack(%0, %0)               %1 = stack(%0, %0)
    %2 = matmul(%1, …)               %2 = matmul(%1, …)
    …   most is alive here     →     …   %1 is not
    %8 = matmul(%7, %1)              %9 = stack(%0, %0)
                                     %8 = matmul(%7, %9)

Cheap are copies (the windows of a convolution, heads that are turned) and arithmetic that takes one walk. Only what a
few such calls make of values that are there anyway when it is needed again is made again. The calls are the same on the
same values, so the bits are. All such values that wait at the fullest instant are taken at once, if their like is no
trifle; and so on at the instant that is the fullest then, as long as that gets emptier.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from trainer.compiler.chain import chain_of
from trainer.compiler.functions import EXACT, UNKNOWN, known_ops
from trainer.compiler.lifetimes import Lifetimes
from trainer.compiler.passes.dead import drop_dead
from trainer.compiler.program import Instruction, Program, Value

__all__ = ["recompute"]

WORTH = 1 / 64  # of all that is alive: what the like of a value take at least, and what a round wins
LITTLE = 1 << 20  # bytes alive, for which nobody computes again
CALLS = 4  # that make a value again at most
_COPIES = frozenset({"reshape", "astype", "concatenate", "stack", "full_like", "pad", "where", "take"})


def recompute(program: Program, carried: int = 0) -> Program:
    """The program with some of its calls made twice, and less alive at once.

    Args:
        carried: so many of the last outputs take the places of as many first inputs.
    """
    lives = Lifetimes(program, carried)
    while lives.alive > LITTLE and (again := _waiting(program, lives)):
        other = drop_dead(_repeated(program, again))
        after = Lifetimes(other, carried)
        if after.alive > lives.alive * (1 - WORTH):
            break
        program, lives = other, after
    return program


@dataclass(frozen=True)
class _Again:
    """A value that is made again before the instruction at position `late`, by these calls, and its views with it."""

    value: Value
    late: int
    calls: list[Instruction]
    views: list[Instruction]


def _waiting(program: Program, lives: Lifetimes) -> list[_Again]:
    """What is made again."""
    fullest, makers = lives.fullest(), _Makers(program, lives)
    users: dict[Value, list[int]] = defaultdict(list)
    views: dict[Value, list[Instruction]] = defaultdict(list)
    for position, instruction in enumerate(program.instructions):
        if instruction in lives.views:
            views[lives.owner(instruction.outputs[0])].append(instruction)
            continue
        for value in dict.fromkeys(map(lives.owner, instruction.inputs)):
            users[value].append(position)
    found: dict[Hashable, list[_Again]] = defaultdict(list)
    for position, instruction in enumerate(program.instructions[:fullest]):
        for value in lives.stay.keys() & set(instruction.outputs):
            late = next((b for a, b in pairwise([position, *users[value]]) if a < fullest < b), None)
            calls = late and makers.calls(value, late)
            if late and calls:
                again = _Again(value, late, calls, views[value])
                found[chain_of(instruction) or instruction.op, value.shape].append(again)
    worth = WORTH * lives.alive
    chosen = [each for like in found.values() if sum(e.value.nbytes for e in like) >= worth for each in like]
    made = {each.value for each in chosen}  # what is computed from one of them would have it wait all the same
    return [each for each in chosen if not any(made & set(map(lives.owner, call.inputs)) for call in each.calls)]


class _Makers:
    """How values are made."""

    def __init__(self, program: Program, lives: Lifetimes) -> None:
        self.lives, self._known = lives, known_ops()
        self.maker = {o: i for i in program.instructions for o in i.outputs}

    def calls(self, value: Value, position: int) -> list[Instruction] | None:
        """The few cheap calls that make a value of what is there at a position, in their order; None where there are
        none."""
        found: dict[Value, Instruction] = {}
        return list(found.values()) if self._find(value, position, found) else None

    def _find(self, value: Value, position: int, found: dict[Value, Instruction]) -> bool:
        instruction = _alone(self.maker[value], value)
        viewing = instruction in self.lives.views
        if not viewing and (not self._cheap(instruction) or sum(not self._is_view(v) for v in found) >= CALLS):
            return False
        for source in instruction.inputs:
            if source not in found and not self._is_there(source, position) and not self._find(source, position, found):
                return False
        found[value] = instruction
        return True

    def _is_view(self, value: Value) -> bool:
        return self.maker[value] in self.lives.views

    def _is_there(self, value: Value, position: int) -> bool:
        """Whether a value is still what it was when the instruction at this position runs."""
        owner = self.lives.owner(value)
        return value.constant or owner not in self.lives.stay or self.lives.last.get(owner, -1) >= position

    def _cheap(self, instruction: Instruction) -> bool:
        ufunc = instruction.op.forward
        if chain_of(instruction) is not None or (isinstance(ufunc, np.ufunc) and ufunc in EXACT):
            return True
        return self._known.get(instruction.op, UNKNOWN).lowering in _COPIES


def _alone(instruction: Instruction, value: Value) -> Instruction:
    """The instruction without its other outputs."""
    chain = chain_of(instruction)
    return instruction if chain is None or len(instruction.outputs) == 1 else chain.alone(instruction, value)


def _repeated(program: Program, again: list[_Again]) -> Program:
    """The program with these values made again."""
    due: dict[int, list[_Again]] = defaultdict(list)
    for each in again:
        due[each.late].append(each)
    new: dict[Value, Value] = {}
    table: list[Instruction] = []

    def made(instruction: Instruction, values: dict[Value, Value]) -> Instruction:
        inputs = tuple(values.get(v, v) for v in instruction.inputs)
        outputs = tuple(v.like() for v in instruction.outputs)
        values.update(zip(instruction.outputs, outputs, strict=True))
        return replace(instruction, inputs=inputs, outputs=outputs)

    done: set[Instruction] = set()
    for position, instruction in enumerate(program.instructions):
        for each in due[position]:
            between = dict(new)
            table += [made(call, between) for call in each.calls]
            new[each.value] = between[each.value]
            table += [made(view, new) for view in each.views if view in done]
        done.add(instruction)
        if not new.keys().isdisjoint(instruction.inputs):
            instruction = replace(instruction, inputs=tuple(new.get(v, v) for v in instruction.inputs))
        table.append(instruction)
    return Program(program.inputs, [new.get(v, v) for v in program.outputs], table)
