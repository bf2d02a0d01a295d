"""Curves as pictures: loss.svg and loss.png of a run, and those of several runs that `trainer plot` writes.

Shaped by three wishes. The same metrics give the same bytes, so that pictures can be compared and versioned. It costs
little, because it is part of the time between a command and the next prompt: the picture is a sheet of marks
(`trainer.runs.sheet`), for importing Matplotlib and drawing with it took as long as all else of a short run, and in a
thread beside the training as well. And it reads at a glance: each curve of a run carries its name and last value where
it ends, so there is no legend to look up. Runs have names too long for that, and curves that end together: they get a
legend below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from trainer.files import atomic_write
from trainer.runs.columns import PARTS
from trainer.runs.figures import ENDINGS, check_ending
from trainer.runs.lines import PALETTE, Line, Lowest, line_of, lines_of, lowest, scale_of
from trainer.runs.scale import Scale, epoch_ticks
from trainer.runs.sheet import Dot, Mark, Sheet, Stroke, Surface, Words

__all__ = ["curves", "loss_sheet", "save_loss", "save_plot"]

_INK, _PALE, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
_WIDTH, _HEIGHT = 540.0, 316.8  # points
_LEFT, _RIGHT, _TOP, _BOTTOM = 51.3, 81.0, 44.4, 39.6  # margins of the axes, with room for names at the right
_NARROW = 21.6  # the right one where names stand below
_ENTRY, _AIR = 17.3, 7.2  # the height of a name below, and what lies between all of them and the rest
_APART = 0.125  # of two labels, in parts of the axes' height
_SIZE = 10.0  # of letters
_COLUMNS = 1500  # of points, more than the picture has dots
_DASHES: tuple[tuple[float, ...], ...] = ((), (3.7, 1.6), (1.0, 1.65), (6.4, 1.6, 1.0, 1.6))


def save_loss(
    folder: str | Path,
    metrics: Mapping[str, Sequence[float] | object],
    title: str = "",
    steps: Sequence[float] = (),
) -> list[Path]:
    """Write loss.svg and loss.png (1200 × 704 pixels) into `folder`, and say where.

    `metrics` maps "epoch", "train_loss" and, where there are test rows, "test_loss" to one number per epoch. A run that
    ended in its first epoch shows the losses of its steps.
    """
    sheet = loss_sheet(metrics, title, steps)
    paths = [Path(folder) / f"loss{ending}" for ending in ENDINGS]
    for path in paths:
        _save(sheet, path)
    return paths


def save_plot(path: Path, lines: Sequence[Line], what: str, title: str = "", over: str = "epoch") -> None:
    """Draw curves over the epochs into a .png or .svg file.

    Args:
        what: is drawn, such as "loss".
        title: above it.
        over: what the numbers below it count.

    Raises UsageError for another ending.
    """
    check_ending(path)
    _save(curves(lines, what, title, over), path)


def curves(lines: Sequence[Line], what: str, title: str = "", over: str = "epoch") -> Sheet:
    """What `save_plot` draws."""
    return _Picture(lines, what, title, over).sheet


def loss_sheet(metrics: Mapping[str, Sequence[float] | object], title: str = "", steps: Sequence[float] = ()) -> Sheet:
    """What `save_loss` draws.

    The loss axis is logarithmic where the losses span decades. Losses that are not finite leave a gap.
    """
    lines, over = lines_of(metrics), "epoch"
    if steps and not any(len(line.epochs) for line in lines):
        lines, over = [line_of({"train_loss": steps}, "train_loss", "train")], "step"
    return curves(lines, "loss", title, over)


def _save(sheet: Sheet, path: Path) -> None:
    atomic_write(path, sheet.svg() if path.suffix.lower() == ".svg" else sheet.png())


@dataclass(frozen=True)
class _Picture:
    """Curves, and where on the sheet their axes are."""

    lines: Sequence[Line]
    what: str
    title: str
    over: str

    @cached_property
    def sheet(self) -> Sheet:
        """All of it, from what lies below to what lies above."""
        sheet = Sheet(_WIDTH, _HEIGHT + self._legend)
        sheet.put(*self._grid(), *self._epochs())
        sheet.put(*(self._band(line) for line in self.lines if line.band is not None))
        sheet.put(*(mark for line in self.lines for mark in self._curve(line)))
        sheet.put(*self._best(), *(self._ends() if self._of_parts else self._names()), *self._heading())
        return sheet

    @cached_property
    def scale(self) -> Scale:
        return scale_of(self.lines)

    @cached_property
    def _of_parts(self) -> bool:
        """Whether they are of parts of the rows, whose names fit beside the axes."""
        return all(line.name in PARTS for line in self.lines)

    @property
    def _legend(self) -> float:
        return 0.0 if self._of_parts else _ENTRY * len(self.lines) + _AIR

    @property
    def _right(self) -> float:
        return _WIDTH - (_RIGHT if self._of_parts else _NARROW)

    @property
    def _floor(self) -> float:
        return _HEIGHT - _BOTTOM

    @cached_property
    def _range(self) -> tuple[int, int] | None:
        """The first and the last epoch, if there is one."""
        ends = [int(epoch) for line in self.lines if len(line.epochs) for epoch in line.epochs[[0, -1]]]
        return (min(ends), max(ends)) if ends else None

    def _across(self, epoch: float) -> float:
        first, last = self._range or (0, 1)
        margin = 0.02 * (last - first) or 0.5
        return _LEFT + (self._right - _LEFT) * (epoch - first + margin) / (last - first + 2 * margin)

    def _high(self, position: float) -> float:
        """A height in the axes, from 0 to 1, on the sheet."""
        return self._floor - position * (self._floor - _TOP)

    def _place(self, epoch: float, value: float) -> tuple[float, float]:
        return self._across(epoch), self._high(self.scale.position(value))

    def _grid(self) -> list[Mark]:
        marks: list[Mark] = []
        for tick in self.scale.ticks:
            y = self._high(self.scale.position(tick))
            marks.append(Stroke([[(_LEFT, y), (self._right, y)]], _GRID, 0.9))
            marks.append(Words((_LEFT - 6, y), self.scale.label(tick), _SIZE, _INK, at="end"))
        return marks

    def _epochs(self) -> list[Mark]:
        marks: list[Mark] = [Stroke([[(_LEFT, self._floor), (self._right, self._floor)]], _PALE, 0.8)]
        for tick in epoch_ticks(*self._range) if self._range else []:
            x = self._across(tick)
            marks.append(Stroke([[(x, self._floor), (x, self._floor + 4)]], _PALE, 0.8))
            marks.append(Words((x, self._floor + 12), f"{tick:,.0f}", _SIZE, _INK, at="middle"))
        middle = (_LEFT + self._right) / 2
        return [*marks, Words((middle, self._floor + 26), self.over, _SIZE, _INK, at="middle")]

    def _band(self, line: Line) -> Surface:
        shown = line.thinned(_COLUMNS)
        there = np.isfinite(shown.values)
        low, high = (np.maximum(edge[there], self.scale.low).tolist() for edge in shown.edges)
        epochs = shown.epochs[there].tolist()
        way = [*zip(epochs, high, strict=True), *reversed(list(zip(epochs, low, strict=True)))]
        return Surface([self._place(*point) for point in way], _colour(line), 0.18)

    def _curve(self, line: Line) -> list[Mark]:
        """The line, and dots where there are few points, all of them larger where there is one."""
        shown = line.thinned(_COLUMNS)
        pieces: list[list[tuple[float, float]]] = [[]]
        for epoch, value in zip(shown.epochs.tolist(), shown.values.tolist(), strict=True):
            if np.isfinite(value):
                pieces[-1].append(self._place(epoch, value))
            elif pieces[-1]:
                pieces.append([])
        pieces = [piece for piece in pieces if piece]
        if not pieces:
            return []
        dashes = _DASHES[line.colour % len(_DASHES)] if line.colour >= len(PARTS) else ()
        name = f"{line.name}-loss" if line.name in PARTS else ""
        marks: list[Mark] = [Stroke(pieces, _colour(line), 2.0, dashes, name)]
        if len(line.epochs) == 1 or all(len(each.epochs) <= 30 for each in self.lines):
            radius = 1.75 if len(line.epochs) > 1 else 3.5
            marks += [Dot(point, radius, _colour(line)) for piece in pieces for point in piece]
        return marks

    @cached_property
    def _lowest(self) -> Lowest | None:
        """Where the loss of rows that are not trained on is lowest, if they have a curve."""
        best = lowest(self.lines) if self.what == "loss" else None
        return best if best is not None and best.part != "train" and best.of > 1 else None

    def _best(self) -> list[Mark]:
        """A dotted line at the best epoch, and a ring where its loss is."""
        best = self._lowest
        if best is None:
            return []
        x, y = self._place(best.epoch, best.value)
        dotted = Stroke([[(x, self._floor), (x, _TOP)]], _PALE, 1.2, (1, 2.5), "best-epoch")
        return [dotted, Dot((x, y), 4.25, "#ffffff", PALETTE[PARTS.index(best.part)], 1.8)]

    def _ends(self) -> list[Mark]:
        """Each curve's name and last value, to the right of the axes and never on top of one another."""
        ended = sorted((line for line in self.lines if line.finite), key=lambda line: self.scale.position(line.last))
        wanted = [self.scale.position(line.last) for line in ended]
        heights: list[float] = []
        for position in wanted:
            heights.append(max(position, heights[-1] + _APART) if heights else position)
        marks: list[Mark] = []
        for height, line in zip(_settled(heights, wanted), ended, strict=True):
            for text, below in ((line.name, -0.625), (_number(line.last), 0.625)):
                place = (self._right + 7.3, self._high(height) + below * _SIZE)
                marks.append(Words(place, text, _SIZE, _colour(line), bold=True))
        return marks

    def _names(self) -> list[Mark]:
        """A line for each curve below the axes: how it is drawn, its name and its last value."""
        marks: list[Mark] = []
        for place, line in enumerate(self.lines):
            y = _HEIGHT + _ENTRY * (place + 0.5)
            dashes = _DASHES[line.colour % len(_DASHES)] if line.colour >= len(PARTS) else ()
            marks.append(Stroke([[(_LEFT, y), (_LEFT + 28, y)]], _colour(line), 2.0, dashes))
            marks.append(Words((_LEFT + 36, y), f"{_cut(line.name, 84)}   {_number(line.last)}", 9.5, _INK))
        return marks

    def _heading(self) -> list[Mark]:
        lost = [int(epoch) for line in self.lines for epoch in line.epochs[~np.isfinite(line.values)][:1]]
        remarks = [f"{self.what} per {self.over}" + (", logarithmic axis" if self.scale.logarithmic else "")]
        if self._lowest is not None:
            best = self._lowest
            remarks.append(f"lowest {best.part} loss {best.value:.4g} in epoch {best.epoch}")
        if lost:
            remarks.append(f"not finite in {self.over} {min(lost)}")
        marks: list[Mark] = [
            Words((_LEFT, 17.4), _cut(self.title, 60), 13, _INK, bold=True),
            Words((_LEFT, 35.5), " · ".join(remarks), 9.5, _PALE),
        ]
        if not any(line.finite for line in self.lines):
            words = (
                f"no finite {self.what}" if any(len(line.epochs) for line in self.lines) else "no epoch was finished"
            )
            middle = ((_LEFT + self._right) / 2, (_TOP + self._floor) / 2)
            marks.append(Words(middle, words, 12, _PALE, at="middle"))
        return marks


def _settled(heights: list[float], wanted: list[float]) -> list[float]:
    """Heights that were pushed apart upwards only, moved to the middle of where they wanted to be, inside the axes."""
    if not heights:
        return []
    move = sum(w - h for h, w in zip(heights, wanted, strict=True)) / len(heights)
    move = min(max(move, 0.04 - heights[0]), 0.96 - heights[-1])
    return [height + move for height in heights]


def _colour(line: Line) -> str:
    return PALETTE[line.colour % len(PALETTE)]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _number(value: float) -> str:
    return f"{value:.4g}"
