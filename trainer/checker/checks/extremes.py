"""Where nobody draws samples: far out, close to 0, beside nan and infinity, and with a cotangent of 0.

What is judged, and what is not.

*Far out and close to 0*: element-wise ops whose forward function keeps long doubles, as NumPy's do. Their range and
their digits exceed float64's, so that a plain difference of two values is right where every intermediate result of a
rule may over- or underflow. An element counts only where the forward function has a finite value that is right in the
dtype asked about, where the differences to both sides and of two step sizes agree, and where the derivative is a normal
number of that dtype. A slope that has drowned in rounding (tanh far out) has no such difference and is not asked for;
kinks have none either.

*Beside nan and infinity*: of element-wise ops, that the other elements' gradients stay as they are; of other ops only
that a sweep ends, for a product with a matrix spreads a nan by its nature. LAPACK and some of SciPy's series never
return from such numbers; ops of modules that speak of either are asked about a nan alone, and only element by element.

*A cotangent of 0*: element-wise rules at 0 and ±1, where poles lie. A slope of nan where the value is finite says that
there is none, and is left alone.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from trainer.checker.case import Case
from trainer.checker.evidence import differs, excess, failure, number
from trainer.checker.report import Failure
from trainer.engine.rules import Rule
from trainer.errors import TrainerError
from trainer.types import ArrayLike

__all__ = ["WHOLE", "elementwise", "far_out", "is_foreign", "nothing_wanted", "one_ulp", "places", "spoilt"]

# Per dtype the magnitudes that are tried, and what a rule may differ by.
MAGNITUDES: dict[Any, tuple[tuple[float, ...], float]] = {
    np.float64: ((1e-300, 1e-200, 1e-30, 1e30, 1e200, 1e300), 1e-6),
    np.float32: ((1e-36, 1e-25, 1e-10, 1e10, 1e25, 1e36), 1e-3),
}
EPS = np.finfo(np.longdouble).eps
USUAL = (0.0, 1.0, -1.0, 0.5, -0.5, 3.0, -3.0, 6.0)  # where element-wise functions have their corners
WHOLE = (0.0, 1.0)  # what all of an array is filled with


def far_out(case: Case) -> Iterator[Failure | str]:
    """A rule neither over- nor underflows where the derivative does not: at arguments of 1e±300."""
    if not elementwise(case) or case.number > 2:
        return
    for dtype, (magnitudes, relative) in MAGNITUDES.items():
        points = np.array([s * (1 + n / 16) * m for m in magnitudes for s in (1, -1) for n in (0, 1)], dtype)
        for k in filter(partial(_has_rule, case), range(len(case.xs))):
            for everywhere in (False, True) if len(case.xs) > 1 else (True,):
                others = [points[::-1] if i == len(case.xs) - 1 else points for i in range(len(case.xs))]
                held = [points if everywhere and i < k else others[i] if everywhere else _first(x, points)
                        for i, x in enumerate(case.xs)]  # fmt: skip
                held[k] = points
                found = list(_judged(far_out, case.spread(held), k, relative, (1e-6, 1e-9)))
                if found:
                    yield from found
                    return


def places(case: Case) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Points, and the input that is moved to get there: to the usual corners, to the numbers among the attributes, and
    to where the others are; then all inputs together."""
    firsts = [float(x.reshape(-1)[0]) for x in case.xs]
    numbers = [float(v) for v in case.attributes.values() if isinstance(v, int | float) and not isinstance(v, bool)]
    numbers = [*USUAL, *numbers, *(-n for n in numbers)]
    for k in range(len(firsts)):
        others = firsts[:k] + firsts[k + 1 :]
        for value in dict.fromkeys([*numbers, *others]):
            yield k, (*firsts[:k], value, *firsts[k + 1 :])
    if len(firsts) > 1:
        for value in WHOLE:
            yield 0, (value,) * len(firsts)


def one_ulp(case: Case) -> Iterator[Failure | str]:
    """One float beside a kink a rule gives that side's slope."""
    if not elementwise(case) or case.number > 2:
        return
    for k in filter(partial(_has_rule, case), range(len(case.xs))):
        points = [point for j, point in places(case) if j == k]
        held = [np.array([point[i] for point in points for _ in range(2)]) for i in range(len(case.xs))]
        beside = np.nextafter(held[k], np.resize([-np.inf, np.inf], held[k].shape))
        held[k] = np.where(held[k] == 0, np.sign(beside) * np.finfo(np.float64).tiny, beside)
        yield from _judged(one_ulp, case.spread(held), k, 0.1, (2.0**-56,))


def _judged(
    check: Callable[..., object], at: Case, k: int, relative: float, steps: tuple[float, ...]
) -> Iterator[Failure | str]:
    wide = [x.astype(np.longdouble) for x in at.xs]
    try:
        values = at.forward(wide)
    except (TypeError, ValueError, TrainerError):  # a function that has no long doubles
        return
    if len(values) > 1 or values[0].dtype != np.longdouble or values[0].shape != wide[k].shape:
        return
    slopes = [_slope(at, wide, values[0], k, np.longdouble(step)) for step in steps]
    want, closer = slopes[0], slopes[-1]
    (y,), pullback = at.pulled
    got, limits = pullback([np.ones_like(y)])[k], np.finfo(at.xs[k].dtype)
    known = (np.abs(want - closer) <= relative * np.abs(want)) & np.isfinite(y)
    known &= np.abs(y - values[0]) <= 1e-4 * np.abs(values[0])
    known &= (np.abs(want) > limits.tiny / relative) & (np.abs(want) < 0.5 * limits.max)
    with np.errstate(all="ignore"):
        ratio = np.where(known, np.abs(got - want) / (relative * np.abs(want)), 0)
    ratio = np.where(known & ~np.isfinite(got), np.inf, ratio)
    if np.any(ratio > 1):
        index = (int(np.argmax(ratio)),)
        where = f"far out in {at.xs[k].dtype}" if check is far_out else "beside a corner"
        yield differs(
            check, at, f"the rule for '{at.label(k)}' is wrong {where}", k, index,
            got[index], float(want[index]), allowed=float(relative * np.abs(want[index])),
            by="differences of long doubles", worst=f"∂y/∂{at.label(k)}",
            at=", ".join(number(x[index]) for x in at.xs),
        )  # fmt: skip


