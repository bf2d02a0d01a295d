"""A step size, found by trying: trainings that differ in nothing else, of which the worse are given up early.

A range test (Smith, 2017, arXiv:1506.01186) reads a step size off one short pass in which it rises; what serves a
few steps is then taken for what serves a run, whatever its schedule. Here each candidate is the very run that the
config declares, with its schedule; after a few epochs the better third goes on from where it stands, as in successive
halving (Jamieson and Talwalkar, 2016, arXiv:1502.07943), until the last few reach the end of the run.

One seed cannot tell these few apart: where some seeds break down and others do not, it is luck which of them is lowest.
So several judge them, by the median, and of neighbours that are as good but for chance the answer is the middle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from trainer.data.prepared import Part
from trainer.errors import DivergedError, UsageError
from trainer.training import Epoch, Training
from trainer.training.schedules import Schedule
from trainer.training.stopping import Stopping
from trainer.wording import count, number

__all__ = ["CANDIDATES", "NEAR", "SEEDS", "Search", "Tried", "search", "size_of", "with_step_size"]

CANDIDATES = tuple(float(f"{digit}e{power}") for power in range(-5, 2) for digit in (1, 2, 5))
KEEP = 3  # every so manyth candidate goes on, and these at least
LONGER = 4  # times as many epochs as before
SEEDS = 3  # that judge the last few
FIELDS = ("start", "peak")  # what schedules call the step size that they are a multiple of
NEAR = 0.01  # of the loss: less is no difference that another seed would not make
FINE = 1.2  # between step sizes closer than this there is nothing to tell


@dataclass
class Tried:
    """A step size with the loss after each number of epochs that it was trained for; inf where it diverged.

    Attributes:
        step_size: what it is trained with.
        losses: by epochs, with the first seed.
        seeds: the loss after the whole run with each seed, where it came so far.
    """

    step_size: float
    losses: dict[int, float]
    seeds: tuple[float, ...] = ()

    @property
    def last(self) -> tuple[int, float]:
        """The epochs that it was trained for, and the loss after them; first in order is the best one."""
        epochs = max(self.losses)
        return -epochs, self.losses[epochs]

    @property
    def judged(self) -> float:
        """The median of the seeds; without them the last loss."""
        return median(self.seeds) if self.seeds else self.last[1]


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
    training: Training,
    candidates: Sequence[float] = CANDIDATES,
    told: Callable[[Tried], object] = lambda tried: None,
    others: Sequence[Training] = (),
) -> Search:
    """The step size after which the loss is lowest, of the validation rows where there are any.

    With three seeds it takes as long as some fifteen to twenty-five whole runs.

    Args:
        training: at step 0; it is not moved.
        candidates: in order of size.
        told: is told every candidate whenever it was trained for longer.
        others: the same with other seeds, which judge the last few beside it.

    Raises UsageError where none of them makes the loss any smaller.
    """
    part: Part = "validation" if len(training.data.validation) else "train"
    before = _loss(training, part)
    trials = _Trials((training, *others), part, told)
    best = _best(trials, candidates)
    if best is None or not best.judged < before:
        raise UsageError(
            f"no step size from {candidates[0]:g} to {candidates[-1]:g} makes the {part} loss smaller than the "
            f"{number(before)} before the first step: look for another fault, trainer overfit CONFIG"
        )
    beside = [trials.whole(size) for size in _beside(best.step_size, candidates)]
    middle = trials.whole(_middle([tried.step_size for tried in beside if _is_as_good(tried, best)]))
    chosen = middle if _is_as_good(middle, best) else best
    everything = tuple(trials.tried[size] for size in sorted(trials.tried))
    return Search(chosen.step_size, _reason(chosen, everything, before, part), everything, before, part)


class _Trials:
    """Step sizes, each with a run that goes on where it stands."""

    def __init__(self, seeds: Sequence[Training], part: Part, told: Callable[[Tried], object]) -> None:
        self.seeds, self.part, self.told = seeds, part, told
        self.rungs = _rungs(math.ceil(seeds[0].steps / seeds[0].steps_per_epoch))
        self.tried: dict[float, Tried] = {}
        self._losses: dict[float, Iterator[tuple[int, float]]] = {}

    def longer(self, size: float, epochs: int) -> float:
        """The loss of the first seed after so many epochs, which are more than before."""
        if size not in self.tried:
            self.tried[size] = Tried(size, {})
            self._losses[size] = _losses(with_step_size(self.seeds[0], size), self.part, self.rungs)
        loss = next((loss for epoch, loss in self._losses[size] if epoch == epochs), math.inf)
        self.tried[size].losses[epochs] = loss
        self.told(self.tried[size])
        return loss

    def whole(self, size: float) -> Tried:
        """With the losses of every seed, after the whole run."""
        epochs = self.rungs[-1]
        if size not in self.tried or epochs not in self.tried[size].losses:
            self.longer(size, epochs)
        tried = self.tried[size]
        if not tried.seeds:
            others = [_losses(with_step_size(each, size), self.part, [epochs]) for each in self.seeds[1:]]
            tried.seeds = (tried.losses[epochs], *(next((loss for _, loss in each), math.inf) for each in others))
            self.told(tried)
        return tried


def _rungs(epochs: int) -> list[int]:
    """After how many epochs candidates are compared.

    >>> _rungs(30), _rungs(1)
    ([1, 7, 30], [1])
    """
    rungs = [epochs]
    while rungs[-1] >= LONGER:
        rungs.append(rungs[-1] // LONGER)
    return rungs[:3][::-1]


def _losses(training: Training, part: Part, rungs: Sequence[int]) -> Iterator[tuple[int, float]]:
    """The loss after so many epochs each; only there, for a pass over the rows costs as much as training on them."""
    try:
        for record in training.records():
            if isinstance(record, Epoch) and record.epoch in rungs:
                measured = record.numbers.get(part)
                yield record.epoch, _loss(training, part) if measured is None else measured["loss"]
    except DivergedError:
        return


def _loss(training: Training, part: Part) -> float:
    try:
        return training.evaluate(part)["loss"]
    except DivergedError:
        return math.inf


def _best(trials: _Trials, candidates: Sequence[float]) -> Tried | None:
    """The lowest of the last few and of the neighbours of the lowest of these; None where all diverged."""
    alive = list(candidates)
    for epochs in trials.rungs:
        alive = sorted(alive, key=lambda size: trials.longer(size, epochs))[: max(KEEP, -(-len(alive) // KEEP))]
        alive = [size for size in sorted(alive) if math.isfinite(trials.tried[size].last[1])]
    if not alive:
        return None
    alive.sort(key=lambda size: trials.tried[size].last[1])
    lowest = min(map(trials.whole, alive[:KEEP]), key=_judged)
    return min(lowest, *map(trials.whole, _beside(lowest.step_size, candidates)), key=_judged)


def _judged(tried: Tried) -> float:
    return tried.judged


def _beside(size: float, candidates: Sequence[float]) -> Sequence[float]:
    """A candidate with the next smaller and the next larger one."""
    at = candidates.index(size)
    return candidates[max(at - 1, 0) : at + 2]


def _is_as_good(tried: Tried, best: Tried) -> bool:
    """Whether it may be chance alone that puts it behind: some seed puts it ahead, or the medians hardly differ.

    What a seed broke down with is no better for another's luck.
    """
    ahead = any(own < other for own, other in zip(tried.seeds, best.seeds, strict=True))
    return (ahead and all(map(math.isfinite, tried.seeds))) or tried.judged <= best.judged + NEAR * abs(best.judged)


def _middle(sizes: Sequence[float]) -> float:
    """The geometric middle, to two digits; one of them, where that is not far.

    >>> _middle([0.02, 0.05]), _middle([0.1, 0.2, 0.5]), _middle([3.0])
    (0.032, 0.2, 3.0)
    """
    middle = math.sqrt(sizes[0] * sizes[-1])
    nearest = min(sizes, key=lambda size: abs(math.log(size / middle)))
    return nearest if abs(math.log(nearest / middle)) < math.log(FINE) else float(f"{middle:.1e}")


def _reason(best: Tried, everything: Sequence[Tried], before: float, part: Part) -> str:
    epochs, loss = -best.last[0], best.judged
    whole = [tried for tried in everything if tried.seeds]
    others = [
        f"{tried.step_size:g} gives {number(tried.judged)}"
        for tried in whole
        if tried is not best and math.isfinite(tried.judged)
    ]
    beside = f"; {', '.join(others)}" if others else ""
    median_of = f"the median of {len(best.seeds)} seeds, " if len(best.seeds) > 1 else ""
    which = "the lowest" if loss <= min(tried.judged for tried in whole) else "as low as any but for chance"
    failed = [tried.step_size for tried in everything if not tried.judged < before]
    edge = next((size for size in sorted(failed) if size > best.step_size), None)
    above = "" if edge is None else f"; with {edge:g} it is above the {number(before)} before the first step"
    sizes = [tried.step_size for tried in everything]
    ends = " (at the end of what was tried)" if best.step_size in (min(sizes), max(sizes)) else ""
    return (
        f"the {part} loss after {count(epochs, 'epoch')} is {number(loss)}, {median_of}{which} of {len(sizes)} step "
        f"sizes from {min(sizes):g} to {max(sizes):g}{ends}{beside}{above}"
    )
