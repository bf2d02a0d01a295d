"""When training ends before its epochs are over, which parameters it hands back, and which of two numbers is better.

An epoch's numbers are looked at by a pure function, `watch`, whose memory is a few numbers that a run can save.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from trainer.errors import UsageError
from trainer.limits import Checked, Limits

__all__ = ["Better", "Memory", "Stopping", "is_better", "number_of"]

Better = Literal["lower", "higher"]
Memory = dict[str, float]


@dataclass(frozen=True)
class Stopping(Checked):
    """Early stopping and other limits; none is set by default.

    Args:
        patience: end when so many epochs in a row gave no better number than the best one.
        target: end when the number is at least as good as this.
        steps: end after so many batches.
        seconds: end after so long; the step that runs is finished.
        watched: "loss" or the name of a metric.
        part: the rows that it is taken from; by default the test rows, or the training rows where there are none.
        better: whether a lower or a higher number is better.
        threshold: how much better than the best a number has to be to count, an amount; that of a plateau is a share.
        best: hand back the parameters of the best epoch, not those of the last.

    >>> stopping, memory = Stopping(patience=2), {}
    >>> for epoch, loss in enumerate((3.0, 2.0, 2.5, 2.1), start=1):
    ...     memory = stopping.watch(memory, epoch, {"loss": loss}, {})
    ...     print(stopping.reason(memory))
    None
    None
    None
    the train loss was not better than 2 of epoch 2 for 2 epochs
    """

    patience: Annotated[int, Limits(ge=1)] | None = None
    target: float | None = None
    steps: Annotated[int, Limits(ge=1)] | None = None
    seconds: Annotated[float, Limits(gt=0)] | None = None
    watched: str = "loss"
    part: Literal["train", "test"] | None = None
    better: Better = "lower"
    threshold: Annotated[float, Limits(ge=0)] = 0.0
    best: bool = False

    @property
    def watches(self) -> bool:
        """Whether the numbers of an epoch matter at all."""
        return self.patience is not None or self.target is not None or self.best

    def watch(self, memory: Memory, epoch: int, train: Mapping[str, float], test: Mapping[str, float]) -> Memory:
        """What is to be remembered after an epoch with these numbers; `epoch` counts from 1.

        Raises UsageError where the number is not among them.
        """
        value = number_of("stop", self.watched, self.part, train, test)
        if not memory or is_better(value, memory["best"], self.better, self.threshold):
            best, of = value, epoch
        else:
            best, of = memory["best"], int(memory["of"])
        return {"best": best, "of": of, "now": value, "epoch": epoch, "test": float(bool(test))}

    def limit(self, step: int, seconds: float) -> str | None:
        """Why to end after so many steps and so long; None to go on."""
        if self.steps is not None and step >= self.steps:
            return f"{self.steps:,} step{' was' if self.steps == 1 else 's were'} taken"
        if self.seconds is not None and seconds >= self.seconds:
            return f"{self.seconds:g} seconds have passed"
        return None

    def reason(self, memory: Memory) -> str | None:
        """Why to end after the epoch that was watched last; None to go on."""
        part = self.part or ("test" if memory["test"] else "train")
        name, waited = f"the {part} {self.watched}", int(memory["epoch"] - memory["of"])
        if self.target is not None and not is_better(self.target, memory["now"], self.better, 0.0):
            return f"{name} reached {self.target:g}: {memory['now']:.6g}"
        if self.patience is not None and waited >= self.patience:
            epochs = f"{waited} epoch{'' if waited == 1 else 's'}"
            return f"{name} was not better than {memory['best']:.6g} of epoch {memory['of']:g} for {epochs}"
        return None


def is_better(value: float, than: float, better: Better, threshold: float) -> bool:
    """Whether a number is better by more than `threshold`.

    >>> is_better(1.0, 1.05, "lower", 0.1), is_better(0.9, 0.5, "higher", 0.1)
    (False, True)
    """
    gain = than - value if better == "lower" else value - than
    return gain > threshold or (math.isnan(than) and not math.isnan(value))


def number_of(who: str, watched: str, part: str | None, train: Mapping[str, float], test: Mapping[str, float]) -> float:
    """The number of an epoch that somebody watches. Raises UsageError, which begins with `who`, if there is none."""
    numbers = test if (part or ("test" if test else "train")) == "test" else train
    if not numbers:
        raise UsageError(f"{who} watches the test rows, and there are none; write part: train")
    if watched not in numbers:
        raise UsageError(f"{who} watches '{watched}', which is not among the numbers of an epoch: {', '.join(numbers)}")
    return numbers[watched]
