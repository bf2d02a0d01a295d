"""The cells of a CSV file as text, by the standard library's reader: what they are called, where they stand, what they
spell. Whoever asks for a column says what it should be, and an error names the first line where it is not.

Space around a cell and lines that are empty mean nothing.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from trainer.data.dataset import class_indices
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import count, cut, did_you_mean, listed

__all__ = ["Table", "check_even", "is_missing", "names_of", "parse", "read_table", "read_utf8", "rows_of", "shown"]

MENDING = "fill it in, remove the row, or have it filled in by missing: allow and preprocess: [simple_imputer]"
MOST_COLUMNS = 12  # a message does not list more
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})


@dataclass(frozen=True)
class Table:
    """Cells as text, with what an error needs to say where they stand."""

    path: str
    names: list[str]
    has_header: bool
    rows: list[list[str]]
    lines: list[int]

    @cached_property
    def columns(self) -> list[tuple[str, ...]]:
        """The cells of each column."""
        return list(zip(*self.rows, strict=True))

    def label(self, column: int) -> str:
        """`column 'width'`, or `column 0` in a file without a header."""
        return f"column {self.names[column]!r}" if self.has_header else f"column {column}"

    def error(self, row: int, column: int, problem: str) -> DataError:
        """An error that begins with file, line and column."""
        return DataError(f"{self.path}:{self.lines[row]}: {self.label(column)}: {problem}")

    def find(self, column: str | int, purpose: str, *option: str | int) -> int:
        """Index of a column by its name or its index (negative: from the end); the rest is for the error."""
        count = len(self.names)
        if isinstance(column, int):
            if not -count <= column < count:
                raise DataError(f"{self.path} has columns 0 to {count - 1}, and no {purpose} column {column}", *option)
            return column % count
        if not self.has_header:
            raise DataError(
                f"{self.path} has no header line, so there is no {purpose} column {column!r}: give its index, 0 to "
                f"{count - 1}, or header: true if the first line names the columns",
                *option,
            )
        if column not in self.names:
            hint = did_you_mean(column, self.names, f"it has {listed(self.names, MOST_COLUMNS)}")
            use = f"to be {purpose}" if purpose in ("ignored", "categorical") else f"for the {purpose}"
            raise DataError(f"{self.path} has no column {column!r} {use}; {hint}", *option)
        return self.names.index(column)

    def other_delimiter(self) -> str:
        """The hint for a file whose only column holds another mark that separates cells; empty otherwise."""
        used = [mark for mark in (",", ";", "\t", "|") if mark in self.rows[0][0]]
        return f"; if {used[0]!r} separates the cells, say delimiter: {used[0]!r}" if used else ""

    def numbers(self, column: int, way_out: str, missing: bool | None = None) -> Array:
        """A column as float64.

        missing: whether a cell may be missing, for NaN; None where nothing can allow it.
        """
        cells = self.columns[column]
        values = _all_numbers(cells)
        if values is not None and np.isfinite(values).all():
            return values
        numbers = [parse(cell) for cell in cells]
        for row, value in enumerate(numbers):
            if missing and is_missing(cells[row]):
                numbers[row] = math.nan
            elif value is None or not math.isfinite(value):
                raise self.error(row, column, self._why_no_number(row, cells[row], way_out, missing))
        return np.array(numbers, dtype=np.float64)

    def _why_no_number(self, row: int, cell: str, way_out: str, missing: bool | None) -> str:
        if is_missing(cell):
            ways = "fill it in or remove the row" if missing is None else MENDING
            return f"{shown(cell)} is a missing value; {ways}: nothing is dropped silently"
        if "," in cell and parse(cell.replace(",", ".")) is not None:
            return f"{cell!r} is not a number; decimals take a point"
        if not self.has_header and row == 0:
            return f"{shown(cell)} is not a number; if this line names the columns, say header: true"
        return f"{shown(cell)} is not a finite number; put one there{way_out}"

    def indices(self, column: int, what: str, missing: bool | None = None) -> tuple[Array, tuple[str, ...]]:
        """A column of names as indices, int64, and the sorted names; `what` a name stands for is for the errors.

        missing: whether a cell may be missing; all that are share a name of their own, "?". None where nothing can
            allow it.
        """
        cells = self.columns[column]
        if missing:
            cells = tuple("?" if is_missing(cell) else cell for cell in cells)
        for row, cell in enumerate(cells):
            if is_missing(cell) and not missing:
                allow = f", or say missing: allow, which makes a {what} of its own, '?', of it"
                ways = f"fill it in or remove the row{allow if missing is not None else ''}"
                raise self.error(row, column, f"{shown(cell)} is a missing {what}; {ways}")
        indices, names = class_indices(cells)
        spellings: dict[float, str] = {}
        for name in names:
            value = parse(name)
            if value is not None and spellings.setdefault(value, name) != name:
                row = cells.index(name)
                raise self.error(
                    row, column, f"{name!r} and {spellings[value]!r} are one number; spell the {what} one way"
                )
        return indices, names

    def holds_text(self, column: int, way_out: str) -> bool:
        """Whether a column's cells are all text (yes) or all numbers (no), but for the missing ones.

        Raises DataError, which ends in `way_out`, at the first text of a column that holds both.
        """
        cells = self.columns[column]
        if _all_numbers(cells) is not None:
            return False
        present = [cell for cell in cells if not is_missing(cell)]
        text = [cell for cell in present if parse(cell) is None]
        if text and len(text) < len(present):
            raise self.error(cells.index(text[0]), column, f"{shown(text[0])} is text where other {way_out}")
        return bool(text)


def parse(cell: str) -> float | None:
    """The number that `cell` spells, infinite and NaN included, or None.

    Python reads '1_000' as a number; in a data file it is a word.
    """
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _all_numbers(cells: Sequence[str]) -> Array | None:
    """What `parse` makes of every cell, many times faster; None if one of them is no number."""
    try:
        return None if "_" in "".join(cells) else np.array(list(map(float, cells)))
    except ValueError:
        return None


def is_missing(cell: str) -> bool:
    """Whether a cell says that its value is missing."""
    return cell.lower() in MISSING


def shown(cell: str) -> str:
    """A cell in a message, cut short."""
    if not cell:
        return "an empty cell"
    return repr(cut(cell, 40))


def read_table(path: str | os.PathLike[str], header: bool | None, delimiter: str) -> Table:
    """The cells of a UTF-8 file with as many of them in each row; `header` None: if no cell of line 1 is a number."""
    place = os.fspath(path)
    rows, lines = _read_rows(place, read_utf8(place), delimiter)
    if not rows:
        raise DataError(f"{place} is empty; a data set needs at least one row")
    for row, line in zip(rows, lines, strict=True):
        check_even(place, rows[0], lines[0], row, line, delimiter)
    names = names_of(place, rows[0], lines[0], header)
    if names is None:
        return Table(place, [str(j) for j in range(len(rows[0]))], False, rows, lines)
    if len(rows) == 1:
        raise DataError(f"{place} has a header (line {lines[0]}) and no rows; say header: false if that line is data")
    return Table(place, names, True, rows[1:], lines[1:])


def names_of(path: str, first: list[str], line: int, header: bool | None) -> list[str] | None:
    """The columns' names, if the first row holds them: where `header` does not say so, if none of it is a number."""
    if header is False or (header is None and any(parse(cell) is not None for cell in first)):
        return None
    _check_names(f"{path}:{line}", first, header is not None)
    return first


