"""A program: a flat table of instructions on values of known shape and dtype.

Every instruction is one call of an op. There is no control flow: a program computes what was recorded, for arrays of
the shapes and dtypes that it was recorded with, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainer.compiler.scope import NOWHERE, Scope
from trainer.engine.op import Op

__all__ = ["Instruction", "Program", "Value"]


class Value:
    """Something an instruction takes or gives.

    Attributes:
        shape, dtype: of the array. For a constant that is no array (a Python number, an index) both are None.
        order: the axes from the slowest to the fastest in memory, as eager NumPy laid them out. A sum over an axis
            adds in memory order, so the layout is part of the bits.
        constant: whether the value is known; then `known` is it.
    """

    __slots__ = ("constant", "dtype", "known", "order", "shape")

    def __init__(self, like: Any, *, constant: bool = False) -> None:
        is_array = isinstance(like, np.ndarray | np.generic)
        self.shape: Any = like.shape if is_array else None
        self.dtype: Any = like.dtype if is_array else None
        self.order: tuple[int, ...] = memory_order(like) if is_array else ()
        self.constant = constant
        self.known: Any = like if constant else None

    def like(self) -> Value:
        """Another value that lies as this one does."""
        value = copy(self)
        value.constant, value.known = False, None
        return value

    def __repr__(self) -> str:
        kind = "constant " if self.constant else ""
        return f"<{kind}{self.dtype} {self.shape}>" if self.shape is not None else f"<constant {self.known!r}>"

    @property
    def nbytes(self) -> int:
        """Bytes of the array; 0 for a constant that is none."""
        return 0 if self.shape is None else math.prod(self.shape) * self.dtype.itemsize


def memory_order(array: Any) -> tuple[int, ...]:
    """The axes from the largest stride to the smallest; C order where strides do not tell.

    >>> memory_order(np.ones((2, 3))), memory_order(np.ones((2, 3)).T)
    ((0, 1), (1, 0))
    """
    if isinstance(array, np.generic) or array.flags.c_contiguous:
        return tuple(range(array.ndim))
    return tuple(sorted(range(array.ndim), key=lambda axis: (-abs(array.strides[axis]), axis)))


@dataclass(frozen=True, eq=False)
class Instruction:
    """One call: `outputs = op(*inputs, **attributes)`, and which layer it is part of."""

    op: Op
    inputs: tuple[Value, ...]
    attributes: dict[str, Any]
    outputs: tuple[Value, ...]
    scope: Scope = NOWHERE

    def operations(self) -> int:
        """Scalar operations, as the op counts them."""
        shape: Any = self.outputs[0].shape if len(self.outputs) == 1 else [o.shape for o in self.outputs]
        return self.op.count_operations([i.shape or () for i in self.inputs], shape)


@dataclass
class Program:
    """Inputs, instructions in an order in which they can run, and outputs."""

    inputs: list[Value]
    outputs: list[Value]
    instructions: list[Instruction] = field(default_factory=list)

    def users(self) -> dict[Value, list[int]]:
        """Per value the positions of the instructions that take it."""
        users: dict[Value, list[int]] = {}
        for position, instruction in enumerate(self.instructions):
            for value in instruction.inputs:
                users.setdefault(value, []).append(position)
        return users

    def replaced(self, instructions: Iterable[Instruction], substitutes: dict[Value, Value]) -> Program:
        """The program with other instructions, and with values substituted where they are taken and given out."""

        def follow(value: Value) -> Value:
            while value in substitutes:
                value = substitutes[value]
            return value

        table = [
            i if substitutes.keys().isdisjoint(i.inputs)
            else Instruction(i.op, tuple(map(follow, i.inputs)), i.attributes, i.outputs, i.scope)
            for i in instructions
        ]  # fmt: skip
        return Program(self.inputs, list(map(follow, self.outputs)), table)

    def operations(self) -> int:
        """Scalar operations of one run."""
        return sum(i.operations() for i in self.instructions)

    def __len__(self) -> int:
        return len(self.instructions)

    def __repr__(self) -> str:
        """The table, a line per instruction.

        %3 = multiply(%1, 2.0)  float64 (3,)
        """
        names = self.names()
        lines = [f"{names[v]} = input  {v.dtype} {v.shape}" for v in self.inputs]
        for i in self.instructions:
            attributes = [f"{k}={v!r}" for k, v in i.attributes.items() if v is not i.op.attributes.get(k)]
            arguments = ", ".join([*(names.get(v) or _short(v) for v in i.inputs), *attributes])
            kinds = ", ".join(f"{o.dtype} {o.shape}" for o in i.outputs)
            lines.append(f"{', '.join(names[o] for o in i.outputs)} = {i.op.name}({arguments})  {kinds}")
        return "\n".join([*lines, f"return {', '.join(names.get(v) or _short(v) for v in self.outputs)}"])

    def names(self) -> dict[Value, str]:
        """`%0`, `%1`, … for the inputs and every instruction's outputs."""
        values: Sequence[Value] = [*self.inputs, *(o for i in self.instructions for o in i.outputs)]
        return {value: f"%{n}" for n, value in enumerate(dict.fromkeys(values))}


def _short(value: Value) -> str:
    if value.shape is None or value.shape == ():
        return repr(value.known.item() if isinstance(value.known, np.ndarray | np.generic) else value.known)
    return f"constant {value.dtype} {value.shape}"
