"""The loss curve as a picture: loss.svg and loss.png.

Shaped by three wishes. The same metrics give the same bytes, so that pictures can be compared and versioned:
no date, a fixed salt for the SVG's identifiers, and no influence of a person's matplotlibrc. It costs little, because
it is part of the time between a command and the next prompt: pyplot is never imported (it would look for a window
system), the axes have a fixed place, so there is no layout to solve, and SVG text stays text. Importing Matplotlib in a
thread while the network trains was tried: it slows the training by as much as it saves. And the picture reads at a
glance: each curve carries its name and last value where it ends, so there is no legend to look up.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.files import atomic_write
from trainer.runs.scale import Scale, scale_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["loss_figure", "save_loss"]

_INK, _PALE, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
# Told apart by people with any colour vision, and in grey; of validation and test a run has one.
_COLOURS = {"train": "#2563eb", "validation": "#0d9488", "test": "#ea580c"}
_STYLE: dict[Any, Any] = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.0,
    "path.simplify": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "tape-trainer",
    "text.usetex": False,
    "axes.unicode_minus": True,
}
_LOCK = threading.Lock()  # Matplotlib's settings belong to the process; two runs may finish at once
_WIDTH, _HEIGHT, _DPI = 7.5, 4.4, 160
_APART = 0.125  # of two labels, in parts of the axes' height
_PLACE = (0.095, 0.125, 0.755, 0.735)  # left, bottom, width, height of the axes, in parts of the figure


def save_loss(folder: str | Path, metrics: Mapping[str, Sequence[float] | object], title: str = "") -> None:
    """Write loss.svg and loss.png (1200 × 704 pixels) into `folder`.

    `metrics` maps "epoch", "train_loss" and, where there are test rows, "test_loss" to one number per epoch.
    """
    from matplotlib import rc_context, rcParamsDefault
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    plain: dict[Any, Any] = {name: rcParamsDefault[name] for name in rcParamsDefault if not name.startswith("backend")}
    with _LOCK, rc_context({**plain, **_STYLE}):
        figure = loss_figure(metrics, title)
        svg, png = io.BytesIO(), io.BytesIO()
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": "tape-trainer"})  # type: ignore[no-untyped-call]
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": "tape-trainer"})  # type: ignore[no-untyped-call]
    atomic_write(Path(folder) / "loss.svg", svg.getvalue())
    atomic_write(Path(folder) / "loss.png", png.getvalue())


def loss_figure(metrics: Mapping[str, Sequence[float] | Any], title: str = "") -> Figure:
    """The loss of each epoch, of each part of the rows, as a Matplotlib figure of one axes.

    The loss axis is logarithmic where the losses span decades. Losses that are not finite leave a gap.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, facecolor="white")
    axes = figure.add_axes(_PLACE)
    epochs = [int(epoch) for epoch in metrics.get("epoch", ())]
    curves = {
        part: [float(value) for value in metrics[f"{part}_loss"]] for part in _COLOURS if f"{part}_loss" in metrics
    }
    scale = scale_for(value for curve in curves.values() for value in curve)
    _draw_axes(axes, epochs, scale)
    few = len(epochs) <= 30
    for part, curve in curves.items():
        shown = [value if _shown(value, scale) else float("nan") for value in curve]
        axes.plot(
            epochs,
            shown,
            color=_COLOURS[part],
            linewidth=2.0,
            solid_capstyle="round",
            solid_joinstyle="round",
            marker="o" if few else None,
            markersize=3.5 if len(epochs) > 1 else 7.0,
            clip_on=False,
            gid=f"{part}-loss",
            zorder=3,
        )
    _label_ends(axes, curves, scale)
    _label_figure(figure, curves, epochs, scale, title)
    return figure


