"""What is drawn of runs, wherever it is drawn: curves over the epochs, their colours, and no more points than are seen.

The colours are those of Okabe and Ito, which people with any colour vision tell apart; blue for the rows that are
trained on, green for those of validation, vermilion for the test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from trainer.runs.columns import PARTS
from trainer.runs.scale import HUGE, Scale, scale_for
from trainer.types import Array

__all__ = [
    "PALETTE",
    "Line",
    "Lowest",
    "line_of",
    "lines_of",
    "lowest",
    "scale_of",
]

PALETTE = ("#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f")


@dataclass(frozen=True, eq=False)
class Line:
    """A curve: a name, an epoch and a number for each point, nan where there is a gap, and a place in the palette.

    band: of a mean of several runs, how far they are from it at each point.
    """

    name: str
    epochs: Array
    values: Array
    colour: int
    band: Array | None = None

    @property
    def finite(self) -> int:
        """How many points there are."""
        return int(np.isfinite(self.values).sum())

    @property
    def points(self) -> list[tuple[int, float]]:
        """The points that there are."""
        there = np.isfinite(self.values)
        return list(zip(self.epochs[there].tolist(), self.values[there].tolist(), strict=True))

    @property
    def edges(self) -> tuple[Array, Array]:
        """The lower and the upper edge of the band; without one, twice the curve."""
        away = 0.0 if self.band is None else self.band
        return self.values - away, self.values + away

    @property
    def last(self) -> float:
        """The last number; nan where there is none."""
        found = self.values[np.isfinite(self.values)]
        return float(found[-1]) if len(found) else float("nan")

    def thinned(self, columns: int) -> Line:
        """At most three points for each of so many columns of dots: its least, its largest, and a gap if there is one.

        >>> noisy = Line("loss", np.arange(10_000), np.arange(10_000) % 100.0, 0).thinned(50)
        >>> len(noisy.values), float(noisy.values.min()), float(noisy.values.max())
        (101, 0.0, 99.0)
        """
        if len(self.values) <= 3 * columns:
            return self
        kept = {0, len(self.values) - 1}
        edges = np.linspace(0, len(self.values), columns + 1).astype(int).tolist()
        for start, end in pairwise(edges):
            piece = self.values[start:end]
            there = np.isfinite(piece)
            if there.any():
                kept |= {start + int(np.nanargmin(piece)), start + int(np.nanargmax(piece))}
            if not there.all():
                kept.add(start + int(np.argmin(there)))
        which = np.array(sorted(kept))
        band = None if self.band is None else self.band[which]
        return replace(self, epochs=self.epochs[which], values=self.values[which], band=band)


def lines_of(metrics: Mapping[str, Sequence[float] | Any], name: str = "loss") -> list[Line]:
    """The curves of a metric, one for each part that has it; of a column that is no part's, such as step_size, one."""
    parts = [part for part in PARTS if f"{part}_{name}" in metrics]
    if not parts:
        return [line_of(metrics, name, name)] if name in metrics else []
    return [line_of(metrics, f"{part}_{name}", part, PARTS.index(part)) for part in parts]


def line_of(metrics: Mapping[str, Sequence[float] | Any], column: str, name: str, colour: int = 0) -> Line:
    """A column of metrics.csv as a curve; what is not finite, or as good as infinite, is a gap."""
    values = np.asarray(metrics[column], dtype=np.float64)
    epochs = np.asarray(metrics.get("epoch", np.arange(1, len(values) + 1)))
    return Line(name, epochs, np.where(np.abs(values) < HUGE, values, np.nan), colour)


class Lowest(NamedTuple):
    """Where a loss is lowest: of which rows, at which place of its curve, in which epoch, how low; one of how many."""

    part: str
    place: int
    epoch: int
    value: float
    of: int


def lowest(lines: Sequence[Line]) -> Lowest | None:
    """Of curves of the loss the lowest point, of rows that are not trained on if there are such; None without any."""
    chosen = {line.name: line for line in lines if line.finite}
    part = next((part for part in ("validation", "test", "train") if part in chosen), None)
    if part is None:
        return None
    line = chosen[part]
    place = int(np.nanargmin(line.values))
    return Lowest(part, place, int(line.epochs[place]), float(line.values[place]), line.finite)


def scale_of(lines: Sequence[Line], ticks: int = 6) -> Scale:
    """The axis that holds all of them."""
    return scale_for((value for each in lines if each.finite for value in _ends(each)), ticks)


def _ends(each: Line) -> list[float]:
    low, high = each.edges
    if np.nanmin(each.values) > 0:  # which a logarithmic axis may show
        low = np.where(low > 0, low, each.values)
    return [float(np.nanmin(low)), float(np.nanmax(high))]
