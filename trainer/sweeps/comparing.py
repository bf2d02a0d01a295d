"""Runs compared: what they differ in, what that changed, and how sure one can be of it."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer.errors import DataError, UsageError
from trainer.files import atomic_write, check_ending, expanded
from trainer.runs.columns import names_of, split
from trainer.runs.groups import Group, Reached, better_of, differing, grouped
from trainer.runs.listing import Condition, Summary, runs_in, select
from trainer.runs.loading import Run, load
from trainer.runs.plots import ENDINGS
from trainer.sweeps.frames import frame_of, rows_of
from trainer.sweeps.importance import Importance, importance
from trainer.sweeps.paired import Paired, compared
from trainer.training.stopping import Better
from trainer.wording import describe, did_you_mean, listed

__all__ = ["Comparison", "check_file", "compare", "runs_of"]

FOLDER = "folder"  # the column of a frame that says where a run is


@dataclass(frozen=True)
class Comparison:
    """Groups of runs, each of one config, the best first.

    Attributes:
        groups: of runs that differ in nothing but seed and fold.
        keys: the settings in which groups differ.
        column: the number that they are judged by, such as test_accuracy.
        better: whether a lower or a higher one is better.
        others: further numbers, of the rows that were not trained on where there are any.
    """

    groups: tuple[Group, ...]
    keys: tuple[str, ...]
    column: str
    better: Better
    others: tuple[str, ...] = ()

    @property
    def best(self) -> Group:
        """The group whose mean is best."""
        return self.groups[0]

    @cached_property
    def paired(self) -> tuple[Paired | None, ...]:
        """Each group against the best, over the seeds that both have; None where there are fewer than two."""
        return tuple(None if g is self.best else compared(g, self.best, self.column, self.better) for g in self.groups)

    @cached_property
    def importance(self) -> Importance | None:
        """What share each key has in the differences, see `trainer.sweeps.importance`; None for too few configs."""
        values = {key: [group.settings.get(key) for group in self.groups] for key in self.keys if key != "name"}
        return importance(values, [self.reached(group).mean for group in self.groups])

    def reached(self, group: Group, column: str | None = None) -> Reached:
        """What the runs of a group reached."""
        return group.number(column or self.column)

    def label(self, group: Group) -> str:
        """What tells a group from the others."""
        told = group.label(self.keys)
        return told if self.keys else f"{next(iter(group.runs.values())).path.parent}"

    def frame(self) -> Any:
        """The table as a frame of pandas or polars where one is installed, otherwise a mapping of names to columns."""
        return frame_of(self.columns())

    def columns(self) -> dict[str, list[Any]]:
        """A row for each group: its settings, its runs, and mean and deviation of every number."""
        columns: dict[str, list[Any]] = {key: [group.settings.get(key) for group in self.groups] for key in self.keys}
        columns["runs"] = [len(group.runs) for group in self.groups]
        for column in (self.column, *self.others):
            found = [self.reached(group, column) for group in self.groups]
            columns[column] = [each.mean for each in found]
            columns[f"{column}_deviation"] = [each.deviation for each in found]
        return columns

    def save(self, file: str | os.PathLike[str]) -> Path:
        """Write the table into a .csv file, or draw parallel coordinates into a .png or .svg, and say where."""
        path = check_file(file)
        if path.suffix.lower() != ".csv":
            return self.picture(path)
        columns = self.columns()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        atomic_write(path, text.getvalue())
        return path

    def picture(self, file: str | os.PathLike[str]) -> Path:
        """Draw the groups as parallel coordinates into a .png or .svg file, and say where."""
        from trainer.sweeps.picture import save_coordinates

        path = expanded(file)
        save_coordinates(path, self)
        return path


def check_file(file: str | os.PathLike[str]) -> Path:
    """The file that a comparison is to be written into. Raises UsageError for an ending that it has not."""
    path = expanded(file)
    check_ending(path, "a comparison", ".csv", *ENDINGS)
    return path


def compare(*things: Any, metric: str | None = None, where: Sequence[str] = ()) -> Comparison:
    """Compare runs: the settings in which they differ, what each config reached, and the best against the others.

    Args:
        things: each a run, its folder, a folder of runs, a sweep, several of these in a list, or a frame with a column
            `folder`, such as a sweep's `frame()`.
        metric: the number that they are judged by, accuracy or test_accuracy; by default the loss.
        where: conditions of runs, such as "test_accuracy>=0.9".

    Runs that differ in nothing but `seed` or `dataset.fold` are one group. Raises UsageError where there is nothing to
    compare, and for a number that they do not have; DataError for a folder that holds no run.

    >>> import tempfile, trainer
    >>> line = {"dataset": {"name": "linear", "rows": 50}, "network": [{"dense": 1}], "cost": "mean_squared_error"}
    >>> out = tempfile.mkdtemp()
    >>> for size in (0.01, 0.1):
    ...     for seed in range(3):
    ...         _ = trainer.run({**line, "step_size": size, "seed": seed, "epochs": 3}, out=out)
    >>> found = trainer.compare(out)
    >>> found.keys, found.best.settings["step_size"], found.reached(found.best).runs
    (('step_size',), 0.1, 3)
    """
    several = [list(runs_of(thing)) for thing in things]
    conditions = [Condition.parse(text) for text in where]
    if conditions:
        kept = {run.path for run in select([Summary(r.path) for runs in several for r in runs], conditions)}
        several = [[run for run in runs if run.path in kept] for runs in several]
    groups = grouped(several)
    if not groups:
        raise UsageError("there are no runs to compare" + (f" with {' and '.join(where)}" if where else ""))
    keys = tuple(differing(groups))
    columns = list(dict.fromkeys(c for group in groups for numbers in group.numbers.values() for c in numbers))
    column = _judged(columns, metric, groups)
    part, name = split(column)
    better = _better(groups, name)
    others = [f"{each}_{n}" for n in names_of(columns) for each in dict.fromkeys((part, "test")) if n]
    sign = 1 if better == "lower" else -1

    def rank(group: Group) -> float:
        mean = sign * group.number(column).mean
        return math.inf if math.isnan(mean) else mean

    shown = tuple(other for other in others if other in columns and other != column)
    return Comparison(tuple(sorted(groups, key=rank)), keys, column, better, shown)


def runs_of(thing: Any) -> Iterator[Run]:
    """The runs that something names: see `compare`."""
    if isinstance(thing, Run):
        yield thing
    elif isinstance(thing, str | os.PathLike):
        path = expanded(thing)
        inside = runs_in(path) if path.is_dir() and not (path / "status.json").exists() else []
        yield from (load(each) for each in inside or [path])
    elif hasattr(thing, "runs") and not isinstance(thing, Mapping):  # a sweep
        yield from thing.runs
    elif isinstance(thing, Mapping) or hasattr(thing, "columns"):
        for row in rows_of(thing):
            if FOLDER not in row:
                raise DataError(f"a frame of runs has a column '{FOLDER}', which says where each is")
            if row[FOLDER]:
                yield load(str(row[FOLDER]))
    elif isinstance(thing, Iterable):
        for each in thing:
            yield from runs_of(each)
    else:
        raise UsageError(f"{describe(thing)} is no run, no folder of runs, no sweep and no frame")


def _judged(columns: Sequence[str], metric: str | None, groups: Sequence[Group]) -> str:
    """The column of metrics.csv that runs are judged by. Raises UsageError where there is none."""
    if not columns:
        raise UsageError("none of the runs has a finished epoch yet, so there is nothing to compare")
    name = metric or _watched(groups)
    candidates = [name, *(f"{part}_{name}" for part in ("validation", "test", "train"))]
    everywhere = [c for c in candidates if all(_has(group, c) for group in groups)]
    anywhere = [c for c in candidates if c in columns]
    if not anywhere:
        hint = did_you_mean(name, [*names_of(columns), *columns], f"there are: {listed(names_of(columns), 12)}")
        raise UsageError(f"the runs have no number called '{name}'; {hint}")
    return (everywhere or anywhere)[0]


def _has(group: Group, column: str) -> bool:
    return any(column in numbers or not numbers for numbers in group.numbers.values())


def _watched(groups: Sequence[Group]) -> str:
    """What the runs themselves watch, if it is the same for all; otherwise the loss."""
    names = {group.settings.get("stop.watched", "loss") for group in groups}
    return names.pop() if len(names) == 1 else "loss"


def _better(groups: Sequence[Group], name: str) -> Better:
    said = {group.settings.get("stop.better") for group in groups if group.settings.get("stop.watched") == name}
    return said.pop() or better_of(name) if len(said) == 1 else better_of(name)
