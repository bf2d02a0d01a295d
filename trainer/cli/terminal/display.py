"""What a person sees while a network trains: a bar on a terminal, a table of plain lines everywhere else.

A display is told every record and decides itself what to show: steps may come a hundred thousand times a second, so a
step that is not shown costs a comparison.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

import typer

if TYPE_CHECKING:
    from trainer.training.loop import Epoch, Step

__all__ = [
    "BarDisplay",
    "Display",
    "LineDisplay",
    "SilentDisplay",
    "Table",
    "duration",
    "is_terminal",
    "is_unicode",
    "may_colour",
    "number",
]

_LINES = 20  # what fits on a screen with the rest
_EVERY = 0.1  # seconds between two pictures of the bar
_LEAST = 6  # columns of the bar itself


class Display(Protocol):
    """Something that shows records; a context manager, so that it can leave the terminal as it found it."""

    def step(self, record: Step) -> None:
        """Take notice of an update."""

    def epoch(self, record: Epoch) -> None:
        """Take notice of a finished pass."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether a person watches, on something that can redraw a line."""
    stream = stream or sys.stdout
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def may_colour(stream: TextIO | None = None) -> bool:
    """Whether to use colour: on a terminal, unless NO_COLOR says otherwise (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def is_unicode(stream: TextIO | None = None) -> bool:
    """Whether to use more than ASCII: on a terminal whose encoding has it."""
    stream = stream or sys.stdout
    return is_terminal(stream) and (stream.encoding or "").lower().replace("-", "").startswith("utf")


def duration(seconds: float) -> str:
    """A time as a person says it.

    >>> duration(0.26), duration(8), duration(75), duration(4020)
    ('0.3 s', '8 s', '1 min 15 s', '1 h 07 min')
    """
    if seconds < 3:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _values(part: str, values: Mapping[str, float]) -> dict[str, str]:
    return {f"{part} {name}": number(value) for name, value in values.items()}


def number(value: float) -> str:
    """A metric in four significant digits that keep their zeros.

    >>> number(0.9721), number(12.0), number(3.2e-7), number(float("nan"))
    ('0.9721', '12.00', '3.200e-07', 'nan')
    """
    return f"{value:#.4g}" if value else "0"


class Table:
    """Epochs as rows of text, for a file or a pipe: a header, then at most about twenty of them.

    >>> from trainer.training.loop import Epoch
    >>> table = Table(epochs=40)
    >>> for line in table.lines(Epoch(1, 45, 0.1, {"loss": 0.5}, {"loss": 0.75}, 0.5, 2900.0)):
    ...     print(line)
     epoch  train loss  test loss     rows/s        left
      1/40      0.5000     0.7500      2,900        20 s
    >>> list(table.lines(Epoch(2, 90, 0.1, {"loss": 0.4}, {"loss": 0.625}, 1.0, 2900.0)))
    ['  2/40      0.4000     0.6250      2,900        19 s']
    >>> list(table.lines(Epoch(3, 135, 0.1, {"loss": 0.3}, {"loss": 0.6}, 1.5, 2900.0)))
    []
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._every = math.ceil(epochs / _LINES)
        self._widths: list[int] = []

    def lines(self, record: Epoch) -> list[str]:
        """The lines to print after this epoch: none, its row, or the header and its row."""
        first = not self._widths
        if not (first or record.epoch == self._epochs or record.epoch % self._every == 0):
            return []
        left = record.seconds / record.epoch * (self._epochs - record.epoch)
        cells = {
            "epoch": f"{record.epoch}/{self._epochs}",
            **_values("train", record.train),
            **_values("test", record.test),
            "rows/s": f"{record.rows_per_second:,.0f}",
            "left": duration(left) if record.epoch < self._epochs else "-",
        }
        lines = []
        if first:
            least = {"epoch": 2 * len(str(self._epochs)) + 1, "left": 10}
            self._widths = [max(len(name), least.get(name, 9)) for name in cells]
            lines.append(self._row(list(cells)))
        return [*lines, self._row(list(cells.values()))]

    def _row(self, cells: list[str]) -> str:
        # The first column stands a little to the right, so that the header is told from what comes before.
        return " " + "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, self._widths, strict=True))


class SilentDisplay:
    """Shows nothing, for --quiet; what a display has to have."""

    def step(self, record: Step) -> None:
        pass

    def epoch(self, record: Epoch) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass


class LineDisplay(SilentDisplay):
    """A Table on stdout, or wherever `write` puts it."""

    def __init__(self, epochs: int, write: Callable[[str], Any] = typer.echo) -> None:
        self._table = Table(epochs)
        self._write = write

    def epoch(self, record: Epoch) -> None:
        for line in self._table.lines(record):
            self._write(line)


class BarDisplay:
    """A bar with rows per second, the batch's loss, the last epoch's metrics and the time left.

    It redraws itself at most ten times a second and only when a record comes, without a thread of its own.
    """

    def __init__(self, epochs: int, rows: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        self._epochs, self._rows = epochs, rows
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]:>{task.fields[digits]}}/{task.fields[epochs]}"),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=_LEAST)),
            TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True)),
            console=Console(highlight=False),
            auto_refresh=False,
            expand=True,
        )
        digits = len(str(epochs))
        self._task = self._progress.add_task("", total=epochs * rows, epoch=1, epochs=epochs, digits=digits, text="")
        self._done = 0
        self._started = self._next = time.perf_counter()
        self._metrics = ""

    def step(self, record: Step) -> None:
        self._done += record.rows
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + _EVERY
            self._draw(now, record.epoch, f"loss {number(record.loss)}")

    def epoch(self, record: Epoch) -> None:
        self._done = record.epoch * self._rows
        shown = record.test or record.train
        part = "test" if record.test else "train"
        name = next((name for name in shown if name != "loss"), "loss")
        self._metrics = f"{part} {name} {number(shown[name])}"
        now = time.perf_counter()
        if now >= self._next or record.epoch == self._epochs:
            self._next = now + _EVERY
            self._draw(now, record.epoch, f"loss {number(record.train['loss'])}")

    def _draw(self, now: float, epoch: int, loss: str) -> None:
        elapsed = max(now - self._started, 1e-9)
        rate = self._done / elapsed
        left = (self._epochs * self._rows - self._done) / max(rate, 1e-9)
        ending = f"{duration(left)} left" if left > 0 else f"in {duration(elapsed)}"
        parts = [part for part in (loss, f"{_short(rate)} rows/s", self._metrics, ending) if part]
        room = self._progress.console.width - len(f"epoch {self._epochs}/{self._epochs}") - _LEAST - 2
        while len(parts) > 1 and len("  ".join(parts)) > room:  # a narrow terminal shows what matters most
            parts.pop(0)
        text = "  ".join(parts)
        self._progress.update(self._task, completed=self._done, epoch=epoch, text=text)
        self._progress.refresh()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
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
