"""Schedules: the step size ε as a function of the step counter τ, which counts batches from 0.

Formulas are those of PyTorch's schedulers of the same kind, called after every batch; each docstring names its own.
Where PyTorch's goes up again or raises after its last step, these stay where they ended.

`steps` is how long the descent takes; where it is left out, that is the whole run, which the loop tells (`over`): its
epochs, or the steps after which it stops if these are fewer. With
`warmup: w`, ε first rises in w equal steps, ε_τ = start · (τ + 1)/(w + 1), and τ counts from 0 again after them:
PyTorch's SequentialLR of a LinearLR(start_factor=1/(w + 1), total_iters=w) and the schedule.

A schedule that looks at how training goes has a method `watch`; see `Plateau`. Whatever a step size is given as, a
number, a schedule or somebody's function of τ, `schedule_of` makes a Schedule of it, and the loop knows nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

import numpy as np

from trainer.data.prepared import Part
from trainer.errors import UsageError
from trainer.limits import Checked, Limits
from trainer.training.stopping import Better, Numbers, is_better, number_of
from trainer.types import Array

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "Milestones",
    "OneCycle",
    "Plateau",
    "Polynomial",
    "Schedule",
    "Staircase",
    "WarmRestarts",
    "schedule_of",
]

Seen = dict[str, Array]

Size = Annotated[float, Limits(gt=0)]
Floor = Annotated[float, Limits(ge=0)]
Steps = Annotated[int, Limits(ge=1)]
Count = Annotated[int, Limits(ge=0)]


class Schedule:
    """What the loop asks of a schedule; a plugin's needs `__call__(step)` alone.

    What a schedule has to know of past epochs it keeps in a few arrays, `seen`, that belong to the loop, like the
    optimizer's state: the schedule stays a pure function.
    """

    def __call__(self, step: int, seen: Seen | None = None) -> float:
        """ε for step τ, counted from 0, after what was seen."""
        raise NotImplementedError

    def sizes(self, first: int, count: int, seen: Seen) -> Sequence[float]:
        """ε for so many steps."""
        return [self(step, seen) for step in range(first, first + count)]

    def watch(self, seen: Seen, numbers: Numbers) -> Seen:
        """What was seen, with another epoch's numbers of each part, "loss" among them; `seen` is empty at first."""
        return seen

    def over(self, steps: int) -> Schedule:
        """The schedule for a run of so many steps: one that was given no `steps` of its own takes these.

        >>> Cosine(0.1, warmup=10).over(100)
        Cosine(start=0.1, steps=90, end=0.0, warmup=10)
        """
        return self


def schedule_of(step_size: float | Schedule | Callable[[int], float], steps: int) -> Schedule:
    """The schedule that a step size stands for in a run of so many steps. Raises UsageError where they do not fit.

    >>> schedule_of(0.1, 100)
    Constant(step_size=0.1, warmup=0)
    """
    if isinstance(step_size, int | float):
        return Constant(step_size)
    schedule = step_size if isinstance(step_size, Schedule) else _Foreign(step_size)
    return schedule.over(steps)


@dataclass(frozen=True)
class _Foreign(Schedule):
    """A plugin's schedule, or any function of τ, with the methods that it leaves out."""

    function: Any

    def __call__(self, step: int, seen: Seen | None = None) -> float:
        size: float = self.function(step, seen) if hasattr(self.function, "watch") else self.function(step)
        return size

    def watch(self, seen: Seen, numbers: Numbers) -> Seen:
        own = getattr(self.function, "watch", None)
        after: Seen = seen if own is None else own(seen, numbers)
        return after

    def over(self, steps: int) -> Schedule:
        own = getattr(self.function, "over", None)
        return self if own is None else _Foreign(own(steps))


class _Warmed(Checked, Schedule):
    """A schedule `after` a warm-up, and what follows for a field `steps` that may be None."""

    warmup: int
    steps: int | None

    def __call__(self, step: int, seen: Seen | None = None) -> float:
        if step < self.warmup:
            return self.after(0) * (step + 1) / (self.warmup + 1)
        return self.after(step - self.warmup)

    def after(self, step: int) -> float:
        """ε, with the steps counted from the end of the warm-up."""
        raise NotImplementedError

    def over(self, steps: int) -> Self:
        if getattr(self, "steps", 0) is not None:
            return self
        if steps <= self.warmup:
            raise UsageError(
                f"{type(self).__name__} warms up for {self.warmup} steps, and the run has only {steps}; "
                "give a smaller warmup, or more epochs or steps"
            )
        return replace(self, steps=steps - self.warmup)  # type: ignore[type-var]  # every subclass is a dataclass

    def _share(self, step: int) -> float:
        """How much of the descent is done, from 0 to 1."""
        if self.steps is None:
            raise UsageError(
                f"{type(self).__name__} has no steps, so no end; give it steps=..., or call over(steps) of it"
            )
        return min(step, self.steps) / self.steps


