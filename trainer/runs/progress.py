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
    """Epochs as rows of text: a header, then at most about twenty of them.

    Args:
        epochs: how many there will be.
        width: of a terminal; what does not fit is left out: the speed first, then the time that is left, and so on from
            the right. A file or a pipe has none.

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

    def __init__(self, epochs: int, width: float = math.inf) -> None:
        self._epochs, self._width = epochs, width
        self._every = math.ceil(epochs / _LINES)
        self._shown = 0
        self._widths: dict[str, int] = {}

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
            self._widths = {name: max(len(name), least.get(name, 9)) for name in cells}
            for name in ("rows/s", *reversed(cells)):
                if sum(self._widths.values()) + 2 * len(self._widths) - 1 > self._width and len(self._widths) > 2:
                    self._widths.pop(name, None)
            lines.append(self._row({name: name for name in cells}))
        return [*lines, self._row(cells)]

    def _row(self, cells: Mapping[str, str]) -> str:
        # The first column stands a little to the right, so that the header is told from what comes before.
        return " " + "  ".join(f"{cells[name]:>{width}}" for name, width in self._widths.items())
