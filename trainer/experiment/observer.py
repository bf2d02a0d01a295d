"""Who watches a run.

    class Curve(Observer):
        def epoch(self, record):
            self.losses.append(record.train["loss"])

A run itself prints, draws and writes nothing: the run folder, a progress bar, a sweep and a service are told.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.training import Epoch, Step, Training

__all__ = ["Observer", "step_listeners"]


class Observer:
    """Is told how a run goes. Who inherits from it writes only the methods that it wants."""

    def notice(self, text: str) -> None:
        """Before `began`, of a run that goes on: from where, and what is not as it was."""

    def began(self, training: Training, folder: Path | None) -> None:
        """Before the first step; `folder` is the run's own, if it has one."""

    def warned(self, text: str) -> None:
        """Something that a person should know: after `began`, or after the last record."""

    def step(self, record: Step) -> None:
        """After an update. Up to a hundred thousand a second: what is not needed has to cost next to nothing."""

    def epoch(self, record: Epoch) -> None:
        """After a pass over the training rows, with the parameters as they are then."""

    def ended(self) -> None:
        """After the last record, and after whatever cut the run short."""


def step_listeners(observers: list[Observer]) -> list[Callable[[Step], None]]:
    """The `step` of those who have one of their own."""
    return [observer.step for observer in observers if type(observer).step is not Observer.step]