@dataclass(frozen=True)
class Constant(_Warmed):
    """The same step size at every step. `step_size: 0.1` is short for it.

    >>> [Constant(0.5, warmup=1)(step) for step in range(3)]
    [0.25, 0.5, 0.5]
    """

    step_size: Size
    warmup: Count = 0

    def after(self, step: int) -> float:
        return self.step_size

    def sizes(self, first: int, count: int, seen: Seen) -> Sequence[float]:
        return [self.step_size] * count if first >= self.warmup else super().sizes(first, count, seen)


@dataclass(frozen=True)
class Staircase(_Warmed):
    """Down by a factor after every so many steps: start · factor^⌊τ/every⌋, PyTorch's StepLR.

    >>> [Staircase(0.5, every=2, factor=0.5)(step) for step in range(5)]
    [0.5, 0.5, 0.25, 0.25, 0.125]
    """

    start: Size
    every: Steps
    factor: Size = 0.1
    warmup: Count = 0

    def after(self, step: int) -> float:
        return self.start * self.factor ** (step // self.every)


@dataclass(frozen=True)
class Milestones(_Warmed):
    """Down by a factor at each of the listed steps, PyTorch's MultiStepLR.

    >>> [Milestones(0.5, at=(1, 3), factor=0.5)(step) for step in range(4)]
    [0.5, 0.25, 0.25, 0.125]
    """

    start: Size
    at: tuple[Steps, ...]
    factor: Size = 0.1
    warmup: Count = 0

    def after(self, step: int) -> float:
        return self.start * self.factor ** sum(step >= milestone for milestone in self.at)


@dataclass(frozen=True)
class Exponential(_Warmed):
    """By a factor every so many steps, smoothly: start · factor^(τ/every); PyTorch's ExponentialLR where every = 1.

    >>> [Exponential(0.5, factor=0.25, every=2)(step) for step in range(3)]
    [0.5, 0.25, 0.125]
    """

    start: Size
    factor: Size
    every: Steps = 1
    warmup: Count = 0

    def after(self, step: int) -> float:
        return float(self.start * self.factor ** (step / self.every))


@dataclass(frozen=True)
class Polynomial(_Warmed):
    """From start to end along (1 − τ/steps)^power, and end from then on; PyTorch's PolynomialLR where end = 0.

    With power 1, the default, a straight line.

    >>> [Polynomial(0.5, steps=2, end=0.25)(step) for step in range(4)]
    [0.5, 0.375, 0.25, 0.25]
    """

    start: Size
    steps: Steps | None = None
    end: Floor = 0.0
    power: Size = 1.0
    warmup: Count = 0

    def after(self, step: int) -> float:
        return float(self.end + (self.start - self.end) * (1 - self._share(step)) ** self.power)


@dataclass(frozen=True)
class Cosine(_Warmed):
    """From start to end along half a cosine: end + ½ (start − end)(1 + cos(π τ/steps)), and end from then on.

    PyTorch's CosineAnnealingLR, which goes up again after T_max steps. Loshchilov & Hutter, 2017, without restarts.

    >>> [round(Cosine(0.5, steps=4)(step), 4) for step in range(6)]
    [0.5, 0.4268, 0.25, 0.0732, 0.0, 0.0]
    """

    start: Size
    steps: Steps | None = None
    end: Floor = 0.0
    warmup: Count = 0

    def after(self, step: int) -> float:
        return _half_cosine(self.start, self.end, self._share(step))


@dataclass(frozen=True)
class WarmRestarts(_Warmed):
    """Half a cosine from start to end, again and again, each `multiply` times as long as the one before.

    Loshchilov & Hutter, 2017, SGDR; PyTorch's CosineAnnealingWarmRestarts.

    >>> [round(WarmRestarts(0.5, period=2, multiply=2)(step), 4) for step in range(6)]
    [0.5, 0.25, 0.5, 0.4268, 0.25, 0.0732]
    """

    start: Size
    period: Steps
    multiply: Steps = 1
    end: Floor = 0.0
    warmup: Count = 0

    def after(self, step: int) -> float:
        period = self.period
        if self.multiply == 1:
            step %= period
        while step >= period:  # at most log τ times
            step -= period
            period *= self.multiply
        return _half_cosine(self.start, self.end, step / period)


@dataclass(frozen=True)
class OneCycle(_Warmed):
    """Up from peak/divisor to peak, then down to peak/(divisor · final_divisor). Smith & Topin, 2019.

    PyTorch's OneCycleLR: the rise ends at step rise · steps − 1, the fall at step steps − 1, both along half a cosine
    or a line. The momentum stays as it is, which PyTorch calls cycle_momentum=False.

    >>> [round(OneCycle(1.0, steps=6, rise=0.5)(step), 4) for step in range(7)]
    [0.04, 0.52, 1.0, 0.75, 0.25, 0.0, 0.0]
    """

    peak: Size
    steps: Steps | None = None
    rise: Annotated[float, Limits(ge=0, le=1)] = 0.3
    divisor: Size = 25.0
    final_divisor: Size = 1e4
    shape: Literal["cosine", "line"] = "cosine"

    @property
    def warmup(self) -> int:  # type: ignore[override]
        """None but its own."""
        return 0

    def after(self, step: int) -> float:
        self._share(step)
        last = (self.steps or 1) - 1
        top = self.rise * (last + 1) - 1
        low, lowest = self.peak / self.divisor, self.peak / self.divisor / self.final_divisor
        step = min(step, last)
        between = _half_cosine if self.shape == "cosine" else _line
        if step <= top:
            return between(low, self.peak, step / top if top else 1.0)
        return between(self.peak, lowest, (step - top) / (last - top))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _line(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


@dataclass(frozen=True)
class Plateau(Checked, Schedule):
    """Down by a factor when a number has not got better for more than `patience` epochs: PyTorch's ReduceLROnPlateau.

    Args:
        start: ε at first.
        factor: what ε is multiplied by.
        patience: how many epochs in a row may pass without a better number; the next one is acted upon.
        watched: "loss" or the name of a metric.
        part: the rows that it is taken from; by default those for validation, the test, or the training rows, as
            there are some.
        better: whether a lower or a higher number is better; in a config by default what the metric says, as for
            `stop`, and elsewhere the lower.
        threshold: by what share of the best number, whatever its sign, another has to be better to count: by
            threshold · |best|. PyTorch multiplies best by 1 ∓ threshold, under which a number below 0 counts as better
            when it is worse. A best of exactly 0 leaves no margin.
        cooldown: how many epochs after a change are not counted.
        end: ε goes no lower.

    >>> schedule = Plateau(0.5, factor=0.5, patience=1)
    >>> seen, sizes = {}, []
    >>> for loss in (3.0, 2.0, 2.0, 2.0, 2.0):
    ...     seen = schedule.watch(seen, {"train": {"loss": loss}})
    ...     sizes.append(schedule(0, seen))
    >>> sizes
    [0.5, 0.5, 0.5, 0.25, 0.25]
    """

    start: Size
    factor: Annotated[float, Limits(gt=0, lt=1)] = 0.1
    patience: Count = 10
    watched: str = "loss"
    part: Part | None = None
    better: Better | None = None
    threshold: Floor = 1e-4
    cooldown: Count = 0
    end: Floor = 0.0

    def __call__(self, step: int, seen: Seen | None = None) -> float:
        return float(seen["step_size"]) if seen else self.start

    def watch(self, seen: Seen, numbers: Numbers) -> Seen:
        value = number_of("plateau", self.watched, self.part, numbers)
        best = float(seen["best"]) if seen else value
        waited, rest = (int(seen[name]) for name in ("waited", "rest")) if seen else (0, 0)
        size = self(0, seen)
        margin = self.threshold * abs(best) if math.isfinite(best) else 0.0
        if not seen or is_better(value, best, self.better or "lower", margin):
            best, waited = value, 0
        else:
            waited += 1
        if rest > 0:
            rest, waited = rest - 1, 0
        if waited > self.patience:
            lower = max(size * self.factor, self.end)
            size, rest, waited = lower if size - lower > 1e-8 else size, self.cooldown, 0
        return {
            "best": np.array(best), "rest": np.array(float(rest)), "step_size": np.array(size),
            "waited": np.array(float(waited)),
        }  # fmt: skip