def read_utf8(path: str) -> str:
    """The text of a file, without the byte order mark that it may begin with."""
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
    rows, lines = [], []
    for row, line in rows_of(path, io.StringIO(text, newline=""), delimiter):
        rows.append(row)
        lines.append(line)
    return rows, lines


def rows_of(path: str, lines: Iterable[str], delimiter: str) -> Iterator[tuple[list[str], int]]:
    """The rows of a file's lines one by one: cells without the space around them, and the line that it starts on.

    Raises DataError for what is no CSV.
    """
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise DataError(f"a delimiter is one character, such as ',' or ';' or a tab, not {delimiter!r}", "delimiter")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    start = 1
    try:
        for row in reader:
            if row:
                yield [cell.strip() for cell in row], start
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}:{start}: the row that starts here is not CSV ({error}); look for a double quote that is not closed"
        ) from None


def check_even(path: str, first: list[str], at: int, row: list[str], line: int, delimiter: str) -> None:
    """Refuse a row that has more or fewer cells than the first."""
    if len(row) != len(first):
        way_out = _way_to_even_rows(path, first, row, delimiter)
        raise DataError(f"{path}:{line}: {count(len(row), 'cell')}, but line {at} has {len(first)}; {way_out}")


def _way_to_even_rows(path: str, first: list[str], row: list[str], delimiter: str) -> str:
    """What to do about a row that has more or fewer cells than the first."""
    for mark in (",", ";", "\t", "|"):
        if mark != delimiter and any(mark in cell for cell in first) and any(mark in cell for cell in row):
            with suppress(DataError):
                widths = {len(cells) for cells in _read_rows(path, read_utf8(path), mark)[0]}
                if len(widths) == 1:
                    commas = delimiter == "," and re.search(r"\d,\d", ",".join(row))
                    decimals = ", and write decimals with a point" if commas else ""
                    return f"{mark!r} seems to separate the cells: say delimiter: {mark!r}{decimals}"
    return "fill in what is missing" if len(row) < len(first) else f"quote a cell that holds {delimiter!r}"


def _check_names(place: str, names: list[str], declared: bool) -> None:
    """Refuse a header that may be a row of data: where nobody declared it, 'NA' is rather a value than a name."""
    column_of: dict[str, int] = {}
    for j, name in enumerate(names):
        if not name or (is_missing(name) and not declared):
            raise DataError(
                f"{place}: {shown(name)} is no name for column {j}; rename it, or say header: false if this line is "
                f"data"
            )
        if column_of.setdefault(name, j) != j:
            raise DataError(
                f"{place}: columns {column_of[name]} and {j} are both named {name!r}; rename one, or say header: false "
                f"if this line is data"
            )
