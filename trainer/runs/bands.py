"""Curves of several runs as one: their mean, and how far they are from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.runs.columns import PARTS, split
from trainer.runs.comparing import curves
from trainer.runs.groups import Group, differing
from trainer.runs.lines import Line, line_of

__all__ = ["group_curves", "mean_line", "mean_lines"]


def mean_line(lines: Sequence[Line], name: str, colour: int = 0) -> Line:
    """The mean of curves at the epochs that all of them have, with a band of their standard deviation.

    A point that one of them lacks is a gap: a mean of fewer runs would be of other ones.

    >>> epochs = np.arange(1, 3)
    >>> one, other = (Line("", epochs, np.array(values), 0) for values in ([1.0, 2.0], [3.0, 2.0]))
    >>> mean_line([one, other], "both").values.tolist(), mean_line([one, other], "both").band.round(3).tolist()
    ([2.0, 2.0], [1.414, 0.0])
    """
    common = lines[0].epochs
    for line in lines[1:]:
        common = np.intersect1d(common, line.epochs)
    values = np.array([line.values[np.searchsorted(line.epochs, common)] for line in lines])
    band = values.std(axis=0, ddof=1) if len(lines) > 1 and len(common) else None
    return Line(name, common, values.mean(axis=0), colour, band)


def mean_lines(several: Sequence[Mapping[str, Sequence[float] | Any]], name: str = "loss") -> list[Line]:
    """The mean curves of a metric over runs, one for each part of the rows that all of them have."""
    parts = [part for part in PARTS if all(f"{part}_{name}" in metrics for metrics in several)]
    return [
        mean_line([line_of(metrics, f"{part}_{name}", part) for metrics in several], part, PARTS.index(part))
        for part in parts
    ]


def group_curves(groups: Sequence[Group], metric: str = "loss") -> tuple[str, list[Line]]:
    """What is drawn, in words, and the mean curve of each group of runs; of one group a curve for each part.

    Raises UsageError for a run that has no such number.
    """
    runs = [run for group in groups for run in group.runs.values()]
    what, lines = curves(runs, [""] * len(runs), metric)
    if len(groups) == 1 and (parts := mean_lines([run.metrics for run in runs], metric)):
        return split(metric)[1], parts
    keys, found, rest = differing(groups), [], iter(lines)
    for i, group in enumerate(groups):
        told = f"{group.label(keys)}, {len(group.runs)} runs" if len(group.runs) > 1 else group.label(keys)
        found.append(mean_line([next(rest) for _ in group.runs], told, i))
    return what, found
