"""When training ends before its epochs are over, which parameters it hands back, and which of two numbers is better.

An epoch's numbers are looked at by a pure function, `watch`, whose memory is a few numbers that a run can save.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from trainer.data.prepared import Part
from trainer.errors import UsageError
from trainer.limits import Checked, Limits

__all__ = ["Better", "Numbers", "Past", "Stopping", "is_better", "number_of", "part_of"]

Better = Literal["lower", "higher"]
Past = dict[str, float]
Numbers = Mapping[Part, Mapping[str, float]]  # of an epoch: those of each part that was measured
PARTS: tuple[Part, ...] = ("validation", "test", "train")  # which of them is watched, the first that there is


@dataclass(frozen=True)
class Stopping(Checked):
    """Early stopping and other limits; none is set by default.

    Args:
        patience: end when so many epochs in a row gave no better number than the best one.
        target: end when the number is at least as good as this.
        steps: end after so many batches.
        seconds: end after so long; the step that runs is finished.
        watched: "loss" or the name of a metric.
        part: the rows that it is taken from; by default see `part_of`.
        better: whether a lower or a higher number is better.
        threshold: how much better than the best a number has to be to count, an amount; that of a plateau is a share.
        best: hand back the parameters of the best epoch, not those of the last.

    >>> stopping, memory = Stopping(patience=2), {}
    >>> for epoch, loss in enumerate((3.0, 2.0, 2.5, 2.1), start=1):
    ...     memory = stopping.watch(memory, epoch, {"train": {"loss": loss}})
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
    part: Part | None = None
    better: Better = "lower"
    threshold: Annotated[float, Limits(ge=0)] = 0.0
    best: bool = False

    @property
    def watches(self) -> bool:
        """Whether the numbers of an epoch matter at all."""
        return self.patience is not None or self.target is not None or self.best

    def watch(self, memory: Past, epoch: int, numbers: Numbers) -> Past:
        """What is to be remembered after an epoch with these numbers; `epoch` counts from 1.

        Raises UsageError where the number is not among them.
        """
        value = number_of("stop", self.watched, self.part, numbers)
        if not memory or is_better(value, memory["best"], self.better, self.threshold):
            best, of = value, epoch
        else:
            best, of = memory["best"], int(memory["of"])
        return {"best": best, "of": of, "now": value, "epoch": epoch, "part": PARTS.index(part_of(self.part, numbers))}

    def limit(self, step: int, seconds: float) -> str | None:
        """Why to end after so many steps and so long; None to go on."""
        if self.steps is not None and step >= self.steps:
            return f"{self.steps:,} step{' was' if self.steps == 1 else 's were'} taken"
        if self.seconds is not None and seconds >= self.seconds:
            return f"{self.seconds:g} seconds have passed"
        return None

    def reason(self, memory: Past) -> str | None:
        """Why to end after the epoch that was watched last; None to go on."""
        part = PARTS[int(memory["part"])]
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


def part_of(part: Part | None, measured: Collection[Part]) -> Part:
    """The part that is watched where `part` is asked for: by default validation, or test, or train, as there is one.

    >>> part_of(None, ["train", "test"]), part_of("train", ["train", "test"])
    ('test', 'train')
    """
    return next(each for each in PARTS if each in measured) if part is None else part


def number_of(who: str, watched: str, part: Part | None, numbers: Numbers) -> float:
    """The number of an epoch that somebody watches. Raises UsageError, which begins with `who`, if there is none."""
    part = part_of(part, numbers)
    if part not in numbers:
        if part == "test" and "validation" in numbers:
            raise UsageError(
                f"{who} watches the test rows, which are looked at once, at the end, since there are rows for "
                f"validation; write part: validation"
            )
        if part == "train":
            raise UsageError(f"{who} watches the train rows, which are not measured; write evaluate: {{train: full}}")
        more = " under dataset, write validation_fraction: 0.2, or" if part == "validation" else ""
        raise UsageError(f"{who} watches the {part} rows, and there are none;{more} write part: train")
    found = numbers[part]
    if watched not in found:
        raise UsageError(f"{who} watches '{watched}', which is not among the numbers of an epoch: {', '.join(found)}")
    return found[watched]
