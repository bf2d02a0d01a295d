"""Fusing: element-wise calls on arrays of one shape become one instruction, where the last of them stood.

    %2 = multiply(0.9, %0)  float32 (1000,)
    %3 = multiply(0.1, %1)  float32 (1000,)
    %4 = add(%2, %3)  float32 (1000,)          →    %4 = multiply+multiply+add(0.9, %0, 0.1, %1)  float32 (1000,)

Only what IEEE arithmetic defines to the last bit is fused (+ − × ÷ √, comparisons, the larger of two), so that whoever
runs the chain need not run NumPy's own loops to get NumPy's bits. A chain lies within one layer's part of the step, so
that time can be told by layer.

Calls may share a chain that are alike in shape, memory order, dtype and scope: their kind. The instructions are gone
through once, with at most one growing chain per kind. A chain runs where its last call stands, so it must end before
anybody else takes what it gives. Two cases end one, shown here with kinds A and B:

    %1 = multiply(0.9, %0)      A  begins a chain of kind A
    %2 = exp(%0)                -  is no part of a chain, and takes nothing of one: A may grow on
    %3 = add(%1, %2)            A  grows; it takes %1, but inside of the chain
    %4 = sum(%3)                -  takes %3: A ends as multiply+add, and stands where %3 stood
    %5 = negative(%0)           A  begins the next chain of kind A

*Needed*: an instruction of another kind, or of none, takes what the chain gives, as %4 does. *Full*: a call of the
chain's own kind cannot join, for the chain would be too long or take a mask from outside; the call begins the next one.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from trainer.compiler.chain import Chain
from trainer.compiler.functions import COMPARISONS, EXACT
from trainer.compiler.program import Instruction, Program, Value

__all__ = ["fuse"]

LONGEST = 24  # calls
MOST = 16  # arrays and numbers that a chain takes and gives


def fuse(program: Program) -> Program:
    """The program with its chains as one instruction each."""
    uses = _Uses(program)
    chains: dict[Instruction, list[Instruction]] = {}  # by each of its calls
    growing: dict[Hashable, list[Instruction]] = {}
    for instruction in program.instructions:
        kind = _kind(instruction, uses)
        joins = kind is not None and _fits(growing.get(kind, []), instruction, uses)
        for other, calls in list(growing.items()):
            full = other == kind and not joins
            needed = other != kind and any(call.outputs[0] in instruction.inputs for call in calls)
            if full or needed:
                del growing[other]
        if joins or (kind is not None and _fits([], instruction, uses)):
            chains[instruction] = growing.setdefault(kind, [])
            chains[instruction].append(instruction)
    kept = []
    for instruction in program.instructions:
        calls = chains.get(instruction, [])
        given = [call.outputs[0] for call in calls if uses.outside(call.outputs[0], set(calls))]
        if len(calls) < 2 or any(value.dtype == np.bool_ for value in given):
            kept.append(instruction)
        elif instruction is calls[-1]:
            kept.append(_fused(calls, given))
    return program.replaced(kept, {})


class _Uses:
    """Who takes a value."""

    def __init__(self, program: Program) -> None:
        self.outputs = set(program.outputs)
        self.users: dict[Value, list[Instruction]] = {}
        for instruction in program.instructions:
            for value in instruction.inputs:
                self.users.setdefault(value, []).append(instruction)

    def outside(self, value: Value, calls: set[Instruction]) -> bool:
        """Whether anything but these calls takes the value."""
        return value in self.outputs or not calls.issuperset(self.users.get(value, ()))


def _kind(instruction: Instruction, uses: _Uses) -> Hashable:
    """Equal for calls that may share a chain; None for what belongs to none."""
    output = instruction.outputs[0]
    if instruction.op.forward not in COMPARISONS:
        return _kind_of_arithmetic(instruction)
    # What a comparison gives is a mask within the chain, or the comparison is no part of one.
    kinds = {_kind_of_arithmetic(user) for user in uses.users.get(output, ())}
    (kind,) = kinds if len(kinds) == 1 else (None,)
    if kind is None or output in uses.outputs or (output.shape, instruction.scope) != (kind[0], kind[3]):
        return None
    compared = {v.dtype for v in instruction.inputs if v.dtype is not None}
    alike = compared == {kind[2]} or (compared == {np.dtype(np.int64)} and _is_one_small(instruction, kind[2]))
    return kind if alike else None


def _kind_of_arithmetic(instruction: Instruction) -> tuple[Any, ...] | None:
    """Shape, memory order, dtype and scope."""
    ufunc, inputs, output = instruction.op.forward, instruction.inputs, instruction.outputs[0]
    if not isinstance(ufunc, np.ufunc) or ufunc not in EXACT or output.dtype not in (np.float32, np.float64):
        return None
    if any(value is not None for value in instruction.attributes.values()) or 0 in output.shape or not output.shape:
        return None
    dtypes = {v.dtype for v in inputs if v.dtype is not None} - {np.dtype(np.bool_)}  # a mask counts as 0 and 1
    numbers = all(v.dtype is not None or type(v.known) in (int, float) for v in inputs)
    return (
        (output.shape, output.order, output.dtype, instruction.scope) if numbers and dtypes == {output.dtype} else None
    )


def _is_one_small(instruction: Instruction, dtype: np.dtype[Any]) -> bool:
    """Whether one side of a comparison of whole numbers is known and so small that the comparison of the numbers as
    floats, rounded or not, gives the same."""
    if instruction.op.forward not in (np.equal, np.not_equal):
        return False
    known = [np.asarray(v.known) for v in instruction.inputs if v.constant and v.dtype is not None]
    return any(k.size and max(-k.min(), k.max()) < 1 / np.finfo(dtype).eps for k in known)


def _fits(calls: list[Instruction], instruction: Instruction, uses: _Uses) -> bool:
    """Whether a chain may take in one more call: its masks come from there, and it is not too much of everything."""
    if len(calls) >= LONGEST:
        return False
    made = {call.outputs[0] for call in calls}
    if any(v.dtype == np.bool_ and v not in made for v in instruction.inputs):
        return False
    more = [*calls, instruction]
    taken = {v for call in more for v in call.inputs} - made
    within = set(more)
    given = [call for call in more if uses.outside(call.outputs[0], within)]
    return len(taken) + len(given) <= MOST


def _fused(calls: list[Instruction], given: list[Value]) -> Instruction:
    made = [c.outputs[0] for c in calls]
    inputs = tuple(dict.fromkeys(v for c in calls for v in c.inputs if v not in made))
    steps = tuple(
        (c.op.forward, tuple(~made.index(v) if v in made else inputs.index(v) for v in c.inputs)) for c in calls
    )
    return Chain(steps, tuple(map(made.index, given))).instruction(inputs, tuple(given), calls[-1])
