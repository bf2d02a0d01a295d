"""Curves as SVG that a page may hold whose policy allows no style but its own files': colours and widths are classes.

A page without JavaScript shows these; with it they are what stands there until the live ones are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from trainer.runs.columns import COLUMNS, PARTS, names_of, split
from trainer.runs.scale import HUGE, Scale, epoch_ticks, scale_for

__all__ = ["chart", "charts", "sparkline"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 190, 46, 16, 24, 20
SPARK = (120, 28)

Values = Sequence[float | None]


def sparkline(curves: Mapping[str, Values]) -> str:
    """The loss at a glance: no axes, no words; empty before there are two numbers."""
    scale = _scale(curves, 2)
    if sum(_there(value) for values in curves.values() for value in values) < 2:
        return ""
    width, height = SPARK
    drawn = []
    for place, (name, values) in enumerate(curves.items()):
        xs = (2 + (width - 4) * i / max(1, len(values) - 1) for i in range(len(values)))
        drawn.append(f'<path class="{_class(name, place)}" d="{_path(_points(xs, values, scale, 2, height - 2))}"/>')
    return f'<svg class="spark" viewBox="0 0 {width} {height}" aria-hidden="true">{"".join(drawn)}</svg>'


def charts(columns: Mapping[str, Values]) -> list[tuple[str, str]]:
    """The name of each metric, the loss first, with its chart."""
    parts: dict[str, dict[str, Values]] = {}
    for column, values in columns.items():
        if column not in COLUMNS:
            part, name = split(column)
            parts.setdefault(name, {})[part or column] = values
    drawn = [(name.replace("_", " "), chart(columns["epoch"], parts[name], name)) for name in names_of(list(columns))]
    return [(name, svg) for name, svg in drawn if svg]


def chart(epochs: Values, curves: Mapping[str, Values], name: str) -> str:
    """Curves over the epochs, each with its name; empty where not one of them has a number."""
    if not any(_there(value) for values in curves.values() for value in values):
        return ""
    scale = _scale(curves, 5)
    first, last = int(epochs[0] or 0), int(epochs[-1] or 0)
    words = f"{name.replace('_', ' ')} of {', '.join(curves)} over epochs {first:,} to {last:,}"
    xs = [_across(epoch or 0, first, last) for epoch in epochs]
    parts = [
        *(_level(scale, tick) for tick in scale.ticks),
        *(
            f'<text x="{_across(tick, first, last):.1f}" y="{HEIGHT - 5}" text-anchor="middle">{tick:,}</text>'
            for tick in epoch_ticks(first, last, most=6 if last < 10_000 else 3)
        ),
        *(
            f'<path class="{_class(part, place)}" d="{_path(_points(xs, values, scale, TOP, HEIGHT - BOTTOM))}"/>'
            for place, (part, values) in enumerate(curves.items())
        ),
    ]
    title = escape(name.replace("_", " ")) + (" (log)" if scale.logarithmic else "")
    names = "".join(
        f'<tspan dx="8" class="{_class(part, place, "f")}">{escape(part)}</tspan>'
        for place, part in enumerate(curves)
        if part in PARTS
    )
    return (
        f'<svg class="chart" role="img" aria-label="{escape(words)}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<text x="0" y="12" class="name">{title}</text>'
        f'<text x="{WIDTH - RIGHT}" y="12" text-anchor="end">{names}</text>{"".join(parts)}</svg>'
    )


def _there(value: float | None) -> bool:
    return value is not None and abs(value) < HUGE


def _scale(curves: Mapping[str, Values], ticks: int) -> Scale:
    return scale_for((value for values in curves.values() for value in values if value is not None), ticks)


def _class(name: str, place: int, kind: str = "c") -> str:
    return f"{kind}{PARTS.index(name) if name in PARTS else place % 7}"


def _points(
    xs: Iterable[float], values: Values, scale: Scale, top: float, bottom: float
) -> Iterator[tuple[float, float] | None]:
    """Where each number lies; None for a gap."""
    for x, value in zip(xs, values, strict=True):
        there = value is not None and _there(value)
        yield (x, bottom - (bottom - top) * scale.position(value)) if there and value is not None else None


def _path(points: Iterator[tuple[float, float] | None]) -> str:
    """A piece for each stretch of numbers; a number alone is a dot."""
    pieces, pen = list[str](), "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        pieces.append(f"{pen}{point[0]:.1f},{point[1]:.1f}")
        pieces += ["h0"] if pen == "M" else []
        pen = "L"
    return "".join(pieces)


def _across(epoch: float, first: int, last: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (0.5 if first == last else (epoch - first) / (last - first))


def _level(scale: Scale, tick: float) -> str:
    y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * scale.position(tick)
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{scale.label(tick)}</text>'
    )
