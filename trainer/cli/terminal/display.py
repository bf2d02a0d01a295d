"""What a person sees while a network trains: a bar on a terminal, a table of plain lines everywhere else.

A display is told every record and decides itself what to show: steps may come a hundred thousand times a second, so a
step that is not shown costs a comparison.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from trainer.experiment.observer import Observer
from trainer.runs.progress import ProgressTable
from trainer.wording import duration, number

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.training import Epoch, Step, Training

__all__ = ["BarDisplay", "LineDisplay"]

_EVERY = 0.1  # seconds between two pictures of the bar
_LEAST = 6  # columns of the bar itself


class LineDisplay(Observer):
    """A Table on stdout, or wherever `write` puts it."""

    def __init__(self, write: Callable[[str], object] = typer.echo) -> None:
        self._write = write

    def began(self, training: Training, folder: Path | None) -> None:
        self._table = ProgressTable(training.epochs)

    def epoch(self, record: Epoch) -> None:
        for line in self._table.lines(record):
            self._write(line)


class BarDisplay(Observer):
    """A bar with rows per second, the batch's loss, the last epoch's metrics and the time left.

    It redraws itself at most ten times a second and only when a record comes, without a thread of its own.
    """

    def began(self, training: Training, folder: Path | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        self._epochs, self._rows = training.epochs, len(training.data.train)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]:>{task.fields[digits]}}/{task.fields[epochs]}"),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=_LEAST)),
            TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True)),
            console=Console(highlight=False),
            auto_refresh=False,
            expand=True,
        )
        total, digits = self._epochs * self._rows, len(str(self._epochs))
        self._task = self._progress.add_task("", total=total, epoch=1, epochs=self._epochs, digits=digits, text="")
        state = training.now
        self._done = self._before = state.epoch * self._rows + state.batches * training.batch_size
        self._started = self._next = time.perf_counter()
        self._metrics = ""
        self._what = "loss" if training.data.target_scaling is None else "standardized loss"
        self._progress.start()

    def step(self, record: Step) -> None:
        self._done += record.rows
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + _EVERY
            self._draw(now, record.epoch, f"{self._what} {number(record.loss)}")

    def epoch(self, record: Epoch) -> None:
        self._done = record.epoch * self._rows
        loss = ""
        if record.numbers:
            part, shown = list(record.numbers.items())[-1]
            name = next((name for name in shown if name != "loss"), "loss")
            self._metrics = f"{part} {name} {number(shown[name])}"
            loss = f"loss {number(next(iter(record.numbers.values()))['loss'])}"
        now = time.perf_counter()
        if now >= self._next or record.epoch == self._epochs:
            self._next = now + _EVERY
            self._draw(now, record.epoch, loss)

    def _draw(self, now: float, epoch: int, loss: str) -> None:
        elapsed = max(now - self._started, 1e-9)
        rate = (self._done - self._before) / elapsed
        left = (self._epochs * self._rows - self._done) / max(rate, 1e-9)
        ending = f"{duration(left)} left" if left > 0 else f"in {duration(elapsed)}"
        parts = [part for part in (loss, f"{_short(rate)} rows/s", self._metrics, ending) if part]
        room = self._progress.console.width - len(f"epoch {self._epochs}/{self._epochs}") - _LEAST - 2
        while len(parts) > 1 and len("  ".join(parts)) > room:  # a narrow terminal shows what matters most
            parts.pop(0)
        text = "  ".join(parts)
        self._progress.update(self._task, completed=self._done, epoch=epoch, text=text)
        self._progress.refresh()

    def ended(self) -> None:
        self._progress.stop()


def _short(count: float) -> str:
    """A rate in three digits.

    >>> _short(950), _short(12_345), _short(2_345_678)
    ('950', '12.3k', '2.35M')
    """
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count:.3g}"
