"""Tables, JSON and charts of what was measured.

Ratios are medians of ratios within rounds. On one thread they are of processors' time, which another process lengthens
less than the time that passes; "best threads" takes of every system the number of threads that was quickest.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.measure import TOLERANCE, Clock, Measurement, Spread, cores, spread

__all__ = [
    "Result",
    "best",
    "chart",
    "environment",
    "grid",
    "number",
    "ratio",
    "share",
    "summary",
    "table",
    "write_json",
]

PACKAGES = ("tape-trainer", "numpy", "torch", "jax", "keras", "scikit-learn", "autograd")
COLORS = {"ours": "#1f6fb4", "peer": "#9a9a9a", "plain": "#c9c9c9", "floor": "#e2a33d"}


@dataclass
class Result:
    """All measurements of one workload."""

    name: str
    title: str
    measurements: list[Measurement]


def best(measurements: Iterable[Measurement], by: Clock = "microseconds", **wanted: Any) -> Measurement | None:
    """The quickest by its median, of those with these attributes that are ranked; None if none is."""
    fitting = [m for m in measurements if m.ranked and all(getattr(m, k) == v for k, v in wanted.items())]
    return min(fitting, key=lambda m: spread(getattr(m, by)).median, default=None)


def ratio(one: Measurement | None, other: Measurement | None, by: Clock = "microseconds") -> Spread | None:
    """How many times the other's time it takes; None where either is missing."""
    return None if one is None or other is None else spread(one.ratios(other, by))


def table(result: Result) -> str:
    """A row per system: µs, and of processors, for each number of threads, ratios, and how far its losses are off."""
    everything = result.measurements
    threads = sorted({m.threads for m in everything})
    heads = [
        result.title,
        *(head for n in threads for head in (f"{n} thread{'s' if n > 1 else ''}, µs (quartiles)", "of processors")),
        "÷ best peer, 1 thread", "÷ best peer, best", "÷ products", "evaluating", "losses off by",
    ]  # fmt: skip
    rows = []
    for name in dict.fromkeys(m.system for m in everything):
        mine = [m for m in everything if m.system == name]
        here, notes = best(mine), [m.note for m in mine if m.note]
        if notes and not any(m.microseconds for m in mine):
            rows.append([name, f"— {notes[0]}"])
            continue
        by_threads = {m.threads: m for m in mine}
        peer = best(everything, "busy", kind="peer", threads=threads[0])
        same = ratio(best(mine, threads=threads[0]), peer, "busy")
        any_threads = ratio(here, best(everything, kind="peer"))
        products = ratio(here, best(everything, kind="floor"))
        rows.append(
            [
                name,
                *(cell for n in threads for cell in _times(by_threads[n])),
                *map(_short, (same, any_threads, products)),
                share(by_threads[threads[0]]),
                _off(mine),
            ]
        )
    some = [f"{_label(m)}: {m.note}" for m in everything if m.note and best(everything, system=m.system)]
    return "\n".join([grid([heads, *rows]), *some])


