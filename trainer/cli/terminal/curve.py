"""Curves in the terminal, as wide as the terminal and no wider.

Braille dots where the output can show them, plain ASCII where it cannot. plotille draws the dots: it imports in 5 ms,
where the other libraries of its kind take 40 to 130.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from trainer.runs.lines import Line, lines_of, scale_of
from trainer.runs.scale import Scale

__all__ = ["draw_curve", "draw_lines", "painted"]

# By their place in the palette, which begins with train, validation and test.
_COLOURS = ("bright_blue", "green", "yellow", "magenta", "cyan", "red", "white")
_MARKS = "ovx+*#%"
_ANSI = {
    "bright_blue": "\x1b[94m", "green": "\x1b[32m", "yellow": "\x1b[33m", "magenta": "\x1b[35m",
    "cyan": "\x1b[36m", "red": "\x1b[31m", "white": "\x1b[37m",
}  # fmt: skip
_OFF = "\x1b[0m"
_WIDEST, _HEIGHT = 100, 12


def draw_curve(
    metrics: Mapping[str, Sequence[float] | Any], *, width: int, unicode: bool = True, colour: bool = False
) -> str:
    r"""The loss of each epoch as text of at most `width` columns; empty without two finite epochs.

    >>> print(draw_curve({"epoch": [1, 2, 3], "train_loss": [0.9, 0.5, 0.1]}, width=40, unicode=False))
    loss                            o train
        |oo
    0.8 |  ooo
        |     ooo
        |        oooo
    0.6 |            ooo
        |               ooo
    0.4 |                  ooo
        |                     oooo
        |                         ooo
    0.2 |                            ooo
        |                               ooo
      0 |
        +----------------------------------
         1             epoch              3
    """
    return draw_lines(lines_of(metrics), "loss", width=width, unicode=unicode, colour=colour)


def draw_lines(
    lines: Sequence[Line], what: str, *, width: int, unicode: bool = True, colour: bool = False, over: str = "epoch"
) -> str:
    """Curves over epochs or steps as text of at most `width` columns; empty without one that has two finite numbers.

    The names stand beside the heading, or below it where there is no room; a long one is cut.
    """
    lines = [line for line in lines if line.finite > 1]
    if not lines:
        return ""
    scale = scale_of(lines, ticks=5)
    labels = {_row(tick, scale): scale.label(tick) for tick in scale.ticks}
    gutter = max(map(len, labels.values()))
    inner = min(width, _WIDEST) - gutter - 3
    if inner < 26:  # the heading would not fit
        return ""
    first, last = min(int(line.epochs[0]) for line in lines), max(int(line.epochs[-1]) for line in lines)
    thin = [line.thinned(2 * inner) for line in lines]
    rows = (_dots if unicode else _ascii)(thin, scale, (first, last), inner, colour)
    bar, corner, dash = ("│", "└", "─") if unicode else ("|", "+", "-")
    text = _heading(lines, f"{what} (log)" if scale.logarithmic else what, gutter + 2 + inner, unicode, colour)
    text += [f"{labels.get(i, ''):>{gutter}} {bar}{row}" for i, row in enumerate(rows)]
    text.append(" " * gutter + f" {corner}{dash * inner}")
    start, end = str(first), str(last)
    middle = over if len(start) + len(end) + len(over) + 4 <= inner else ""
    text.append(" " * (gutter + 2) + start + middle.center(inner - len(start) - len(end)) + end)
    return "\n".join(line.rstrip() for line in text)


def _row(value: float, scale: Scale) -> int:
    """The line of text, from the top, on which a value lies."""
    return min(int((1 - scale.position(value)) * _HEIGHT), _HEIGHT - 1)


def _heading(lines: Sequence[Line], title: str, width: int, unicode: bool, colour: bool) -> list[str]:
    marks = ["━━" if unicode else _MARKS[line.colour % len(_MARKS)] for line in lines]
    room = width - len(title) - sum(len(mark) + 4 for mark in marks)
    beside = sum(len(line.name) for line in lines) <= room
    names = [line.name if beside else _cut(line.name, width - 4, unicode) for line in lines]
    entries = [f"{mark} {name}" for mark, name in zip(marks, names, strict=True)]
    legend = "   ".join(entries)
    if colour:
        entries = [painted(entry, line.colour, colour) for entry, line in zip(entries, lines, strict=True)]
    if beside:
        return [title + " " * max(width - len(title) - len(legend), 1) + "   ".join(entries)]
    return [title, *entries]


def painted(text: str, place: int, colour: bool) -> str:
    """A text in the colour of a place in the palette, where there are colours."""
    return f"{_ANSI[_COLOURS[place % len(_COLOURS)]]}{text}{_OFF}" if colour else text


def _cut(text: str, length: int, unicode: bool) -> str:
    end = "…" if unicode else "..."
    return text if len(text) <= length else text[: length - len(end)] + end


def _dots(lines: Sequence[Line], scale: Scale, ends: tuple[int, int], width: int, colour: bool) -> list[str]:
    """The curves as lines of braille dots, two across and four down in a character."""
    import plotille

    canvas = plotille.Canvas(width, _HEIGHT, xmin=ends[0], xmax=ends[1], ymin=0.0, ymax=1.0)
    for line in lines:
        ink = _COLOURS[line.colour % len(_COLOURS)] if colour else None
        points = [(epoch, scale.position(value)) for epoch, value in line.points]
        for (x0, y0), (x1, y1) in pairwise(points):
            canvas.line(x0, y0, x1, y1, color=ink)
    return [row.replace("\u2800", " ") for row in str(canvas.plot(linesep="\n")).split("\n")]


def _ascii(lines: Sequence[Line], scale: Scale, ends: tuple[int, int], width: int, colour: bool) -> list[str]:
    """The curves as letters, one in each column."""
    rows = [[" "] * width for _ in range(_HEIGHT)]
    for line in lines:
        points = [(epoch, scale.position(value)) for epoch, value in line.points]
        after = 1
        for column in range(width):
            x = ends[0] + (ends[1] - ends[0]) * column / (width - 1)
            while after < len(points) - 1 and points[after][0] < x:
                after += 1
            (x0, y0), (x1, y1) = points[after - 1], points[after]
            if not points[0][0] <= x <= points[-1][0]:
                continue
            y = y0 + (y1 - y0) * (x - x0) / (x1 - x0)
            rows[min(int((1 - y) * _HEIGHT), _HEIGHT - 1)][column] = _MARKS[line.colour % len(_MARKS)]
    return ["".join(row) for row in rows]
