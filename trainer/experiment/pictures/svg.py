"""Pictures of a model as SVG within a page: no script, no request, and the page's own colours.

A cell has one of the palette's colours, the deeper the more, on whatever ground the page has: so a picture reads on a
white page, on a black one and in print. Cells of one depth next to one another are one piece of one path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from trainer.experiment.pictures.panels import Panel
from trainer.experiment.pictures.planes import ACROSS, Dots, Plane
from trainer.runs.columns import PARTS
from trainer.runs.lines import PALETTE
from trainer.runs.scale import Scale, between
from trainer.runs.svg import colour, drawing, words
from trainer.types import Array
from trainer.wording import cut

__all__ = ["BANDS", "CLASS_DEPTHS", "LESS", "MORE", "panel_svg", "plane_key", "plane_svg"]

BANDS = 10  # depths that are told apart
LESS, MORE = 0, PARTS.index("test")  # the palette's blue and vermilion
CLASS_DEPTHS = (0.12, 0.55)  # of the ground of a class that is guessed, and of one that is known
LONGEST, LONGEST_MARKED = 180.0, 214.0  # side of a panel, and of one that has letters beside it
WIDTH, HEIGHT = 396, 297  # of a plane
LEFT, TOP, RIGHT, BOTTOM = 58, 8, 12, 36  # around it

# What stands for a row of a class, in the order of the palette: told apart in print too. Around (0, 0), to be filled.
MARKS = (
    "M-3,0a3,3 0 1,0 6,0a3,3 0 1,0 -6,0z", "M-2.7,-2.7h5.4v5.4h-5.4z", "M0,-3.5L3.4,2.6H-3.4z",
    "M0,-3.8L3.8,0L0,3.8L-3.8,0z",
    "M0,3.5L3.4,-2.6H-3.4z", "M-3.3,-1.2h2.1v-2.1h2.4v2.1h2.1v2.4h-2.1v2.1h-2.4v-2.1h-2.1z", "M-3.6,-1.6h7.2v3.2h-7.2z",
)  # fmt: skip


def cells(places: Array, depths: Array, size: float, at: tuple[float, float] = (0.0, 0.0)) -> str:
    """Cells (rows, columns) of a side of `size`, each of a place in the palette and a depth from 0 to 1."""
    steps = np.round(np.nan_to_num(depths) * BANDS).astype(int)
    kinds = np.where(steps > 0, places * (BANDS + 1) + steps, 0)
    pieces: dict[int, list[str]] = {}
    for y, row in enumerate(kinds.tolist()):
        start = 0
        for x in range(1, len(row) + 1):
            if x == len(row) or row[x] != row[start]:
                if row[start]:
                    pieces.setdefault(row[start], []).append(f"M{start},{y}h{x - start}v1H{start}z")
                start = x
    paths = "".join(
        f'<path d="{"".join(pieces[kind])}" style="fill:{colour(kind // (BANDS + 1))}" '
        f'fill-opacity="{kind % (BANDS + 1) / BANDS:g}"/>'
        for kind in sorted(pieces)
    )
    moved = f"translate({at[0]:g} {at[1]:g}) scale({size:g})"
    return f'<g transform="{moved}" shape-rendering="crispEdges">{paths}</g>'


def panel_svg(panel: Panel, marks: Sequence[str] = ()) -> str:
    """A table of numbers from −1, blue, to 1, vermilion; `marks` beside its rows and above its columns."""
    values = panel.values
    rows, columns = values.shape
    size = min(14.0, (LONGEST_MARKED if marks else LONGEST) / max(rows, columns))
    left, top = (14.0, 26.0) if marks else (1.0, 14.0)
    drawn = cells(np.where(values < 0, LESS, MORE), np.abs(values), size, (left, top))
    name = f'<text y="9" x="{left:g}">{words(panel.name)}</text>'
    size_of_all = (left + columns * size + 1, top + rows * size + 1)
    inner = name + _lettered(marks, size, left, top) + drawn + "".join(_frames(values, size, left, top))
    return drawing(panel.name, size_of_all, size_of_all[0], inner)


def _lettered(marks: Sequence[str], size: float, left: float, top: float) -> str:
    letters = "".join(
        f'<text x="{left + (i + 0.5) * size:.1f}" y="{top - 3:g}">{words(mark)}</text>'
        f'<text x="{left - 6:.1f}" y="{top + (i + 0.8) * size:.1f}">{words(mark)}</text>'
        for i, mark in enumerate(marks)
    )
    return f'<g font-size="{min(10.0, 1.15 * size):.1f}" text-anchor="middle">{letters}</g>' if marks else ""


def _frames(values: Array, size: float, left: float, top: float) -> Iterator[str]:
    """A pale line around each part of a table, which rows of nan divide."""
    gaps = [-1, *np.flatnonzero(np.isnan(values).all(axis=1)).tolist(), len(values)]
    for before, after in pairwise(gaps):
        yield (
            f'<rect x="{left:g}" y="{top + (before + 1) * size:g}" width="{values.shape[1] * size:g}" '
            f'height="{(after - before - 1) * size:g}" fill="none" stroke="currentColor" opacity=".3"/>'
        )


def plane_svg(plane: Plane) -> str:
    """A plane with its two axes, and the rows over it."""
    low, high = (0.0, 1.0) if plane.numbers else CLASS_DEPTHS
    ground = cells(plane.places % len(PALETTE), low + (high - low) * plane.depths, WIDTH / ACROSS, (LEFT, TOP))
    across, up = (between(*span, ticks=6) for span in plane.spans)
    ticks = [
        *(
            f'<text x="{_x(across, tick):.1f}" y="{TOP + HEIGHT + 14}" text-anchor="middle">{across.label(tick)}</text>'
            for tick in across.ticks
        ),
        *(
            f'<text x="{LEFT - 6}" y="{_y(up, tick) + 4:.1f}" text-anchor="end">{up.label(tick)}</text>'
            for tick in up.ticks
        ),
    ]
    frame = (
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="currentColor" opacity=".4"/>'
    )
    names = (
        f'<text x="{LEFT + WIDTH / 2:g}" y="{TOP + HEIGHT + 30}" text-anchor="middle">{words(plane.axes[0])}</text>'
        f'<text transform="translate(10 {TOP + HEIGHT / 2:g}) rotate(-90)" text-anchor="middle">'
        f"{words(plane.axes[1])}</text>"
    )
    dots = [] if plane.dots is None else _dots(plane, plane.dots, across, up)
    called = (
        f'<text x="{_x(across, x):.1f}" y="{_y(up, y) + 4:.1f}" text-anchor="middle">{words(cut(name, 20))}</text>'
        for x, y, name in plane.labels
    )
    inner = "".join([ground, frame, *ticks, names, *dots, *called])
    return drawing(plane.told, (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM), 1.6 * WIDTH, inner)


def _x(scale: Scale, value: float) -> float:
    return LEFT + WIDTH * scale.position(value)


def _y(scale: Scale, value: float) -> float:
    return TOP + HEIGHT * (1 - scale.position(value))


def _dots(plane: Plane, dots: Dots, across: Scale, up: Scale) -> Iterator[str]:
    """A dot for each row, on an edge that shows it on its own ground."""
    edge = "currentColor" if plane.numbers else "var(--paper,#fff)"
    for (x, y), place, depth in zip(dots.rows.tolist(), dots.places.tolist(), dots.depths.tolist(), strict=True):
        yield (
            f'<path transform="translate({_x(across, x):.1f} {_y(up, y):.1f})" d="{MARKS[place % len(MARKS)]}" '
            f'style="fill:{colour(place)};stroke:{edge}" stroke-width=".8" fill-opacity="{depth:.2g}"/>'
        )


def plane_key(plane: Plane) -> list[tuple[str, str]]:
    """What stands for each class as a small <svg class="key">, and its name; of numbers the least and the largest."""
    if plane.numbers:
        swatch = f'<rect x="10" y="0" width="16" height="8" style="fill:{colour(0)}" stroke="currentColor"'
        drawn = [f'{swatch} stroke-opacity=".4" fill-opacity="{depth}"/>' for depth in (0, 1)]
    else:
        drawn = [
            f'<path transform="translate(20 4.5) scale(1.2)" d="{MARKS[i % len(MARKS)]}" style="fill:{colour(i)}"/>'
            for i in range(len(plane.key))
        ]
    return [
        (f'<svg class="key" viewBox="0 0 36 9" aria-hidden="true">{each}</svg>', name)
        for each, name in zip(drawn, plane.key, strict=True)
    ]
