"""The loss curve in the terminal, as wide as the terminal and no wider.

Braille dots where the output can show them, plain ASCII where it cannot. plotille draws the dots: it imports in 5 ms,
where the other libraries of its kind take 40 to 130.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from trainer.runs.scale import Scale, scale_for

__all__ = ["draw_curve"]

_COLOURS = {"train": "blue", "validation": "green", "test": "yellow"}
_MARKS = {"train": "o", "validation": "v", "test": "x"}
_ANSI = {"blue": "\x1b[94m", "green": "\x1b[32m", "yellow": "\x1b[33m"}
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
    epochs = [int(epoch) for epoch in metrics.get("epoch", ())]
    curves = {part: [float(v) for v in metrics[f"{part}_loss"]] for part in _COLOURS if f"{part}_loss" in metrics}
    scale = scale_for((value for curve in curves.values() for value in curve), ticks=5)
    curves = {part: curve for part, curve in curves.items() if sum(_shown(value, scale) for value in curve) > 1}
    if not curves:
        return ""
    labels = {_row(tick, scale): scale.label(tick) for tick in scale.ticks}
    gutter = max(map(len, labels.values()))
    inner = min(width, _WIDEST) - gutter - 3
    if inner < 26:  # the heading would not fit
        return ""
    rows = (_dots if unicode else _ascii)(epochs, curves, scale, inner, colour)
    bar, corner, dash = ("│", "└", "─") if unicode else ("|", "+", "-")
    lines = [_heading(curves, scale, gutter + 2 + inner, unicode, colour)]
    lines += [f"{labels.get(i, ''):>{gutter}} {bar}{row}" for i, row in enumerate(rows)]
    lines.append(" " * gutter + f" {corner}{dash * inner}")
    first, last = str(epochs[0]), str(epochs[-1])
    middle = "epoch" if len(first) + len(last) + 9 <= inner else ""
    lines.append(" " * (gutter + 2) + first + middle.center(inner - len(first) - len(last)) + last)
    return "\n".join(line.rstrip() for line in lines)


def _shown(value: float, scale: Scale) -> bool:
    return scale.low <= value <= scale.high


def _row(value: float, scale: Scale) -> int:
    """The line of text, from the top, on which a value lies."""
    return min(int((1 - scale.position(value)) * _HEIGHT), _HEIGHT - 1)


def _heading(curves: Mapping[str, object], scale: Scale, width: int, unicode: bool, colour: bool) -> str:
    title = "loss (log)" if scale.logarithmic else "loss"
    marks = {part: "━━" if unicode else _MARKS[part] for part in curves}
    legend = "   ".join(f"{mark} {part}" for part, mark in marks.items())
    if colour:
        painted = "   ".join(f"{_ANSI[_COLOURS[part]]}{mark} {part}{_OFF}" for part, mark in marks.items())
    else:
        painted = legend
    return title + " " * max(width - len(title) - len(legend), 1) + painted


def _dots(
    epochs: Sequence[int], curves: Mapping[str, Sequence[float]], scale: Scale, width: int, colour: bool
) -> list[str]:
    """The curves as lines of braille dots, two across and four down in a character."""
    import plotille

    canvas = plotille.Canvas(width, _HEIGHT, xmin=epochs[0], xmax=epochs[-1], ymin=0.0, ymax=1.0)
    for part, curve in curves.items():
        points = [(e, scale.position(v)) for e, v in zip(epochs, curve, strict=True) if _shown(v, scale)]
        for (x0, y0), (x1, y1) in pairwise(points):
            canvas.line(x0, y0, x1, y1, color=_COLOURS[part] if colour else None)
    return [line.replace("\u2800", " ") for line in str(canvas.plot(linesep="\n")).split("\n")]


def _ascii(
    epochs: Sequence[int], curves: Mapping[str, Sequence[float]], scale: Scale, width: int, colour: bool
) -> list[str]:
    """The curves as letters, one in each column."""
    rows = [[" "] * width for _ in range(_HEIGHT)]
    for part, curve in curves.items():
        points = [(e, scale.position(v)) for e, v in zip(epochs, curve, strict=True) if _shown(v, scale)]
        after = 1
        for column in range(width):
            x = epochs[0] + (epochs[-1] - epochs[0]) * column / (width - 1)
            while after < len(points) - 1 and points[after][0] < x:
                after += 1
            (x0, y0), (x1, y1) = points[after - 1], points[after]
            if not points[0][0] <= x <= points[-1][0]:
                continue
            y = y0 + (y1 - y0) * (x - x0) / (x1 - x0)
            rows[min(int((1 - y) * _HEIGHT), _HEIGHT - 1)][column] = _MARKS[part]
    return ["".join(row) for row in rows]
