"""A step size, found by trying: trainings that differ in nothing else, of which the worse are given up early.

A range test (Smith, 2017, arXiv:1506.01186) reads a step size off one short pass in which it rises; what serves a
few steps is then taken for what serves a run, whatever its schedule. Here each candidate is the very run that the
config declares, with its schedule; after a few epochs the better third goes on from where it stands, as in successive
halving (Jamieson and Talwalkar, 2016, arXiv:1502.07943), until the last few reach the end of the run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trainer.data.prepared import Part
from trainer.errors import DivergedError, UsageError
from trainer.training import Epoch, Training
from trainer.training.schedules import Schedule
from trainer.training.stopping import Stopping
from trainer.wording import count, number

__all__ = ["CANDIDATES", "Search", "Tried", "search", "size_of", "with_step_size"]

CANDIDATES = tuple(float(f"{digit}e{power}") for power in range(-5, 2) for digit in (1, 2, 5))
KEEP = 3  # every so manyth candidate goes on, and these at least
LONGER = 4  # times as many epochs as before
FIELDS = ("start", "peak")  # what schedules call the step size that they are a multiple of
NEAR = 0.01  # of the loss: less is no difference that another seed would not make


@dataclass
class Tried:
    """A step size with the loss after each number of epochs that it was trained for; inf where it diverged."""

    step_size: float
    losses: dict[int, float]

    @property
    def last(self) -> tuple[int, float]:
        """The epochs that it was trained for, and the loss after them; first in order is the best one."""
        epochs = max(self.losses)
        return -epochs, self.losses[epochs]


@dataclass(frozen=True)
class Search:
    """What was found.

    Attributes:
        best: the step size.
        reason: why, in a sentence.
        tried: every candidate, in order of size.
        before: the loss before the first step.
        part: the rows whose loss it is.
    """

    best: float
    reason: str
    tried: tuple[Tried, ...]
    before: float
    part: Part


def size_of(training: Training) -> tuple[str | None, float]:
    """The option of the schedule that is its step size, None of a plain number, and what it is now.

    Raises UsageError for a schedule that has none.
    """
    given = training.step_size
    if isinstance(given, int | float):
        return None, float(given)
    for name in FIELDS:
        if isinstance(given, Schedule) and hasattr(given, name):
            return name, float(getattr(given, name))
    raise UsageError(
        f"step_size is a {type(given).__name__}, which has neither a start nor a peak that could be tried; try it with "
        "a number or a schedule such as cosine"
    )


def with_step_size(training: Training, size: float) -> Training:
    """The same training from its beginning, with another step size; it stops for nothing but a number of steps."""
    name, _ = size_of(training)
    given: Any = training.step_size
    changed = size if name is None else replace(given, **{name: size})
    return replace(
        training, step_size=changed, stopping=Stopping(steps=training.stopping.steps), callbacks=(), logged=0
    )


def search(
    training: Training, candidates: Sequence[float] = CANDIDATES, told: Callable[[Tried], object] = lambda tried: None
) -> Search:
    """The step size after which the loss is lowest, of the validation rows where there are any.

    Args:
        training: at step 0; it is not moved.
        candidates: in order of size.
        told: is told every candidate whenever it was trained for longer.

    Raises UsageError where none of them makes the loss any smaller.
    """
    part: Part = "validation" if len(training.data.validation) else "train"
    before = _loss(training, part)
    runs = {size: (Tried(size, {}), _losses(with_step_size(training, size), part)) for size in candidates}
    alive = list(candidates)
    for epochs in _rungs(math.ceil(training.steps / training.steps_per_epoch)):
        for size in alive:
            tried, losses = runs[size]
            tried.losses[epochs] = _after(losses, epochs)
            told(tried)
        alive = sorted(alive, key=lambda size: runs[size][0].last[1])[: max(KEEP, -(-len(alive) // KEEP))]
        alive = [size for size in sorted(alive) if math.isfinite(runs[size][0].last[1])]
    everything = tuple(tried for tried, _ in runs.values())
    if not alive or not min(runs[size][0].last[1] for size in alive) < before:
        raise UsageError(
            f"no step size from {candidates[0]:g} to {candidates[-1]:g} makes the {part} loss smaller than the "
            f"{number(before)} before the first step: look for another fault (trainer explain)"
        )
    best = _chosen([runs[size][0] for size in alive])
    return Search(best.step_size, _reason(best, everything, before, part), everything, before, part)


def _rungs(epochs: int) -> list[int]:
    """After how many epochs candidates are compared.

    >>> _rungs(30), _rungs(1)
    ([1, 7, 30], [1])
    """
    rungs = [epochs]
    while rungs[-1] >= LONGER:
        rungs.append(rungs[-1] // LONGER)
    return rungs[:3][::-1]


def _losses(training: Training, part: Part) -> Iterator[tuple[int, float]]:
    """The loss after each epoch; where it is asked for, for a pass over the rows costs as much as training on them."""
    try:
        for record in training.records():
            if isinstance(record, Epoch):
                measured = record.numbers.get(part)
                yield record.epoch, _loss(training, part) if measured is None else measured["loss"]
    except DivergedError:
        return


def _loss(training: Training, part: Part) -> float:
    try:
        return training.evaluate(part)["loss"]
    except DivergedError:
        return math.inf


def _after(losses: Iterator[tuple[int, float]], epochs: int) -> float:
    return next((loss for epoch, loss in losses if epoch == epochs), math.inf)


def _chosen(finalists: Sequence[Tried]) -> Tried:
    """The middle one, by its size, of those whose losses hardly differ from the lowest."""
    lowest = min(tried.last[1] for tried in finalists)
    near = [tried for tried in finalists if tried.last[1] <= lowest + NEAR * abs(lowest)]
    return near[(len(near) - 1) // 2]


def _reason(best: Tried, everything: Sequence[Tried], before: float, part: Part) -> str:
    epochs, loss = -best.last[0], best.last[1]
    others = [
        f"{tried.step_size:g} gives {number(tried.last[1])}"
        for tried in everything
        if tried is not best and epochs in tried.losses and math.isfinite(tried.last[1])
    ]
    beside = f"; {', '.join(others)}" if others else ""
    least = min(tried.losses[epochs] for tried in everything if epochs in tried.losses)
    which = "the lowest" if loss <= least else "as low as any but for chance"
    failed = [t.step_size for t in everything if not t.last[1] < before]
    edge = next((size for size in sorted(failed) if size > best.step_size), None)
    above = "" if edge is None else f"; with {edge:g} it is above the {number(before)} before the first step"
    sizes = [tried.step_size for tried in everything]
    ends = " (at the end of what was tried)" if best.step_size in (min(sizes), max(sizes)) else ""
    return (
        f"the {part} loss after {count(epochs, 'epoch')} is {number(loss)}, {which} of {len(sizes)} step sizes from "
        f"{min(sizes):g} to {max(sizes):g}{ends}{beside}{above}"
    )
