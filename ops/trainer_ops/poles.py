"""Products and quotients in which 0 wins, for rules whose slope may be infinite or nan.

A cotangent that is exactly 0 says that nothing depends on this element: `np.where` did not take it, an index did not
pick it. The chain rule's product must then be 0 whatever the slope, and 0·∞ and 0·nan are nan. Where an element-wise
rule of this package has a slope that can be infinite or nan, it multiplies with `times` or divides with `over`;
`guarded` makes that of rules that are written plainly. A plugin's rule can do the same.

The price is that a factor 0 wins as well where it meets a pole in a product: √x·√x has gradient 0 at 0, not 1.

`direction` is for corners, as of a length at 0: there the first derivative is the middle of several, and a second one
does not exist, whatever its cotangent (‖x‖² has 2·I, which no local rule can know of); it is nan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainer import Op, op
from trainer.engine.rules import Rule
from trainer_ops._common import Array, draw

__all__ = ["direction", "divided", "guard_family", "guarded", "over", "times"]


@op(elementwise=True)
def times(a: Array, b: Array) -> Array:
    """a·b, and 0 where a is 0, even if b is infinite or nan.

    >>> times(np.array([0.0, 2.0]), np.array([np.inf, 3.0]))
    array([0., 6.])
    """
    return a * (b if type(b) in (int, float, complex) else np.where(a == 0, 0, b))


@op(elementwise=True)
def over(a: Array, b: Array) -> Array:
    """a/b, and 0 where a is 0, even if b is 0 or nan.

    >>> over(np.array([0.0, 6.0]), np.array([0.0, 3.0]))
    array([0., 2.])
    """
    return a / (b if type(b) in (int, float, complex) else np.where(a == 0, 1, b))


@op(elementwise=True)
def _both(a: Array, b: Array) -> Array:
    """a·b, and 0 where either is 0: what reaches a slope, when a cotangent of any order is 0."""
    return np.where((a == 0) | (b == 0), 0, a * b)


times.defvjp(a=lambda dy, b: times(dy, b), b=lambda dy, a: _both(dy, a))
over.defvjp(a=lambda dy, b: over(dy, b), b=lambda dy, y, b: -over(_both(dy, y), b))
_both.defvjp(a=lambda dy, b: _both(dy, b), b=lambda dy, a: _both(dy, a))


@op(elementwise=True)
def direction(x: Array, length: Array) -> Array:
    """x/length, and 0·x where the length is 0, which has no derivative there: it is nan.

    >>> direction(np.array([0.0, 3.0]), np.array([0.0, 5.0]))
    array([0. , 0.6])
    """
    return np.where(length == 0, 0 * x, x / np.where(length == 0, 1, length))


direction.defvjp(
    x=lambda dy, length: dy / np.where(length == 0, np.nan, length),
    length=lambda dy, y, length: -dy * y / np.where(length == 0, np.nan, length),
)


@op(elementwise=True)
def _undetermined(x: Array) -> Array:
    """0 where x is 0, else nan; and the same for its derivative: what 0/0 may count as, and x/0 must not."""
    return np.where(x == 0, x, np.nan)


_undetermined.defvjp(x=lambda dy: _undetermined(dy))


def divided(x: Array, y: Array) -> Array:
    """x/y, and where y is 0, 0 for x = 0 and nan for any other x."""
    return np.where(y == 0, _undetermined(x), x / np.where(y == 0, 1, y))


class _Guarded:
    """A rule of an element-wise op: δy times what the rule gives for 1. The engine reads its signature off the code."""

    def __init__(self, rule: Callable[..., Any]) -> None:
        self.rule, self.__code__ = rule, rule.__code__

    def __call__(self, dy: Array, *residuals: Any, **attributes: Any) -> Array:
        return times(dy, self.rule(1, *residuals, **attributes))


def guarded(*ops: Op) -> None:
    """Let the rules of element-wise ops, plain products with δy, give 0 where δy is 0, whatever their slope.

    A rule is asked for its slope with the number 1 for δy; so it must be a multiple of δy, and δy its first argument.

    >>> root = op(lambda x: np.sqrt(x), name="root", elementwise=True).defvjp(x=lambda dy, y: dy / (2 * y))
    >>> guarded(root)
    >>> from trainer import vjp
    >>> with np.errstate(divide="ignore"):
    ...     vjp(root, np.array([0.0, 4.0]))[1](np.array([0.0, 1.0]))
    (array([0.  , 0.25]),)
    """
    for one in dict.fromkeys(ops):
        rules = {n: rule for n, rule in one.rules.items() if isinstance(rule, Rule)}
        one.defvjp(**{n: _Guarded(rule.function) for n, rule in rules.items()})


def guard_family(family: dict[str, Any], *others: Op) -> None:
    """`guarded`, for the ops that a module defines, given its `vars()`; except `others`, which see to it themselves."""
    mine = (o for o in family.values() if isinstance(o, Op) and o.module == family["__name__"])
    guarded(*(o for o in mine if o not in others))


draw(times, [(3, 4), (3, 4)], [(3, 1), (4,)], [(), (2, 3)])
draw(over, [(3, 4), (3, 4)], [(3, 1), (4,)], [(), (2, 3)], low=0.5)
draw(direction, [(3, 4), (3, 4)], [(3, 1), (4,)], low=0.5)
