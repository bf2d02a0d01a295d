"""The checks, one function each. A check yields a Failure for what is wrong and a string for what it could not ask.

The first line of its docstring says what it proves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from trainer.checker.case import Case
from trainer.checker.checks.algebra import adjoint_identity, alone, broadcasting, linear_in_dy
from trainer.checker.checks.arrays import empty_and_0d, float32, integers, layouts, mixed_dtypes, repeatable, unchanged
from trainer.checker.checks.complexes import complex_inputs
from trainer.checker.checks.derivatives import first_order, second_order, table
from trainer.checker.checks.extremes import far_out, nothing_wanted, one_ulp, spoilt
from trainer.checker.checks.kinks import corners
from trainer.checker.checks.record import compiled, recorded, residuals, written
from trainer.checker.checks.sizes import few, many
from trainer.checker.report import Failure

__all__ = ["BRIEF", "FULL", "QUICK", "Check"]

Check = Callable[[Case], Iterator[Failure | str]]

FULL: tuple[Check, ...] = (
    first_order, unchanged, table, second_order, linear_in_dy, adjoint_identity, alone, broadcasting, float32,
    mixed_dtypes, repeatable, residuals, written, recorded, compiled, layouts, empty_and_0d, few, integers, spoilt,
    nothing_wanted, far_out, one_ulp, corners, many, complex_inputs,
)  # fmt: skip
QUICK: tuple[Check, ...] = tuple(c for c in FULL if c not in (complex_inputs, many))
# What a few milliseconds buy, when an op is first used in a run.
BRIEF: tuple[Check, ...] = (first_order, linear_in_dy, float32, unchanged)
