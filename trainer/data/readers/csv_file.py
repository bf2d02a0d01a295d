"""A CSV file as a data set.

CSV has no types, so every decision is a rule that can be said in a line, and an option overrules it:

    header       The first line names the columns if none of its cells is a number.
    target       The last column that no other option names. Several are numbers to predict, side by side.
    task         Classification if the target column holds text, regression if it holds numbers; both at once: say
                 which. Whole numbers are numbers, however few of them are distinct: `task: classification` makes them
                 classes.
    categorical  The columns whose cells name categories; `auto`: all that hold text.
    group        The column of what rows have in common: it is kept out of the inputs, and a grouped split keeps rows
                 of a group together.
    weight       The column of how much a row counts.
    ignore       The columns that are left out.

Every other column is an input and must be numbers. Everything that does not fit is an error with its line and column.
No value is guessed, and no row is left out.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from trainer.data.dataset import Dataset, Task
from trainer.data.readers.features import Encoding, Feature, encode_features
from trainer.data.readers.table import Table, read_table
from trainer.errors import DataError
from trainer.limits import Words
from trainer.types import Array

__all__ = ["Names", "read_csv"]

_COLUMN = ("the name or the index of a column", "names or indices of columns")
Name = Annotated[str | int, Words(_COLUMN)]
Names = Annotated[str | int | list[str | int], Words(("a column or a list of columns", "columns"))]


def read_csv(
    path: str | os.PathLike[str],
    *,
    target: Names | None = None,
    task: Task | None = None,
    header: bool | None = None,
    delimiter: str = ",",
    categorical: Names | None = None,
    encode: Encoding = "one_hot",
    group: Name | None = None,
    weight: Name | None = None,
    ignore: Names | None = None,
    missing: Literal["error", "allow"] = "error",
) -> Dataset:
    """The rows of a UTF-8 CSV file; the data set has the file's name.

    Columns go by name, or by index from 0 (negative: from the end).

    target: the target column, or a list of them. Default: the last that has no other role.
    task: "classification" or "regression". Default: by the cells of the target column.
    header: whether the first line names the columns. Default: whether none of its cells is a number.
    delimiter: the character between cells.
    categorical: the columns that hold categories, or "auto" for every column of text.
    encode: "one_hot", a column of 0 and 1 for each category, or "index", for an embedding.
    group, weight: the column of each row's group, and of its weight, a number above 0.
    ignore: the columns that are left out.
    missing: "allow" makes a missing number NaN, for an imputer to fill in, and a missing category one of its own, "?";
        "error" refuses both.

    Raises DataError, with line and column, for whatever is not a complete table of numbers and categories with a
    target.

        read_csv("flowers.csv", target="species")
        read_csv("sensors.csv", target=0, task="regression", header=False, delimiter=";")
        read_csv("houses.csv", target="price", categorical=["city"], group="street")
    """
    if missing not in ("error", "allow"):
        raise DataError(f"missing is 'error' or 'allow', not {missing!r}", "missing")
    table = _read(path, header, delimiter)
    roles = _Roles(table)
    groups = roles.take("group", group)
    weights = roles.take("weight", weight)
    roles.take("ignored", ignore)
    chosen = None if categorical == "auto" else roles.take("categorical", categorical)
    targets = roles.take("target", target) if target is not None else roles.last()
    inputs = encode_features(_features(roles, chosen, missing == "allow"), encode, table.path)
    values, task, class_names = _targets(table, targets, task)
    return Dataset(
        Path(path).name,
        inputs.inputs,
        values,
        task,
        class_names,
        inputs.names if table.has_header or inputs.categories else (),
        groups=table.indices(groups[0], "group")[0] if groups else None,
        weights=_weights(table, weights[0]) if weights else None,
        categories=inputs.categories,
        has_missing=missing == "allow",
        target_names=tuple(table.names[j] for j in targets) if table.has_header else (),
    )


def _read(path: str | os.PathLike[str], header: bool | None, delimiter: str) -> Table:
    table = read_table(path, header, delimiter)
    if len(table.names) < 2:
        raise DataError(
            f"{table.path} has one column, and a data set needs a target column beside at least one column of inputs"
            f"{table.other_delimiter()}"
        )
    return table


class _Roles:
    """Which column is what; none is two things."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.taken: dict[int, str] = {}

    def take(self, role: str, names: Names | None) -> list[int]:
        """The indices of the columns that an option names."""
        given = [] if names is None else names if isinstance(names, list) else [names]
        columns = []
        for place, name in enumerate(given):
            option = ("ignore" if role == "ignored" else role, place)
            column = self.table.find(name, role, *option)
            if column in self.taken:
                before = self.taken[column]
                what = "twice" if before == role else f"as {before} and as {role}"
                label = f"{self.table.path}: {self.table.label(column)}"
                raise DataError(f"{label} is named {what}; a column is one thing", *option)
            self.taken[column] = role
            columns.append(column)
        return columns

    def last(self) -> list[int]:
        """The last column without a role."""
        free = [j for j in range(len(self.table.names)) if j not in self.taken]
        if not free:
            raise DataError(f"{self.table.path} has no column left for the target; name it with target")
        return self.take("target", free[-1])


