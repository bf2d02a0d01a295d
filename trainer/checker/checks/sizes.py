"""Arrays of few elements, and of very many.

What a forward function makes of no rows, of one column or of a number is its own business, as long as an error that it
raises is one that says so; what the rules make of it is the checker's.

Counts of more than 65,504 elements have no float16. A rule that divides by one, or sums up to one, gives 0 or infinity
where the quotient is a float16. So arrays are made that long, along one axis for all that share it, and what comes is
compared with the same rule in float64.
"""

from __future__ import annotations

import sys
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.checker.case import Case
from trainer.checker.checks.extremes import is_foreign
from trainer.checker.evidence import differs, failure, raised
from trainer.checker.report import Failure
from trainer.errors import TrainerError
from trainer.types import ArrayLike

__all__ = ["few", "many"]

MANY = 65_600
TRIAL = 128
# What a forward function may say of sizes that it is not for.
REFUSALS = (ValueError, TypeError, TrainerError)


def few(case: Case) -> Iterator[Failure | str]:
    """For no elements, one, and numbers, the gradient has its input's shape, or the error says what is wrong."""
    if case.op is None or case.op.elementwise or case.number > 3:
        return
    for name, small in _shrunken(case):
        try:
            small.ys  # noqa: B018  # a property that calls the forward function
        except REFUSALS:
            continue
        except Exception as error:
            if not _is_numpys(error):
                yield raised(few, small, error)
            continue
        try:
            ys, pullback = small.pull(small.xs)
            found = pullback([np.zeros(y.shape, y.dtype) for y in ys])
        except np.linalg.LinAlgError:
            continue
        except Exception as error:
            yield failure(
                few, small, f"for {name} the forward function has a result, and the rules raise "
                f"{type(error).__name__}: {str(error).splitlines()[0]}",
            )  # fmt: skip
            return
        for k, (g, x) in enumerate(zip(found, small.xs, strict=True)):
            if np.shape(g) != np.shape(x):
                yield failure(
                    few, small, f"for {name} the rule for '{case.label(k)}' gives shape {np.shape(g)}",
                    argument=case.positions[k],
                )  # fmt: skip


def _shrunken(case: Case) -> Iterator[tuple[str, Case]]:
    for axis, what in ((0, "row"), (-1, "column")):
        for count in (0, 1):
            changed = _resized(case, axis, partial(_first, count))
            if changed is not None:
                yield f"{'no' if not count else 'one'} {what}" + "s" * (not count), changed
    if all(x.size for x in case.xs):
        yield "numbers", case.all_as(lambda a: np.array(a.reshape(-1)[0]) if a.size else a)


def _first(count: int, a: ArrayLike, axis: int) -> ArrayLike:
    return np.take(a, range(count), axis)


def _resized(case: Case, axis: int, change: Callable[[ArrayLike, int], ArrayLike]) -> Case | None:
    """The same call with every array changed along the axis that the first input and they have in common, by length."""
    first = next((x for x in case.xs if np.ndim(x) and x.shape[axis]), None)
    if first is None:
        return None
    length = first.shape[axis]

    def of(a: ArrayLike) -> ArrayLike:
        return change(a, axis) if a.ndim and a.shape[axis] == length else a

    return case.all_as(of)


def _is_numpys(error: Exception) -> bool:
    """Whether an error is raised within NumPy or SciPy, or is what NumPy says of an index: it speaks of an axis or an
    array, Python of a tuple or a list."""
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    theirs = str(innermost.f_globals.get("__name__")).split(".")[0] in ("numpy", "scipy")
    return theirs or any(word in str(error) for word in ("axis", "axes", "array"))


def many(case: Case) -> Iterator[Failure | str]:
    """With more elements than float16 counts, a rule gives no 0 and no infinity where its result is a float16."""
    if case.op is None or case.op.elementwise or case.number > 1 or is_foreign(case):
        return
    if any(x.dtype != np.float64 for x in case.xs):
        return
    for axis in (-1, 0) if any(np.ndim(x) > 1 for x in case.xs) else (0,):
        try:
            once, twice = _cost(case, axis, TRIAL), _cost(case, axis, 2 * TRIAL)
            if once[0] and twice[0] <= 2.5 * once[0] and twice[1] <= once[1]:
                yield from _in_half(case, axis)
        except REFUSALS:
            continue


def _longer(length: int) -> Callable[[ArrayLike, int], ArrayLike]:
    def longer(a: ArrayLike, axis: int) -> ArrayLike:
        return np.take(a, np.arange(length) % a.shape[axis], axis)

    return longer


def _cost(case: Case, axis: int, length: int) -> tuple[int, int]:
    """The most memory that a call and its sweep take at a time, and how many functions they call: what takes more than
    twice as much for twice as many elements, or loops over them, is not tried on many."""
    longer = _resized(case, axis, _longer(length))
    if longer is None:
        return 0, 0
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    others = sys.getprofile()
    tracemalloc.start()
    sys.setprofile(count)
    try:
        ys, pullback = longer.pull(longer.xs)
        pullback([np.zeros(y.shape, y.dtype) for y in ys])
        return tracemalloc.get_traced_memory()[1], calls
    finally:
        sys.setprofile(others)
        tracemalloc.stop()


def _in_half(case: Case, axis: int) -> Iterator[Failure | str]:
    half = _resized(case.all_as(_as(np.float16)), axis, _longer(MANY))
    wide = _resized(case.all_as(_as(np.float16)).all_as(_as(np.float64)), axis, _longer(MANY))
    assert half is not None
    assert wide is not None
    ys, pullback = half.pull(half.xs)
    if any(y.dtype != np.float16 for y in ys if y.dtype.kind == "f") or not all(np.isfinite(y).all() for y in ys):
        return
    exact, exactly = wide.pull(wide.xs)
    dys: list[Any] = [np.ones(y.shape, y.dtype) for y in ys]
    found, wanted = pullback(dys), exactly([dy.astype(y.dtype) for dy, y in zip(dys, exact, strict=True)])
    limits = np.finfo(np.float16)
    for k, (got, want) in enumerate(zip(found, wanted, strict=True)):
        size = np.abs(want)
        known = (
            (size > 4 * limits.smallest_subnormal) & (size < 0.5 * limits.max) & (size > 0.1 * np.max(size, initial=0))
        )
        lost = known & ((got == 0) | ~np.isfinite(got))
        if np.any(lost):
            index = tuple(int(i) for i in np.unravel_index(int(np.argmax(lost)), lost.shape))
            yield differs(
                many, half, f"the rule for '{case.label(k)}' is wrong in float16 for {MANY:,} elements", k, index,
                got[index], want[index], allowed=0.05 * float(size[index]), by="the same rule in float64",
                worst=f"δ{case.label(k)}",
            )  # fmt: skip
            return


def _as(dtype: npt.DTypeLike) -> Callable[[ArrayLike], ArrayLike]:
    return lambda a: a.astype(dtype) if a.dtype.kind == "f" else a
