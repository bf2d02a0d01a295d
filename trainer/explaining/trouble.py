"""Why a training did not learn: what epochs' numbers say for nothing, and a closer look where they are bad.

    explainer = Explainer(loaded, training)
    for record in training.records():
        if isinstance(record, Epoch):
            explainer.epoch(record)
    for finding in explainer.findings():
        print(finding)

Nothing here moves the training. The closer look costs a few passes over some hundred rows, once, after the last epoch,
and only where the loss is near that of a network which heeds no input, or the numbers of other rows turned away.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from trainer.config.overrides import spelt
from trainer.data.prepared import Part
from trainer.errors import DivergedError
from trainer.explaining.causes import causes
from trainer.explaining.evidence import Evidence
from trainer.explaining.findings import Finding
from trainer.explaining.rows import alike, never_predicted, never_told_apart
from trainer.plugins.traits import CostTraits
from trainer.training import Epoch, Training, TrainingState
from trainer.wording import number

if TYPE_CHECKING:
    from trainer.config import LoadedConfig

__all__ = ["Explainer", "once"]

WELL = 0.8  # of the loss of one prediction for all rows: what is below has learnt something
STEPS = 50  # before which a loss that has not fallen says nothing
DRIFT = 1.25  # times the lowest loss of other rows, while that of the training rows fell on
OTHERS: tuple[Part, ...] = ("validation", "test")


class Explainer:
    """Is told the epochs of a training, and says what is wrong with it."""

    def __init__(self, loaded: LoadedConfig, training: Training, beginning: TrainingState | None = None) -> None:
        """`beginning` is where it began, of a training that has moved since."""
        self._loaded, self._training, self._beginning = loaded, training, beginning
        self._began = (beginning or training.now).step
        self._epochs: list[Epoch] = []

    def epoch(self, record: Epoch) -> None:
        """Keep the numbers of an epoch."""
        if record.numbers:
            self._epochs.append(record)

    @cached_property
    def _first(self) -> Evidence:
        return Evidence(self._training, self._traits, lambda: self._beginning or self._training.beginning())

    @cached_property
    def _now(self) -> Evidence:
        return Evidence(self._training, self._traits, lambda: self._training.now)

    @property
    def _traits(self) -> CostTraits:
        return CostTraits.of(self._loaded.config.cost.component)

    def findings(self) -> list[Finding]:
        """What is wrong after the last epoch, the most likely cause first; each cause once."""
        if not self._epochs:
            return []
        return once(self._found())

    def of_divergence(self, error: DivergedError) -> list[Finding]:
        """The causes of a loss that is no number any more."""
        first = self._training.step == self._began
        found = causes(self._loaded, self._first, None, first_step=first, finding=error.finding or str(error))
        return once(found)

    def _found(self) -> Iterator[Finding]:
        loaded, last = self._loaded, self._epochs[-1]
        part, numbers = next(iter(last.numbers.items()))
        loss = numbers["loss"]
        constant = self._first.constant
        enough = self._training.step - self._began >= STEPS
        grew = self._growth(last)
        unwell = bool(grew) or (enough and self._comparable and loss > WELL * constant > 0)
        found, said = False, grew
        if unwell:
            if not grew:
                said = f"the {part} loss is {number(loss)} after epoch {last.epoch:,}, and one prediction for all rows "
                said += f"has {number(constant)}"
            for finding in causes(loaded, self._first, self._now, at=said):
                found = True
                yield finding
        if self._traits.link == "softmax" and enough:
            yield from never_predicted(loaded, self._now)
        turned = never_told_apart(self._training, self._epochs, OTHERS, self._first.constant) if enough else ""
        if (unwell and not found) or turned:
            yield from alike(loaded, self._training, turned)
        if not unwell and not turned:
            yield from self._drift()
        if unwell and not found:
            ways = [spelt(hint) for hint in self._training.ways_down()] if grew else []
            yield Finding("the loss does not fall", said, overrides=ways)

    @property
    def _comparable(self) -> bool:
        """Whether the loss that is measured is what training lowers: rows with weights are told without these, and a
        running loss with its penalties."""
        training = self._training
        penalised = training.measure.train == "running" and training.penalties
        return training.data.train.weights is None and not penalised and math.isfinite(self._first.constant)

    def _growth(self, last: Epoch) -> str:
        """That the loss grew without becoming infinite, in words; empty where it did not."""
        part, numbers = next(iter(last.numbers.items()))
        before, after = self._epochs[0].numbers[part]["loss"], numbers["loss"]
        if not after > 10 * abs(before):
            return ""
        return f"the {part} loss grew from {number(before)} after the first epoch to {number(after)}"

    def _drift(self) -> Iterator[Finding]:
        """Rows that are not trained on do worse while those that are do better."""
        last = self._epochs[-1]
        part = next((part for part in OTHERS if last.numbers.get(part)), None)
        if part is None or "loss" not in last.train or not len(self._training.data.divided[part]):
            return
        best = min(self._epochs, key=lambda record: record.numbers[part]["loss"])
        low, high = best.numbers[part]["loss"], last.numbers[part]["loss"]
        fell = last.train["loss"] < 0.9 * best.train["loss"]
        if low > 0 and high > DRIFT * low and fell and self._matters(part, high):
            ways = ["stop.patience=5"]
            if part == "test":
                ways.append("dataset.validation_fraction=0.2")
            yield Finding(
                "training and other rows drift apart",
                f"the {part} loss was lowest, {number(low)}, after epoch {best.epoch:,}, and is {number(high)} after "
                f"epoch {last.epoch:,}; the train loss fell from {number(best.train['loss'])} to "
                f"{number(last.train['loss'])} meanwhile",
                overrides=ways,
            )

    def _matters(self, part: Part, loss: float) -> bool:
        """Whether the loss of other rows is no longer small: a tenth of what is lost by heeding no input."""
        return math.isfinite(self._first.constant) and loss > 0.25 * self._first.constant


def once(found: Iterable[Finding]) -> list[Finding]:
    """Each cause with its first evidence."""
    causes: dict[str, Finding] = {}
    for finding in found:
        causes.setdefault(finding.cause, finding)
    return list(causes.values())
