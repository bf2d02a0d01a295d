"""Several runs beside one another: what their configs differ in, what each is called, and their curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.config.overrides import flat
from trainer.errors import UsageError
from trainer.runs.columns import COLUMNS, PARTS, split
from trainer.runs.lines import Line, line_of, lines_of
from trainer.runs.listing import STAMPED
from trainer.runs.loading import Run
from trainer.wording import did_you_mean, either, listed, printable, typed

if TYPE_CHECKING:
    from trainer.runs.metrics import Metrics

__all__ = ["curves", "differences", "labels", "step_curves"]

# What is drawn of steps, and what it is called.
STEP_NAMES = {
    "loss": "loss of a step", "step_size": "step size", "gradient": "norm of the gradient",
    "update": "norm of the update", "theta": "norm of θ",
}  # fmt: skip
MEASURED = tuple(STEP_NAMES)
FEW = 2  # settings that fit into a name


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """The settings that differ, by their path, with that of each run; None for a run that does not have it."""
    settings = [dict(flat(run.config)) for run in runs]
    keys = dict.fromkeys(key for each in settings for key in each)
    values = {key: [each.get(key) for each in settings] for key in keys}
    return {key: each for key, each in values.items() if len(set(map(repr, each))) > 1}


def labels(runs: Sequence[Run], differing: dict[str, list[Any]]) -> list[str]:
    """A name for each run that tells it from the others: that of its config, with the settings that differ where they
    are few; otherwise its folder's, or its whole path.

    differing: what `differences` gave.
    """
    plain = [STAMPED.sub("", run.path.name) for run in runs]
    told = {key: values for key, values in differing.items() if key != "name"}
    settings = [", ".join(f"{key}={values[i]}" for key, values in told.items()) for i in range(len(runs))]
    named = [f"{name}, {setting}" for name, setting in zip(plain, settings, strict=True)]
    folders, paths = [run.path.name for run in runs], [str(run.path) for run in runs]
    candidates = (plain, *([named] if 0 < len(told) <= FEW else []), folders, paths)
    chosen = next((names for names in candidates if len(set(names)) == len(names)), paths)
    return [printable(name) for name in chosen]


def curves(runs: Sequence[Run], names: Sequence[str], metric: str = "loss") -> tuple[str, list[Line]]:
    """What is drawn, in words, and its curves: of one run a curve for each part of its rows, of several one for each
    run, under these names, of rows that none of them trained on if all have such.

    metric: loss, or another; or a column of metrics.csv, such as train_loss or step_size.

    Raises UsageError for a run that has no such number.
    """
    for run in runs:
        _check(run.path, run.metrics, metric)
    if len(runs) == 1:
        part, name = split(metric)
        lines = lines_of(runs[0].metrics, metric)
        return f"{part} {name}".strip(), lines
    columns = [f"{part}_{metric}" for part in ("validation", "test", "train")]
    column = next((c for c in (*columns, metric) if all(c in run.metrics for run in runs)), None)
    if column is None:
        raise UsageError(_apart(runs, metric))
    part, name = split(column)
    lines = [line_of(run.metrics, column, label, i) for i, (run, label) in enumerate(zip(runs, names, strict=True))]
    return f"{part} {name}".strip(), lines


def step_curves(runs: Sequence[Run], names: Sequence[str], metric: str = "loss") -> tuple[str, list[Line]]:
    """What is drawn, in words, and its curve for each run, over the steps that were logged.

    metric: a column of metrics.jsonl besides step, epoch and seconds.

    Raises UsageError for a run that logged no steps, and for what is no such column.
    """
    if metric not in MEASURED:
        hint = did_you_mean(metric, MEASURED, f"there are: {', '.join(MEASURED)}")
        raise UsageError(f"steps have no number called '{metric}'; {hint}")
    for run in runs:
        if not run.steps:
            raise UsageError(f"{run.path} logged no steps; with log.steps=10 a run writes down every tenth")
    named = names or [STEP_NAMES[metric]]
    lines = [
        line_of({"epoch": run.steps["step"], metric: run.steps[metric]}, metric, name, i)
        for i, (run, name) in enumerate(zip(runs, named, strict=True))
    ]
    return STEP_NAMES[metric], lines


def _apart(runs: Sequence[Run], metric: str) -> str:
    """That there are no rows of which all runs measured a number."""
    names = [*(f"{part}_{metric}" for part in PARTS), metric]
    told = listed([f"{either([n for n in names if n in run.metrics], 'and')} in {run.path}" for run in runs], 3)
    one = typed(runs[0].path) + ("" if metric == "loss" else f" -m {metric}")
    return f"the runs measured {metric} of different rows: {told}; draw each by itself, trainer plot {one}"


def _check(path: Path, metrics: Metrics, metric: str) -> None:
    if not metrics or not len(next(iter(metrics.values()))):
        raise UsageError(f"{path} has no finished epoch yet, so there is nothing to draw")
    if metric in metrics or any(f"{part}_{metric}" in metrics for part in PARTS):
        return
    known = [column for column in metrics if column not in COLUMNS]
    names = list(dict.fromkeys([*(split(column)[1] for column in known), *known]))
    hint = did_you_mean(metric, names, f"there are: {listed(names, 12)}")
    raise UsageError(f"{path} has no number called '{metric}'; {hint}")
