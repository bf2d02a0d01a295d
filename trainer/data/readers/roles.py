"""From the columns of a table to a data set, whatever file it came from: which column is what, and how it is read.

    target       The last column that no other option names. Several are numbers to predict, side by side.
    task         Classification if the target column holds text, regression if it holds numbers; both at once: say
                 which. Whole numbers are numbers, however few of them are distinct: `task: classification` makes them
                 classes.
    categorical  The columns whose cells name categories; `auto`: all that hold text.
    dates        The columns of dates, each of which becomes its year, month, day, weekday, and hour if there are times.
    group        The column of what rows have in common: it is kept out of the inputs, and a grouped split keeps rows
                 of a group together.
    weight       The column of how much a row counts.
    ignore       The columns that are left out.

Every other column is an input: numbers, or true and false, or yes and no, which are 1 and 0. Text that looks like
something else, numbers as people write them or dates, is refused with what to say for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np

from trainer.data.account import Account, ColumnAccount
from trainer.data.dataset import Dataset, Task
from trainer.data.dates import DAY, Dates, numbers_of, parts_of
from trainer.data.readers.features import Encoding, Feature, encode_features
from trainer.data.readers.header import check_name
from trainer.errors import DataError
from trainer.limits import Words
from trainer.types import Array
from trainer.wording import count, in_yaml

__all__ = ["DateColumns", "Name", "Names", "Roles", "Source", "dataset_of"]

_COLUMN = ("the name or the index of a column", "names or indices of columns")
Name = Annotated[str | int, Words(_COLUMN)]
Names = Annotated[str | int | list[str | int], Words(("a column or a list of columns", "columns"))]
DateColumns = Annotated[
    str | int | list[str | int] | dict[str | int, str], Words(("columns, or a format for each", "columns"))
]
Missing = Literal["error", "allow"]

FIRST = 3  # rows that an account shows


class Source(Protocol):
    """The columns of a table: `Table` of text, `Frame` of columns that have types."""

    @property
    def path(self) -> str: ...
    @property
    def names(self) -> list[str]: ...
    @property
    def has_header(self) -> bool: ...
    def __len__(self) -> int: ...
    def label(self, column: int) -> str: ...
    def error(self, row: int, column: int, problem: str) -> DataError: ...
    def find(self, column: str | int, purpose: str, *option: str | int) -> int: ...
    def place(self) -> str: ...
    def other_delimiter(self) -> str: ...
    def missing(self, column: int) -> int: ...
    def first(self, column: int, rows: int) -> list[str]: ...
    def kind(self, column: int) -> str: ...
    def mostly_different(self, column: int) -> bool: ...
    def refuse(self, column: int, kind: Any, way_out: str) -> DataError: ...
    def numbers(self, column: int, way_out: str, missing: bool | None = None) -> Array: ...
    def booleans(self, column: int, missing: bool | None = None) -> Array: ...
    def dates(self, column: int, form: str, missing: bool | None = None) -> list[datetime | None]: ...
    def indices(
        self, column: int, what: str, missing: bool | None = None, codes: bool = False
    ) -> tuple[Array, tuple[str, ...]]: ...


@dataclass(frozen=True)
class Roles:
    """What a config says of columns, by name or index; the fields are the options of a reader."""

    target: Names | None = None
    task: Task | None = None
    categorical: Names | None = None
    encode: Encoding = "one_hot"
    dates: DateColumns | None = None
    group: Name | None = None
    weight: Name | None = None
    ignore: Names | None = None
    missing: Missing = "error"

    @property
    def allows_missing(self) -> bool:
        """Whether a value may be missing."""
        return self.missing == "allow"


def dataset_of(table: Source, roles: Roles, said: Sequence[str] = (), consumed: bool = False) -> Dataset:
    """The data set that a table is by these roles; `said` is how its file is written, for the account.

    consumed: whether the table is given back to the system while inputs are made of it, as it is nobody else's.

    Raises DataError, with row and column, for whatever is not a complete table of numbers and categories with a
    target.
    """
    if not len(table):
        raise DataError(f"{table.path} has no rows; a data set needs at least one")
    if len(table.names) < 2:
        raise DataError(
            f"{table.path} has one column, and a data set needs a target column beside at least one column of inputs"
            f"{table.other_delimiter()}"
        )
    if roles.missing not in ("error", "allow"):
        raise DataError(f"missing is 'error' or 'allow', not {roles.missing!r}", "missing")
    taken = _Taken(table)
    groups = taken.take("group", roles.group)
    weights = taken.take("weight", roles.weight)
    taken.take("ignored", roles.ignore)
    forms = _forms(roles.dates)
    dated = dict(zip(taken.take("dates", list(forms)), forms.values(), strict=True))
    chosen = None if roles.categorical == "auto" else taken.take("categorical", roles.categorical)
    targets = taken.take("target", roles.target) if roles.target is not None else taken.last()
    taken.check_names()
    columns = _Columns(taken, chosen, dated, roles.allows_missing)
    features = columns.features()
    values, task, class_names = _targets(table, targets, roles.task)
    row_weights = _weights(table, weights[0]) if weights else None
    row_groups = table.indices(groups[0], "group", codes=True)[0] if groups else None
    account = _account(taken, columns, roles, class_names, said)
    # From here on nothing is asked of the table any more, nor of what lies in it.
    values = np.ascontiguousarray(values)
    row_weights = None if row_weights is None else np.ascontiguousarray(row_weights)
    inputs = encode_features(features, roles.encode, table.path, consumed)
    named = table.has_header or any(feature.categories or feature.dates or feature.boolean for feature in features)
    return Dataset(
        Path(table.path).name,
        inputs.inputs,
        values,
        task,
        class_names,
        inputs.names if named else (),
        groups=row_groups,
        weights=row_weights,
        categories=inputs.categories,
        narrow=True,
        has_missing=roles.allows_missing,
        target_names=tuple(table.names[j] for j in targets) if table.has_header else (),
        dates={feature.name: feature.dates for feature in features if feature.dates is not None},
        booleans=tuple(feature.name for feature in features if feature.boolean) if named else (),
        account=account,
    )


def _forms(dates: DateColumns | None) -> Mapping[str | int, str]:
    """The format of each column of dates; the empty one is ISO 8601."""
    if isinstance(dates, Mapping):
        return dates
    given = [] if dates is None else dates if isinstance(dates, list) else [dates]
    return dict.fromkeys(given, "")


class _Taken:
    """Which column is what; none is two things."""

    def __init__(self, table: Source) -> None:
        self.table = table
        self.roles: dict[int, str] = {}

    def take(self, role: str, names: Names | None) -> list[int]:
        """The indices of the columns that an option names."""
        given = [] if names is None else names if isinstance(names, list) else [names]
        columns = []
        for place, name in enumerate(given):
            option = ("ignore" if role == "ignored" else role, place)
            column = self.table.find(name, role, *option)
            if column in self.roles:
                before = self.roles[column]
                what = "twice" if before == role else f"as {before} and as {role}"
                label = f"{self.table.path}: {self.table.label(column)}"
                raise DataError(f"{label} is named {what}; a column is one thing", *option)
            self.roles[column] = role
            columns.append(column)
        return columns

    def last(self) -> list[int]:
        """The last column without a role."""
        free = [j for j in range(len(self.table.names)) if j not in self.roles]
        if not free:
            raise DataError(f"{self.table.path} has no column left for the target; name it with target")
        self.roles[free[-1]] = "target"  # by its place: its index may be the name of another
        return [free[-1]]

    def check_names(self) -> None:
        """Refuse columns that are used and have no name, or that of another that is used."""
        if not self.table.has_header:
            return
        used = [j for j in range(len(self.table.names)) if self.roles.get(j) != "ignored"]
        if len({self.table.names[j] for j in used}) == len(used) and all(self.table.names[j] for j in used):
            return
        for column in used:
            cells = self.table.first(column, len(self.table))
            check_name(self.table.place(), self.table.names, column, used, cells)


class _Columns:
    """The columns of inputs."""

    def __init__(self, taken: _Taken, chosen: Sequence[int] | None, dated: Mapping[int, str], missing: bool) -> None:
        self.taken, self.table = taken, taken.table
        self.chosen, self.dated, self.missing = chosen, dated, missing
        self.made: dict[int, Feature] = {}

    def features(self) -> list[Feature]:
        """All of them, in order."""
        for j in range(len(self.table.names)):
            if self.taken.roles.get(j, "input") in ("input", "categorical", "dates"):
                self.made[j] = self._feature(j)
        if not self.made:
            raise DataError(
                f"{self.table.path} has no column of inputs beside those that target, group, weight and ignore name"
            )
        return [*self.made.values()]

    def _feature(self, column: int) -> Feature:
        table, name, missing = self.table, self.table.names[column], self.missing
        named = f"[{_written(table, column)}]"
        if column in self.dated:
            form = self.dated[column]
            times = table.dates(column, form, missing)
            read = Dates(form, parts_of(times))
            return Feature(name, numbers_of(times, read.parts), dates=read)
        if self.chosen is not None and column in self.chosen:
            return Feature(name, *table.indices(column, "category", missing, codes=True))
        kind = table.kind(column)
        if kind == "booleans":
            return Feature(name, table.booleans(column, missing), boolean=True)
        if self.chosen is None and kind not in ("numbers", "nothing"):
            if kind in ("near numbers", "mixed"):
                what = "cells are numbers; mend it, or name" if kind == "mixed" else "; or name"
                raise table.refuse(column, kind, f"{what} the column under categorical: {named}")
            if kind == "dates":
                raise table.refuse(column, kind, "")
            if table.mostly_different(column):
                raise DataError(
                    f"{table.path}: {table.label(column)} has hardly a text twice, so as categories it would tell "
                    f"nothing: leave it out, ignore: {named}, or name it among the columns under categorical"
                )
            return Feature(name, *table.indices(column, "category", missing))
        return Feature(name, table.numbers(column, "" if kind == "numbers" else self._way_out(column), missing))

    def _way_out(self, column: int) -> str:
        """What to say of a column that is no numbers, and of all others like it: one line that takes all of them."""
        free = [j for j in range(column + 1, len(self.table.names)) if self.taken.roles.get(j, "input") == "input"]
        texts = [column, *(j for j in free if self.table.kind(j) == "text")]
        names = sorted({*(self.chosen or ()), *texts})
        listed = ", ".join(_written(self.table, j) for j in names)
        more = len(texts) - 1
        those = f"it and {more} more column{'s' * (more > 1)} of text name" if more else "the column names"
        return f", or say categorical: [{listed}] if {those} categories"


def _written(table: Source, column: int) -> str:
    """A column as a list of them names it."""
    return in_yaml(table.names[column] if table.has_header else column)


def _targets(table: Source, columns: Sequence[int], task: Task | None) -> tuple[Array, Task, tuple[str, ...]]:
    """Targets, task and class names."""
    if task not in (None, "classification", "regression"):
        raise DataError(f"task is 'classification' or 'regression', not {task!r}", "task")
    if len(columns) != 1:
        return _several_targets(table, columns, task), "regression", ()
    (column,) = columns
    if task is None:
        task = _task_of(table, column)
    if task == "classification":
        indices, names = table.indices(column, "class")
        return indices, task, names
    return table.numbers(column, ", or say task: classification if the targets name classes"), task, ()


def _task_of(table: Source, column: int) -> Task:
    """What a column of targets is for, by what it holds."""
    kind = table.kind(column)
    if kind == "mixed":
        way_out = "targets are numbers; mend it, or say task: classification if all of them name classes"
        raise table.refuse(column, "mixed", way_out)
    if kind in ("near numbers", "dates"):
        raise table.refuse(column, kind, "; or say task: classification if the targets name classes")
    if kind == "text" and table.mostly_different(column):
        raise DataError(
            f"{table.path}: {table.label(column)}, the target, has hardly a text twice, so it names no classes: leave "
            f"it out, ignore: [{_written(table, column)}], and name another column with target, or say task: "
            f"classification if it does",
            "target",
        )
    return "classification" if kind in ("text", "booleans") else "regression"


def _several_targets(table: Source, columns: Sequence[int], task: Task | None) -> Array:
    if not columns:
        raise DataError(f"{table.path}: target is an empty list; name a column, or leave target out", "target")
    if task == "classification":
        raise DataError(
            f"{table.path}: {len(columns)} target columns are numbers to predict, and a classification has one target; "
            f"keep one, or leave task out; then columns of 0 and 1 are labels to cost: sigmoid_cross_entropy",
            "task",
        )
    way_out = ": several targets are numbers to predict; for classes name one target column"
    made = [
        table.booleans(column) if table.kind(column) == "booleans" else table.numbers(column, way_out)
        for column in columns
    ]
    return np.stack(made, axis=1)


def _weights(table: Source, column: int) -> Array:
    weights = table.numbers(column, ", above 0, for the weight of the row")
    if weights.min() <= 0:
        row = int((weights <= 0).argmax())
        cell = table.first(column, row + 1)[row]
        raise table.error(row, column, f"weight {cell} is not above 0; remove a row that does not count")
    return weights


def _account(
    taken: _Taken, columns: _Columns, roles: Roles, class_names: Sequence[str], said: Sequence[str]
) -> Account:
    table = taken.table
    return Account(
        tuple(said),
        tuple(
            ColumnAccount(
                table.names[j],
                _role(taken.roles.get(j, "input")),
                _read_as(taken.roles.get(j, "input"), columns.made.get(j), roles, class_names),
                table.missing(j),
                tuple(_first(table, j, columns.made.get(j))),
            )
            for j in range(len(table.names))
        ),
        len(table),
    )


def _role(role: str) -> str:
    return "input" if role in ("categorical", "dates") else role


def _read_as(role: str, feature: Feature | None, roles: Roles, class_names: Sequence[str]) -> str:
    """What a column was taken for."""
    if feature is None:
        if role == "target":
            return count(len(class_names), "class", "classes") if class_names else "number"
        return {"ignored": "", "weight": "number"}.get(role, "name")
    if feature.dates is not None:
        return f"date: {', '.join(feature.dates.parts)}"
    if feature.boolean:
        return "0 or 1"
    if feature.categories:
        as_what = "a column each" if roles.encode == "one_hot" else "by number"
        return f"{count(len(feature.categories), 'category', 'categories')}, {as_what}"
    return "number"


def _first(table: Source, column: int, feature: Feature | None) -> Iterator[str]:
    """What the first rows have, as it was understood."""
    cells = table.first(column, FIRST)
    for row, cell in enumerate(cells):
        if feature is None or feature.categories:
            yield cell or "?"
        elif feature.dates is not None:
            yield "-".join(f"{part:02.0f}" for part in feature.values[row, : len(DAY) - 1])
        else:
            yield f"{feature.values[row]:.6g}"
