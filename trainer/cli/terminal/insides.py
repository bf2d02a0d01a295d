"""Pictures of a model as text, no wider than the terminal: a letter for each class, a digit for a number.

A digit counts tenths of the largest; 9 is the largest itself. So a picture is the same without colours, and in a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from trainer.cli.terminal.curve import painted
from trainer.cli.terminal.text import cut, folded
from trainer.experiment.pictures import Panel, Panels, Plane
from trainer.runs.lines import PALETTE
from trainer.runs.scale import between

__all__ = ["draw_panels", "draw_plane"]

WIDEST, HEIGHT = 100, 24
MARKS = "ovx+*#%abcdefghijklmnpqrstuwyz"  # of the classes
GAP = 3  # columns between two tables
HIGHEST, MOST_LINES = 14, 12  # lines of a layer's tables, and of one of them
LESS, MORE = 0, 2  # places in the palette, as in `trainer.experiment.pictures.svg`
SURE = 0.3  # what a class is surer than that has its mark at a place, instead of a point


def draw_plane(plane: Plane, *, width: int, colour: bool = False) -> str:
    """What is predicted where, as text of at most `width` columns; empty where these are too few."""
    across, up = (between(*span, ticks=5) for span in plane.spans)
    rows = np.linspace(0, plane.places.shape[0] - 1, HEIGHT).round().astype(int)
    labels = {round((1 - up.position(tick)) * (HEIGHT - 1)): up.label(tick) for tick in up.ticks}
    gutter = max(map(len, labels.values()), default=0)
    inner = min(width, WIDEST) - gutter - 3
    if inner < 20:
        return ""
    columns = np.linspace(0, plane.places.shape[1] - 1, inner).round().astype(int)
    text = [*_key(plane, gutter + 2 + inner, colour)]
    for i, row in enumerate(rows.tolist()):
        places, depths = plane.places[row, columns].tolist(), plane.depths[row, columns].tolist()
        line = "".join(_place(plane, place, depth, colour) for place, depth in zip(places, depths, strict=True))
        text.append(f"{labels.get(i, ''):>{gutter}} |{line}")
    text.append(" " * gutter + " +" + "-" * inner)
    ticks = [" "] * (inner + 8)
    for tick in across.ticks:
        start = round(across.position(tick) * (inner - 1))
        ticks[start : start + len(across.label(tick))] = across.label(tick)
    text.append(" " * (gutter + 2) + "".join(ticks[: inner + 1]).rstrip())
    return "\n".join(text) + f"\n{cut(f'across {plane.axes[0]}, up {plane.axes[1]}', width)}"


def _key(plane: Plane, width: int, colour: bool) -> Iterator[str]:
    if plane.numbers:
        yield cut(f"0 {plane.key[0]} to 9 {plane.key[1]}", width)
        return
    line = ""
    for i, name in enumerate(plane.key):
        entry = f"{MARKS[i % len(MARKS)]} {name}"
        if line and len(line) + len(entry) + 3 > width:
            yield line
            line = ""
        line += ("   " if line else "") + cut(entry, width)
    yield line
    yield cut(". where it is unsure", width)


def _place(plane: Plane, place: int, depth: float, colour: bool) -> str:
    if plane.numbers:
        return painted(_digit(depth), 0, colour)
    return painted(MARKS[place % len(MARKS)] if depth > SURE else ".", place % len(PALETTE), colour)


def _digit(depth: float) -> str:
    return str(min(int(depth * 10), 9))


def draw_panels(shown: Sequence[Panels], *, width: int, colour: bool = False) -> str:
    """Filters or attention, as text of at most `width` columns; of a layer the first tables where they are many."""
    width = min(width, WIDEST)
    return "\n\n".join("\n".join(_layer(panels, width, colour)) for panels in shown)


def _layer(panels: Panels, width: int, colour: bool) -> Iterator[str]:
    yield folded(panels.title, width)
    yield folded("; ".join(filter(None, [f"9 is {panels.deepest}", panels.told])), width)
    blocks = [_block(panel, panels.marks, width, colour) for panel in panels.panels]
    wide = max(long for block in blocks for _, long in block)
    across = max(1, (width + GAP) // (wide + GAP))
    bands = max(1, HIGHEST // len(blocks[0]))
    for start in range(0, min(len(blocks), across * bands), across):
        yield ""
        for lines in zip(*blocks[start : start + across], strict=True):
            yield (" " * GAP).join(text + " " * (wide - long) for text, long in lines).rstrip()
    rest = len(blocks) - across * bands
    if rest > 0:
        yield f"and {rest} more, which -o FILE draws"


def _block(panel: Panel, marks: Sequence[str], width: int, colour: bool) -> list[tuple[str, int]]:
    """A table as lines, each with how many columns it takes."""
    signed = bool((panel.values < 0).any()) or not marks
    values, cell = panel.values[:MOST_LINES], 2 if signed else 1
    room = (width - 2 * bool(marks)) // cell
    lines = [(panel.name, len(panel.name))]
    if marks:
        letters = "  " + "".join(mark[:1] for mark in marks[:room])
        lines.append((letters, len(letters)))
    for i, row in enumerate(values[:, :room].tolist()):
        before = f"{marks[i][:1]} " if marks else ""
        cells = "".join(_number(value, signed, colour) for value in row)
        lines.append((before + cells, len(before) + cell * len(row)))
    return lines


def _number(value: float, signed: bool, colour: bool) -> str:
    """Tenths, with their sign; a point is next to nothing, and a blank no number."""
    if np.isnan(value):
        return "  " if signed else " "
    digit = _digit(abs(value))
    sign = ("-" if value < 0 and digit != "0" else " ") if signed else ""
    return painted(sign + ("." if digit == "0" else digit), LESS if value < 0 else MORE, colour)
