"""At zeros, ones, ties and the numbers of a call itself: where rules divide by what is 0 there, and choose.

No difference of values says what a rule should give at such a place, for there may be no derivative. Its neighbours do:
the same rule, at random points a little off and at others a hundred times closer. Where these agree, the more the
closer they are, the function is smooth and the rule has to give the same; where they don't, the place is a corner and
the rule chooses among them, or says nan; where they grow without bound there is no derivative, and a number is made up.
Both orders are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from trainer.checker.case import Case
from trainer.checker.checks.extremes import WHOLE, elementwise, places
from trainer.checker.evidence import failure, leaves_numpy, number
from trainer.checker.references import quietly
from trainer.checker.report import Failure
from trainer.engine.transforms import vjp
from trainer.errors import TrainerError
from trainer.types import ArrayLike

__all__ = ["corners"]

NEAR, NEARER = 1e-4, 1e-6  # how far off the neighbours are
PAIRS = {True: 4, False: 2}  # of neighbours on opposite sides, for ops of elements and for others


def corners(case: Case) -> Iterator[Failure | str]:
    """At zeros, ties and kinks a rule gives what it gives beside them; a choice of it, or nan, where that varies."""
    if case.number <= 2 and case.outputs.size:
        ask = _of_elements if elementwise(case) else _of_arrays
        yield from {found.input: found for found in ask(case)}.values()


# Ops of elements: every place and all its neighbours in one call.


def _of_elements(case: Case) -> Iterator[Failure]:
    points = list(places(case))
    rng = np.random.default_rng([case.number, 17])
    moves = _moves(rng, len(case.xs), PAIRS[True])
    at = case.spread([
        np.array([point[i] + move[i] for move in moves for _, point in points]) for i in range(len(case.xs))
    ])  # fmt: skip
    at.order = case.order
    try:
        values = at.forward(at.xs)
    except (ValueError, ArithmeticError, TypeError, TrainerError):  # it takes some of these points, and not others
        return
    shape = (len(moves), len(points))
    if any(y.shape != at.xs[0].shape or y.dtype.kind not in "fc" for y in values):
        return
    near = np.all([_close(y.reshape(shape), y.reshape(shape)[0]) for y in values], axis=0)
    dys = [np.full(y.shape, w, y.dtype) for y, w in zip(values, rng.uniform(0.5, 1, len(values)), strict=True)]
    along = [np.full(x.shape, w) for x, w in zip(at.xs, rng.uniform(0.5, 1, len(at.xs)), strict=True)]
    weights = rng.uniform(0.5, 1, len(at.xs))
    gradient, second = _orders(at, dys, along)
    first = [np.reshape(g, shape) for g in gradient]
    if second is not None:
        second = (np.sum([w * np.reshape(h, shape) for w, h in zip(weights, second, strict=True)], axis=0),)
    for j, (k, point) in enumerate(points):
        where = ", ".join(f"{case.label(i)} = {p:g}" for i, p in enumerate(point))
        yield from _both(case, k, where, first[k][:, j], second and second[0][:, j], near[:, j])


def _moves(rng: np.random.Generator, size: int, pairs: int) -> list[ArrayLike]:
    """No move at all, then pairs of opposite ones, far and near; one alike for all, one that tells neighbours apart."""
    signs = [np.ones(size), np.resize([1.0, -1.0], size), *rng.choice([-1.0, 1.0], (pairs - 2, size))]
    directions = [sign * rng.uniform(0.5, 1, size) for sign in signs]
    return [np.zeros(size), *(s * t * d for t in (NEAR, NEARER) for d in directions for s in (1, -1))]


def _close(y: ArrayLike, other: ArrayLike) -> ArrayLike:
    """Where values are finite and next to the place's own: where the function jumps, nothing is asked."""
    return np.isfinite(y) & (np.abs(y - other) <= 0.05 * (1 + np.abs(other)))


# Other ops: one call after another, each judged by one number, a random sum of its gradient's elements.


def _of_arrays(case: Case) -> Iterator[Failure]:
    for k, name, xs in _fillings(case):
        at, rng = case.replaced(xs), np.random.default_rng([case.number, 18])
        at.order = case.order
        if not _is_near(at, at):
            continue
        dys = at.outputs.cotangents(rng.normal(size=at.outputs.size))
        weights = rng.normal(size=at.inputs.size)
        along = at.inputs.cotangents(rng.normal(size=at.inputs.size))
        first, second, near = [], [], []
        for move in _moves(rng, at.inputs.size, PAIRS[False]):
            there = at.replaced([x + v for x, v in zip(xs, at.inputs.values(move), strict=True)])
            near.append(_is_near(there, at))
            if not near[-1]:
                first.append(np.nan)
                second.append(np.nan)
                continue
            there.order = at.order
            try:
                gradient, further = _orders(there, dys, along)
            except (np.linalg.LinAlgError, TrainerError) as error:  # a rule may refuse a singular matrix
                if not any(isinstance(e, np.linalg.LinAlgError) for e in (error, error.__cause__)):
                    raise
                break
            at.order = there.order
            first.append(at.inputs.flatten_dual(gradient) @ weights)
            second.append(np.nan if further is None else at.inputs.flatten_dual(further) @ weights)
        else:
            if np.sum(near) > len(near) - PAIRS[False]:
                seconds = np.array(second) if at.order == 2 else None
                yield from _both(case, k, f"{case.label(k)} {name}", np.array(first), seconds, np.array(near))


