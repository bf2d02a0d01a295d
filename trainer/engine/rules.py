"""What a rule's signature says, read once.

A rule's parameter names are its declaration of residuals: `dy` is the cotangent, `y` the output, any input or attribute
goes by its own name, `x_shape` and `x_dtype` stand for an input's shape and dtype without keeping the array, and
`wanted` tells a rule for several inputs whose cotangents are asked for. The plan of a call says, for the inputs that
can carry a gradient, which values to save and which rules to run; an op keeps one plan per set of such inputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.errors import RuleError, nearest

if TYPE_CHECKING:
    from trainer.engine.op import Op

__all__ = ["EMPTY_PLAN", "NONDIFFERENTIABLE", "ZERO", "Plan", "Rule", "Step", "signature"]


class _Absence:
    """Why an input has no rule: its derivative is zero, or it has none."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


ZERO = _Absence("zero")
NONDIFFERENTIABLE = _Absence("not differentiable")


def signature(function: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Positional parameter names, keyword-only parameter names, and whether there is a `*name` (last of the first)."""
    code = getattr(function, "__code__", None)
    if code is not None:  # a plain function: a hundred times quicker than inspect.signature
        names = code.co_varnames
        positional, keywords = code.co_argcount, code.co_kwonlyargcount
        variadic = bool(code.co_flags & inspect.CO_VARARGS)
        inputs = names[:positional] + ((names[positional + keywords],) if variadic else ())
        return inputs, names[positional : positional + keywords], variadic
    parameters = inspect.signature(function).parameters.values()
    kinds = inspect.Parameter
    inputs = tuple(
        p.name
        for p in parameters
        if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD, kinds.VAR_POSITIONAL)
    )
    attributes = tuple(p.name for p in parameters if p.kind is kinds.KEYWORD_ONLY)
    return inputs, attributes, any(p.kind is kinds.VAR_POSITIONAL for p in parameters)


class Rule:
    """One vector-Jacobian product: a function and the names of the values it needs.

    `targets` are the inputs it returns cotangents for: one, or several for a rule that shares work between them.
    """

    __slots__ = ("function", "keywords", "names", "targets")

    def __init__(self, op: Op, targets: tuple[str, ...], function: Callable[..., Any]) -> None:
        if not callable(function):
            raise RuleError(
                f"the rule of op '{op.name}' for '{', '.join(targets)}' is {function!r}, not a function; "
                f"write {op.name}.defvjp({targets[0]}=lambda dy: ...), or {op.name}.zero('{targets[0]}') "
                f"where the derivative is zero"
            )
        self.function = function
        self.targets = targets
        self.names, self.keywords, variadic = signature(function)
        known = {"dy", "y", "y_shape", "y_dtype", "wanted", *op.attributes}
        for name in op.inputs:
            known |= {name, f"{name}_shape", f"{name}_dtype"}
        for name in (*self.names, *self.keywords):
            if name not in known or variadic:
                guess = nearest(name, known)
                raise RuleError(
                    f"the rule of op '{op.name}' for '{', '.join(targets)}' ({place(function)}) asks for '{name}', "
                    f"which op '{op.name}' does not have"
                    + (f"; did you mean '{guess}'?" if guess else ".")
                    + f" A rule may ask for dy, y, wanted, the inputs {_list(op.inputs)} (or NAME_shape, NAME_dtype)"
                    + (f" and the attributes {_list(op.attributes)}." if op.attributes else ".")
                )

    @property
    def residuals(self) -> tuple[str, ...]:
        """The values that this rule keeps alive from the forward call to the backward sweep."""
        return tuple(n for n in (*self.names, *self.keywords) if n not in ("dy", "wanted"))


def place(function: Callable[..., Any]) -> str:
    """Where a function was written, as `file.py:12`."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def _list(names: Sequence[str] | dict[str, Any]) -> str:
    return ", ".join(f"'{n}'" for n in names) or "(none)"


class Step:
    """One rule to run in a backward sweep, with the positions of its inputs and of its values in the pool.

    The pool is `(dy, *saved)`. `direct` rules take exactly that, in that order.
    """

    __slots__ = ("direct", "function", "keywords", "position", "positions", "rule", "single", "take")

    def __init__(
        self, rule: Rule | _Absence | None, positions: tuple[int, ...], saved: Sequence[str], variadic: bool
    ) -> None:
        self.rule = rule
        self.positions = positions
        self.position = positions[0]
        self.single = isinstance(rule, Rule) and len(rule.targets) == 1 and not variadic
        self.direct = False
        self.take: tuple[int, ...] = ()
        self.keywords: tuple[tuple[str, int], ...] = ()
        self.function: Callable[..., Any] | None = None
        if isinstance(rule, Rule):
            pool = ("dy", *saved, "wanted")
            self.function = rule.function
            self.take = tuple(pool.index(n) for n in rule.names)
            self.keywords = tuple((n, pool.index(n)) for n in rule.keywords)
            self.direct = self.single and not rule.keywords and rule.names == pool[:-1]

    def run(self, dy: Any, saved: tuple[Any, ...], wanted: tuple[bool, ...]) -> Any:
        """Call the rule with the values it asked for."""
        pool = (dy, *saved, wanted)
        assert self.function is not None
        return self.function(*[pool[i] for i in self.take], **{name: pool[i] for name, i in self.keywords})


class Plan:
    """What one call of an op saves and what a backward sweep then runs, given which inputs can carry a gradient."""

    __slots__ = ("getter", "names", "sources", "steps")

    def __init__(self, op: Op, live: Sequence[int], count: int) -> None:
        chosen: list[tuple[Rule | _Absence | None, tuple[int, ...]]] = []
        for position in live:
            rule = op.rules.get(op.inputs[0 if op.variadic else position])
            if op.variadic:
                positions = tuple(range(count))
            elif isinstance(rule, Rule):
                positions = tuple(map(op.inputs.index, rule.targets))
            else:
                positions = (position,)
            if rule is not ZERO and (rule, positions) not in chosen:
                chosen.append((rule, positions))
        needed = [name for rule, _ in chosen if isinstance(rule, Rule) for name in rule.residuals]
        self.names = tuple(dict.fromkeys(needed))
        self.steps = [Step(rule, positions, self.names, op.variadic) for rule, positions in chosen]
        self.sources = tuple(self._source(op, name, count) for name in self.names)
        # Where only whole arrays are kept, one C call picks them out of (y, *values).
        self.getter: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None
        if all(kind == "value" for kind, _ in self.sources):
            where = [i for _, i in self.sources]
            if not where or where == list(range(where[0], where[0] + len(where))):
                start = where[0] if where else 0
                self.getter = itemgetter(slice(start, start + len(where)))
            else:
                self.getter = itemgetter(*where)

    @staticmethod
    def _source(op: Op, name: str, count: int) -> tuple[str, Any]:
        if name in op.attributes:
            return "attribute", name
        for suffix in ("_shape", "_dtype"):
            base = name.removesuffix(suffix)
            if base != name and name not in op.inputs:
                kind, where = Plan._source(op, base, count)
                return kind if kind == "missing" else suffix if kind == "value" else suffix + "s", where
        if name == "y":
            return "value", 0
        if op.variadic:
            return "values", slice(1, 1 + count)
        position = op.inputs.index(name)
        return ("value", 1 + position) if position < count else ("missing", position)  # an optional array, left out

    def collect(self, y: Any, values: Sequence[Any], attributes: dict[str, Any]) -> tuple[Any, ...]:
        """The values to save when there is more to them than whole arrays."""
        pool = (y, *values)
        return tuple(_collect(kind, where, pool, attributes) for kind, where in self.sources)


def _collect(kind: str, where: Any, pool: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
    if kind == "attribute":
        return attributes[where]
    if kind == "missing":
        return None
    value = pool[where]
    several = isinstance(value, tuple) and (kind.endswith("s") or where == 0)
    if kind.startswith("_shape"):
        return tuple(map(np.shape, value)) if several else np.shape(value)
    if kind.startswith("_dtype"):
        return tuple(map(np.result_type, value)) if several else np.result_type(value)
    return value


class _Empty(Plan):
    """The plan of a variable: nothing to save, nothing to run, and yet a gradient arrives."""

    def __init__(self) -> None:
        self.names = self.sources = ()
        self.steps = []
        self.getter = None


EMPTY_PLAN = _Empty()
