"""The plan of a call: what it keeps for the backward sweep, and which rules a sweep then calls.

Both depend only on which inputs can carry a gradient, so an op keeps one plan per set of them, and a recorded call
costs one look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from trainer.engine.memory import own
from trainer.engine.rules import ZERO, Absence, Rule, Signature

__all__ = ["EMPTY_PLAN", "Plan", "RuleCall", "Source"]

# Where a residual comes from. ("value", i) is the array at place i of (y, *values), ("values", slice) are all arrays of
# a variadic op, and "_shape", "_shapes", "_dtype" and "_dtypes" in their stead keep no array; ("attribute", name);
# ("missing", position) is an optional array that was left out.
Source = tuple[str, Any]


class RuleCall:
    """One rule to call in a backward sweep, with the positions of its inputs and of its values in the pool.

    The pool is `(dy, *residuals)`. `direct` rules take exactly that, in that order.
    """

    __slots__ = ("direct", "function", "keywords", "position", "positions", "rule", "single", "take")

    def __init__(
        self, rule: Rule | Absence | None, positions: tuple[int, ...], residuals: Sequence[str], variadic: bool
    ) -> None:
        self.rule = rule
        self.positions = positions
        self.position = positions[0]
        self.single = isinstance(rule, Rule) and len(rule.inputs) == 1 and not variadic
        self.direct = False
        self.take: tuple[int, ...] = ()
        self.keywords: tuple[tuple[str, int], ...] = ()
        self.function: Callable[..., Any] | None = None
        if isinstance(rule, Rule):
            pool = ("dy", *residuals, "wanted")
            self.function = rule.function
            self.take = tuple(pool.index(n) for n in rule.names)
            self.keywords = tuple((n, pool.index(n)) for n in rule.keywords)
            self.direct = self.single and not rule.keywords and rule.names == pool[:-1]

    def run(self, dy: object, residuals: tuple[object, ...], wanted: tuple[bool, ...]) -> Any:
        """Call the rule with the values it asked for."""
        pool = (dy, *residuals, wanted)
        assert self.function is not None
        return self.function(*[pool[i] for i in self.take], **{name: pool[i] for name, i in self.keywords})


class Plan:
    """What one call of an op keeps, and which rules a backward sweep then calls.

    Args:
        op: the op's signature; `rules` has its rules.
        live: the positions of the inputs that can carry a gradient.
        count: how many arrays came, which for a variadic op is not told by its signature.

    Attributes:
        names: of the residuals.
        calls: the rules.
        borrowed: the residuals that may be a caller's own, whoever writes to it.

    >>> from trainer.engine.rules import Rule
    >>> multiply = Signature("multiply", ("x1", "x2"))
    >>> rules = {"x1": Rule(multiply, ("x1",), lambda dy, x2: x2 * dy)}
    >>> Plan(multiply, rules, [0], 2).names
    ('x2',)
    """

    __slots__ = ("borrowed", "calls", "getter", "names", "sources")

    def __init__(self, op: Signature, rules: Mapping[str, Rule | Absence], live: Sequence[int], count: int) -> None:
        chosen: list[tuple[Rule | Absence | None, tuple[int, ...]]] = []
        for position in live:
            rule = rules.get(op.inputs[0 if op.variadic else position])
            if op.variadic:
                positions = tuple(range(count))
            elif isinstance(rule, Rule):
                positions = tuple(map(op.inputs.index, rule.inputs))
            else:
                positions = (position,)
            if rule is not ZERO and (rule, positions) not in chosen:
                chosen.append((rule, positions))
        needed = [name for rule, _ in chosen if isinstance(rule, Rule) for name in rule.residuals]
        self.names = tuple(dict.fromkeys(needed))
        self.calls = [RuleCall(rule, positions, self.names, op.variadic) for rule, positions in chosen]
        self.sources = tuple(self._source(op, name, count) for name in self.names)
        self.borrowed = tuple(
            i for i, (kind, where) in enumerate(self.sources)
            if kind == "attribute" or (kind == "values" and len(live) < count)
            or (kind == "value" and where > 0 and where - 1 not in live)
        )  # fmt: skip
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
    def _source(op: Signature, name: str, count: int) -> Source:
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

    def collect(self, y: object, values: Sequence[object], attributes: dict[str, object]) -> tuple[Any, ...]:
        """The residuals, where there is more to them than whole arrays."""
        pool = (y, *values)
        return tuple(_collect(kind, where, pool, attributes) for kind, where in self.sources)

    def owned(self, residuals: tuple[Any, ...], parents: Sequence[object]) -> tuple[Any, ...]:
        """The residuals with copies of what a caller may yet write to: arrays that are no Tensor's."""
        kept = list(residuals)
        for i in self.borrowed:
            kind, where = self.sources[i]
            if kind == "values":
                kept[i] = tuple(v if p is not None else own(v) for v, p in zip(kept[i], parents, strict=True))
            elif kind == "attribute" or parents[where - 1] is None:
                kept[i] = own(kept[i])
        return tuple(kept)


def _collect(kind: str, where: Any, pool: tuple[Any, ...], attributes: dict[str, Any]) -> object:
    if kind == "attribute":
        return attributes[where]
    if kind == "missing":
        return None
    value = pool[where]
    if value is None:  # an optional array that was said to be left out
        return None
    several = isinstance(value, tuple) and (kind.endswith("s") or where == 0)
    if kind.startswith("_shape"):
        return tuple(map(np.shape, value)) if several else np.shape(value)
    if kind.startswith("_dtype"):
        return tuple(map(np.result_type, value)) if several else np.result_type(value)
    return value


class _Empty(Plan):
    """The plan of a variable: nothing to keep, nothing to call, and yet a gradient arrives."""

    def __init__(self) -> None:
        self.names = self.sources = self.borrowed = ()
        self.calls = []
        self.getter = None


EMPTY_PLAN = _Empty()
