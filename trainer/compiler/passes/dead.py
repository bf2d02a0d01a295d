"""Dead values: what no output depends on is not computed.

%1 = tanh(%0)
%2 = exp(%0)           %2 = exp(%0)
return %2         →    return %2
"""

from __future__ import annotations

from trainer.compiler.program import Program

__all__ = ["drop_dead"]


def drop_dead(program: Program) -> Program:
    """The program without the instructions whose results are not used."""
    needed = set(program.outputs)
    kept = []
    for instruction in reversed(program.instructions):
        if not needed.isdisjoint(instruction.outputs):
            needed.update(instruction.inputs)
            kept.append(instruction)
    return program.replaced(reversed(kept), {})
