"""The numbers of a run for TensorBoard, beside those of its folder.

A tracker looks on: it changes no training, and what goes wrong in it costs a line of the log and the rest of what it
would have written, never the run.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.experiment.observer import Observer
from trainer.wording import described

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.training import Epoch, Step, Training

__all__ = ["TensorBoard", "Tracked", "check_trackers", "trackers"]

FOLDER = "tensorboard"  # in that of the run
MEASURED = ("step_size", "gradient", "update", "theta")


def check_trackers(loaded: LoadedConfig) -> None:
    """Raise ConfigError where a tracker is asked for that is not installed."""
    if loaded.config.log.tensorboard and find_spec("tensorboardX") is None:
        what = "log.tensorboard needs tensorboardX: pip install 'tape-trainer[tensorboard]'"
        raise loaded.error(("log", "tensorboard"), what)


def trackers(loaded: LoadedConfig, failed: Callable[[str], None]) -> list[Observer]:
    """Those that a config asks for. What goes wrong in one is told to `failed`."""
    return [Tracked("TensorBoard", TensorBoard(), failed)] if loaded.config.log.tensorboard else []


class TensorBoard(Observer):
    """Writes events that TensorBoard reads, each epoch's numbers and what is logged of steps, all over the steps.

    A run that goes on writes a file of its own, which says where: what an earlier one has from there on, which comes
    again, a reader drops.
    """

    def began(self, training: Training, folder: Path | None) -> None:
        from tensorboardX import SummaryWriter  # 0.2 s, with protobuf, that only such a run needs

        assert folder is not None
        place = folder / FOLDER
        earlier = len(list(place.glob("events.*")))
        # A file's name has the second it was begun in; readers take files in the order of their names.
        again = {"purge_step": training.state.step + 1, "filename_suffix": f".{earlier:06}"} if earlier else {}
        self._writer = SummaryWriter(str(place), **again)

    def step(self, record: Step) -> None:
        if record.measured is not None:
            self._writer.add_scalar("step/loss", record.loss, record.step)
            for name in MEASURED:
                self._writer.add_scalar(f"step/{name}", getattr(record.measured, name), record.step)

    def epoch(self, record: Epoch) -> None:
        for part, numbers in record.numbers.items():
            for name, value in numbers.items():
                self._writer.add_scalar(f"{name}/{part}", value, record.step)
        self._writer.add_scalar("epoch/step_size", record.step_size, record.step)
        self._writer.flush()

    def ended(self) -> None:
        self._writer.close()


class Tracked(Observer):
    """An observer whose first fault is a line, and its last."""

    def __init__(self, name: str, observer: Observer, failed: Callable[[str], None]) -> None:
        self._name, self._observer, self._failed = name, observer, failed
        self._well = True

    def began(self, training: Training, folder: Path | None) -> None:
        self._guarded(self._observer.began, training, folder)

    def step(self, record: Step) -> None:
        if self._well:
            self._guarded(self._observer.step, record)

    def epoch(self, record: Epoch) -> None:
        self._guarded(self._observer.epoch, record)

    def ended(self) -> None:
        self._guarded(self._observer.ended)

    def _guarded(self, method: Callable[..., None], *arguments: Any) -> None:
        if not self._well:
            return
        try:
            method(*arguments)
        except Exception as error:
            self._well = False
            self._failed(f"{self._name} has no more of this run: {described(error)}")
