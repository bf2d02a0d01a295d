"""From two arrays that should agree to the evidence that they don't."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from trainer.checker.case import Case
from trainer.checker.report import Failure
from trainer.errors import DetachError, NotDifferentiableError, OpError
from trainer.types import Array, ArrayLike

__all__ = ["differs", "excess", "failure", "leaves_numpy", "noise", "number", "raised", "scale_of", "statement"]

EPS = float(np.finfo(np.float64).eps)


def excess(got: ArrayLike, want: ArrayLike, allowed: ArrayLike) -> ArrayLike:
    """|got − want| in units of what is allowed, element by element; a number that is missing counts as infinite."""
    with np.errstate(all="ignore"):
        ratio = np.abs(got - want) / np.maximum(allowed, np.finfo(np.float64).tiny)
    ratio = np.where(np.isfinite(got) & np.isfinite(want), ratio, np.inf)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    return np.where(same, 0.0, ratio)


def scale_of(matrix: ArrayLike) -> ArrayLike:
    """The scale that an element of a Jacobian is measured on: its own size, or its row's or its column's largest,
    whichever of these two is smaller. In a diagonal matrix every element has a scale of its own."""
    size = np.where(np.isfinite(matrix), np.abs(matrix), 0.0)
    rows, columns = size.max(axis=1, keepdims=True, initial=0.0), size.max(axis=0, keepdims=True, initial=0.0)
    return np.maximum(size, np.minimum(rows, columns)) + 1e-3 * EPS * size.max(initial=0.0)


def noise(case: Case, *functions: Callable[[list[ArrayLike]], ArrayLike], eps: float = EPS) -> ArrayLike:
    """How far a few units in the last place of the inputs move some results: what rounding may do to them.

    A change out of all proportion is a jump, not rounding, and counts for nothing.
    """
    rng = np.random.default_rng(case.number)
    total: Array | float = 0.0
    for function in functions:
        base = function(case.xs)
        moved = np.zeros_like(base)
        for _ in range(3):
            near = [np.array(x * (1 + 4 * eps * rng.choice([-1.0, 1.0], np.shape(x))), x.dtype) for x in case.xs]
            with np.errstate(all="ignore"):
                moved = np.fmax(moved, np.abs(function(near) - base))
        limit = 1e10 * eps * np.max(np.abs(base), initial=0.0, where=np.isfinite(base))
        total = total + np.where(moved <= limit, moved, 0.0)
    return np.asarray(4 * total)


def statement(check: Callable[..., object]) -> str:
    """What a check proves: the first line of its docstring."""
    return (check.__doc__ or "").strip().partition("\n")[0]


def failure(
    check: Callable[..., Any],
    case: Case,
    what: str,
    *evidence: tuple[str, str],
    argument: int | None = None,
    **numbers: Any,
) -> Failure:
    """A Failure with the rows that every one has. `argument` is the position of the input concerned."""
    rows = [("proves", statement(check)), ("op" if case.op else "function", f"{case.subject.name}, {_from(case)}")]
    if argument is not None:
        rows.append(("rule", case.subject.rule_place(argument)))
    rows += evidence
    rows += [("sample", case.describe()), ("drawn", case.place)]
    if argument is not None:
        numbers.setdefault("input", case.subject.label(argument))
    return Failure(check.__name__.replace("_", " "), what, tuple(rows), **numbers)


def leaves_numpy(error: BaseException | None) -> bool:
    """Whether an error says that a rule cannot be recorded: somewhere behind it a Tensor refused to leave the tape."""
    while error is not None:
        if isinstance(error, NotDifferentiableError | DetachError) or type(error) is OpError:
            return True
        error = error.__cause__ or error.__context__
    return False


def _from(case: Case) -> str:
    return f"from {case.subject.origin}" if case.op else case.subject.origin.removeprefix("the function ")


def differs(
    check: Callable[..., object],
    case: Case,
    what: str,
    k: int,
    index: tuple[int, ...],
    got: complex,
    want: complex,
    *,
    allowed: float,
    by: str,
    worst: str,
    at: str | None = None,
) -> Failure:
    """A Failure about one element of the k-th differentiable input, whose value is `at` if not the sample's."""
    name = case.label(k) + (str(list(index)) if index else "")
    at = at or number(case.xs[k][index])
    return failure(
        check,
        case,
        what,
        ("worst", worst),
        ("got", number(got)),
        ("expected", f"{number(want)}, by {by}"),
        ("off by", f"{_off(got, want)}; {allowed:.1g} is allowed"),
        ("where", f"{name} = {at}"),
        argument=case.positions[k],
        index=index,
        got=np.asarray(got).item(),
        expected=np.asarray(want).item(),
    )


def _off(got: complex, want: complex) -> str:
    gap = abs(got - want)
    return f"{gap:.2g}" + (f", {gap / abs(want):.2g} of it" if want and np.isfinite(gap) else "")


def number(value: object) -> str:
    """A number as a person would type it.

    >>> number(np.float64(0.1)), number(np.float32(0.1)), number(1 + 2j)
    ('0.1', '0.1', '(1+2j)')
    """
    value = np.asarray(value)
    return str(value[()])


def raised(check: Callable[..., object], case: Case, error: Exception) -> Failure:
    """A Failure for an exception. The engine's own errors tell what is wrong by themselves, but name a line in here."""
    if isinstance(error, OpError) and not isinstance(error, NotDifferentiableError):
        first, *rest = str(error).split("\n")
        rows = []
        for line in rest:
            label, _, text = line.strip().partition(" ")
            if label in ("input", "inputs", "expected", "got", "rule"):
                rows.append((label, text.strip()))
        return failure(check, case, first, *rows)
    return failure(check, case, f"raised {type(error).__name__}: {error}", ("raised at", _raised_at(error)))


def _raised_at(error: Exception) -> str:
    """The innermost line that is neither NumPy's nor ours: the op's author's."""
    frames = [(frame.f_code.co_filename, line, frame) for frame, line in traceback.walk_tb(error.__traceback__)]
    foreign = [f for f in frames if f[2].f_globals.get("__name__", "").split(".")[0] not in ("numpy", "trainer")]
    file, line, _ = (foreign or frames)[-1]
    return f"{file}:{line}"
