"""Curves as SVG within a page: no script, no request, and no style but its own.

The colours are variables, `--c0` and on, and where a page does not set them those that are read on white and on black
pages. Lines are told apart without colours as well: from the fourth on they are dashed, each in its own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from trainer.runs.columns import PARTS
from trainer.runs.lines import PALETTE, Line, scale_of
from trainer.runs.scale import Scale, epoch_ticks
from trainer.wording import count, either, printable

__all__ = ["COLUMNS", "chart", "colour", "drawing", "key", "words"]

WIDTH, HEIGHT = 360, 190  # of the picture
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 24, 20  # margins, for the labels
COLUMNS = 600  # points across: as many dots as a picture of this kind has on a page
_EITHER = ("#3b8bd0", *PALETTE[1:])  # on white and on black pages: the palette's blue is too dark for a black one
WHOLE = len(PARTS)  # lines, from the first, are not dashed
_DASHES = ("", "7 3", "2 3", "9 3 2 3")


def chart(
    lines: Sequence[Line],
    title: str,
    *,
    marked: int | None = None,
    legend: bool = True,
    columns: int = COLUMNS,
    over: str = "epoch",
) -> str:
    """Curves over the epochs, or steps, as an <svg>; empty where not one of them has a number.

    Args:
        title: what is drawn, such as "loss".
        marked: an epoch at which a line stands.
        legend: name the curves beside the title.
        columns: how many columns of points a curve is thinned to.
        over: what a point is of, "epoch" or "step".
    """
    shown = [line for line in lines if line.finite]
    if not shown:
        return ""
    scale = scale_of(shown, ticks=5)
    first = min(int(line.epochs[0]) for line in shown)
    last = max(int(line.epochs[-1]) for line in shown)
    label = f"{title} of {either([line.name for line in shown], 'and')} over {count(last - first + 1, over)}"
    parts = [
        *_heights(scale),
        *_epochs(first, last, over),
        *([_mark(_across(marked, first, last))] if marked is not None else []),
        *(_band(line.thinned(columns), scale, first, last) for line in shown if line.band is not None),
        *(_path(line.thinned(columns), scale, first, last) for line in shown),
        f'<text x="0" y="12" font-weight="bold">{words(title)}{" (log)" if scale.logarithmic else ""}</text>',
    ]
    if legend:
        names = "".join(
            f'<tspan dx="8" style="fill:{colour(line.colour)}">{words(line.name)}</tspan>' for line in shown
        )
        parts.append(f'<text x="{WIDTH - RIGHT}" y="12" text-anchor="end">{names}</text>')
    return drawing(label, (WIDTH, HEIGHT), WIDTH * 1.5, "".join(parts))


def drawing(label: str, size: tuple[float, float], widest: float, inner: str) -> str:
    """A picture of so many units, as wide as its place on the page and no wider than so many pixels, as an <svg>.

    label: what is seen in it, for who does not see it.
    """
    return (
        f'<svg role="img" aria-label="{words(label)}" viewBox="0 0 {size[0]:g} {size[1]:g}" font-size="11" '
        f'font-family="sans-serif" fill="currentColor" style="display:block;width:100%;max-width:{widest:.0f}px;'
        f'overflow:visible">{inner}</svg>'
    )


def key(place: int) -> str:
    """What a curve of that place in the palette looks like, as a small <svg class="key">."""
    return f'<svg class="key" viewBox="0 0 36 8" aria-hidden="true"><path d="M2,4H34" {_stroke(place)}/></svg>'


def words(text: str) -> str:
    """A text as a page has it."""
    return escape(printable(text))


def colour(place: int) -> str:
    """The colour of a place in the palette: the page's, or one for pages of any colour."""
    return f"var(--c{place % len(PALETTE)},{_EITHER[place % len(_EITHER)]})"


def _stroke(place: int) -> str:
    """How a curve is drawn; those of the parts of a data set are whole, and so are the first runs."""
    dashes = _DASHES[place % len(_DASHES)] if place >= WHOLE else ""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    ends = 'stroke-linecap="round" stroke-linejoin="round"'
    return f'fill="none" style="stroke:{colour(place)}" stroke-width="2" {ends}{dashed}'


def _heights(scale: Scale) -> list[str]:
    """A pale line at each tick of the axis, and its number."""
    heights = [(scale.label(tick), _height(scale, tick)) for tick in scale.ticks]
    return [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" opacity=".15"/>'
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        for label, y in heights
    ]


def _epochs(first: int, last: int, over: str) -> list[str]:
    """The numbers below: whole epochs, fewer of them where they are long."""
    ticks = epoch_ticks(first, last, most=6 if last < 10_000 else 3)
    return [
        f'<text x="{_across(tick, first, last):.1f}" y="{HEIGHT - 5}" text-anchor="middle">'
        f"{f'{over} ' if tick == first else ''}{tick:,}</text>"
        for tick in ticks
    ]


def _mark(x: float) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="currentColor" opacity=".6" '
        f'stroke-dasharray="1 3"/>'
    )


def _across(epoch: int, first: int, last: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (0.5 if first == last else (epoch - first) / (last - first))


def _height(scale: Scale, value: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - scale.position(value))


def _band(line: Line, scale: Scale, first: int, last: int) -> str:
    """The surface between the edges of a band, over the points that there are; what is below the axis ends at it."""
    there = np.isfinite(line.values)
    floor = scale.low
    low, high = (np.maximum(edge[there], floor).tolist() for edge in line.edges)
    across = [_across(epoch, first, last) for epoch in line.epochs[there].tolist()]
    way = [*zip(across, high, strict=True), *reversed(list(zip(across, low, strict=True)))]
    points = " ".join(f"{x:.1f},{_height(scale, value):.1f}" for x, value in way)
    return f'<polygon points="{points}" style="fill:{colour(line.colour)}" opacity=".18"/>'


def _path(line: Line, scale: Scale, first: int, last: int) -> str:
    """A path with a piece for each stretch of numbers; a number alone is a dot."""
    pieces, pen = [], "M"
    finite = np.isfinite(line.values).tolist()
    for epoch, value, there in zip(line.epochs.tolist(), line.values.tolist(), finite, strict=True):
        if not there:
            pen = "M"
            continue
        pieces.append(f"{pen}{_across(epoch, first, last):.1f},{_height(scale, value):.1f}")
        pieces += ["h0"] if pen == "M" else []
        pen = "L"
    return f'<path d="{"".join(pieces)}" {_stroke(line.colour)}/>'
