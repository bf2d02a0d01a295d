"""Nothing but the values matters: not dtype, memory layout, rank or who else holds the array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from trainer.checker.case import Case
from trainer.checker.checks.algebra import vectors_differ
from trainer.checker.evidence import excess, failure, number
from trainer.checker.references import quietly
from trainer.checker.report import Failure
from trainer.checker.spaces import Space
from trainer.engine.dispatch import TABLE
from trainer.errors import NotDifferentiableError
from trainer.types import ArrayLike

__all__ = ["empty_and_0d", "float32", "integers", "layouts", "mixed_dtypes", "repeatable", "unchanged"]

SINGLE = {"f": np.float32, "c": np.complex64}


def float32(case: Case) -> Iterator[Failure | str]:
    """float32 in, float32 out, and within 1e-5 of float64."""
    if any(x.dtype.itemsize not in (8, 16) for x in case.xs) or any(x.dtype == np.complex64 for x in case.xs):
        return
    single = case.all_as(lambda a: a.astype(SINGLE[a.dtype.kind]) if a.dtype in (np.float64, np.complex128) else a)
    double = case.all_as(lambda a: a.astype(SINGLE[a.dtype.kind]).astype(a.dtype) if a.dtype.kind in "fc" else a)
    try:
        ys, pullback = single.pulled
    except (TypeError, np.linalg.LinAlgError) as error:
        yield f"the forward function does not take float32: {error}"
        return
    wide = [y for y, y64 in zip(ys, double.ys, strict=True) if y.dtype in (np.float64, np.complex128) and y64.size]
    if wide and not _numpys_own(case):
        yield failure(
            float32, case, f"the forward function returned {wide[0].dtype} for float32 inputs",
            ("got", str(wide[0].dtype)), ("expected", "float32"),
        )  # fmt: skip
        return
    weights = np.random.default_rng([case.number, 8]).normal(size=double.outputs.size).astype(np.float32)
    space = Space(ys)
    if space.size != double.outputs.size:
        return  # complex in one precision, real in the other: NumPy's choice by value
    dys = weights.astype(np.float64)
    got = single.inputs.flatten_dual(pullback(space.cotangents(weights)))
    want = double.inputs.flatten_dual(double.pulled[1](double.outputs.cotangents(dys)))
    scale = np.abs(want) + _terms(double, np.abs(dys))
    yield from vectors_differ(
        float32, double, "the rule for {0} is right in float64 and not in float32", got, want,
        "the same rule in float64", scale=scale, relative=1e-5,
        blur=lambda xs: double.inputs.flatten_dual(double.pull(xs)[1](double.outputs.cotangents(dys))),
    )  # fmt: skip


def mixed_dtypes(case: Case) -> Iterator[Failure | str]:
    """With float32 and float64 among the inputs, each gradient has its own input's dtype and the same value."""
    if len(case.xs) < 2 or any(x.dtype != np.float64 for x in case.xs):
        return
    rounded = case.replaced([x.astype(np.float32).astype(x.dtype) for x in case.xs])
    weights = np.random.default_rng([case.number, 15]).normal(size=case.outputs.size)
    want = rounded.inputs.flatten_dual(rounded.pulled[1](rounded.outputs.cotangents(weights)))
    scale = np.abs(want) + _terms(rounded, np.abs(weights))
    for k in range(len(case.xs)):
        for alone in (np.float32, np.float64) if len(case.xs) > 2 else (np.float32,):
            other = np.float64 if alone is np.float32 else np.float32
            mixed = rounded.replaced([x.astype(alone if i == k else other) for i, x in enumerate(rounded.xs)])
            ys, pullback = mixed.pulled
            got = mixed.inputs.flatten_dual(pullback(Space(ys).cotangents(weights)))
            yield from vectors_differ(
                mixed_dtypes, rounded, f"the rule for {{0}} is wrong when '{case.label(k)}' alone is {alone.__name__}",
                got, want, "the same rule in float64", scale=scale, relative=1e-5,
                blur=lambda xs: rounded.inputs.flatten_dual(
                    rounded.pull(xs)[1](rounded.outputs.cotangents(weights))
                ),
            )  # fmt: skip