def _draw_axes(axes: Axes, epochs: list[int], scale: Scale) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set_yscale("log" if scale.logarithmic else "linear")
    axes.set_ylim(scale.low, scale.high)
    axes.yaxis.set_major_locator(FixedLocator(list(scale.ticks)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda tick, _: scale.label(tick))
    first, last = (epochs[0], epochs[-1]) if epochs else (0, 1)
    margin = 0.02 * (last - first) or 0.5
    axes.set_xlim(first - margin, last + margin)
    axes.xaxis.set_major_locator(FixedLocator(_epoch_ticks(first, last) if epochs else []))
    axes.xaxis.set_major_formatter(lambda tick, _: f"{tick:,.0f}")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_PALE)
    axes.grid(axis="y", color=_GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0, colors=_INK, pad=6)
    axes.tick_params(axis="x", length=4, color=_PALE, labelcolor=_INK)
    axes.set_xlabel("epoch", color=_INK, labelpad=6)


def _epoch_ticks(first: int, last: int) -> list[int]:
    """Round whole numbers, the first and the last epoch among them: those two are what one looks for.

    >>> _epoch_ticks(1, 20)
    [1, 5, 10, 15, 20]
    """
    span = max(last - first, 1)
    step = next(f * 10**power for power in range(20) for f in (1, 2, 5) if span / (f * 10**power) <= 8)
    inner = [tick for tick in range(-(-first // step) * step, last, step) if tick - first >= 0.5 * step]
    return sorted({first, *(tick for tick in inner if last - tick >= 0.5 * step), last})


def _label_ends(axes: Axes, curves: Mapping[str, list[float]], scale: Scale) -> None:
    """Each curve's name and last finite value, to the right of the axes and never on top of one another."""
    ends = []
    for part, curve in curves.items():
        finite = [value for value in curve if _shown(value, scale)]
        if finite:
            ends.append((scale.position(finite[-1]), part, finite[-1]))
    ends.sort()
    heights: list[float] = []
    for position, *_ in ends:
        heights.append(max(position, heights[-1] + _APART) if heights else position)
    for height, (_, part, value) in zip(_settled(heights, [position for position, *_ in ends]), ends, strict=True):
        axes.text(
            1.018,
            height,
            f"{part}\n{value:.4g}",
            transform=axes.transAxes,
            color=_COLOURS[part],
            fontweight="bold",
            va="center",
            linespacing=1.25,
        )


def _settled(heights: list[float], wanted: list[float]) -> list[float]:
    """Heights that were pushed apart upwards only, moved to the middle of where they wanted to be, inside the axes."""
    if not heights:
        return []
    move = sum(w - h for h, w in zip(heights, wanted, strict=True)) / len(heights)
    move = min(max(move, 0.04 - heights[0]), 0.96 - heights[-1])
    return [height + move for height in heights]


def _label_figure(
    figure: Figure, curves: Mapping[str, list[float]], epochs: list[int], scale: Scale, title: str
) -> None:
    lost = [epoch for i, epoch in enumerate(epochs) if any(not _shown(curve[i], scale) for curve in curves.values())]
    title = title if len(title) <= 60 else title[:59] + "…"
    remarks = ["loss per epoch, logarithmic axis" if scale.logarithmic else "loss per epoch"]
    part = next((part for part in ("validation", "test") if part in curves), "train")
    held_out = [(v, epoch) for v, epoch in zip(curves.get(part, ()), epochs, strict=False) if _shown(v, scale)]
    if part != "train" and len(held_out) > 1:
        lowest, epoch = min(held_out)
        remarks.append(f"lowest {part} loss {lowest:.4g} in epoch {epoch}")
    if lost:
        remarks.append(f"not finite in epoch {lost[0]}")
    figure.text(_PLACE[0], 0.945, title, color=_INK, fontsize=13, fontweight="bold", va="center")
    figure.text(_PLACE[0], 0.888, " · ".join(remarks), color=_PALE, fontsize=9.5, va="center")
    if len(lost) == len(epochs):
        middle = _PLACE[0] + _PLACE[2] / 2
        words = "no finite loss" if epochs else "no epoch was finished"
        figure.text(middle, 0.5, words, color=_PALE, fontsize=12, ha="center", va="center")


def _shown(value: float, scale: Scale) -> bool:
    return scale.low <= value <= scale.high
