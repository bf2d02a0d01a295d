"""Schedules: the step size ε as a function of the step counter τ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Constant", "Schedule"]


class Schedule(Protocol):
    """What the loop asks of a schedule."""

    def __call__(self, step: int) -> float:
        """ε for step τ, counted from 0."""


@dataclass(frozen=True)
class Constant:
    """The same step size at every step. `step_size: 0.1` is short for it."""

    step_size: float

    def __call__(self, step: int) -> float:
        return self.step_size