def _fillings(case: Case) -> Iterator[tuple[int, str, list[ArrayLike]]]:
    """Inputs of zeros, of ones, with one zero, and with all rows alike."""
    for k, x in enumerate(case.xs):
        if not x.size:
            continue
        alike, one = np.array(x), np.array(x)
        alike[...] = x[:1] if x.ndim > 1 else x.reshape(-1)[0]
        one.reshape(-1)[0] = 0
        filled = {f"full of {w:g}": np.full_like(x, w) for w in WHOLE}
        for name, other in (filled | {"with a zero in front": one, "with equal rows": alike}).items():
            yield k, name, [other if i == k else np.array(a) for i, a in enumerate(case.xs)]


def _is_near(there: Case, at: Case) -> bool:
    """Whether a place has finite values, of the shapes and dtypes of the other's and next to them."""
    try:
        ys = there.ys
        if (there.outputs.shapes, there.outputs.dtypes) != (at.outputs.shapes, at.outputs.dtypes):
            return False
    except (ValueError, ArithmeticError, TypeError, TrainerError):
        return False
    return all(_close(y, other).all() for y, other in zip(ys, at.ys, strict=True) if y.dtype.kind in "fc")


def _orders(
    at: Case, dys: Sequence[ArrayLike], along: Sequence[ArrayLike]
) -> tuple[tuple[ArrayLike, ...], tuple[ArrayLike, ...] | None]:
    """The gradient, and that of ⟨δx, along⟩, which is None where a rule leaves NumPy."""

    def gradient(*xs: object) -> tuple[Any, ...]:
        found: tuple[Any, ...] = vjp(at.call, *xs)[1](tuple(dys))
        return found

    try:
        if at.order == 2:
            with quietly():
                first, pullback = vjp(gradient, *at.xs)
                return first, pullback(tuple(along))
    except Exception as error:
        if not leaves_numpy(error):
            raise
        at.order = 1
    return gradient(*at.xs), None


def _both(
    case: Case, k: int, where: str, first: ArrayLike, second: ArrayLike | None, near: ArrayLike
) -> Iterator[Failure]:
    """Failures of one place: what the rules give there, and at its neighbours that are `near`."""
    for which, found in (("derivative", first), ("second derivative", second)):
        if found is not None and (wrong := _misfit(found, near, first)):
            yield failure(
                corners, case, f"the {which} by '{case.label(k)}' is {number(found[0])} at {where}, {wrong}",
                ("where", where), argument=case.positions[k], got=complex(found[0]),
            )  # fmt: skip
            return


def _misfit(found: ArrayLike, near: ArrayLike, first: ArrayLike) -> str:
    """What the first number's neighbours say against it; nothing where it fits."""
    got, (far, close) = found[0], np.reshape(found[1:], (2, -1))
    valid = np.reshape(near[1:], (2, -1)) & np.isfinite([far, close])
    slopes = np.reshape(first[1:], (2, -1))[1][valid[1]]
    far, close = far[valid[0]], close[valid[1]]
    if not near[0] or len(far) < 2 or len(close) < 2:
        return ""
    largest, larger = np.max(np.abs(far)), np.max(np.abs(close))
    spread, trend = np.ptp(close), abs(np.mean(far) - np.mean(close))
    slack = 4 * spread + 0.5 * trend + 1e-6 * larger + 1e-9
    low, high = np.min(close), np.max(close)
    if np.ptp(slopes) > 1e-2 * np.max(np.abs(slopes)):  # of a corner's second derivative the kink's part may count 0
        low, high = min(low, 0.0), max(high, 0.0)
    unbounded = larger > 2 * largest + 1e-9
    if not np.isfinite(got):
        smooth = not unbounded and spread + trend <= 0.1 * np.ptp(far) + 1e-4 * larger + 1e-7
        return f"and {number(close[0])} at a distance of {NEARER:g} on all sides" if smooth else ""
    if unbounded and 0 < abs(got) < 1e-3 * largest:
        return f"where there is none: beside it, it grows to {larger:.3g} at a distance of {NEARER:g}; give nan"
    if unbounded or low - slack <= got <= high + slack:
        return ""
    return f"and beside it between {low:.6g} and {high:.6g}"
