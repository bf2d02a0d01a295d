"""The number that trials are judged by: which it is, of which rows, whether a lower or a higher one is better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainer.data.prepared import Part
from trainer.errors import DataError
from trainer.experiment.builder import Builder
from trainer.runs.columns import split
from trainer.runs.loading import load
from trainer.training.stopping import Better, Numbers, number_of, part_of

if TYPE_CHECKING:
    from trainer.config import LoadedConfig

__all__ = ["Watched", "watched_of"]


@dataclass(frozen=True)
class Watched:
    """A number of an epoch.

    Attributes:
        name: loss, or a metric.
        part: the rows that it is taken from.
        better: which of two is better.
        best: whether a run hands back its best epoch, and not its last.
    """

    name: str
    part: Part
    better: Better
    best: bool = False

    @property
    def column(self) -> str:
        """Of metrics.csv."""
        return f"{self.part}_{self.name}"

    @property
    def sign(self) -> int:
        """By which a number is multiplied so that the lower one is better."""
        return 1 if self.better == "lower" else -1

    def series(self, path: Path) -> Iterator[tuple[int, float]]:
        """The epochs of a run that were measured, and the number of each."""
        try:
            metrics = load(path).metrics
        except DataError:
            return
        if self.column in metrics:
            yield from zip(metrics["epoch"].tolist(), metrics[self.column].tolist(), strict=True)

    def of(self, path: Path, epoch: int | None = None) -> float:
        """What a run reached, or had reached after so many epochs; nan where there is no such number."""
        reached = [value for at, value in self.series(path) if epoch is None or at <= epoch]
        if not reached or not self.best:
            return reached[-1] if reached else float("nan")
        return float(np.nanmin(reached) if self.better == "lower" else np.nanmax(reached))

    def of_numbers(self, numbers: Numbers) -> float:
        """That of an epoch."""
        return number_of("a sweep", self.name, self.part, numbers)


def watched_of(loaded: LoadedConfig, metric: str | None = None) -> Watched:
    """What trials of a config are judged by: `metric`, `accuracy` or `test_accuracy`, or else what `stop` watches, or
    the loss; of the rows for validation, or of the test, or of the training, as there are any.

    Raises UsageError for a number that no epoch has, and ConfigError for a config that cannot be trained.
    """
    builder = Builder(loaded)
    training = builder.training()
    stopping = training.stopping
    part, name = split(metric) if metric else (stopping.part, stopping.watched)
    numbers = builder.numbers()
    chosen = part_of(part or None, numbers)  # type: ignore[arg-type]  # it is one of the three, or none
    number_of("a sweep", name, chosen, numbers)
    better = stopping.better if not metric and loaded.config.stop else builder.better(name)
    return Watched(name, chosen, better, stopping.best)
