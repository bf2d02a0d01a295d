"""The page that compares runs: what they differ in, what they reached, and their curves over one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainer.errors import DataError
from trainer.experiment.report.page import charts, note, page, section, table, text
from trainer.experiment.report.parts import MOST_CHARTS
from trainer.experiment.report.single import moment
from trainer.runs.bands import mean_line
from trainer.runs.columns import PARTS, names_of
from trainer.runs.comparing import differences, labels
from trainer.runs.groups import Group, differing, grouped
from trainer.runs.lines import Line, line_of, lines_of, lowest
from trainer.runs.listing import Summary
from trainer.runs.loading import Run
from trainer.runs.svg import COLUMNS, chart, key
from trainer.wording import count, duration, number

if TYPE_CHECKING:
    from trainer.runs.metrics import Metrics

__all__ = ["comparison"]

MOST_CURVES = 60  # that have as many points as are seen; more of them are drawn the coarser
MOST_SETTINGS = 40
MOST_LETTERS = 60  # of a run's name


def comparison(runs: Sequence[Run]) -> str:
    """The page. A run of which something cannot be read is compared in the rest."""
    notes: list[str] = []
    metrics = [_metrics(run, notes) for run in runs]
    try:
        differing = differences(runs)
        told = _settings(differing, labels(runs, differing))
    except DataError as error:
        differing, told = {}, note(error)
    names = labels(runs, differing)
    groups = _groups(runs)
    columns = _columns(metrics)
    body = [
        *notes,
        section("Runs", _runs(runs, names)),
        section("What differs", told),
        section("What they reached", _reached(metrics, names, columns)),
        section("Curves", _curves(*_taken_together(groups, runs, metrics, names), columns)),
    ]
    return page(f"{count(len(runs), 'run')} compared", body)


def _metrics(run: Run, notes: list[str]) -> Metrics:
    """Those of a run; none where they cannot be read, which is noted."""
    try:
        return run.metrics
    except DataError as error:
        notes.append(note(error))
        return {}


def _columns(metrics: Sequence[Metrics]) -> list[str]:
    """The numbers that any of the runs has, those of one metric after one another, of the test before the training."""
    every = dict.fromkeys(column for each in metrics for column in each)
    tried = ([*(f"{part}_{name}" for part in reversed(PARTS)), name] for name in names_of(list(every)))
    return [column for columns in tried for column in columns if column in every]


def _runs(runs: Sequence[Run], names: Sequence[str]) -> str:
    """What each is, under the colour of its curves."""
    folders = [run.path.name for run in runs]
    called = ["run", "folder"] if folders != list(names) else ["run"]
    rows = []
    for i, (run, name) in enumerate(zip(runs, names, strict=True)):
        about = Summary(run.path).about
        begun = moment(about["started"]) if about.get("started") else "-"
        seconds = duration(float(about.get("seconds") or 0))
        status = text(Summary(run.path).status)
        shown = [key(i) + text(name, MOST_LETTERS), text(folders[i])][: len(called)]
        rows.append([*shown, status, begun, seconds])
    return table([*called, "status", "begun", "time"], rows, right={len(called) + 2})


def _settings(differing: Mapping[str, Sequence[Any]], names: Sequence[str]) -> str:
    """What differs, for each run: whichever are more, settings or runs, stand below one another."""
    if not differing:
        return "<p>The configs are the same.</p>"
    called = [text(name, MOST_LETTERS) for name in names]
    cells = {
        text(setting): ["-" if value is None else text(value, 80) for value in values]
        for setting, values in list(differing.items())[:MOST_SETTINGS]
    }
    if len(cells) > len(names):
        told = table(["", *called], [[setting, *each] for setting, each in cells.items()])
    else:
        told = table(["", *cells], [[name, *(each[i] for each in cells.values())] for i, name in enumerate(called)])
    more = len(differing) - len(cells)
    return told + (f'<p class="pale">and {count(more, "more setting")}</p>' if more > 0 else "")


def _reached(metrics: Sequence[Metrics], names: Sequence[str], columns: Sequence[str]) -> str:
    """The last numbers of each run, and the epoch of its lowest loss."""
    shown = [column for column in columns if column != "step_size"][:MOST_SETTINGS]
    rows = []
    for each, name in zip(metrics, names, strict=True):
        epochs = len(next(iter(each.values()), ()))
        best = lowest(lines_of(each))
        low = f"{number(best.value)} ({best.part}, {best.epoch:,})" if best else "-"
        last = [number(float(each[column][-1])) if epochs and column in each else "-" for column in shown]
        rows.append([text(name, MOST_LETTERS), f"{epochs:,}", *last, low])
    header = ["run", "epochs", *(text(column.replace("_", " ")) for column in shown), "lowest loss (rows, epoch)"]
    return table(header, rows, right=set(range(1, len(header))))


def _groups(runs: Sequence[Run]) -> list[Group]:
    """The runs that differ in nothing but their seed or fold, together; each by itself where a config is unreadable."""
    try:
        return grouped([runs])
    except DataError:
        return [Group({(i,): run}, {}) for i, run in enumerate(runs)]


def _taken_together(
    groups: Sequence[Group], runs: Sequence[Run], metrics: Sequence[Metrics], names: Sequence[str]
) -> tuple[list[list[Metrics]], list[str]]:
    """The numbers of each group's runs, and what it is called: as its run where it is one."""
    place = {id(run): i for i, run in enumerate(runs)}
    keys, several, called = differing(groups), [], []
    for group in groups:
        own = [place[id(run)] for run in group.runs.values()]
        several.append([metrics[i] for i in own])
        told = ", ".join(filter(None, (group.label(keys), f"mean ± deviation of {len(own)} runs")))
        called.append(names[own[0]] if len(own) == 1 else told)
    return several, called


def _curves(several: Sequence[Sequence[Metrics]], names: Sequence[str], columns: Sequence[str]) -> str:
    """A chart for each number, with the curves of all runs that have it; of runs of several seeds their band."""
    shown = columns[: max(1, min(MOST_CHARTS, 40 * MOST_CHARTS // len(names)))]
    across = max(10, min(COLUMNS, COLUMNS * MOST_CURVES // max(len(shown) * len(names), 1)))
    drawn = []
    for column in shown:
        lines: list[Line] = [
            mean_line([line_of(each, column, name, i) for each in group], name, i)
            for i, (group, name) in enumerate(zip(several, names, strict=True))
            if all(column in each for each in group)
        ]
        what = column.replace("_", " ")
        svg = chart(lines, what, legend=False, columns=across)
        drawn.append((svg, "" if svg else f"{what}: not one finite number"))
    more = len(columns) - len(shown)
    keys = "".join(f"<span>{key(i)}{text(name, MOST_LETTERS)}</span> " for i, name in enumerate(names))
    return (
        f'<p class="keys">{keys}</p>'
        + charts(drawn)
        + (f'<p class="pale">and {count(more, "more number")}, above</p>' if more > 0 else "")
    )
