"""Dead values: what no output depends on is not computed.

%1 = tanh(%0)
%2 = exp(%0)           %2 = exp(%0)
return %2         →    return %2

But where a result's shape or dtype depends on values, Python may have read it (the length of `x[x > 0]`), and it stands
in the program as a constant. Such a call stays, so that whoever runs it can compare.
"""

from __future__ import annotations

import operator

import numpy as np

from trainer.compiler.chain import chain_of
from trainer.compiler.packed import Packed
from trainer.compiler.program import Instruction, Program
from trainer.engine.dispatch import TABLE
from trainer.engine.node import Operation

__all__ = ["drop_dead"]

# NumPy's functions whose results' shapes or dtypes depend on values.
_BY_VALUES = (
    np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.compress, np.extract, np.repeat, np.delete, np.insert,
    np.bincount, np.histogram, np.histogram_bin_edges, np.ix_, np.real_if_close, np.linalg.eig, np.linalg.eigvals,
    np.linalg.lstsq,
)  # fmt: skip


def drop_dead(program: Program) -> Program:
    """The program without the instructions whose results are not used."""
    by_values = {TABLE[f] for f in _BY_VALUES if f in TABLE}
    needed = set(program.outputs)
    kept = []
    for instruction in reversed(program.instructions):
        if not needed.isdisjoint(instruction.outputs) or _may_vary(instruction, by_values):
            needed.update(instruction.inputs)
            kept.append(instruction)
    return program.replaced(reversed(kept), {})


def _may_vary(instruction: Instruction, by_values: set[Operation]) -> bool:
    """Whether the shape or dtype of a result may be another one for other values."""
    op = instruction.op
    if isinstance(op.forward, np.ufunc) or chain_of(instruction) or all(v.constant for v in instruction.inputs):
        return False
    if op is TABLE.get(operator.getitem):
        return any(not v.constant and v.dtype == np.bool_ for v in instruction.inputs[1:])
    return not op.primitive or isinstance(op.forward, Packed) or op in by_values
