"""Curves as pictures: loss.svg and loss.png of a run, and those of several runs that `trainer plot` writes.

Shaped by three wishes. The same metrics give the same bytes, so that pictures can be compared and versioned:
no date, a fixed salt for the SVG's identifiers, and no influence of a person's matplotlibrc. It costs little, because
it is part of the time between a command and the next prompt: pyplot is never imported (it would look for a window
system), the axes have a fixed place, so there is no layout to solve, and SVG text stays text. Importing Matplotlib in a
thread while the network trains was tried: it slows the training by as much as it saves. And the picture reads at a
glance: each curve of a run carries its name and last value where it ends, so there is no legend to look up. Runs have
names too long for that, and curves that end together: they get a legend below.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.engine.uncollected import uncollected
from trainer.files import atomic_write, check_ending
from trainer.runs.columns import PARTS
from trainer.runs.lines import PALETTE, Line, Lowest, line_of, lines_of, lowest, scale_of
from trainer.runs.scale import Scale, epoch_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ENDINGS",
    "load_library",
    "loss_figure",
    "loss_pictures",
    "save_figure",
    "save_loss",
    "save_plot",
]

ENDINGS = (".png", ".svg")
_INK, _PALE, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
_STYLE: dict[Any, Any] = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.0,
    "path.simplify": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "tape-trainer",
    "text.usetex": False,
    "axes.unicode_minus": True,
    "axes.titley": 1.0,  # not looked for either
}
_LOCK = threading.Lock()  # Matplotlib's settings belong to the process; two runs may finish at once
_WIDTH, _HEIGHT, _DPI = 7.5, 4.4, 160
_APART = 0.125  # of two labels, in parts of the axes' height
_PLACE = (0.095, 0.125, 0.755, 0.735)  # left, bottom, width, height of the axes, in parts of the figure
_COLUMNS = 1500  # of points, more than the picture has dots
_DASHES = ("-", "--", ":", "-.")


def save_loss(
    folder: str | Path,
    metrics: Mapping[str, Sequence[float] | object],
    title: str = "",
    steps: Sequence[float] = (),
) -> list[Path]:
    """Write loss.svg and loss.png into `folder`, and say where."""
    pictures = loss_pictures(metrics, title, steps)
    for name, content in pictures.items():
        atomic_write(Path(folder) / name, content)
    return [Path(folder) / name for name in pictures]


def loss_pictures(
    metrics: Mapping[str, Sequence[float] | object], title: str = "", steps: Sequence[float] = ()
) -> dict[str, bytes]:
    """What loss.png (1200 × 704 pixels) and loss.svg hold, by these names.

    `metrics` maps "epoch", "train_loss" and, where there are test rows, "test_loss" to one number per epoch. A run that
    ended in its first epoch shows the losses of its steps.
    """
    lines, over = lines_of(metrics), "epoch"
    if steps and not any(len(line.epochs) for line in lines):
        lines, over = [line_of({"train_loss": steps}, "train_loss", "train")], "step"
    printed = _printed(lambda: _figure(lines, "loss", title, over), ENDINGS)
    return {f"loss{ending}": content for ending, content in printed.items()}


def save_plot(path: Path, lines: Sequence[Line], what: str, title: str = "", over: str = "epoch") -> None:
    """Draw curves over the epochs into a .png or .svg file.

    Args:
        what: is drawn, such as "loss".
        title: above it.
        over: what the numbers below it count.

    Raises UsageError for another ending.
    """
    save_figure(lambda: _figure(lines, what, title, over), path)


def save_figure(draw: Callable[[], Figure], path: Path) -> None:
    """Draw what `draw` makes, with this project's style, into a .png or .svg file that has the same bytes every time.

    Raises UsageError for another ending.
    """
    check_ending(path, "a picture", *ENDINGS)
    ending = path.suffix.lower()
    atomic_write(path, _printed(draw, [ending])[ending])


def load_library() -> None:
    """Import what a picture is drawn with."""
    _settings()
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_svg
    import matplotlib.figure  # noqa: F401  for its sake: what draws finds it there


@uncollected()
def _printed(draw: Callable[[], Figure], endings: Iterable[str]) -> dict[str, bytes]:
    """What files of these endings hold of one figure."""
    rc_context, rcParamsDefault = _settings()
    plain: dict[Any, Any] = {name: rcParamsDefault[name] for name in rcParamsDefault if not name.startswith("backend")}
    with _LOCK, rc_context({**plain, **_STYLE}), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Glyph .* missing from font"
        )  # of a name in another script; a box stands there
        figure = draw()
        # An SVG leaves its figure with 72 dots per inch, so that it is the last.
        return {ending: _content(figure, ending) for ending in sorted(endings)}


def _content(figure: Figure, ending: str) -> bytes:
    """What a file holds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    content = io.BytesIO()
    if ending == ".svg":
        FigureCanvasSVG(figure).print_svg(content, metadata={"Date": None, "Creator": "tape-trainer"})  # type: ignore[no-untyped-call]
    else:
        # Most of it is runs of one colour: to look for nothing else takes two thirds of the time, for 1/7 more bytes.
        FigureCanvasAgg(figure).print_png(  # type: ignore[no-untyped-call]
            content, metadata={"Software": "tape-trainer"}, pil_kwargs={"compress_type": 3}
        )
    return content.getvalue()


