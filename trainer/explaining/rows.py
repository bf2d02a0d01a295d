"""What the rows say: a class that is never predicted, labels that have nothing to do with their rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainer.data.prepared import Part
from trainer.explaining.evidence import Evidence
from trainer.explaining.findings import Finding, line_of
from trainer.training import Epoch, Training
from trainer.types import Array
from trainer.wording import count, listed, number

if TYPE_CHECKING:
    from trainer.config import LoadedConfig

__all__ = ["alike", "never_predicted", "never_told_apart"]

RARE = 0.5  # of an equal share of the rows
NEIGHBOURS = 512  # rows that are compared with one another
ENOUGH = 40
TOGETHER = 512  # columns that are compared together: of large pictures not all are copied at once


def never_predicted(loaded: LoadedConfig, now: Evidence) -> Iterator[Finding]:
    """Rare classes that no training row is taken for."""
    data = now.training.data
    if data.train.targets.dtype.kind != "i" or data.train.targets.ndim != 1 or not data.class_names:
        return
    known, classes = now.classes, len(data.class_names)
    rows = np.bincount(known[known >= 0], minlength=classes)
    rare = [i for i in range(classes) if 3 <= rows[i] < RARE * len(known) / classes]
    predicted = now.predicted if rare else known  # a pass over the rows, where it could find something
    missed = [i for i in rare if not (predicted == i).any()]
    if missed:
        names = listed([f"{data.class_names[i]!r} ({rows[i]:,} of {len(known):,} rows)" for i in missed], 4)
        ways = [] if loaded.config.dataset.class_weights else ["dataset.class_weights=balanced"]
        yield Finding("a class is never predicted", names, line_of(loaded, "dataset"), ways)


def never_told_apart(training: Training, epochs: Sequence[Epoch], parts: Sequence[Part], constant: float) -> str:
    """That the loss of other rows never was below that of one prediction for all; empty where it was."""
    part = next((part for part in parts if epochs[-1].numbers.get(part)), None)
    if part is None or len(training.data.divided[part]) < ENOUGH or not math.isfinite(constant) or constant <= 0:
        return ""
    lowest = min(record.numbers[part]["loss"] for record in epochs if part in record.numbers)
    if lowest < 0.97 * constant:
        return ""
    return (
        f"; the {part} loss was {number(lowest)} at its lowest, and one prediction for all rows has {number(constant)}"
    )


def alike(loaded: LoadedConfig, training: Training, told: str) -> Iterator[Finding]:
    """Whether rows that are near one another have the same class more often than any two; if not, say so."""
    rows = training.data.train
    if rows.targets.dtype.kind != "i" or rows.targets.ndim != 1 or rows.inputs.dtype.kind != "f":
        return
    which = np.linspace(0, len(rows) - 1, min(NEIGHBOURS, len(rows))).round().astype(np.int64)
    if len(which) < ENOUGH:
        return
    same, chance = _agreement(rows.inputs.reshape(len(rows), -1), rows.targets, which)
    if same <= chance + 2 * math.sqrt(chance * (1 - chance) / len(which)):
        yield Finding(
            "the labels look shuffled",
            f"of {count(len(which), 'row')} {same:.0%} have the class of their nearest neighbour, and by chance "
            f"{chance:.0%} would{told}",
            line_of(loaded, "dataset"),
        )


def _agreement(inputs: Array, targets: Array, which: Array) -> tuple[float, float]:
    """How many of these rows have their nearest neighbour's class, and how many would by chance."""
    distances = np.zeros((len(which), len(which)))
    for left in range(0, inputs.shape[1], TOGETHER):
        x = inputs[which, left : left + TOGETHER].astype(np.float64)
        scale = x.std(axis=0)
        x = (x - x.mean(axis=0)) / np.where(scale > 0, scale, 1)
        squares = np.sum(x * x, axis=1)
        distances += squares[:, None] + squares - 2 * (x @ x.T)
    np.fill_diagonal(distances, np.inf)
    y = targets[which]
    shares = np.bincount(y - y.min()) / len(y)
    return float(np.mean(y[distances.argmin(axis=1)] == y)), float(np.sum(shares**2))
