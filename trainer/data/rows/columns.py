"""Columns by name, in the order in which a model takes them, and their categories as the numbers that they had."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from trainer.data.dates import moment, moments, numbers_of
from trainer.data.readers.spelling import Spelling, shown
from trainer.data.readers.table import BOOLEANS, MOST_COLUMNS, Table
from trainer.data.spec import Column, InputSpec
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import either, listed, nearest

__all__ = ["encoded", "ignored", "index_of", "of_columns", "of_table", "only", "places", "width"]

USUAL = Spelling()
TRUTH = {**{word: value for pair in BOOLEANS for word, value in pair.items()}, "0": 0.0, "1": 1.0}
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
    """The number of a category; of a missing one that of "?", where there was such. None for one that is not known."""
    cell = "?" if "?" in column.categories and spelling.is_missing(cell) else cell
    return column.categories.index(cell) if cell in column.categories else None


def of_table(spec: InputSpec, table: Table, where: Sequence[int]) -> Array:
    """Inputs (rows, columns) of the cells of a CSV file, of which the model's columns are at the places `where`.

    Raises DataError, with line and column, for a cell that is no number and for a category that is not known.
    """
    return encoded(spec, [_of_cells(spec, table, j, column) for j, column in zip(where, spec.columns, strict=True)])


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


def encoded(spec: InputSpec, columns: Sequence[Array]) -> Array:
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


def of_columns(spec: InputSpec, frame: Any) -> Array:
    """Inputs (rows, columns) of columns by name: a mapping, or a frame of pandas or polars.

    >>> spec = InputSpec((3,), ("age", "city=Paris", "city=Rome"), {"city": ("Paris", "Rome")})
    >>> of_columns(spec, {"city": ["Rome"], "age": [30]})
    array([[30.,  0.,  1.]])
    """
    width(spec)
    names = [str(name) for name in (frame if isinstance(frame, Mapping) else frame.columns)]
    places(spec, names, "the rows given")
    values = [np.asarray(frame[column.name]) for column in spec.columns]
    for column, array in zip(spec.columns, values, strict=True):
        if array.shape != values[0].shape or array.ndim != 1:
            raise DataError(f"column {column.name!r} has shape {array.shape}, and the first {values[0].shape}")
    return encoded(spec, [of_array(spec, c, v, _place) for c, v in zip(spec.columns, values, strict=True)])


def _place(row: int) -> str:
    return f"row {row}, counted from 0"


def of_array(spec: InputSpec, column: Column, values: Array, place: Callable[[int], str]) -> Array:
    """A column's numbers, float64, or the numbers of its categories; `place` says where a row is, for the error."""
    if column.categories:
        texts = ["" if text is None or text != text else str(text).strip() for text in values.tolist()]
        known = {text: index_of(column, text, USUAL) for text in set(texts)}
        for row, text in enumerate(texts):
            if known[text] is None:
                raise DataError(f"{place(row)}: column {column.name!r}: {_unknown(column, text, USUAL)}")
        return np.array([known[text] for text in texts], dtype=np.int64)
    if column.dates is not None:
        return _dates(spec, column, values, place)
    if column.boolean and values.dtype.kind in "OU":
        return _words_of_truth(spec, column, values, place)
    if values.dtype.kind == "O":
        values = _numbers(column, values, place)
    if values.dtype.kind not in "biuf":
        raise DataError(f"{place(0)}: column {column.name!r}: values of type {values.dtype} are not real numbers")
    numbers = values.astype(np.float64, copy=False)
    good = np.isfinite(numbers) | np.isnan(numbers) if spec.has_missing else np.isfinite(numbers)
    if not good.all():
        row = int(good.argmin())
        raise DataError(f"{place(row)}: column {column.name!r}: {numbers[row]} is not a finite number; put one there")
    return numbers


def _dates(spec: InputSpec, column: Column, values: Array, place: Callable[[int], str]) -> Array:
    """The parts of a column of times, of days, or of texts in the format that training had."""
    assert column.dates is not None
    given = values.tolist()
    if any(isinstance(value, str) for value in given):
        times = [moment(value.strip(), column.dates.format) if isinstance(value, str) else None for value in given]
    else:
        times = moments(values)
    for row, time in enumerate(times):
        absent = given[row] is None or given[row] != given[row]
        if time is None and not (spec.has_missing and absent):
            what = "a missing value" if absent else f"{shown(str(given[row]))}, which is no date"
            raise DataError(f"{place(row)}: column {column.name!r} has {what}; put one there")
    return numbers_of(times, column.dates.parts)


def _words_of_truth(spec: InputSpec, column: Column, values: Array, place: Callable[[int], str]) -> Array:
    """Truth as a file of texts spells it, or as Python has it."""
    texts = ["" if value is None or value != value else str(value).strip().lower() for value in values.tolist()]
    numbers = np.empty(len(texts))
    for row, text in enumerate(texts):
        absent = spec.has_missing and USUAL.is_missing(text)
        if not absent and text not in TRUTH:
            what = (
                "a missing value" if USUAL.is_missing(text) else f"{shown(text)}, not one of {either(map(repr, TRUTH))}"
            )
            raise DataError(f"{place(row)}: column {column.name!r} has {what}; put one there")
        numbers[row] = math.nan if absent else TRUTH[text]
    return numbers


def _numbers(column: Column, values: Array, place: Callable[[int], str]) -> Array:
    """Python's own numbers, and None for what is missing."""
    numbers = np.empty(len(values))
    for row, value in enumerate(values.tolist()):
        if value is not None and not isinstance(value, bool | int | float | np.number):
            raise DataError(f"{place(row)}: column {column.name!r}: {shown(str(value))} is not a number; put one there")
        try:
            numbers[row] = math.nan if value is None else float(value)
        except OverflowError:
            raise DataError(f"{place(row)}: column {column.name!r}: {shown(str(value))} is too large") from None
    return numbers
