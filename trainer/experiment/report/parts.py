"""Parts of pages that take no run, but what was found in it: curves, numbers, confusions, rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainer.experiment.evaluating import confusions
from trainer.experiment.pictures.svg import panel_svg, plane_key, plane_svg
from trainer.experiment.report.page import charts, picture, table, text
from trainer.runs.columns import PARTS, names_of
from trainer.runs.comparing import MEASURED, step_curves
from trainer.runs.lines import Line, lines_of, lowest
from trainer.runs.svg import chart
from trainer.types import Array
from trainer.wording import count, number, visible

if TYPE_CHECKING:
    from trainer.experiment.pictures import Panels, Plane
    from trainer.experiment.worst import Worst
    from trainer.runs.loading import Run
    from trainer.runs.metrics import Metrics

__all__ = ["MOST_CHARTS", "confused", "curves_of", "examples", "numbers_of", "panels_of", "plane_of", "steps_of"]

MOST_CHARTS = 12
MOST_CLASSES = 20  # whose whole matrix is shown
MOST_CONFUSED = 30  # pairs of classes that are listed where there are more
MOST_NAMES = 60  # of metrics, whose numbers are listed


def curves_of(metrics: Metrics) -> str:
    """A chart for each metric and for the step size; where the loss is lowest is marked in all of them. Nothing before
    the first epoch."""
    if not _begun(metrics):
        return ""
    best = lowest(lines_of(metrics))
    marked = best.epoch if best and best.of > 1 else None
    names = names_of(list(metrics))
    drawn = []
    for name in names[:MOST_CHARTS]:
        lines, what = lines_of(metrics, name), name.replace("_", " ")
        svg = chart(lines, what, marked=marked, legend=lines[0].name in PARTS)
        drawn.append((svg, " · ".join(map(_gaps, lines)).strip(" ·") if svg else f"{what}: not one finite number"))
    told = ""
    if best and marked is not None:
        told = f"<p>Dotted: epoch {marked:,}, of the lowest {best.part} loss, {number(best.value)}.</p>"
    more = len(names) - MOST_CHARTS
    rest = f'<p class="pale">and {count(more, "more metric")}</p>' if more > 0 else ""
    return told + charts(drawn) + rest


def steps_of(run: Run) -> str:
    """A chart for each number of the steps that were logged; nothing where none were."""
    if not run.steps:
        return ""
    drawn = []
    for name in MEASURED:
        what, lines = step_curves([run], [], name)
        lost = int((~np.isfinite(lines[0].values)).sum())
        svg = chart(lines, what, legend=False, over="step")
        drawn.append((svg, f"{what}: not finite in {count(lost, 'logged step')}" if lost else ""))
    steps = run.steps["step"]
    return f"<p>{count(len(steps), 'logged step')}, the last of them {int(steps[-1]):,}.</p>" + charts(drawn)


def _begun(metrics: Metrics) -> bool:
    return any(len(values) for values in metrics.values())


def _gaps(line: Line) -> str:
    """Where a curve is broken, in words."""
    lost = line.epochs[~np.isfinite(line.values)]
    return f"{line.name}: not finite in {count(len(lost), 'epoch')}, first in {lost[0]:,}" if len(lost) else ""


def numbers_of(metrics: Metrics) -> str:
    """Of each metric what it was at the end, at the epoch of the lowest loss, and how low and how high it came."""
    if not _begun(metrics):
        return ""
    best = lowest(lines_of(metrics))
    rows = []
    for name in names_of(list(metrics))[:MOST_NAMES]:
        for line in lines_of(metrics, name):
            what = f"{line.name} {name}" if line.name in PARTS else name
            at = number(float(line.values[best.place])) if best else "-"
            rows.append([text(what.replace("_", " ")), number(float(line.values[-1])), at, *_ends(line)])
    header = ["", "last", f"epoch {best.epoch:,}" if best else "-", "lowest (epoch)", "highest (epoch)"]
    return table(header, rows, right={1, 2, 3, 4}) if rows else ""


def _ends(line: Line) -> list[str]:
    if not line.finite:
        return ["-", "-"]
    places = (int(np.nanargmin(line.values)), int(np.nanargmax(line.values)))
    return [f"{number(float(line.values[i]))} ({int(line.epochs[i]):,})" for i in places]


def confused(matrix: Array, names: Sequence[str]) -> str:
    """What was taken for what: the whole matrix of few classes, what was confused most of many."""
    if len(names) > MOST_CLASSES:
        pairs = confusions(matrix)
        rows = [
            [f"{n:,}", text(visible(names[i]), 60), text(visible(names[j]), 60)] for n, i, j in pairs[:MOST_CONFUSED]
        ]
        more = f'<p class="pale">and {count(len(pairs) - MOST_CONFUSED, "more pair", "more pairs")}</p>'
        listed = table(["rows", "of class", "were taken for"], rows, right={0}) if rows else ""
        return (listed or "<p>No class was taken for another.</p>") + (more if len(pairs) > MOST_CONFUSED else "")
    rows = [
        [f"<b>{text(visible(name), 24)}</b>", *(_cell(n, sum(row), i == j) for j, n in enumerate(row))]
        for i, (name, row) in enumerate(zip(names, matrix.tolist(), strict=True))
    ]
    head = ["", *(text(visible(name), 24) for name in names)]
    told = '<p class="pale">A row for each class that is, a column for each that was predicted.</p>'
    return told + table(head, rows, right=set(range(1, len(names) + 1)), kind="matrix")


def _cell(rows: int, of: int, right: bool) -> str:
    """A number on a ground that is the deeper, the larger its share of the class is: blue where it is right."""
    if not rows:
        return '<span class="pale">0</span>'
    share = round(100 * (0.1 + 0.5 * rows / of))
    ground = f"color-mix(in srgb,var(--c{0 if right else 2}) {share}%,transparent)"
    return f'<span style="background:{ground}">{rows:,}</span>'


def examples(worst: Sequence[Worst]) -> str:
    """The rows that were predicted worst: as pictures where they are such, otherwise in a table."""
    pictures = [picture(row.inputs) for row in worst]
    if all(pictures):
        each = [
            f"<figure>{shown}<figcaption>{_words(row)}</figcaption></figure>"
            for shown, row in zip(pictures, worst, strict=True)
        ]
        return f'<div class="rows">{"".join(each)}</div>'
    said = any(row.target for row in worst)
    rows = [
        [f"{row.row:,}", *([text(row.target, 60), text(row.predicted, 60)] if said else []), number(row.cost)]
        for row in worst
    ]
    return table(["row", *(["is", "was predicted"] if said else []), "cost"], rows, right={0, 3 if said else 1})


def _words(row: Worst) -> str:
    said = f"is {text(row.target, 60)}, predicted {text(row.predicted, 60)}<br>" if row.target else ""
    return f"{said}row {row.row:,}, cost {number(row.cost)}"


def plane_of(plane: Plane) -> str:
    """What is predicted of each place of a plane, and what stands for what in it."""
    keys = "".join(f"<span>{key}{text(name, 60)}</span> " for key, name in plane_key(plane))
    return f'<p>{text(plane.told)}.</p>\n<p class="keys">{keys}</p>\n<figure>{plane_svg(plane)}</figure>'


def panels_of(panels: Panels) -> str:
    """Tables of numbers side by side, as many as there is room for."""
    shown = "".join(f"<figure>{panel_svg(panel, panels.marks)}</figure>" for panel in panels.panels)
    told = f'<p><b>{text(panels.title)}</b> <span class="pale">{text(panels.coloured)}</span></p>'
    return f'{told}\n<div class="panels">{shown}</div>'