def _slope(at: Case, xs: list[ArrayLike], y: ArrayLike, k: int, step: np.longdouble) -> ArrayLike:
    """The slopes by the k-th input; nan at kinks, where left and right differ, and where a difference has too few
    digits: six of them, or for a step of less than a float one and a half."""
    digits, alike = (1e6, 1e-2) if step > 1e-12 else (32, 0.1)
    above, below = (at.forward([x * (1 + s * step) if i == k else x for i, x in enumerate(xs)])[0] for s in (1, -1))
    rise, fall = above - y, y - below
    sure = (np.abs(rise) > digits * EPS * np.abs(y)) & (np.abs(rise - fall) <= alike * np.abs(rise))
    return np.where(sure, (rise + fall) / (xs[k] * (1 + step) - xs[k] * (1 - step)), np.nan)


def spoilt(case: Case) -> Iterator[Failure | str]:
    """A nan or an infinity in an input spoils no other element, and crashes nothing."""
    foreign = is_foreign(case)
    if foreign and not elementwise(case):
        return
    dys = case.outputs.cotangents(np.random.default_rng([case.number, 16]).normal(size=case.outputs.size))
    want = case.pulled[1](dys)
    for k, x in enumerate(case.xs):
        for value in ((np.nan,) if foreign else (np.nan, np.inf)) if x.size else ():
            xs = [x.copy() for x in case.xs]
            xs[k].reshape(-1)[0] = value
            try:
                ys = case.forward(xs)
            except Exception:  # noqa: S112  a forward function may refuse what is not finite
                continue
            if [(y.shape, y.dtype) for y in ys] != [(y.shape, y.dtype) for y in case.ys]:
                continue
            try:
                got = case.replaced(xs).pulled[1](dys)
            except np.linalg.LinAlgError:  # as the forward function of other values
                continue
            except Exception as error:
                yield failure(
                    spoilt, case, f"with {value} in '{case.label(k)}' the sweep raises {type(error).__name__}: {error}",
                    argument=case.positions[k],
                )  # fmt: skip
                break
            if elementwise(case) and x.shape == case.ys[0].shape and not _same(got[k], want[k]):
                yield failure(
                    spoilt, case, f"{value} in one element of '{case.label(k)}' changes another's gradient",
                    argument=case.positions[k],
                )  # fmt: skip
                break


def _same(got: ArrayLike, want: ArrayLike) -> bool:
    """Whether all elements but the first agree, but for rounding: NumPy's loops work on several at once."""
    return bool(np.all(excess(got.reshape(-1)[1:], want.reshape(-1)[1:], 1e-12 * np.abs(want.reshape(-1)[1:])) <= 1))


def nothing_wanted(case: Case) -> Iterator[Failure | str]:
    """A cotangent of 0 gives 0, even at a pole: what `np.where` did not take does not count."""
    if not elementwise(case) or case.number > 2:
        return
    points = np.array([0.0, -0.0, 1.0, -1.0])
    for k in range(len(case.xs)):
        at = case.spread([points if i == k else _first(x, points) for i, x in enumerate(case.xs)])
        try:
            ys, pullback = at.pulled
        except (TypeError, ValueError, TrainerError):
            continue
        got, slope = (pullback([np.full_like(y, c) for y in ys])[k] for c in (0, 1))
        none = np.isnan(slope) & np.all([np.isfinite(y) for y in ys], axis=0)
        if not np.all((got == 0) | none):
            where = int(np.argmin((got == 0) | none))
            yield failure(
                nothing_wanted, case, f"the rule for '{case.label(k)}' gives {number(got[where])} for a cotangent of 0",
                ("where", f"{case.label(k)} = {number(points[where])}"),
                ("write", "trainer_ops.times(dy, slope), or trainer_ops.guarded(op)"),
                argument=case.positions[k],
            )  # fmt: skip


def is_foreign(case: Case) -> bool:
    """Whether the forward function may lead to LAPACK or to SciPy, by what its module says."""
    op = case.op
    module = inspect.getmodule(inspect.unwrap(case.subject.target)) if op is None else sys.modules.get(op.module)
    file = getattr(module, "__file__", None)
    return file is None or any(word in _text(file) for word in ("linalg", "scipy"))


@cache
def _text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8", errors="replace")


def _has_rule(case: Case, k: int) -> bool:
    """Whether an input has a rule that is a function: what is declared to be 0 is a step, as floor is."""
    assert case.op is not None
    return isinstance(case.op.rules.get(case.op.inputs[0 if case.op.variadic else case.positions[k]]), Rule)


def elementwise(case: Case) -> bool:
    """Whether points can be put into the inputs at will: all arrays are of one shape or broadcast to it."""
    return bool(case.op is not None and case.op.elementwise and all(x.dtype == np.float64 and x.size for x in case.xs))


def _first(x: ArrayLike, like: ArrayLike) -> ArrayLike:
    """The first element of an array, as often as `like` has elements, and of its dtype."""
    return np.full(like.shape, x.reshape(-1)[0], like.dtype)
