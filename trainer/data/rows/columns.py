"""Columns by name, in the order in which a model takes them, and their categories as the numbers that they had."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trainer.data.dates import numbers_of
from trainer.data.readers.frame import frame_of
from trainer.data.readers.memory import columns_of, pairs_of
from trainer.data.readers.spelling import Spelling, shown
from trainer.data.readers.table import MOST_COLUMNS, Table
from trainer.data.readers.typed_file import typed_spelling
from trainer.data.spec import Column, InputSpec
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import either, listed, nearest

__all__ = ["ignored", "index_of", "of_columns", "of_table", "of_values", "only", "places", "width"]

GIVEN = "the rows given"
SHOWN = 6  # columns, or categories, that a message lists


def width(spec: InputSpec) -> int:
    """How many columns of inputs the table's columns become. Raises DataError where a row is no table's."""
    if not spec.columns:
        what = "several arrays" if spec.parts else f"an array of shape {spec.shape}"
        raise DataError(f"the model takes {what} for each row, which no table holds; give an .npz file")
    return spec.shape[0]


def places(spec: InputSpec, names: Sequence[str], where: str) -> list[int]:
    """Where in a table with columns of these names each of the model's columns is. Raises DataError for one missing."""
    missing = [column.name for column in spec.columns if column.name not in names]
    if missing:
        of = {column.name for column in spec.columns}
        near = nearest(missing[0], [name for name in names if name not in of])
        there = f"its columns are {listed([*map(repr, names)], MOST_COLUMNS)}"
        more = f", nor {listed([*map(repr, missing[1:])], SHOWN)}" if missing[1:] else ""
        hint = f"did you mean {near!r}?" if near else there
        raise DataError(f"{where} has no column {missing[0]!r}{more}, which the model takes; {hint}")
    return [only(column.name, names, where) for column in spec.columns]


def only(name: str, names: Sequence[str], where: str) -> int:
    """Where among these names one of them is. Raises DataError where it is there twice."""
    if names.count(name) > 1:
        here = [str(j) for j, each in enumerate(names) if each == name]
        raise DataError(f"{where}: columns {either(here, 'and')} are all named {name!r}; rename one")
    return names.index(name)


def ignored(spec: InputSpec, names: Iterable[str], known: Iterable[str] = ()) -> tuple[str, ...]:
    """The remark that columns are left out, if any are beside those that somebody else knows."""
    taken = {*(column.name for column in spec.columns), *known}
    left = [repr(name) for name in names if name not in taken]
    return (f"columns that the model does not take are ignored: {listed(left, SHOWN)}",) if left else ()


def index_of(column: Column, cell: str, spelling: Spelling) -> int | None:
    """The number of a category; of a missing one that of "?", where there was such. None for one that is not known.

    A whole number is the same one as 3 and as 3.0, which is what pandas makes of it beside a gap; where both spellings
    are categories, each is its own.
    """
    cell = "?" if "?" in column.categories and spelling.is_missing(cell) else cell
    if cell in column.categories:
        return column.categories.index(cell)
    alike = [index for index, name in enumerate(column.categories) if _whole(name) == _whole(cell) is not None]
    return alike[0] if len(alike) == 1 else None


def _whole(text: str) -> str | None:
    """The digits of a whole number, without decimals that are zeros; None for any other text."""
    found = re.fullmatch(r"(-?[0-9]+)(?:\.0+)?", text)
    return found[1] if found else None


def of_table(spec: InputSpec, table: Table, where: Sequence[int]) -> Array:
    """Inputs (rows, columns) of the cells of a CSV file, of which the model's columns are at the places `where`.

    Raises DataError, with line and column, for a cell that is no number and for a category that is not known.
    """
    return _encoded(spec, [_of_cells(spec, table, j, column) for j, column in zip(where, spec.columns, strict=True)])


def _of_cells(spec: InputSpec, table: Table, j: int, column: Column) -> Array:
    missing = True if spec.has_missing else None
    if column.dates is not None:
        return numbers_of(table.dates(j, column.dates.format, missing), column.dates.parts)
    if column.boolean:
        return table.booleans(j, missing)
    if not column.categories:
        return table.numbers(j, "", missing)
    cells = table.cells(j)
    known = {cell: index_of(column, cell, table.spelling) for cell in set(cells)}
    for row, cell in enumerate(cells):
        if known[cell] is None:
            raise table.error(row, j, _unknown(column, cell, table.spelling))
    return np.array([known[cell] for cell in cells])


def _unknown(column: Column, cell: str, spelling: Spelling) -> str:
    known = listed([*map(repr, column.categories)], SHOWN)
    what = f"{shown(cell)} is a missing category" if spelling.is_missing(cell) else f"{shown(cell)} is a category"
    return f"{what} that no training row had; they had {known}"


def _encoded(spec: InputSpec, columns: Sequence[Array]) -> Array:
    """Inputs (rows, columns): the columns side by side, those of categories as the data set had them."""
    inputs = np.zeros((len(columns[0]), spec.shape[0]))
    end = 0
    for column, values in zip(spec.columns, columns, strict=True):
        if column.one_hot:
            inputs[np.arange(len(values)), end + values] = 1
        else:
            inputs[:, end : end + column.width] = values.reshape(len(values), column.width)
        end += column.width
    return inputs


def of_columns(spec: InputSpec, frame: Any, reading: Mapping[str, Any] | None = None) -> Array:
    """Inputs (rows, columns) of columns by name: a mapping, or a frame of pandas or polars.

    reading: how the rows of training were read, see `Model.reading`; what said there that a value is missing says it.

    >>> spec = InputSpec((3,), ("age", "city=Paris", "city=Rome"), {"city": ("Paris", "Rome")})
    >>> of_columns(spec, {"city": ["Rome"], "age": [30]})
    array([[30.,  0.,  1.]])
    """
    width(spec)
    pairs = pairs_of(frame)
    names = [str(name) for name, _ in pairs]
    by_place = not spec.named and len(names) == len(spec.columns)
    where = range(len(names)) if by_place else places(spec, names, GIVEN)
    given = columns_of({column.name: pairs[j][1] for column, j in zip(spec.columns, where, strict=True)})
    return of_values(spec, GIVEN, [*given.values.values()], given.named, typed_spelling(reading or {}))


def of_values(
    spec: InputSpec,
    path: str,
    values: Sequence[Array | list[object]],
    named: Sequence[str],
    spelling: Spelling,
    before: int = 0,
) -> Array:
    """Inputs of the values of the model's columns, read as those of a file or frame with types are in training.

    named: the columns that say that they hold names.
    before: how many rows of the file are before these.
    """
    columns = {c.name: _as_learnt(c, v) for c, v in zip(spec.columns, values, strict=True)}
    table = replace(frame_of(path, columns, named, spelling), before=before, settled=True)
    return of_table(spec, table, range(len(columns)))


def _as_learnt(column: Column, values: Array | list[object]) -> Array | list[object]:
    """Truth as 1 and 0 where training had numbers, and 1 and 0 as truth where it had that."""
    if column.categories or column.dates is not None:
        return values
    if column.boolean:
        cells = values.tolist() if isinstance(values, np.ndarray) else values
        return [bool(cell) if isinstance(cell, int | float) and cell in (0, 1) else cell for cell in cells]
    if isinstance(values, list) and set(map(type, values)) <= {bool, type(None)}:
        return [None if cell is None else int(bool(cell)) for cell in values]
    return values
