"""Constants: what depends on no input is computed once, now.

%1 = multiply(2.0, 3.0)
%2 = multiply(%0, %1)      →    %2 = multiply(%0, 6.0)
"""

from __future__ import annotations

import numpy as np

from trainer.compiler.program import Program, Value

__all__ = ["fold_constants"]


def fold_constants(program: Program) -> Program:
    """The program without the calls whose every argument is known."""
    substitutes: dict[Value, Value] = {}
    kept = []
    for instruction in program.instructions:
        inputs = [substitutes.get(v, v) for v in instruction.inputs]
        if not all(v.constant for v in inputs):
            kept.append(instruction)
            continue
        with np.errstate(all="ignore"):
            result = instruction.op.forward(*(v.known for v in inputs), **instruction.attributes)
        results = result if isinstance(result, tuple) else (result,)
        for output, known in zip(instruction.outputs, results, strict=True):
            substitutes[output] = Value(known, constant=True)
    return program.replaced(kept, substitutes)
