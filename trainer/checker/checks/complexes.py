"""Complex numbers, for ops that take them and whose samples are real.

What an op makes of complex numbers need not be holomorphic, so rules are compared with differences, real and imaginary
parts apart: one random sum of the results, and one of the gradient, along a random line for each input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from trainer.checker.case import Case
from trainer.checker.checks.extremes import elementwise, is_foreign
from trainer.checker.evidence import failure, leaves_numpy, number, raised
from trainer.checker.references import differences, quietly
from trainer.checker.report import Failure
from trainer.checker.spaces import Space
from trainer.engine.transforms import vjp
from trainer.errors import NotDifferentiableError, OpError
from trainer.types import Array

__all__ = ["complex_inputs"]

REMEDY = """a rule for both parts, ∂L/∂a − i ∂L/∂b for z = a + ib; or, in the forward function,
if np.iscomplexobj(x):
    raise TypeError("… is a function of real numbers")"""


def complex_inputs(case: Case) -> Iterator[Failure | str]:
    """Where the forward function takes complex numbers the rules are right for them, or refuse them: δx = Jᵀ δy,
    unconjugated, of real and imaginary parts."""
    if not case.xs or any(x.dtype.kind != "f" for x in case.xs):
        return
    rng = np.random.default_rng([case.number, 3])
    moved = case.replaced([x + 1j * rng.uniform(0.05, 0.3, x.shape) for x in case.xs])
    moved.order = case.order
    try:
        with quietly():
            if not moved.outputs.size or not np.isfinite(moved.outputs.flatten(moved.ys)).all():
                return
    except Exception:  # a forward function that was not written for complex numbers
        return
    try:
        found = list(_two_orders(moved, moved.call))
        if found and is_foreign(case) and not elementwise(case):  # the phases of LAPACK's vectors are a convention
            found = list(_two_orders(moved, lambda *xs: tuple(np.real(y * np.conj(y)) for y in moved.call(*xs))))
    except NotDifferentiableError:
        return
    except OpError as error:
        if "of real numbers" not in str(error):
            yield raised(complex_inputs, moved, error)
        return
    except TypeError:
        yield "for real numbers only: the forward function takes complex ones, and a rule refuses them"
        return
    yield from found
    case.complex = True


def _two_orders(case: Case, call: Callable[..., tuple[object, ...]]) -> Iterator[Failure]:
    rng = np.random.default_rng([case.number, 19])
    space = Space(call(*case.xs))
    dys = space.cotangents(rng.normal(size=space.size))

    def gradient(*xs: object) -> tuple[Any, ...]:
        found: tuple[Any, ...] = vjp(call, *xs)[1](tuple(dys))
        return found

    yield from _along_lines(case, call, rng, "the rule for '{}' is not the derivative of complex numbers")
    if case.order == 2:
        what = "the rule for '{}' is right for complex numbers, and its own derivative is not"
        try:
            yield from _along_lines(case, gradient, rng, what)
        except Exception as error:
            if not leaves_numpy(error):
                raise


def _along_lines(case: Case, f: Callable[..., Any], rng: np.random.Generator, what: str) -> Iterator[Failure]:
    """A random sum of what `f` returns, along a line for each input: by its pullback and by differences."""
    with quietly():
        ys, pullback = vjp(f, *case.xs)
        space = Space(ys)
        weights = rng.normal(size=space.size)
        found = pullback(tuple(space.cotangents(weights)))
    for k, g in enumerate(found):
        alone = Space([case.xs[k]])
        (along,) = alone.values(rng.normal(size=alone.size))

        def on_line(t: Sequence[Array], k: int = k, along: Array = along) -> list[Array]:
            moved = [x + t[0] * along if i == k else x for i, x in enumerate(case.xs)]
            return [np.array(space.flatten(f(*moved)) @ weights)]

        got = float(alone.flatten_dual([g]) @ alone.flatten([along]))
        reference = differences(on_line, [np.array(0.0)], [0])
        want, error = float(reference.values[0, 0]), float(reference.errors[0, 0])
        allowed = 1e-7 * abs(want) + 10 * error + 1e-9 * (1 + np.abs(alone.flatten([g])).max(initial=0.0))
        if not abs(got - want) <= allowed and np.isfinite(want):
            yield failure(
                complex_inputs, case, what.format(case.label(k)),
                ("worst", f"a sum of the results, along a random line of '{case.label(k)}'"), ("got", number(got)),
                ("expected", f"{number(want)}, by {reference.source}"),
                ("off by", f"{abs(got - want):.2g}; {allowed:.1g} is allowed"),
                ("write", REMEDY),
                argument=case.positions[k], got=got, expected=want,
            )  # fmt: skip