def summary(results: Sequence[Result]) -> str:
    """A row per workload: ours at its quickest, the best peer, and the ratios with their quartiles."""
    rows = [["workload", "ours", "µs", "best peer", "µs", "÷ best peer (quartiles)", "÷ products (quartiles)"]]
    for result in results:
        ours, peer = best(result.measurements, kind="ours"), best(result.measurements, kind="peer")
        products = best(result.measurements, kind="floor")
        cells = [result.title]
        for m in (ours, peer):
            cells += ["—", "—"] if m is None else [_label(m), number(spread(m.microseconds).median)]
        rows.append([*cells, _long(ratio(ours, peer)), _long(ratio(ours, products))])
    return grid(rows)


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells in columns: the first to the left, the others to the right; a row's last cell may run on.

    >>> print(grid([["what", "µs"], ["a", "10"], ["long one", "5"]]))
    what       µs
    --------  ---
    a          10
    long one    5
    """
    columns = len(rows[0])
    full = [row for row in rows if len(row) == columns]
    widths = [max(len(row[i]) for row in full) + (1 if i else 0) for i in range(columns)]
    widths[0] = max(len(row[0]) for row in rows)
    lines = []
    for row in rows:
        if len(row) < columns:
            lines.append("  ".join([row[0].ljust(widths[0]), " ".join(row[1:])]))
        else:
            lines.append(
                "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
            )
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)


def number(x: float) -> str:
    """Three digits that matter, in full.

    >>> number(4.567), number(45.67), number(45678.9)
    ('4.57', '45.7', '45,679')
    """
    return f"{x:.2f}" if x < 10 else f"{x:.1f}" if x < 100 else f"{x:,.0f}"


def _label(m: Measurement) -> str:
    return f"{m.system} ×{m.threads}"


def _times(m: Measurement) -> list[str]:
    if not m.microseconds:
        return ["—", "—"]
    middle, low, high = map(number, spread(m.microseconds))
    return [f"{middle} ({low}–{high})", number(spread(m.busy).median)]


def share(m: Measurement) -> str:
    """Of a whole epoch, what is not its steps."""
    return f"{spread(m.evaluating).median:.0%}" if m.evaluating else "—"


def _short(r: Spread | None) -> str:
    return "—" if r is None else f"{r.median:.2f}"


def _long(r: Spread | None) -> str:
    return "—" if r is None else f"{r.median:.2f} ({r.low:.2f}–{r.high:.2f})"


def _off(measurements: Sequence[Measurement]) -> str:
    known = [m.deviation for m in measurements if m.deviation is not None]
    if not known:
        return "—"
    return f"{max(known):.0e}" + ("" if max(known) <= TOLERANCE else " WRONG, not ranked")


def environment() -> dict[str, Any]:
    """The machine, what runs on it besides, and the versions of everything that is measured."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(cores()),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write it, with measurements as their fields and the spread of their times."""

    def plain(x: Any) -> Any:
        if isinstance(x, Measurement) and x.microseconds:
            return dataclasses.asdict(x) | {"ranked": x.ranked, "spread": spread(x.microseconds)._asdict()}
        return dataclasses.asdict(x) if dataclasses.is_dataclass(x) and not isinstance(x, type) else str(x)

    def unfold(x: Any) -> Any:
        if isinstance(x, Result):
            return {"name": x.name, "title": x.title, "measurements": [plain(m) for m in x.measurements]}
        return plain(x)

    path.write_text(json.dumps(document, indent=1, default=unfold, ensure_ascii=False) + "\n", encoding="utf-8")


def chart(results: Sequence[Result], stem: Path) -> None:
    """Points: µs per step at each system's best number of threads, with quartiles; as .svg and .png.

    The scale is logarithmic, on which a distance is a ratio; bars would have to begin at zero, which it has not.
    """
    from matplotlib.figure import Figure

    columns = min(3, len(results))
    lines = -(-len(results) // columns)
    most = max(len({m.system for m in r.measurements if m.ranked}) for r in results)
    figure = Figure(figsize=(5.2 * columns, lines * (0.9 + 0.27 * most)), layout="constrained")
    for axes, result in zip(figure.subplots(lines, columns, squeeze=False).flat, results, strict=False):
        fastest = [best(result.measurements, system=s) for s in dict.fromkeys(m.system for m in result.measurements)]
        shown = sorted((m for m in fastest if m), key=lambda m: -spread(m.microseconds).median)
        spreads = [spread(m.microseconds) for m in shown]
        middle = [s.median for s in spreads]
        errors = [[s.median - s.low for s in spreads], [s.high - s.median for s in spreads]]
        places = range(len(shown))
        axes.errorbar(middle, places, xerr=errors, fmt="none", ecolor="#555555", elinewidth=1.5)
        axes.scatter(middle, places, color=[COLORS[m.kind] for m in shown], s=45, zorder=3)
        axes.set_yticks(places, [_label(m) for m in shown])
        axes.grid(axis="x", which="both", alpha=0.25)
        for place, s in enumerate(spreads):
            axes.annotate(number(s.median), (s.high, place), (7, 0), textcoords="offset points", va="center", size=8)
        axes.set_xscale("log")
        axes.margins(x=0.15)
        axes.set_title(result.title, fontsize=10)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("µs per step", fontsize=8)
    for axes in figure.axes[len(results) :]:
        axes.remove()
    figure.savefig(stem.with_suffix(".svg"))
    figure.savefig(stem.with_suffix(".png"), dpi=120)
