"""Judging what a rule returned, and saying what is wrong with it.

The sweep compares type, shape and dtype itself and comes here only when one differs. Two differences are the engine's
to mend: an element-wise op broadcast the input, and NumPy promoted its dtype. Everything else is the rule's mistake.
"""

from __future__ import annotations

import linecache
import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.engine.node import Node, Operation
from trainer.engine.plan import RuleCall
from trainer.engine.provider import name_of, package_of
from trainer.engine.rules import place
from trainer.engine.tensor import Tensor
from trainer.errors import NotDifferentiableError, RuleError
from trainer.wording import describe

__all__ = ["called", "no_rule", "origin", "settle", "unbroadcast", "wrong_count"]


@dataclass(frozen=True)
class _Judged:
    """The call of a rule that is judged: the entry that a sweep is at, and which of its rules ran."""

    node: Node
    call: RuleCall

    @property
    def op(self) -> Operation:
        assert self.node.op is not None
        return self.node.op

    @property
    def inputs(self) -> str:
        """The inputs that the rule is for."""
        op = self.op
        return ", ".join(dict.fromkeys(op.inputs[0 if op.variadic else i] for i in self.call.positions))

    def input(self, position: int) -> str:
        """One of the inputs by its name, `arrays[2]` of a variadic op."""
        return f"{self.op.inputs[0]}[{position}]" if self.op.variadic else self.op.inputs[position]

    def table(self, **rows: str) -> str:
        """What the messages end with: op and rule, what is told of the case, and the line of the forward call."""
        assert self.call.function is not None
        rule = place(self.call.function)
        return _table(op=f"{self.op.name}, from {self.op.origin}", rule=rule, **rows, called=called(self.node))

    def wrong(self, position: int, parent: Node, g: object, what: str) -> RuleError:
        """The error for what the rule returned for one input."""
        target = self.input(position)
        rows = {"input": target, "expected": f"{parent.dtype} {parent.shape}, as the input", "got": describe(g)}
        return RuleError(f"the rule of op '{self.op.name}' for '{target}' returned {what}\n{self.table(**rows)}")


def settle(node: Node, call: RuleCall, position: int, parent: Node, g: Any, dy: object) -> Any:
    """The cotangent `g` made to fit its input, or a RuleError.

    Args:
        node: the entry whose rule returned `g`; `call` is the call of that rule.
        position: which input it is for; `parent` is that input's node.
        dy: the cotangent that the rule was given.
    """
    judged = _Judged(node, call)
    if not isinstance(g, np.ndarray | np.generic | Tensor):
        raise judged.wrong(position, parent, g, _kind(g))
    several = isinstance(node.dtype, tuple)
    shapes, dtypes = (node.shape, node.dtype) if several else ((node.shape,), (node.dtype,))
    promoted = g.dtype in dtypes and g.dtype.kind in "fc"
    if g.dtype != parent.dtype and not promoted:
        what = f"dtype {g.dtype}, where {judged.input(position)} has {parent.dtype}"
        raise judged.wrong(position, parent, g, what)
    if g.shape != parent.shape:
        if not (judged.op.elementwise and g.shape in shapes):
            what = f"shape {g.shape}, where {judged.input(position)} has {parent.shape}"
            raise judged.wrong(position, parent, g, what)
        g = unbroadcast(g, parent.shape)
    if g.dtype != parent.dtype:
        if parent.dtype.kind == "f" and g.dtype.kind == "c":
            g = np.real(g)  # the transpose of the promotion from real to complex
        g = g.astype(parent.dtype)
    return g


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` down to `shape`, from which it was broadcast: the transpose of broadcasting.

    >>> unbroadcast(np.ones((4, 3, 2)), (3, 1)).tolist()
    [[8.0], [8.0], [8.0]]
    """
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(extra + i for i, n in enumerate(shape) if n == 1 and g.shape[extra + i] != 1)
    g = np.sum(g, axis=axes, keepdims=True) if axes else g
    return np.reshape(g, shape)


def wrong_count(node: Node, call: RuleCall, result: object, expected: int) -> RuleError:
    """The error for a rule of several inputs that did not return one cotangent for each."""
    judged = _Judged(node, call)
    got = f"{len(result)} results" if isinstance(result, list | tuple) else _kind(result)
    return RuleError(
        f"the rule of op '{judged.op.name}' for '{judged.inputs}' returned {got}; it must return {expected}, "
        "one cotangent per input (None for one that is not wanted)\n"
        + judged.table(inputs=judged.inputs, got=describe(result))
    )


def no_rule(node: Node, position: int) -> NotDifferentiableError:
    """The error for an input that a gradient reached and that has no rule, or no derivative."""
    op = node.op
    assert op is not None
    name = op.inputs[0 if op.variadic else position]
    if name in op.rules:
        what = f"input '{name}' of op '{op.name}' is not differentiable, and a gradient with respect to it is asked for"
        mend = f"pass it through trainer.stop_gradient(...), or as a constant: {name}=t.value"
    else:
        what = f"op '{op.name}' has no rule for its input '{name}'"
        mend = f"write one: {op.name}.defvjp({name}=lambda dy, {name}: ...), or {op.name}.zero('{name}')"
    return NotDifferentiableError(
        f"{what}\n{_table(op=f'{op.name}, from {op.origin}', mend=mend, called=called(node))}"
    )


def not_recordable(node: Node, call: RuleCall, error: Exception) -> NotDifferentiableError:
    """The error for a rule that leaves NumPy when asked to be differentiated itself."""
    judged = _Judged(node, call)
    return NotDifferentiableError(
        f"the rule of op '{judged.op.name}' for '{judged.inputs}' leaves NumPy, so it has no derivative of its own: "
        "first-order gradients work, higher orders (and recording a whole step) do not\n"
        + judged.table(because=str(error))
    )


def _table(**rows: str) -> str:
    return "\n".join(f"  {name:<9} {text}" for name, text in rows.items())


def _kind(value: object) -> str:
    if value is None:
        return "None; it must return a cotangent (did it forget `return`?)"
    return f"a {type(value).__name__}; a cotangent is a NumPy array"


def called(node: Node) -> str:
    """The user's line of the forward call with a caret under the expression, or a note that there is none."""
    if node.code is None:
        return "(a variable)"
    line, _, column, end = list(node.code.co_positions())[node.instruction // 2]
    where = f"{node.code.co_filename}:{line}"
    source = linecache.getline(node.code.co_filename, line or 0).rstrip("\n")
    if not source:
        return where
    text = source.lstrip()
    shift = len(source) - len(text)
    # Columns count bytes; a θ before the expression is two of them.
    start = len(source.encode()[: column or 0].decode(errors="ignore")) - shift
    stop = len(source.encode()[: end or 0].decode(errors="ignore")) - shift
    mark = " " * (12 + start) + "^" * max(1, min(stop, len(text)) - start)
    return f"{where}\n            {text}\n{mark}"


def origin(module: str) -> str:
    """`plugin 'my_ops' (my-package 1.2)` for the module that defined an op."""
    plugin = module.split(".")[0]
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if plugin == "__main__" or loaded is None:
        return f"script '{os.path.basename(file or plugin)}'"
    package = package_of(module)
    if package is not None:
        return f"plugin '{name_of(module) or plugin}' ({package})"
    if file and os.path.splitext(os.path.basename(file))[0] in plugin:  # a plugin in one file goes by the file's name
        return f"plugin '{os.path.basename(file)}'"
    return f"plugin '{plugin}'"
