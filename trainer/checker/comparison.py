"""A matrix of derivatives against another, with the benefit of every doubt that is not the rule's.

Elements that differ by more than is allowed are looked at again before a rule is blamed: rounding may blur an
ill-conditioned result, the sharp reference may not apply, and at a kink any slope between the left one and the right
one is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.checker.case import Case
from trainer.checker.evidence import EPS, differs, excess, noise, scale_of
from trainer.checker.references import Function, Reference, derive, differences, one_sided
from trainer.checker.report import Failure
from trainer.checker.spaces import Space
from trainer.types import ArrayLike

__all__ = ["Comparison"]

# A reference whose own error is larger than this, relative to an element's scale, decides nothing.
DECISIVE = 1e-4


@dataclass
class Comparison:
    """What is compared.

    Attributes:
        check: the check that asks.
        case: the sample.
        f: the function that is differentiated numerically.
        got: the rules' matrix as a function of the inputs: a row per entry of `chosen` and of `projections`.
        reference: the derivatives of `f`.
        chosen: output coordinates that are compared one by one.
        projections: weights of output coordinates that are compared in sums.
        what: what a failure says; `{0}` is the input's name.
        quantity: how a failure calls an element; {0} is the output element, {1} the input element.
    """

    check: Callable[..., Any]
    case: Case
    f: Function
    got: Callable[[list[ArrayLike]], ArrayLike]
    reference: Reference
    chosen: Sequence[int]
    projections: ArrayLike
    what: str
    quantity: str = "∂{0}/∂{1}"

    def failures(self) -> Iterator[Failure | str]:
        """One Failure per input whose derivative is wrong, at its worst element; a note for what stays undecided."""
        case, reference = self.case, self.reference
        got, want = self.got(case.xs), self._project(reference.values)
        allowed = self._allowed(reference)
        ratio = excess(got, want, allowed)
        sources = np.full(want.shape, reference.source, object)
        if np.any(ratio > 1):
            ratio, want, allowed, sources = self._again(got, want, allowed, ratio, sources)
        undecided = ratio < 0
        if np.any(undecided):
            count, total = int(np.sum(undecided)), undecided.size
            if count == total:
                yield f"sample {case.number}: no reference is sharp enough to judge it by"
            ratio = np.where(undecided, 0, ratio)
        for k in range(len(case.xs)):
            of_k = [c for c, column in enumerate(case.columns) if case.inputs.locate(column)[0] == k]
            if of_k and np.any(ratio[:, of_k] > 1):
                sub = np.where(np.isinf(ratio[:, of_k]), np.finfo(float).max, ratio[:, of_k])
                row, c = np.unravel_index(int(np.argmax(sub)), sub.shape)
                where = int(row), of_k[int(c)]
                yield self._failure(k, *where, got[where], want[where], allowed[where], sources[where])

    def _project(self, values: ArrayLike) -> ArrayLike:
        """The rows of the comparison from the derivatives of all outputs."""
        chosen = values[list(self.chosen)]
        if not len(self.projections):
            return chosen
        return np.vstack([chosen, self.projections @ values])

    def _allowed(self, reference: Reference) -> ArrayLike:
        scale = scale_of(reference.values)
        every = reference.relative * scale + 10 * reference.errors
        weights = np.abs(self.projections)
        sums = every[list(self.chosen)]
        return sums if not len(weights) else np.vstack([sums, 8 * weights @ every])

    def _again(
        self, got: ArrayLike, want: ArrayLike, allowed: ArrayLike, ratio: ArrayLike, sources: ArrayLike
    ) -> tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]:
        """The same comparison, judged more carefully. A ratio of −1 marks what cannot be judged."""
        case, reference = self.case, self.reference
        if not np.all(np.isfinite(ratio)) or np.any(ratio > 1):
            blur = noise(case, self.got, lambda xs: self._project(derive(self.f, xs, case.columns).values))
            allowed = allowed + blur + EPS * np.abs(want) + self._rounding()
            ratio = excess(got, want, allowed)
        if np.any(ratio > 1) and reference.source != "central differences":
            plain = differences(self.f, case.xs, case.columns)
            theirs, tolerance = self._project(plain.values), self._allowed(plain)
            sure = tolerance <= DECISIVE * (np.abs(theirs) + 1e-6)
            doubtful = (ratio > 1) & sure & (excess(want, theirs, 10 * tolerance) > 1)
            want, allowed = np.where(doubtful, theirs, want), np.where(doubtful, tolerance, allowed)
            sources = np.where(doubtful, plain.source, sources)
            ratio = excess(got, want, allowed)
        if np.any(ratio > 1):
            ratio = self._at_kinks(got, want, ratio)
        scale = self._project_abs(scale_of(np.nan_to_num(reference.values, posinf=0.0, neginf=0.0)))
        vague = (ratio > 1) & ~(allowed <= DECISIVE * (scale + 1e-9))
        return np.where(vague, -1.0, ratio), want, allowed, sources

    def _rounding(self) -> ArrayLike:
        """What rounding alone makes of a derivative that is 0: some units in the last place of y, over x."""
        case = self.case
        sizes = [max(float(np.abs(x).max(initial=0.0, where=np.isfinite(x))), 1e-3) for x in case.xs]
        over = np.array([sizes[case.inputs.locate(column)[0]] for column in case.columns])
        y = np.abs(Space(ys := self.f(case.xs)).flatten(ys))
        y = np.full(y.shape, y.max(initial=0.0, where=np.isfinite(y)))
        return 32 * EPS * self._project_abs(y[:, None]) / over

    def _project_abs(self, values: ArrayLike) -> ArrayLike:
        chosen = values[list(self.chosen)]
        return np.vstack([chosen, np.abs(self.projections) @ values]) if len(self.projections) else chosen

    def _at_kinks(self, got: ArrayLike, want: ArrayLike, ratio: ArrayLike) -> ArrayLike:
        """Forgive what lies between the slopes to the left and to the right, where these differ."""
        weights = np.vstack([np.eye(self.reference.values.shape[0])[list(self.chosen)], self.projections])
        ratio = ratio.copy()
        for c in np.flatnonzero(np.any(ratio > 1, axis=0)):
            left, right = one_sided(self.f, self.case.xs, self.case.columns[c])
            with np.errstate(all="ignore"):
                ends = np.stack([weights * left, weights * right])
            low, high = np.nansum(ends.min(axis=0), axis=1), np.nansum(ends.max(axis=0), axis=1)
            slack = 1e-4 * np.maximum(np.abs(low), np.abs(high)) + 1e-9
            inside = (high - low > slack) & (got[:, c] >= low - slack) & (got[:, c] <= high + slack)
            ratio[inside, c] = 0
        return ratio

    def _failure(self, k: int, row: int, c: int, got: float, want: float, allowed: float, source: str) -> Failure:
        case = self.case
        _, index, imaginary = case.inputs.locate(case.columns[c])
        inner = _part(case.label(k) + (str(list(index)) if index else ""), imaginary)
        if row < len(self.chosen):
            array, where, imaginary = Space(self.f(case.xs)).locate(self.chosen[row])
            name = "y" if len(case.ys) == 1 else f"y[{array}]"
            outer = _part(name + (str(list(where)) if where else ""), imaginary)
        else:
            outer = "(Σ δy·y)"
        return differs(
            self.check, case, self.what.format(f"'{case.label(k)}'"), k, index, got, want,
            allowed=allowed, by=source, worst=self.quantity.format(outer, inner),
        )  # fmt: skip


def _part(name: str, imaginary: bool) -> str:
    return f"Im {name}" if imaginary else name
