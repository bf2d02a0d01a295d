"""A CSV file as a data set, by the standard library's reader.

CSV has no types, so every decision is a rule that can be said in a line, and an option overrules it:

    header    The first line names the columns if none of its cells is a number.
    target    The last column.
    task      Classification if the target column holds text, regression if it holds numbers; both at once: say which.
              Whole numbers are numbers, however few of them are distinct: `task: classification` makes them classes.

Every other column is an input and must be numbers. Space around a cell and lines that are empty mean nothing;
everything else that does not fit is an error with its line and column. No value is guessed, and no row is left out.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.data.dataset import Array, Dataset, Task, class_indices
from trainer.errors import DataError, nearest

__all__ = ["read_csv"]

MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})


def read_csv(
    path: str | os.PathLike[str],
    *,
    target: str | int | None = None,
    task: Task | None = None,
    header: bool | None = None,
    delimiter: str = ",",
) -> Dataset:
    """The rows of a UTF-8 CSV file; the data set has the file's name.

    target: the target column by name, or by index from 0 (negative: from the end). Default: the last.
    task: "classification" or "regression". Default: by the cells of the target column.
    header: whether the first line names the columns. Default: whether none of its cells is a number.
    delimiter: the character between cells.

    Raises DataError, with line and column, for whatever is not a complete table of numbers with one target column.

        read_csv("flowers.csv", target="species")
        read_csv("sensors.csv", target=0, task="regression", header=False, delimiter=";")
    """
    table = _read_table(path, header, delimiter)
    where = table.find(target)
    columns = list(zip(*table.rows, strict=True))
    inputs = [table.numbers(j, column) for j, column in enumerate(columns) if j != where]
    feature_names = [name for j, name in enumerate(table.names) if j != where] if table.has_header else []
    task = _decide_task(table, where, columns[where], task)
    class_names: tuple[str, ...] = ()
    if task == "classification":
        values, class_names = table.classes(where, columns[where])
    else:
        values = table.numbers(where, columns[where], "or say task: classification if the targets name classes")
    return Dataset(Path(path).name, np.stack(inputs, axis=1), values, task, class_names, tuple(feature_names))


@dataclass(frozen=True)
class _Table:
    """Cells as text, with what an error needs to say where they stand."""

    path: str
    names: list[str]
    has_header: bool
    rows: list[list[str]]
    lines: list[int]

    def label(self, column: int) -> str:
        return f"column {self.names[column]!r}" if self.has_header else f"column {column}"

    def error(self, row: int, column: int, problem: str) -> DataError:
        return DataError(f"{self.path}:{self.lines[row]}: {self.label(column)}: {problem}")

    def find(self, target: str | int | None) -> int:
        """Index of the target column."""
        count = len(self.names)
        if count < 2:
            raise DataError(
                f"{self.path} has one column, and a data set needs a target column beside at least one column of "
                f"inputs{self._other_delimiter()}"
            )
        if target is None:
            return count - 1
        if isinstance(target, int):
            if not -count <= target < count:
                raise DataError(f"{self.path} has columns 0 to {count - 1}, and no target column {target}")
            return target % count
        if not self.has_header:
            raise DataError(
                f"{self.path} has no header line, so there is no target column {target!r}: give its index, 0 to "
                f"{count - 1}, or header: true if the first line names the columns"
            )
        if target not in self.names:
            near = nearest(target, self.names)
            hint = f"did you mean {near!r}?" if near else f"it has {_listed(self.names)}"
            raise DataError(f"{self.path} has no column {target!r} for the target; {hint}")
        return self.names.index(target)

    def _other_delimiter(self) -> str:
        used = [mark for mark in (";", "\t", "|") if mark in self.rows[0][0]]
        return f"; if {used[0]!r} separates the cells, say delimiter: {used[0]!r}" if used else ""

    def numbers(
        self, column: int, cells: Sequence[str], way_out: str = "or turn text into columns of 0 and 1 first"
    ) -> Array:
        """A column as float64; the error names the first cell that is not a finite number."""
        numbers = [_parse(cell) for cell in cells]
        for row, value in enumerate(numbers):
            if value is None or not math.isfinite(value):
                raise self.error(row, column, self._why_no_number(row, cells[row], way_out))
        return np.array(numbers, dtype=np.float64)

    def _why_no_number(self, row: int, cell: str, way_out: str) -> str:
        if _is_missing(cell):
            return f"{_shown(cell)} is a missing value; fill it in or remove the row: nothing is dropped silently"
        if "," in cell and _parse(cell.replace(",", ".")) is not None:
            return f"{cell!r} is not a number; decimals take a point"
        if not self.has_header and row == 0:
            return f"{_shown(cell)} is not a number; if this line names the columns, say header: true"
        return f"{_shown(cell)} is not a finite number; put one there, {way_out}"

    def classes(self, column: int, cells: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
        """A column as class indices, and the names of the classes."""
        for row, cell in enumerate(cells):
            if _is_missing(cell):
                raise self.error(row, column, f"{_shown(cell)} is a missing class; fill it in or remove the row")
        indices, names = class_indices(cells)
        spellings: dict[float, str] = {}
        for name in names:
            value = _parse(name)
            if value is not None and spellings.setdefault(value, name) != name:
                row = list(cells).index(name)
                raise self.error(
                    row, column, f"{name!r} and {spellings[value]!r} are one number; spell the class one way"
                )
        return indices, names


def _parse(cell: str) -> float | None:
    """The number that `cell` spells, infinite and NaN included, or None.

    Python reads '1_000' as a number; in a data file it is a word.
    """
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _is_missing(cell: str) -> bool:
    return cell.lower() in MISSING


def _decide_task(table: _Table, column: int, cells: Sequence[str], task: Task | None) -> Task:
    if task is not None:
        if task not in ("classification", "regression"):
            raise DataError(f"task is 'classification' or 'regression', not {task!r}")
        return task
    present = [cell for cell in cells if not _is_missing(cell)]
    text = [cell for cell in present if _parse(cell) is None]
    if text and len(text) < len(present):
        raise table.error(
            cells.index(text[0]),
            column,
            f"{_shown(text[0])} is text where other targets are numbers; mend it, or say task: classification if all "
            f"of them name classes",
        )
    return "classification" if text else "regression"


def _read_table(path: str | os.PathLike[str], header: bool | None, delimiter: str) -> _Table:
    shown = os.fspath(path)
    rows, lines = _read_rows(shown, _read_text(shown), delimiter)
    if not rows:
        raise DataError(f"{shown} is empty; a data set needs at least one row")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(rows[0]):
            way_out = "fill in what is missing" if len(row) < len(rows[0]) else f"quote a cell that holds {delimiter!r}"
            raise DataError(f"{shown}:{line}: {_cells(len(row))}, but line {lines[0]} has {len(rows[0])}; {way_out}")
    declared = header is not None
    if not declared:
        header = all(_parse(cell) is None for cell in rows[0])
    if not header:
        return _Table(shown, [str(j) for j in range(len(rows[0]))], False, rows, lines)
    names = rows[0]
    _check_names(f"{shown}:{lines[0]}", names, declared)
    if len(rows) == 1:
        raise DataError(f"{shown} has a header (line {lines[0]}) and no rows; say header: false if that line is data")
    return _Table(shown, names, True, rows[1:], lines[1:])


def _read_text(path: str) -> str:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{line}: byte 0x{content[error.start]:02x} is not UTF-8; save the file in the encoding UTF-8"
        ) from None


def _read_rows(path: str, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """Cells without the space around them, and the line that each row starts on."""
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise DataError(f"a delimiter is one character, such as ',' or ';' or a tab, not {delimiter!r}")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows, lines = [], []
    start = 1
    try:
        for row in reader:
            if row:
                rows.append([cell.strip() for cell in row])
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}:{start}: the row that starts here is not CSV ({error}); look for a double quote that is not closed"
        ) from None
    return rows, lines


def _check_names(place: str, names: list[str], declared: bool) -> None:
    """Refuse a header that may be a row of data: where nobody declared it, 'NA' is rather a value than a name."""
    column_of: dict[str, int] = {}
    for j, name in enumerate(names):
        if not name or (_is_missing(name) and not declared):
            raise DataError(
                f"{place}: {_shown(name)} is no name for column {j}; rename it, or say header: false if this line is "
                f"data"
            )
        if column_of.setdefault(name, j) != j:
            raise DataError(
                f"{place}: columns {column_of[name]} and {j} are both named {name!r}; rename one, or say header: false "
                f"if this line is data"
            )


def _shown(cell: str) -> str:
    if not cell:
        return "an empty cell"
    return repr(cell) if len(cell) <= 40 else repr(cell[:37] + "...")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _cells(n: int) -> str:
    return "1 cell" if n == 1 else f"{n} cells"
