"""What holds for every vector-Jacobian product, whatever the function."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from trainer.checker.case import Case
from trainer.checker.evidence import EPS, differs, excess, failure, leaves_numpy, noise, number
from trainer.checker.references import quietly
from trainer.checker.report import Failure
from trainer.engine.transforms import jvp
from trainer.types import ArrayLike

__all__ = ["adjoint_identity", "alone", "broadcasting", "linear_in_dy", "vectors_differ"]


def vectors_differ(
    check: Callable[..., object],
    case: Case,
    what: str,
    got: ArrayLike,
    want: ArrayLike,
    by: str,
    *,
    scale: ArrayLike | None = None,
    relative: float = 1e-12,
    blur: Callable[[list[ArrayLike]], ArrayLike] | None = None,
) -> Iterator[Failure]:
    """A Failure at the worst element of two gradients, as coordinates, unless they agree to `relative` of `scale`.

    `blur` is the gradient as a function of the inputs; where given, what rounding does to it is forgiven.
    """
    size = np.where(np.isfinite(want), np.abs(want), 0)
    allowed = relative * (size if scale is None else scale) + EPS * np.max(size, initial=0.0)
    ratio = excess(got, want, allowed)
    if np.any(ratio > 1) and blur is not None:
        allowed = allowed + noise(case, blur, eps=max(EPS, relative * 1e-3))
        ratio = excess(got, want, allowed)
    if np.any(ratio > 1):
        worst = int(np.argmax(ratio))
        k, index, imaginary = case.inputs.locate(worst)
        name = f"δ{case.label(k)}" + (str(list(index)) if index else "")
        yield differs(
            check, case, what.format(f"'{case.label(k)}'"), k, index, got[worst], want[worst],
            allowed=float(allowed[worst]), by=by, worst=f"Im {name}" if imaginary else name,
        )  # fmt: skip


def linear_in_dy(case: Case) -> Iterator[Failure | str]:
    """A rule is linear: δx of a sum is the sum of the δx, for large, small and zero δy."""
    _, pullback = case.pulled
    space, rng = case.outputs, np.random.default_rng([case.number, 4])
    one, two = rng.normal(size=(2, space.size))
    f = case.inputs.flatten_dual

    def pull(vector: ArrayLike) -> ArrayLike:
        return f(pullback(space.cotangents(vector)))

    first, second = pull(one), pull(two)
    size = _sizes(case, np.abs(one) + np.abs(two)) + np.abs(first) + np.abs(second)
    for factor in (1e4, -1e-4):
        yield from vectors_differ(
            linear_in_dy, case, "the rule for {0} is not linear in dy",
            pull(factor * one + two) / max(factor, 1), (factor * first + second) / max(factor, 1),
            f"{factor:g}·rule(dy1) + rule(dy2)" + (f", all over {factor:g}" if factor > 1 else ""), scale=size,
            blur=lambda xs: f(case.pull(xs)[1](space.cotangents(one))),
        )  # fmt: skip
    zero = pull(np.zeros(space.size))
    zero[~np.isfinite(first)] = 0  # 0·∞, at the edge of a domain
    yield from vectors_differ(
        linear_in_dy, case, "the rule for {0} is not linear in dy", zero, np.zeros(len(zero)), "rule(0) = 0"
    )


def _sizes(case: Case, weights: ArrayLike) -> ArrayLike:
    """What the terms of δx sum up to without their signs: what its rounding error is proportional to."""
    size = np.zeros(case.inputs.size)
    if len(case.projections) == 0:
        terms = np.abs(case.jacobian) * weights[case.chosen, None]
        size[case.columns] = np.nansum(np.where(np.isfinite(terms), terms, 0), axis=0)
    return size


def adjoint_identity(case: Case) -> Iterator[Failure | str]:
    """⟨δy, J·v⟩ = ⟨Jᵀ·δy, v⟩: forward and reverse mode see the same Jacobian."""
    if case.order < 2 or not case.outputs.size:
        return
    rng = np.random.default_rng([case.number, 5])
    v, w = rng.normal(size=case.inputs.size), rng.normal(size=case.outputs.size)
    with quietly():
        try:
            _, tangents = jvp(case.call, case.xs, tuple(case.inputs.values(v)))
        except Exception as error:
            if leaves_numpy(error):
                return
            raise
    _, pullback = case.pulled
    forward = w * case.outputs.flatten(tangents)
    reverse = v * case.inputs.flatten_dual(pullback(case.outputs.cotangents(w)))
    scale = np.sum(np.abs(forward)) + np.sum(np.abs(reverse))
    gap = abs(np.sum(forward) - np.sum(reverse))
    if np.isfinite(scale) and not gap <= 1e-11 * scale:
        yield failure(
            adjoint_identity, case, "J·v and Jᵀ·δy do not belong to the same Jacobian",
            ("⟨δy, J·v⟩", number(np.sum(forward))), ("⟨Jᵀ·δy, v⟩", number(np.sum(reverse))),
            got=float(np.sum(forward)), expected=float(np.sum(reverse)),
        )  # fmt: skip


def alone(case: Case) -> Iterator[Failure | str]:
    """An input's derivatives, of two orders, are the same whether the others' are wanted or not."""
    if len(case.xs) < 2:
        return
    rng = np.random.default_rng([case.number, 6])
    dys = case.outputs.cotangents(rng.normal(size=case.outputs.size))
    along = case.inputs.cotangents(rng.normal(size=case.inputs.size))
    together = case.pulled[1](dys)
    found: list[ArrayLike] = []
    second: list[ArrayLike] = []
    seconds: list[ArrayLike] = []
    for k, x in enumerate(case.xs):
        part = case.only(k)
        found.append(part.pull([x])[1](dys)[0])
        if case.order == 2:
            second.append(part.pull_twice(0, dys, along[k])[0])
            seconds.append(case.pull_twice(k, dys, along[k])[k])
    scale = _sizes(case, np.abs(case.outputs.flatten_dual(dys))) + case.inputs.largest(together)
    what = "the rule for {0} gives another result when it is wanted alone"
    yield from vectors_differ(
        alone, case, what, case.inputs.flatten_dual(found), case.inputs.flatten_dual(together), "all inputs wanted",
        scale=scale,
    )  # fmt: skip
    if case.order == 2:
        yield from vectors_differ(
            alone, case, what + ", and is differentiated", case.inputs.flatten_dual(second),
            case.inputs.flatten_dual(seconds), "all inputs wanted", relative=1e-9,
            scale=np.full(case.inputs.size, case.inputs.largest(seconds)),
        )  # fmt: skip


def broadcasting(case: Case) -> Iterator[Failure | str]:
    """An input that is broadcast gets the sum of what its explicit expansion gets."""
    arrays = sum(isinstance(a, np.ndarray) for a in case.arguments)
    if case.op is None or not case.op.elementwise or arrays < 2 or len(case.ys) > 1:
        return
    shape = case.ys[0].shape
    if not shape or 0 in shape:
        return
    for k, x in enumerate(case.xs):
        whole = np.broadcast_to(x, shape)
        for small in (whole[..., :1], whole[0], whole[(0,) * len(shape)]):
            yield from _expanded(case, k, np.array(small), shape)


def _expanded(case: Case, k: int, small: ArrayLike, shape: tuple[int, ...]) -> Iterator[Failure | str]:
    whole = case.all_as(lambda a: np.array(np.broadcast_to(a, shape)))
    short = whole.replaced([small if i == k else x for i, x in enumerate(whole.xs)])
    long = whole.replaced([np.array(np.broadcast_to(small, shape)) if i == k else x for i, x in enumerate(whole.xs)])
    rng = np.random.default_rng([case.number, 7, k])
    dys = long.outputs.cotangents(rng.normal(size=long.outputs.size))
    got, terms = short.pulled[1](dys)[k], long.pulled[1](dys)[k]
    want = _summed(terms, small.shape)
    zeros = [np.zeros_like(x) for x in short.xs]

    def flat(g: ArrayLike) -> ArrayLike:
        return short.inputs.flatten_dual([g if i == k else z for i, z in enumerate(zeros)])

    yield from vectors_differ(
        broadcasting, short, "the rule for {0} does not sum over the elements that it was broadcast to",
        flat(got), flat(want), "the sum over the expanded input",
        scale=np.abs(flat(_summed(np.abs(terms), small.shape))),
        blur=lambda xs: flat(short.pull(xs)[1](dys)[k]),
    )  # fmt: skip


def _summed(g: ArrayLike, shape: tuple[int, ...]) -> ArrayLike:
    """The transpose of broadcasting, written out: each element of `g` goes to the element it was copied from."""
    total = np.zeros(shape, g.dtype)
    where = np.broadcast_to(np.arange(total.size).reshape(shape), g.shape)
    np.add.at(total.reshape(-1), where.ravel(), g.ravel())
    return total
