"""No-ops: a cast to the same dtype, a reshape or broadcast to the same shape, a sum over no axis, a known choice.

%1 = reshape(%0, shape=(3,))  float64 (3,)
%2 = where(constant True, %1, 0)               →    %3 = tanh(%0)
%3 = tanh(%2)
"""

from __future__ import annotations

import numpy as np

from trainer.compiler.functions import known_ops
from trainer.compiler.program import Instruction, Program, Value
from trainer.engine.dispatch import TABLE

__all__ = ["drop_noops"]


def drop_noops(program: Program) -> Program:
    """The program without the calls that change nothing."""
    keepers = {op for op, known in known_ops().items() if known.keeps}
    substitutes: dict[Value, Value] = {}
    kept = []
    for instruction in program.instructions:
        source = instruction.inputs[0] if instruction.op in keepers else _chosen(instruction)
        source = substitutes.get(source, source) if source is not None else None
        if source is not None and not source.constant and _same(source, instruction):
            substitutes[instruction.outputs[0]] = source
        else:
            kept.append(instruction)
    return program.replaced(kept, substitutes)


def _chosen(instruction: Instruction) -> Value | None:
    """What `np.where` takes everywhere, where its condition is known and the same everywhere."""
    if instruction.op is not TABLE.get(np.where) or len(instruction.inputs) != 3 or not instruction.inputs[0].constant:
        return None
    condition = np.asarray(instruction.inputs[0].known, bool)
    if not condition.size or condition.any() != condition.all():
        return None
    return instruction.inputs[1 if condition.all() else 2]


def _same(source: Value, instruction: Instruction) -> bool:
    output = instruction.outputs[0]
    return source.shape == output.shape and source.dtype == output.dtype and source.order == output.order
