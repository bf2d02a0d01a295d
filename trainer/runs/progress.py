"""Epochs as rows of text: for log.txt, and for whoever prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from trainer.wording import duration, number

if TYPE_CHECKING:
    from trainer.training import Epoch

__all__ = ["ProgressTable"]

_LINES = 20  # what fits on a screen with the rest


def _values(part: str, values: Mapping[str, float]) -> dict[str, str]:
    return {f"{part} {name}": number(value) for name, value in values.items()}


class ProgressTable:
    """Epochs as rows of text, for a file or a pipe: a header, then at most about twenty of them.

    >>> from trainer.training import Epoch
    >>> table = ProgressTable(epochs=40)
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
        self._shown = 0
        self._widths: list[int] = []

    def lines(self, record: Epoch) -> list[str]:
        """The lines to print after this epoch: none, its row, or the header and its row."""
        if not record.numbers:
            return []
        first = not self._widths
        if not (first or record.epoch == self._epochs or record.epoch // self._every > self._shown // self._every):
            return []
        self._shown = record.epoch
        left = record.seconds / record.epoch * (self._epochs - record.epoch)
        cells = {
            "epoch": f"{record.epoch}/{self._epochs}",
            **{name: cell for part, values in record.numbers.items() for name, cell in _values(part, values).items()},
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