def _settings() -> tuple[Any, Any]:
    """Matplotlib's settings. No window is opened, so that a backend which is not there does no harm: every notebook
    names its own to its child processes, and Matplotlib would not be imported."""
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        from matplotlib import rc_context, rcParamsDefault
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return rc_context, rcParamsDefault


def loss_figure(metrics: Mapping[str, Sequence[float] | Any], title: str = "") -> Figure:
    """The loss of each epoch, of each part of the rows, as a Matplotlib figure of one axes.

    The loss axis is logarithmic where the losses span decades. Losses that are not finite leave a gap.
    """
    return _figure(lines_of(metrics), "loss", title)


def _figure(lines: Sequence[Line], what: str, title: str, over: str = "epoch") -> Figure:
    _settings()
    from matplotlib.figure import Figure

    of_parts = all(line.name in PARTS for line in lines)  # whose names fit beside the axes
    legend = 0.0 if of_parts else 0.24 * len(lines) + 0.1  # inches
    height = _HEIGHT + legend
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white")
    left, bottom, width, high = _PLACE
    wide = width if of_parts else 1 - left - 0.04
    axes = figure.add_axes((left, (bottom * _HEIGHT + legend) / height, wide, high * _HEIGHT / height))
    scale = scale_of(lines)
    _draw_axes(axes, lines, scale, over)
    for line in lines:
        _draw_line(axes, line, dots=all(len(each.epochs) <= 30 for each in lines))
    if what == "loss":
        _mark_best(axes, lines)
    if of_parts:
        _label_ends(axes, lines, scale)
    else:
        _list_below(figure, lines, left, legend / height)
    _label_figure(figure, axes, lines, scale, (what, over), title)
    return figure


def _draw_line(axes: Axes, line: Line, dots: bool) -> None:
    shown = line.thinned(_COLUMNS)
    if shown.band is not None:
        axes.fill_between(
            shown.epochs, *shown.edges, color=PALETTE[line.colour % len(PALETTE)], alpha=0.18, linewidth=0, zorder=2
        )
    axes.plot(
        shown.epochs,
        shown.values,
        color=PALETTE[line.colour % len(PALETTE)],
        linestyle=_DASHES[line.colour % len(_DASHES)] if line.colour >= len(PARTS) else "-",
        linewidth=2.0,
        solid_capstyle="round",
        solid_joinstyle="round",
        marker="o" if dots or len(line.epochs) == 1 else None,
        markersize=3.5 if len(line.epochs) > 1 else 7.0,
        clip_on=False,
        gid=f"{line.name}-loss" if line.name in PARTS else None,
        zorder=3,
        label=f"{_cut(line.name, 84)}   {_number(line.last)}",
    )


def _best(lines: Sequence[Line]) -> Lowest | None:
    """Where the loss of rows that are not trained on is lowest, if they have a curve."""
    best = lowest(lines)
    return best if best is not None and best.part != "train" and best.of > 1 else None


