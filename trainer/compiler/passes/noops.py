"""No-ops: a cast to the same dtype, a reshape or broadcast to the same shape, a sum over no axis.

%1 = reshape(%0, shape=(3,))  float64 (3,)
%2 = tanh(%1)                                 →    %2 = tanh(%0)
"""

from __future__ import annotations

from trainer.compiler.functions import known_ops
from trainer.compiler.program import Instruction, Program, Value

__all__ = ["drop_noops"]


def drop_noops(program: Program) -> Program:
    """The program without the calls that change nothing."""
    keepers = {op for op, known in known_ops().items() if known.keeps}
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