def _features(roles: _Roles, chosen: Sequence[int] | None, missing: bool) -> list[Feature]:
    """The columns of inputs; `chosen` are those of categories, None for all that hold text."""
    auto, table = chosen is None, roles.table
    features = [
        _feature(table, j, auto or j in (chosen or ()), auto, missing)
        for j in range(len(table.names))
        if roles.taken.get(j, "categorical") == "categorical"
    ]
    if not features:
        raise DataError(f"{table.path} has no column of inputs beside those that target, group, weight and ignore name")
    return features


def _feature(table: Table, column: int, may_be_categories: bool, auto: bool, missing: bool) -> Feature:
    name = table.names[column]
    if may_be_categories:
        way_out = f"cells are numbers; mend it, or name the column under categorical: [{name}]"
        if not auto or table.holds_text(column, way_out):
            return Feature(name, *table.indices(column, "category", missing))
    named = f"[{name}]" if table.has_header else f"[{column}]"
    way_out = f", or say categorical: {named} if the column names categories"
    return Feature(name, table.numbers(column, way_out, missing))


def _targets(table: Table, columns: Sequence[int], task: Task | None) -> tuple[Array, Task, tuple[str, ...]]:
    """Targets, task and class names."""
    if task not in (None, "classification", "regression"):
        raise DataError(f"task is 'classification' or 'regression', not {task!r}", "task")
    if len(columns) != 1:
        return _several_targets(table, columns, task), "regression", ()
    (column,) = columns
    if task is None:
        way_out = "targets are numbers; mend it, or say task: classification if all of them name classes"
        task = "classification" if table.holds_text(column, way_out) else "regression"
    if task == "classification":
        indices, names = table.indices(column, "class")
        return indices, task, names
    return table.numbers(column, ", or say task: classification if the targets name classes"), task, ()


def _several_targets(table: Table, columns: Sequence[int], task: Task | None) -> Array:
    if not columns:
        raise DataError(f"{table.path}: target is an empty list; name a column, or leave target out", "target")
    if task == "classification":
        raise DataError(
            f"{table.path}: {len(columns)} target columns are numbers to predict, and a classification has one target; "
            f"keep one, or leave task out",
            "task",
        )
    way_out = ": several targets are numbers to predict; for classes name one target column"
    return np.stack([table.numbers(column, way_out) for column in columns], axis=1)


def _weights(table: Table, column: int) -> Array:
    weights = table.numbers(column, ", above 0, for the weight of the row")
    if weights.min() <= 0:
        row = int((weights <= 0).argmax())
        cell = table.columns[column][row]
        raise table.error(row, column, f"weight {cell} is not above 0; remove a row that does not count")
    return weights