def _numpys_own(case: Case) -> bool:
    """Whether the op stands for a function of NumPy's or SciPy's, whose result dtype is theirs to choose."""
    return case.op is not None and any(op.forward is case.op.forward for op in TABLE.values())


def _terms(case: Case, weights: ArrayLike) -> ArrayLike:
    """Per input coordinate Σ|δy·∂y/∂x|, from the rules' Jacobian, or by way of eight signs where it is large."""
    if len(case.projections) == 0 and case.inputs.size == len(case.columns) and case.outputs.size <= 64:
        return np.asarray(np.nansum(np.abs(case.jacobian) * weights[case.chosen, None], axis=0))
    rng = np.random.default_rng(case.number)
    _, pullback = case.pulled
    rows = [
        np.abs(
            case.inputs.flatten_dual(pullback(case.outputs.cotangents(weights * rng.choice([-1, 1], weights.shape))))
        )
        for _ in range(8)
    ]
    return np.asarray(np.nanmax(rows, axis=0))


def unchanged(case: Case) -> Iterator[Failure | str]:
    """Neither the forward function nor a rule writes into an input, into dy or into the result."""
    fresh = case.afresh()  # another check's call may have written what a second one writes
    xs, ys, pullback = fresh.taped(fresh.xs)
    outputs = Space(ys)
    dys = outputs.cotangents(np.random.default_rng([case.number, 9]).normal(size=outputs.size))
    before = [a.copy() for a in (*ys, *dys)]
    for _ in range(2):
        pullback(dys)
    names = [f"y[{i}]" if len(ys) > 1 else "y" for i in range(len(ys))]
    names += [f"dy[{i}]" if len(dys) > 1 else "dy" for i in range(len(dys))]
    pairs = [*zip(names, (*ys, *dys), before, strict=True)]
    given = [np.asarray(case.given[position]) for position in fresh.positions]
    pairs += [(fresh.label(k), x, then) for k, (x, then) in enumerate(zip(xs, given, strict=True))]
    rest = [i for i, a in enumerate(case.given) if isinstance(a, np.ndarray) and i not in case.positions]
    pairs += [(case.subject.label(i), fresh.arguments[i], case.given[i]) for i in rest]
    for name, now, then in pairs:
        if _bytes(now) != _bytes(then):
            where = tuple(int(i) for i in np.argwhere(~_equal(now, then))[0])
            yield failure(
                unchanged, case, f"'{name}' was written to",
                ("worst", name + (str(list(where)) if where else "")),
                ("got", number(now[where])), ("expected", f"{number(then[where])}, as before"),
                argument=case.positions[0], input=name, index=where,
            )  # fmt: skip


def _bytes(a: ArrayLike) -> bytes:
    return np.asarray(a).tobytes()


def _equal(a: ArrayLike, b: ArrayLike) -> ArrayLike:
    a, b = np.asarray(a), np.asarray(b)
    return (a == b) | ((a != a) & (b != b))


def repeatable(case: Case) -> Iterator[Failure | str]:
    """The same call again gives the same bits, forward and backward."""
    again = case.replaced([x.copy() for x in case.xs])
    for y, y2 in zip(case.ys, again.ys, strict=True):
        if _bytes(y) != _bytes(y2):
            yield failure(repeatable, case, "the forward function gives other bits when it is called again")
            return
    dys = case.outputs.cotangents(np.random.default_rng([case.number, 10]).normal(size=case.outputs.size))
    first, second = case.pulled[1](dys), again.pulled[1](dys)
    for k, (a, b) in enumerate(zip(first, second, strict=True)):
        if _bytes(a) != _bytes(b):
            yield failure(
                repeatable, case, f"the rule for '{case.label(k)}' gives other bits when it is called again",
                argument=case.positions[k],
            )  # fmt: skip


