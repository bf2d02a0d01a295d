"""Parallel coordinates: an axis for each key that differs and one for what was reached, and a line for each config."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from trainer.errors import UsageError
from trainer.runs.groups import shown
from trainer.runs.plots import save_figure
from trainer.wording import count, cut, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trainer.sweeps.comparing import Comparison

__all__ = ["save_coordinates"]

INK, PALE = "#1f2933", "#7b8794"
HEIGHT, DPI = 4.8, 160
APART = 1.7  # inches between two axes
MOST_TICKS = 8
APART_LABELS = 0.055  # of the axes' height: closer ones would hide one another


class Axis(NamedTuple):
    """A title, the height of each config from 0 to 1, nan where it has none, and labels with their heights."""

    title: str
    heights: list[float]
    ticks: list[tuple[float, str]]


def save_coordinates(path: Path, found: Comparison) -> None:
    """Draw them. Raises UsageError for another ending than .png or .svg, and where there is nothing to tell apart."""
    if len(found.groups) < 2 or not found.keys:
        raise UsageError("parallel coordinates take two configs or more that differ in a setting")
    save_figure(lambda: _figure(found), path)


def _figure(found: Comparison) -> Figure:
    from matplotlib.figure import Figure

    reached = [found.reached(group).mean for group in found.groups]
    axes = [_axis(key, [group.settings.get(key) for group in found.groups]) for key in found.keys]
    axes.append(_axis(found.column.replace("_", " "), reached))
    width = max(7.5, APART * (len(axes) - 1) + 2.2)
    figure = Figure(figsize=(width, HEIGHT), dpi=DPI, facecolor="white")
    drawn = figure.add_axes((1.0 / width, 0.06, 1 - 2.2 / width, 0.74))
    _draw_lines(drawn, axes, _quality(found, reached))
    for place, axis in enumerate(axes):
        _draw_axis(drawn, place, axis)
    drawn.set_xlim(0, len(axes) - 1)
    drawn.set_ylim(-0.03, 1.03)
    drawn.axis("off")
    better = "lower is better" if found.better == "lower" else "higher is better"
    title = f"{count(len(found.groups), 'config')} by {found.column.replace('_', ' ')}"
    best = f"best {number(reached[0])}: {cut(found.label(found.best), 90)}"
    figure.text(0.12 / width, 0.955, title, color=INK, fontsize=13, fontweight="bold", va="center")
    figure.text(0.12 / width, 0.9, f"{best} · {better}", color=PALE, fontsize=9.5, va="center")
    return figure


def _quality(found: Comparison, reached: Sequence[float]) -> list[float]:
    """From 0, the worst, to 1, the best, by rank: one that diverged would leave all others the same colour."""
    known = [i for i, value in enumerate(reached) if math.isfinite(value)]
    return [1 - known.index(i) / max(len(known) - 1, 1) if i in known else 0.0 for i in range(len(found.groups))]


def _draw_lines(drawn: Any, axes: Sequence[Axis], quality: Sequence[float]) -> None:
    import matplotlib as mpl
    import numpy as np

    colours = mpl.colormaps["viridis_r"]  # the best are dark, on white
    across = np.linspace(0, 1, 24)
    bend = across * across * (3 - 2 * across)
    for i in reversed(range(len(quality))):  # the best on top
        xs, ys = [], []
        for place in range(len(axes) - 1):
            left, right = axes[place].heights[i], axes[place + 1].heights[i]
            xs.append(place + across)
            ys.append(left + (right - left) * bend)
        best = i == 0
        drawn.plot(
            np.concatenate(xs), np.concatenate(ys), color="#d55e00" if best else colours(0.1 + 0.85 * quality[i]),
            linewidth=2.4 if best else 1.3, alpha=1.0 if best else 0.75, solid_capstyle="round", clip_on=False,
            zorder=3 + quality[i],
        )  # fmt: skip


def _draw_axis(drawn: Any, place: int, axis: Axis) -> None:
    drawn.plot([place, place], [0, 1], color=PALE, linewidth=1.1, zorder=6, clip_on=False)
    drawn.text(place, 1.07, cut(axis.title, 24), color=INK, fontsize=9.5, fontweight="bold", ha="center")
    told: list[float] = []
    for height, label in axis.ticks:
        if any(abs(height - other) < APART_LABELS for other in told):
            continue
        told.append(height)
        drawn.text(
            place + 0.035, height, cut(label, 18), color=INK, fontsize=8.5, va="center", zorder=7,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def _axis(title: str, values: Sequence[Any]) -> Axis:
    """Numbers by their size, logarithmic where they span decades; anything else at places of its own."""
    numbers = [float(v) if _is_number(v) and math.isfinite(v) else math.nan for v in values]
    there = [value for value in numbers if not math.isnan(value)]
    if not there or any(not _is_number(value) for value in values):
        texts = sorted({shown(value) for value in values})
        places = {text: i / max(len(texts) - 1, 1) if len(texts) > 1 else 0.5 for i, text in enumerate(texts)}
        return Axis(title, [places[shown(value)] for value in values], [(h, text) for text, h in places.items()])
    low, high = min(there), max(there)
    log = low > 0 and high / low >= 30
    scaled = (lambda value: math.log(value)) if log else (lambda value: value)
    span = scaled(high) - scaled(low) or 1.0
    distinct = sorted(set(there))
    marks = distinct if len(distinct) <= MOST_TICKS else _between(low, high, log=log)
    return Axis(
        f"{title} (log)" if log else title,
        [(scaled(value) - scaled(low)) / span for value in numbers],
        [((scaled(mark) - scaled(low)) / span, f"{mark:.4g}") for mark in marks],
    )


def _between(low: float, high: float, *, log: bool) -> list[float]:
    steps = [i / 4 for i in range(5)]
    return [low * (high / low) ** s if log else low + (high - low) * s for s in steps]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
