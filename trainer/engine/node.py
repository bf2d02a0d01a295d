"""One entry of the tape.

A node knows what was computed and from what, never the result: a value lives as long as a Tensor holds it or a rule has
asked for it. The nodes reachable from a result, in the order of their creation, are that result's tape; there is no
other, so nothing needs resetting after an exception and threads share nothing but a counter.
"""

from __future__ import annotations

from contextvars import ContextVar
from itertools import count
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trainer.engine.op import Op
    from trainer.engine.rules import Plan

__all__ = ["Node", "Variable", "complete", "next_index", "swept"]

# Whether this context wants everything on the record (see `trainer.engine.observe`).
complete: ContextVar[bool] = ContextVar("complete", default=False)

# The entry that a recorded sweep is at: what is recorded meanwhile is the work of its rule.
swept: ContextVar[Node | None] = ContextVar("swept", default=None)

# Calling an itertools.count is one bytecode-atomic C call: threads never draw the same index.
next_index = count().__next__


class Node:
    """The record of one call of an op.

    Attributes:
        op: the op that was called; None for a variable.
        parents: per array argument its node, or None for a constant.
        attributes: the call's static attributes.
        plan: which rules a backward sweep runs here; None where no gradient can pass.
        saved: the values that those rules asked for, in the plan's order.
        index: the creation index. Parents have smaller ones.
        shape, dtype: of the result; tuples of them for an op with several results.
        code, instruction: the place of the call in the user's program.
    """

    __slots__ = ("attributes", "code", "dtype", "index", "instruction", "op", "parents", "plan", "saved", "shape")

    def __init__(
        self,
        op: Op | None,
        parents: tuple[Node | None, ...],
        attributes: dict[str, Any],
        plan: Plan | None,
        saved: tuple[Any, ...],
        shape: Any,
        dtype: Any,
        code: CodeType | None,
        instruction: int,
    ) -> None:
        self.op = op
        self.parents = parents
        self.attributes = attributes
        self.plan = plan
        self.saved = saved
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

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        from trainer.engine.rules import EMPTY_PLAN

        differentiable = dtype.kind in "fc"
        super().__init__(None, (), {}, EMPTY_PLAN if differentiable else None, (), shape, dtype, None, -1)
        self.grad: Any = None
