"""One entry of the tape.

A node knows what was computed and from what, never the result: a value lives as long as a Tensor holds it or a rule has
asked for it. The nodes reachable from a result, in the order of their creation, are that result's tape; there is no
other, so nothing needs resetting after an exception and threads share nothing but a counter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextvars import ContextVar
from itertools import count
from operator import attrgetter
from types import CodeType
from typing import Any, Protocol

import numpy as np

from trainer.engine.plan import EMPTY_PLAN, Plan
from trainer.engine.rules import Absence, Rule

__all__ = ["Node", "Operation", "Variable", "ancestors", "next_index", "recording_all", "swept"]

# Whether this context wants everything on the record (see `trainer.engine.observe`).
recording_all: ContextVar[bool] = ContextVar("recording_all", default=False)

# The entry that a recorded sweep is at: what is recorded meanwhile is the work of its rule.
swept: ContextVar[Node | None] = ContextVar("swept", default=None)

# Calling an itertools.count is one bytecode-atomic C call: threads never draw the same index.
next_index = count().__next__


class Operation(Protocol):
    """What the tape knows of an op (`trainer.engine.op.Op`)."""

    name: str
    module: str
    forward: Callable[..., Any]
    inputs: tuple[str, ...]
    required: int
    attributes: dict[str, Any]
    variadic: bool
    primitive: bool
    elementwise: bool
    rules: dict[str, Rule | Absence]

    @property
    def origin(self) -> str: ...

    def record(self, args: Sequence[object], attributes: dict[str, object]) -> object: ...

    def count_operations(self, input_shapes: Sequence[tuple[int, ...]], output_shape: tuple[int, ...]) -> int: ...


class Node:
    """The record of one call of an op.

    Attributes:
        op: the op that was called; None for a variable.
        parents: per array argument its node, or None for a constant.
        attributes: the call's static attributes.
        plan: which rules a backward sweep runs here; None where no gradient can pass.
        residuals: the values that those rules asked for, in the plan's order.
        index: the creation index. Parents have smaller ones.
        shape, dtype: of the result; tuples of them for an op with several results.
        code, instruction: the place of the call in the user's program.
    """

    __slots__ = ("attributes", "code", "dtype", "index", "instruction", "op", "parents", "plan", "residuals", "shape")

    def __init__(
        self,
        op: Operation | None,
        parents: tuple[Node | None, ...],
        attributes: dict[str, object],
        plan: Plan | None,
        residuals: tuple[Any, ...],
        shape: Any,
        dtype: Any,
        code: CodeType | None,
        instruction: int,
    ) -> None:
        self.op = op
        self.parents = parents
        self.attributes = attributes
        self.plan = plan
        self.residuals = residuals
        self.shape = shape
        self.dtype = dtype
        self.code = code
        self.instruction = instruction
        self.index = next_index()

    def __repr__(self) -> str:
        name = "variable" if self.op is None else self.op.name
        return f"<Node {self.index}: {name} {self.dtype} {self.shape}>"


class Variable(Node):
    """A node without parents: something to differentiate with respect to. `Tensor.backward` leaves its `grad` here."""

    __slots__ = ("grad",)

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
        differentiable = dtype.kind in "fc"
        super().__init__(None, (), {}, EMPTY_PLAN if differentiable else None, (), shape, dtype, None, -1)
        self.grad: Any = None

    @classmethod
    def as_of(cls, index: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Variable:
        """A variable that counts as made when `index` was drawn: older than all that has been recorded since."""
        variable = cls(shape, dtype)
        variable.index = index
        return variable


_by_index = attrgetter("index")


def ancestors(
    roots: Iterable[Node], *, until: Collection[Node] = (), since: int = 0, differentiable: bool = True
) -> tuple[list[Node], bool]:
    """What led to the roots, oldest first and themselves included, and whether anything older than `since` did.

    Args:
        until: nodes whose own ancestors are left out.
        since: nodes with smaller creation indices are left out.
        differentiable: whether to leave out what carries no gradient.
    """
    seen = set(roots)
    stack = list(seen)
    older = False
    while stack:
        node = stack.pop()
        if node in until:
            continue
        for parent in node.parents:
            if parent is None or parent in seen or (differentiable and parent.plan is None):
                continue
            if parent.index < since:
                older = True
            else:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=_by_index), older
