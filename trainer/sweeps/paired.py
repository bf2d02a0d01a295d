"""Two configs over the same seeds: the difference of what they reached, and how sure one can be of it.

Both runs of a seed have the same split, the same order of rows and, where the networks agree, the same initial values.
So the difference within a seed varies less than the numbers do. Its mean has the interval of Student's t, of which 95
of 100 hold the true mean where differences are normal, and nearly so for those of few seeds that are not, since what
both configs have of skewness goes with the difference (tools/intervals.py measures it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from trainer.runs.groups import Group
from trainer.training.stopping import Better
from trainer.wording import give_or_take

__all__ = ["LEVEL", "Paired", "compared", "paired"]

LEVEL = 0.95  # how often such an interval holds the true difference


@dataclass(frozen=True)
class Paired:
    """One config against another, over the seeds that both have.

    Attributes:
        differences: of each seed the number of the one less that of the other.
        mean: of the differences.
        low, high: the interval of the mean at `LEVEL`.
        better: whether a lower or a higher number is better.
    """

    differences: tuple[float, ...]
    mean: float
    low: float
    high: float
    better: Better

    @property
    def wins(self) -> int:
        """In how many seeds the one is better."""
        return sum(each < 0 if self.better == "lower" else each > 0 for each in self.differences)

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0

    @property
    def short(self) -> str:
        """`+0.0120 ± 0.0040`: the mean and half its interval."""
        return ("" if self.mean < 0 else "+") + give_or_take(self.mean, self.half).replace("-", "−", self.mean < 0)

    def __str__(self) -> str:
        ties = sum(each == 0 for each in self.differences)
        same = f" and the same in {ties}" if ties else ""
        verdict = "" if self.sure else "; that may be chance"
        return f"better in {self.wins} of {len(self.differences)} seeds{same}, {self.short}{verdict}"


def paired(one: Sequence[float], other: Sequence[float], better: Better = "lower") -> Paired | None:
    """The comparison of two rows of numbers, each pair of one seed; None where there are fewer than two pairs, or a
    number is not finite.

    >>> found = paired([0.91, 0.93, 0.95], [0.90, 0.91, 0.93], "higher")
    >>> str(found)
    'better in 3 of 3 seeds, +0.017 ± 0.014'
    """
    differences = np.subtract(one, other)
    if len(differences) < 2 or not np.isfinite(differences).all():
        return None
    mean = float(differences.mean())
    if np.ptp(differences) <= 1e-12 * max(abs(mean), 1e-300):  # all the same: there is no deviation to judge by
        return Paired(tuple(differences.tolist()), mean, mean, mean, better)
    half = _quantile(len(differences)) * float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return Paired(tuple(differences.tolist()), mean, mean - half, mean + half, better)


@cache
def _quantile(seeds: int) -> float:
    """Of Student's t with so many seeds, by which a standard error is multiplied."""
    from scipy import stats

    return float(stats.t.ppf((1 + LEVEL) / 2, seeds - 1))


def compared(one: Group, other: Group, column: str, better: Better) -> Paired | None:
    """The comparison of two groups over the seeds and folds that both have."""
    common = [key for key in one.runs if key in other.runs]
    values = [[group.numbers[key].get(column, math.nan) for key in common] for group in (one, other)]
    return paired(values[0], values[1], better)