def _mark_best(axes: Axes, lines: Sequence[Line]) -> None:
    """A dotted line at the best epoch, and a ring where its loss is."""
    best = _best(lines)
    if best is None:
        return
    colour = PALETTE[PARTS.index(best.part)]
    axes.axvline(best.epoch, color=_PALE, linewidth=1.2, linestyle=(0, (1, 2.5)), zorder=2, gid="best-epoch")
    axes.plot(
        [best.epoch], [best.value], "o", markersize=8.5, markeredgecolor=colour, markeredgewidth=1.8,
        markerfacecolor="white", clip_on=False, zorder=4,
    )  # fmt: skip


def _draw_axes(axes: Axes, lines: Sequence[Line], scale: Scale, over: str) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set_yscale("log" if scale.logarithmic else "linear")
    axes.set_ylim(scale.low, scale.high)
    axes.yaxis.set_major_locator(FixedLocator(list(scale.ticks)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda tick, _: scale.label(tick))
    ends = [int(epoch) for line in lines if len(line.epochs) for epoch in line.epochs[[0, -1]]]
    first, last = (min(ends), max(ends)) if ends else (0, 1)
    margin = 0.02 * (last - first) or 0.5
    axes.set_xlim(first - margin, last + margin)
    axes.xaxis.set_major_locator(FixedLocator(epoch_ticks(first, last) if ends else []))
    axes.xaxis.set_major_formatter(lambda tick, _: f"{tick:,.0f}")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_PALE)
    axes.grid(axis="y", color=_GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0, colors=_INK, pad=6)
    axes.tick_params(axis="x", length=4, color=_PALE, labelcolor=_INK)
    axes.set_xlabel(over, color=_INK)
    axes.xaxis.set_label_coords(0.5, -0.085)  # where they would be, without every tick being measured for it
    axes.yaxis.set_label_coords(0.0, 0.5)


def _label_ends(axes: Axes, lines: Sequence[Line], scale: Scale) -> None:
    """Each curve's name and last value, to the right of the axes and never on top of one another."""
    ended = sorted((line for line in lines if line.finite), key=lambda line: scale.position(line.last))
    wanted = [scale.position(line.last) for line in ended]
    heights: list[float] = []
    for position in wanted:
        heights.append(max(position, heights[-1] + _APART) if heights else position)
    for height, line in zip(_settled(heights, wanted), ended, strict=True):
        axes.text(
            1.018,
            height,
            f"{line.name}\n{_number(line.last)}",
            transform=axes.transAxes,
            color=PALETTE[line.colour],
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


def _list_below(figure: Figure, lines: Sequence[Line], left: float, top: float) -> None:
    figure.legend(
        loc="upper left",
        bbox_to_anchor=(left, top),
        borderaxespad=0.0,
        borderpad=0.0,
        frameon=False,
        labelcolor=_INK,
        fontsize=9.5,
        labelspacing=0.45,
        handlelength=3.0,
    )


def _label_figure(
    figure: Figure, axes: Axes, lines: Sequence[Line], scale: Scale, drawn: tuple[str, str], title: str
) -> None:
    what, over = drawn
    lost = [int(epoch) for line in lines for epoch in line.epochs[~np.isfinite(line.values)][:1]]
    remarks = [f"{what} per {over}" + (", logarithmic axis" if scale.logarithmic else "")]
    best = _best(lines) if what == "loss" else None
    if best is not None:
        remarks.append(f"lowest {best.part} loss {best.value:.4g} in epoch {best.epoch}")
    if lost:
        remarks.append(f"not finite in {over} {min(lost)}")
    left, top = _PLACE[0], figure.get_figheight()
    title = _cut(title, 60)
    figure.text(left, 1 - 0.055 * _HEIGHT / top, title, color=_INK, fontsize=13, fontweight="bold", va="center")
    figure.text(left, 1 - 0.112 * _HEIGHT / top, " · ".join(remarks), color=_PALE, fontsize=9.5, va="center")
    if not any(line.finite for line in lines):
        words = f"no finite {what}" if any(len(line.epochs) for line in lines) else "no epoch was finished"
        axes.text(0.5, 0.5, words, color=_PALE, fontsize=12, ha="center", va="center", transform=axes.transAxes)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _number(value: float) -> str:
    return f"{value:.4g}"
