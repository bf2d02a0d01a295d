"""How time and memory grow: against the batch, the width, the depth and the number of parameters.

Each axis varies one thing about a network of two hidden layers of 128 on 64 inputs, batch 64. Parameters grow through
both width and depth at once. Memory is what a process takes at the most, beyond the library, its start-up and the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Measurement, measure, spread
from benchmarks.peers import System
from benchmarks.report import COLORS, grid, number
from benchmarks.workloads import Workload, dense_network

__all__ = ["AXES", "chart_scaling", "measure_scaling", "table_scaling"]

Points = dict[str, list[tuple[int, list[Measurement]]]]


def _network(batch: int = 64, width: int = 128, depth: int = 2) -> Workload:
    network = dense_network(64, *[width] * depth, 10)
    return Workload(f"batch {batch}, {depth} × {width}", **network, batch=batch, epoch=8)


def _parameters(workload: Workload) -> int:
    return sum(array.size for pair in workload.parameters() for array in pair)


_GROWING = [_network(width=w, depth=d) for w, d in ((16, 1), (32, 2), (64, 3), (128, 5), (256, 7), (512, 9))]

AXES: dict[str, dict[int, Workload]] = {
    "batch": {n: _network(batch=n) for n in (1, 8, 64, 512, 4096)},
    "width": {n: _network(width=n) for n in (8, 32, 128, 512, 1024)},
    "depth": {n: _network(depth=n) for n in (1, 4, 16, 64, 128)},
    "parameters": {_parameters(w): w for w in _GROWING},
}


def measure_scaling(
    systems: Sequence[System], *, rounds: int, seconds: float, report: Callable[[str], None], quick: bool = False
) -> Points:
    """Every system at every point of every axis, on one thread."""
    points: Points = {}
    for axis, workloads in AXES.items():
        for n, workload in list(workloads.items())[: 2 if quick else None]:
            measured = measure(workload, systems, (1,), rounds=rounds, seconds=seconds, check=False, report=report)
            points.setdefault(axis, []).append((n, measured))
    return points


def table_scaling(points: Points) -> str:
    """Per axis a table of µs per step and MiB, a column per system."""
    tables = []
    for axis, rows in points.items():
        systems = [m.system for m in rows[0][1]]
        cells = [[f"{n:,}", *(_cell(m) for m in measured)] for n, measured in rows]
        tables.append(grid([[f"{axis}: µs, MiB", *systems], *cells]))
    return "\n\n".join(tables)


def _cell(m: Measurement) -> str:
    if not m.microseconds:
        return "—"
    memory = "?" if m.memory is None else f"{m.memory / 2**20:.1f}"
    return f"{number(spread(m.microseconds).median)}, {memory}"


def chart_scaling(points: Points, stem: Path) -> None:
    """Time above, memory below, a column per axis; as .svg and .png."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(points), 7), layout="constrained")
    axes = figure.subplots(2, len(points), squeeze=False)
    shades = {"ours": "-", "peer": "--", "plain": ":", "floor": ":"}
    for column, (axis, rows) in enumerate(points.items()):
        for place, example in enumerate(rows[0][1]):
            curve: list[tuple[int, Any]] = [(n, measured[place]) for n, measured in rows]
            curve = [(n, m) for n, m in curve if m.microseconds]
            style: dict[str, Any] = {"linestyle": shades[example.kind], "marker": ".", "label": example.system}
            style["linewidth"] = 2.2 if example.kind == "ours" else 1.2
            if example.kind == "floor":
                style["color"] = COLORS["floor"]
            line = axes[0, column].plot(
                [n for n, _ in curve], [spread(m.microseconds).median for _, m in curve], **style
            )
            style["color"] = line[0].get_color()
            axes[1, column].plot([n for n, _ in curve], [(m.memory or 0) / 2**20 for _, m in curve], **style)
        axes[1, column].set_xlabel(axis)
        for row, one in enumerate(axes[:, column]):
            one.set_xscale("log")
            one.set_yscale("symlog" if row else "log")  # a small network's memory is lost among the pages: 0 MiB
            one.set_ylim(bottom=0 if row else None)
            one.minorticks_off()
            one.set_xticks([n for n, _ in rows], [_brief(n) for n, _ in rows])
            one.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            one.grid(alpha=0.3)
    axes[0, 0].set_ylabel("µs per step")
    axes[1, 0].set_ylabel("MiB beyond library and data")
    axes[0, 0].legend(fontsize=8)
    figure.savefig(stem.with_suffix(".svg"))
    figure.savefig(stem.with_suffix(".png"), dpi=120)


def _brief(number: int) -> str:
    """A number of a few letters for an axis.

    >>> _brief(512), _brief(13_130), _brief(2_139_658)
    ('512', '13 k', '2.1 M')
    """
    if number < 10_000:
        return str(number)
    return f"{number / 1000:.0f} k" if number < 1_000_000 else f"{number / 1_000_000:.1f} M"
