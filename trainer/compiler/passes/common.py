"""Common subexpressions: what is computed twice from the same values is computed once.

    %1 = exp(%0)           %1 = exp(%0)
    %2 = exp(%0)
    %3 = add(%1, %2)  →    %3 = add(%1, %1)

A softmax and its rule both exponentiate the same shifted logits: this is where they meet.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from trainer.compiler.program import Instruction, Program, Value

__all__ = ["share_common"]


def share_common(program: Program) -> Program:
    """The program with each call of the same op on the same values made once."""
    first: dict[Hashable, tuple[Value, ...]] = {}
    substitutes: dict[Value, Value] = {}
    kept = []
    for instruction in program.instructions:
        inputs = tuple(substitutes.get(v, v) for v in instruction.inputs)
        key = (instruction.op, tuple(map(_of_value, inputs)), _of_attributes(instruction))
        outputs = first.setdefault(key, instruction.outputs)
        if outputs is instruction.outputs:
            kept.append(instruction)
        else:
            substitutes.update(zip(instruction.outputs, outputs, strict=True))
    return program.replaced(kept, substitutes)


def _of_value(value: Value) -> Hashable:
    """Equal for values that are equal to the bit: themselves, and constants of the same type and content."""
    if not value.constant:
        return value
    known = value.known
    if isinstance(known, np.ndarray | np.generic):
        return (known.dtype.str, known.shape, known.tobytes()) if known.nbytes <= 1024 else id(known)
    return _of_constant(known)


def _of_attributes(instruction: Instruction) -> Hashable:
    return tuple((name, _of_constant(value)) for name, value in sorted(instruction.attributes.items()))


def _of_constant(value: object) -> Hashable:
    """Equal for constants that are equal; objects of other kinds, which the program keeps, equal themselves alone."""
    if isinstance(value, tuple | list):
        return type(value), tuple(map(_of_constant, value))
    plain = bool | int | float | complex | str | bytes | slice | np.generic | np.dtype | type
    if value is None or value is Ellipsis or isinstance(value, plain):
        return type(value), repr(value)
    return id(value)
