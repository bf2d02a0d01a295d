"""Pictures of a model as .png and .svg files, in the palette of the curves on white."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.experiment.pictures.panels import Panels
from trainer.experiment.pictures.planes import Plane
from trainer.experiment.pictures.svg import BANDS, CLASS_DEPTHS, LESS, MORE
from trainer.runs.lines import PALETTE
from trainer.runs.plots import save_figure
from trainer.types import Array
from trainer.wording import cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["save_panels", "save_plane"]

INK, PALE = "#1f2933", "#7b8794"
GAP = (0.78, 0.81, 0.84)  # between two parts of a table
MARKS = "os^Dv*P"  # of a row of a class, in the order of the palette
ACROSS = 7.5  # inches


def save_plane(path: Path, plane: Plane, title: str) -> None:
    """Write what is predicted where into a .png or .svg file. Raises UsageError for another ending."""
    save_figure(lambda: _plane(plane, title), path)


def save_panels(path: Path, shown: Sequence[Panels], title: str) -> None:
    """Write filters or attention into a .png or .svg file. Raises UsageError for another ending."""
    save_figure(lambda: _panels(shown, title), path)


def _plane(plane: Plane, title: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(ACROSS, 5.6), dpi=160, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    low, high = (0.0, 1.0) if plane.numbers else CLASS_DEPTHS
    (left, right), (least, most) = plane.spans
    ground = _inked(plane.places, low + (high - low) * plane.depths)
    axes.imshow(ground, extent=(left, right, least, most), aspect="auto", interpolation="nearest")
    if plane.dots is not None:
        for place in np.unique(plane.dots.places).tolist():
            of = plane.dots.places == place
            x, y = plane.dots.rows[of].T
            fill: Any = _inked(plane.dots.places[of], plane.dots.depths[of])
            edge, mark = (INK if plane.numbers else "white"), MARKS[place % len(MARKS)]
            axes.scatter(x, y, s=26, c=fill, marker=mark, edgecolors=edge, linewidths=0.7)
    for at, height, name in plane.labels:
        axes.text(at, height, cut(name, 20), ha="center", va="center", fontsize=8, color=INK, parse_math=False)
    axes.set(xlim=(left, right), ylim=(least, most), xlabel=plane.axes[0], ylabel=plane.axes[1])
    axes.set_title(cut(title, 60), loc="left", parse_math=False, fontweight="bold", color=INK)
    colours = ["white", PALETTE[0]] if plane.numbers else [PALETTE[i % len(PALETTE)] for i in range(len(plane.key))]
    marks = "ss" if plane.numbers else [MARKS[i % len(MARKS)] for i in range(len(plane.key))]
    keys = [
        Line2D([], [], marker=mark, color="none", markerfacecolor=each, markeredgecolor=PALE, markeredgewidth=0.5)
        for each, mark in zip(colours, marks, strict=True)
    ]
    axes.legend(
        keys, [cut(name, 40) for name in plane.key], loc="upper left", bbox_to_anchor=(0, -0.1), frameon=False,
        ncols=min(4, len(keys)), labelcolor=INK,
    )  # fmt: skip
    return figure


def _inked(places: Array, depths: Array) -> Array:
    """Colours of the palette on white, as deep as that, in as many steps as a page has."""
    from matplotlib.colors import to_rgb

    palette = np.array([to_rgb(colour) for colour in PALETTE])
    share = (np.round(np.nan_to_num(depths) * BANDS) / BANDS)[..., np.newaxis]
    return np.asarray(1 - share + share * palette[places % len(PALETTE)])


def _panels(shown: Sequence[Panels], title: str) -> Figure:
    """Each layer's tables in rows below its title, all on one grid of inches."""
    from matplotlib.figure import Figure

    laid, height = [], 0.45
    for panels in shown:
        rows, columns = panels.panels[0].values.shape
        longest, room, above = (2.05, 0.22, 0.34) if panels.marks else (1.4, 0.14, 0.2)
        size = min(longest / max(rows, columns), 0.16)
        wide, high = columns * size + room, rows * size + above
        across = max(1, int((ACROSS - 0.5) / wide))
        height += 0.6
        laid.append((panels, height, (wide, high, above, size), across))
        height += math.ceil(len(panels.panels) / across) * high
    figure = Figure(figsize=(ACROSS, height + 0.15), dpi=160, facecolor="white")
    whole = height + 0.15
    figure.text(0.04, 1 - 0.25 / whole, cut(title, 60), fontsize=13, fontweight="bold", color=INK, va="center")
    for panels, top, (wide, high, above, size), across in laid:
        figure.text(0.04, 1 - (top - 0.3) / whole, panels.title, fontweight="bold", color=INK, va="center")
        figure.text(0.04, 1 - (top - 0.12) / whole, cut(panels.coloured, 115), fontsize=8, color=PALE, va="center")
        for i, panel in enumerate(panels.panels):
            rows, columns = panel.values.shape
            x, y = 0.3 + (i % across) * wide, top + (i // across) * high + above
            box = (x / ACROSS, 1 - (y + rows * size) / whole, columns * size / ACROSS, rows * size / whole)
            _table(figure.add_axes(box), panel.values, panel.name, panels.marks)
    return figure


def _table(axes: Axes, values: Array, name: str, marks: Sequence[str]) -> None:
    ground = _inked(np.where(values < 0, LESS, MORE), np.abs(values))
    ground[np.isnan(values)] = GAP
    axes.imshow(ground, aspect="auto", interpolation="nearest")
    axes.set_title(name, loc="left", fontsize=7, pad=8 if marks else 2, color=PALE)
    axes.set_xticks(range(len(marks)), marks, fontsize=4.5)
    axes.set_yticks(range(len(marks)), marks, fontsize=4.5)
    axes.tick_params(length=0, pad=1, labeltop=True, labelbottom=False, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set(color=PALE, linewidth=0.4)
