"""Derivatives against derivatives that no rule has touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from trainer.checker.case import Case
from trainer.checker.comparison import Comparison
from trainer.checker.evidence import differs, excess, leaves_numpy, number
from trainer.checker.references import derive, quietly
from trainer.checker.report import Failure
from trainer.checker.spaces import Space
from trainer.checker.tables import Entry, entries
from trainer.engine.transforms import vjp
from trainer.types import ArrayLike

__all__ = ["first_order", "second_order", "table"]


def first_order(case: Case) -> Iterator[Failure | str]:
    """Every element of the rules' Jacobian is the derivative's."""

    def got(xs: list[ArrayLike]) -> ArrayLike:
        if xs is case.xs:
            return case.jacobian
        return case.rule_rows(case.pull(xs)[1])

    yield from Comparison(
        first_order, case, case.forward, got, case.reference, case.chosen, case.projections,
        "the rule for {0} is not the derivative",
    ).failures()  # fmt: skip


def table(case: Case) -> Iterator[Failure | str]:
    """At the points of the plugin's table of references, computed with many digits, the rule is right to 1e-12."""
    if case.op is None or case.number != 1:
        return
    for entry in entries(case.op):
        arguments = [np.array(column) for column in entry.points]
        if case.op.elementwise or len(arguments) == 1:
            yield from _table_entry(case, entry, arguments)


def _table_entry(case: Case, entry: Entry, arguments: list[ArrayLike]) -> Iterator[Failure | str]:
    op = case.op
    assert op is not None
    for position, wanted in entry.derivatives.items():

        def f(x: object, position: int = position) -> object:
            return op(*[x if i == position else a for i, a in enumerate(arguments)], **entry.attributes)

        y, pullback = vjp(f, arguments[position])
        (got,) = pullback(np.ones(np.shape(y)))
        want = np.array(wanted)
        allowed = entry.relative * np.abs(want) + entry.absolute
        ratio = excess(got, want, allowed)
        if np.any(ratio > 1):
            i = int(np.argmax(ratio))
            name = op.inputs[position]
            yield differs(
                table, case, f"the rule for '{name}' is not the derivative", case.positions.index(position), (),
                got[i], want[i], allowed=float(allowed[i]), by="the table " + entry.file,
                worst=f"∂y/∂{name} at " + ", ".join(
                    f"{n} = {number(a[i])}" for n, a in zip(op.inputs, arguments, strict=True)
                ),
                at=number(arguments[position][i]),
            )  # fmt: skip


def second_order(case: Case) -> Iterator[Failure | str]:
    """The rules can be differentiated themselves, and their derivative is right."""
    rng = np.random.default_rng([case.number, 2])
    dys = case.outputs.cotangents(rng.normal(size=case.outputs.size))

    def gradient(*xs: object) -> tuple[Any, ...]:
        ys, pullback = vjp(case.call, *xs)
        return tuple(pullback(tuple(_fitting(dys, ys))))

    weights = rng.normal(size=(2, case.inputs.size))

    def got(xs: list[ArrayLike]) -> ArrayLike:
        gs, pullback = vjp(gradient, *xs)
        space = Space(gs)
        return np.array([
            case.inputs.flatten_dual(pullback(tuple(space.cotangents(w))))[case.columns] for w in weights
        ])  # fmt: skip

    def f(xs: Sequence[ArrayLike]) -> Sequence[ArrayLike]:
        ys, pullback = vjp(case.call, *xs)
        return pullback(tuple(_fitting(dys, ys)))  # type: ignore[no-any-return]

    with quietly():
        try:
            got(case.xs)
        except Exception as error:  # whatever leaves NumPy meets when it is given a Tensor
            if not leaves_numpy(error):
                raise
            case.order = 1
            yield f"first order only, since a rule leaves NumPy: {str(error).splitlines()[0]}"
            return
    yield from Comparison(
        second_order, case, f, got, derive(f, case.xs, case.columns), [], weights,
        "the derivative of the rules by {0} is wrong", "∂(Σ u·δx)/∂{1}",
    ).failures()  # fmt: skip


def _fitting(dys: Sequence[ArrayLike], ys: Sequence[Any]) -> list[ArrayLike]:
    """Cotangents in the dtypes of these results, which are complex where a complex step goes through."""
    return [np.asarray(dy).astype(np.result_type(y.dtype), copy=False) for dy, y in zip(dys, ys, strict=True)]