def layouts(case: Case) -> Iterator[Failure | str]:
    """Arrays that are read-only, strided, reversed or in Fortran's order give the same result."""
    if not any(np.ndim(x) for x in case.xs):
        return
    dys = case.outputs.cotangents(np.random.default_rng([case.number, 11]).normal(size=case.outputs.size))
    want = case.inputs.flatten_dual(case.pulled[1](dys))
    scale = _terms(case, np.abs(case.outputs.flatten_dual(dys))) + np.abs(want)
    for name, arrange in LAYOUTS.items():
        moved = case.replaced([arrange(x) for x in case.xs])
        moved.xs = [moved.arguments[p] for p in moved.positions]
        try:
            ys, pullback = moved.pull([arrange(x) for x in case.xs])
            got = case.inputs.flatten_dual(pullback([arrange(dy) for dy in dys]))
        except ValueError as error:
            yield failure(layouts, case, f"{name} arrays are refused: {error}", argument=case.positions[0])
            continue
        forward = case.outputs.flatten(case.ys)
        largest = np.max(np.abs(forward), initial=0.0, where=np.isfinite(forward))
        if np.any(excess(case.outputs.flatten(ys), forward, 1e-12 * np.abs(forward) + 1e-13 * largest) > 1):
            yield failure(layouts, case, f"the forward function gives another result for {name} arrays")
            continue
        found = list(vectors_differ(
            layouts, case, f"the rule for {{0}} gives another result for {name} arrays", got, want,
            "the same arrays in C's order", scale=scale, relative=1e-11,
        ))  # fmt: skip
        if found:
            yield from found
            return


def _read_only(a: ArrayLike) -> ArrayLike:
    a = np.array(a)
    a.flags.writeable = False
    return a


def _strided(a: ArrayLike) -> ArrayLike:
    wide = np.zeros(tuple(2 * n for n in np.shape(a)), np.result_type(a))
    every_other: Any = (..., *(slice(None, None, 2),) * np.ndim(a))
    view = wide[every_other]
    view[...] = a
    return view


def _reversed(a: ArrayLike) -> ArrayLike:
    back: Any = (..., *(slice(None, None, -1),) * np.ndim(a))
    return np.array(np.asarray(a)[back])[back]


def _fortran(a: ArrayLike) -> ArrayLike:
    return np.array(a, order="F")


LAYOUTS: dict[str, Callable[[ArrayLike], ArrayLike]] = {
    "read-only": _read_only, "strided": _strided, "reversed": _reversed, "Fortran-ordered": _fortran,
}  # fmt: skip


def empty_and_0d(case: Case) -> Iterator[Failure | str]:
    """An element-wise op takes arrays without elements, and gives for one number what it gives for an array of one."""
    if case.op is None or not case.op.elementwise or not all(x.size for x in case.xs):
        return
    for shape in ((0,), (0, 3)):
        none = case.all_as(partial(_zeros, shape))
        yield from _none_at_all(case, none, shape)
    one = case.all_as(lambda a: a.reshape(-1)[:1])
    zero = case.all_as(lambda a: np.array(a.reshape(-1)[0]))
    if one.outputs.size != zero.outputs.size:
        return
    dys = np.random.default_rng([case.number, 12]).normal(size=one.outputs.size)
    got = zero.inputs.flatten_dual(zero.pulled[1](zero.outputs.cotangents(dys)))
    want = one.inputs.flatten_dual(one.pulled[1](one.outputs.cotangents(dys)))
    yield from vectors_differ(
        empty_and_0d, zero, "the rule for {0} gives another result for a 0-d array", got, want,
        "the same number in an array of shape (1,)",
    )  # fmt: skip


def _zeros(shape: tuple[int, ...], like: ArrayLike) -> ArrayLike:
    return np.zeros(shape, like.dtype)


def _none_at_all(case: Case, none: Case, shape: tuple[int, ...]) -> Iterator[Failure | str]:
    ys, pullback = none.pulled
    wrong = [y.shape for y in ys if y.shape != shape]
    wrong += [g.shape for g in pullback([np.zeros(y.shape, y.dtype) for y in ys]) if g.shape != shape]
    if wrong:
        yield failure(empty_and_0d, case, f"arrays of shape {shape} give shape {wrong[0]}")


def integers(case: Case) -> Iterator[Failure | str]:
    """Asking for the derivative by an integer or a bool is an error that says so."""
    if case.number != 1 or case.op is None:
        return
    for dtype in (np.int64, np.bool_):
        xs: Sequence[Any] = [np.ones(x.shape, dtype) for x in case.xs]
        try:
            with quietly():
                case.pull(xs)
        except NotDifferentiableError as error:
            if "is not differentiable" in str(error):
                continue
        yield failure(integers, case, f"inputs of dtype {np.dtype(dtype)} were differentiated")
