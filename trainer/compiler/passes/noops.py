"""No-ops: a cast to the same dtype, a reshape or broadcast to the same shape, a sum over no axis.

%1 = reshape(%0, shape=(3,))  float64 (3,)
%2 = tanh(%1)                                 →    %2 = tanh(%0)
"""

from __future__ import annotations

import numpy as np

from trainer.compiler.program import Instruction, Program, Value
from trainer.engine.dispatch import TABLE

__all__ = ["drop_noops"]

# Functions that give their argument's elements in their order, so that equal shape and dtype mean equal value.
_KEEPERS = (np.reshape, np.broadcast_to, np.ravel, np.squeeze, np.expand_dims, np.astype, np.positive, np.copy)


def drop_noops(program: Program) -> Program:
    """The program without the calls that change nothing."""
    keepers = {TABLE[f] for f in _KEEPERS if f in TABLE}
    substitutes: dict[Value, Value] = {}
    kept = []
    for instruction in program.instructions:
        source = substitutes.get(instruction.inputs[0], instruction.inputs[0])
        if instruction.op in keepers and not source.constant and _same(source, instruction):
            substitutes[instruction.outputs[0]] = source
        else:
            kept.append(instruction)
    return program.replaced(kept, substitutes)


def _same(source: Value, instruction: Instruction) -> bool:
    output = instruction.outputs[0]
    return source.shape == output.shape and source.dtype == output.dtype and source.order == output.order
