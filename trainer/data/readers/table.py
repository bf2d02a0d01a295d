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
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Literal

import numpy as np

from trainer.data.dataset import class_indices
from trainer.data.dates import formats, in_form, moment
from trainer.data.readers import spelling as spellings
from trainer.data.readers.decoding import read_text_of
from trainer.data.readers.header import names_of
from trainer.data.readers.spelling import MENDING, Spelling, is_sign_of_nothing, readings, shown, why_date, why_near
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import count, did_you_mean, either, in_yaml, listed

__all__ = ["Kind", "Layout", "Table", "check_even", "read_table", "rows_of", "sniffed"]

MOST_COLUMNS = 12  # a message does not list more
FIRST = 1000  # rows by which a header is told
SNIFFED = 50  # rows by which a delimiter is
DELIMITERS = (",", ";", "\t", "|")
BOOLEANS = ({"false": 0.0, "true": 1.0}, {"no": 0.0, "yes": 1.0})

Kind = Literal["numbers", "booleans", "dates", "near numbers", "text", "mixed", "nothing"]


@dataclass(frozen=True)
class Layout:
    """How a text file is divided: `delimiter` None is told from the file, "tab" is a tab.

    comment: what a line begins with that is none of the data.
    settled: whether it was said for another file, which this has to be like, so that no message says what to say.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    comment: str | None = None
    settled: bool = False


@dataclass(frozen=True)
class Table:
    """Cells as text, with what an error needs to say where they stand."""

    path: str
    names: list[str]
    has_header: bool
    rows: list[list[str]]
    lines: list[int]
    spelling: Spelling = field(default_factory=Spelling)
    delimiter: str = ","
    header_line: int = 1
    settled: bool = False
    _numbers: dict[int, Array | None] = field(default_factory=dict, compare=False, repr=False)
    _different: dict[int, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def columns(self) -> list[tuple[str, ...]]:
        """The cells of each column."""
        return list(zip(*self.rows, strict=True))

    def cells(self, column: int) -> Sequence[str]:
        """The cells of one column."""
        return self.columns[column]

    def place(self) -> str:
        """Where the names of the columns stand."""
        return f"{self.path}:{self.header_line}"

    def label(self, column: int) -> str:
        """`column 'width'`, or `column 0` in a file without a header, or where it has no name."""
        return f"column {self.names[column]!r}" if self.has_header and self.names[column] else f"column {column}"

    def option(self, column: int) -> str | int:
        """What an option calls a column: its name, or its index in a file without a header."""
        return self.names[column] if self.has_header else column

    def error(self, row: int, column: int, problem: str) -> DataError:
        """An error that begins with file, line and column."""
        return DataError(f"{self.path}:{self.lines[row]}: {self.label(column)}: {problem}")

    def find(self, column: str | int, purpose: str, *option: str | int) -> int:
        """Index of a column by its name or its index (negative: from the end); the rest is for the error."""
        return find(self.path, self.names, self.has_header, column, purpose, *option)

    def other_delimiter(self) -> str:
        """The hint for a file whose only column holds another mark that separates cells; empty otherwise."""
        first = self.rows[0][0] if self.rows else ""
        if used := [mark for mark in DELIMITERS if mark in first]:
            return f"; if {used[0]!r} separates the cells, say delimiter: {said(used[0])}"
        spaced = "; if spaces separate the cells, write one comma in place of each row of them"
        return spaced if len(first.split()) > 1 else ""

    def missing(self, column: int) -> int:
        """How many cells say that their value is missing."""
        if self._finite(column) is not None:
            return 0
        marks = {cell for cell in self.different(column) if self.spelling.is_missing(cell)}
        return sum(cell in marks for cell in self.cells(column)) if marks else 0

    def first(self, column: int, rows: int) -> list[str]:
        """The first cells as they stand there."""
        return list(self.cells(column)[:rows])

    def different(self, column: int) -> tuple[str, ...]:
        """The different cells, in the order in which they come."""
        if column not in self._different:
            self._different[column] = tuple(dict.fromkeys(self.cells(column)))
        return self._different[column]

    def present(self, column: int) -> list[str]:
        """The different cells that are not missing, in the order in which they come."""
        return [cell for cell in self.different(column) if not self.spelling.is_missing(cell)]

    def kind(self, column: int) -> Kind:
        """What all cells of a column are, but for the missing ones."""
        if self._finite(column) is not None:
            return "numbers"
        present = self.present(column)
        if not present:
            return "nothing"
        numbers = sum(self.spelling.parse(cell) is not None for cell in present)
        if numbers == len(present):
            return "numbers"
        if readings(present, self.spelling):
            return "near numbers"
        if numbers:
            return "mixed"
        if _booleans(present) is not None:
            return "booleans"
        return "dates" if formats(present) else "text"

    def _finite(self, column: int) -> Array | None:
        """A column of which every cell is a finite number; None for any other."""
        if column not in self._numbers:
            values = self.spelling.numbers(self.cells(column))
            self._numbers[column] = values if values is not None and np.isfinite(values).all() else None
        return self._numbers[column]

    def numbers(self, column: int, way_out: str, missing: bool | None = None) -> Array:
        """A column as float64.

        missing: whether a cell may be missing, for NaN; None where nothing can allow it.
        """
        values = self._finite(column)
        if values is not None:
            return values
        cells = self.cells(column)
        numbers = [self.spelling.parse(cell) for cell in cells]
        for row, value in enumerate(numbers):
            absent = self.spelling.is_missing(cells[row])
            if missing and absent:
                numbers[row] = math.nan
            elif value is None or absent or not math.isfinite(value):
                raise self.error(row, column, self._why_no_number(row, column, way_out, missing))
        return np.array(numbers, dtype=np.float64)

    def booleans(self, column: int, missing: bool | None = None) -> Array:
        """A column of true and false, or of yes and no, as 1 and 0, float64; NaN for what is missing.

        Raises DataError for any other cell.
        """
        words = _booleans(self.present(column)) or {word: value for pair in BOOLEANS for word, value in pair.items()}
        values = np.empty(len(self))
        for row, cell in enumerate(self.cells(column)):
            value = words.get(cell.lower())
            if value is None and self.spelling.is_missing(cell) and missing:
                value = math.nan
            if value is None:
                if self.spelling.is_missing(cell):
                    raise self.error(row, column, self._why_missing(cell, missing))
                raise self.error(row, column, f"{shown(cell)} is not one of {either(map(repr, words))}")
            values[row] = value
        return values

    def dates(self, column: int, form: str, missing: bool | None = None) -> list[datetime | None]:
        """The times of a column of dates, in a format of `datetime.strptime` or ISO 8601; None for what is missing.

        Raises DataError for a cell that is none.
        """
        cells = self.cells(column)
        known = {cell: moment(cell, form) for cell in self.different(column)}
        for row, cell in enumerate(cells):
            if known[cell] is not None:
                continue
            if self.spelling.is_missing(cell):
                if not missing:
                    raise self.error(row, column, self._why_missing(cell, missing))
            elif form or self.settled:
                named = repr(form) if form else "ISO 8601"
                raise self.error(row, column, f"{shown(cell)} is no date as {named} has it")
            else:
                way = in_form(self.option(column), self.present(column))
                raise self.error(row, column, f"{shown(cell)} is no date as ISO 8601 has it, 2026-01-31{way}")
        return [known[cell] for cell in cells]

    def _why_missing(self, cell: str, missing: bool | None) -> str:
        ways = "fill it in or remove the row" if missing is None else MENDING
        return f"{shown(cell)} is a missing value; {ways}; nothing is dropped silently"

    def _why_no_number(self, row: int, column: int, way_out: str, missing: bool | None) -> str:
        cell = self.cells(column)[row]
        if self.spelling.is_missing(cell):
            return self._why_missing(cell, missing)
        if self.settled:
            return f"{shown(cell)} is not a finite number; put one there{way_out}"
        near = readings(self.present(column), self.spelling) or readings([cell], self.spelling)
        if near:
            return why_near(cell, near)
        if not self.has_header and row == 0:
            return f"{shown(cell)} is not a number; if this line names the columns, say header: true"
        present = self.present(column)
        forms = formats(present)
        if forms:
            return why_date(cell, self.option(column), forms)
        if is_sign_of_nothing(cell) and self.spelling.missing_values is None:
            signs = [*filter(is_sign_of_nothing, present)][:MOST_COLUMNS]
            marks = f"missing_values: {['', *signs]}, missing: allow"
            return f"{shown(cell)} is not a number; if it says that a value is missing, say {marks}"
        if way_out and self.mostly_different(column):
            way_out = f", or ignore: [{in_yaml(self.option(column))}], since hardly a cell comes twice"
        return f"{shown(cell)} is not a finite number; put one there{way_out}"

    def mostly_different(self, column: int) -> bool:
        """Whether hardly a cell comes twice, so that they name no categories."""
        return spellings.mostly_different(len(self.different(column)), len(self))

    def indices(
        self, column: int, what: str, missing: bool | None = None, codes: bool = False
    ) -> tuple[Array, tuple[str, ...]]:
        """A column of names as indices, int64, and the sorted names; `what` a name stands for is for the errors.

        missing: whether a cell may be missing; all that are share a name of their own, "?". None where nothing can
            allow it.
        codes: whether names are what they are, 7 and 007 two of them, because somebody said so. Otherwise two
            spellings of one number are refused.
        """
        cells = self.cells(column)
        absent = {cell for cell in self.different(column) if self.spelling.is_missing(cell)}
        if absent and missing:
            cells = ["?" if cell in absent else cell for cell in cells]
        elif absent:
            row = next(row for row, cell in enumerate(cells) if cell in absent)
            allow = f", or say missing: allow, which makes a {what} of its own, '?', of it"
            ways = f"fill it in or remove the row{allow if missing is not None else ''}"
            raise self.error(row, column, f"{shown(cells[row])} is a missing {what}; {ways}")
        indices, names = class_indices(cells)
        spellings: dict[object, str] = {}
        for name in () if codes else names:
            value = self.spelling.exactly(name)
            if value is not None and spellings.setdefault(value, name) != name:
                row = cells.index(name)
                raise self.error(
                    row, column, f"{name!r} and {spellings[value]!r} are one number; spell the {what} one way"
                )
        return indices, names

    def refuse(self, column: int, kind: Kind, way_out: str) -> DataError:
        """The error for a column that is taken for text and looks like something else."""
        cells, present = self.cells(column), self.present(column)
        if kind == "dates":
            row = cells.index(present[0])
            return self.error(row, column, f"{why_date(present[0], self.option(column), formats(present))}{way_out}")
        odd = next(cell for cell in present if self.spelling.parse(cell) is None)
        row = cells.index(odd)
        if kind == "near numbers":
            return self.error(row, column, f"{why_near(odd, readings(present, self.spelling))}{way_out}")
        return self.error(row, column, f"{shown(odd)} is text where other {way_out}")


def find(path: str, names: Sequence[str], has_header: bool, column: str | int, purpose: str, *option: str | int) -> int:
    """Index of a column by its name or its index, see `Table.find`."""
    count = len(names)
    if isinstance(column, int):
        inside = -count <= column < count
        quoted = f'in quotes, "{column}", it is the name of one'
        if has_header and str(column) in names and not (inside and names[column] == str(column)):
            if inside:
                other = column - count if column >= 0 else column + count
                raise DataError(
                    f"{path}: {column} is the index of a column and the name of another; {quoted}, and {other} is the "
                    f"index",
                    *option,
                )
            raise DataError(f"{path} has columns 0 to {count - 1}, and no {purpose} column {column}; {quoted}", *option)
        if not inside:
            raise DataError(f"{path} has columns 0 to {count - 1}, and no {purpose} column {column}", *option)
        return column % count
    if not has_header:
        raise DataError(
            f"{path} has no header line, so there is no {purpose} column {column!r}: give its index, 0 to "
            f"{count - 1}, or header: true if the first line names the columns",
            *option,
        )
    if column not in names:
        several = [part.strip() for part in column.split(",")]
        if len(several) > 1 and set(several) <= set(names):
            way = f"{option[0] if option else purpose}: [{', '.join(map(in_yaml, several))}]"
            raise DataError(f"{path} has no column {column!r}; for several say {way}", *option)
        hint = did_you_mean(column, names, f"it has {listed(names, MOST_COLUMNS)}")
        use = f"to be {purpose}" if purpose in ("ignored", "categorical", "dates") else f"for the {purpose}"
        raise DataError(f"{path} has no column {column!r} {use}; {hint}", *option)
    if names.count(column) > 1:
        places = [str(j) for j, name in enumerate(names) if name == column]
        raise DataError(f"{path}: columns {either(places, 'and')} are all named {column!r}; give an index", *option)
    return names.index(column)


def said(delimiter: str) -> str:
    r"""A delimiter as it can be written in YAML, in a shell and in Python.

    >>> said("\t"), said(";")
    ('tab', "';'")
    """
    return "tab" if delimiter == "\t" else repr(delimiter)


def _booleans(cells: Iterable[str]) -> dict[str, float] | None:
    """The pair of words that all of these cells are of, and what they stand for."""
    words = {cell.lower() for cell in cells}
    return next((pair for pair in BOOLEANS if words <= pair.keys()), None)


def read_table(
    path: str | os.PathLike[str], header: bool | None, layout: Layout, spelling: Spelling | None = None
) -> Table:
    """The cells of a file with as many of them in each row; `header` None: as `names_of` tells it."""
    place, spelling = os.fspath(path), spelling or Spelling()
    text = read_text_of(place, layout.encoding)
    delimiter = delimiter_of(layout.delimiter) or sniffed(place, text, layout.comment)
    rows, lines = _read_rows(place, text, delimiter, layout.comment)
    if not rows:
        raise DataError(f"{place} is empty; a data set needs at least one row")
    for row, line in zip(rows, lines, strict=True):
        check_even(place, rows[0], lines[0], row, line, delimiter, layout)
    names = names_of(place, rows[0], lines[0], header, rows[1 : FIRST + 1], lines[1 : FIRST + 1], spelling)
    if names is None:
        plain = [str(j) for j in range(len(rows[0]))]
        return Table(place, plain, False, rows, lines, spelling, delimiter, 0)
    if len(rows) == 1:
        raise DataError(f"{place} has a header (line {lines[0]}) and no rows; say header: false if that line is data")
    return Table(place, names, True, rows[1:], lines[1:], spelling, delimiter, lines[0])


def delimiter_of(given: str | None) -> str | None:
    r"""The character that separates cells, a tab also by its name or as `\t`; None where it is to be told.

    Raises DataError for what is none.
    """
    if given is None:
        return None
    delimiter = "\t" if given in ("tab", "\\t") else given
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise DataError(
            f"a delimiter is one character, such as ',' or ';', or the word tab, not {given!r}", "delimiter"
        )
    return delimiter


def sniffed(path: str, text: str, comment: str | None = None) -> str:
    """The delimiter by which the first rows have as many cells each, more than one; a comma where there is none.

    Raises DataError where each row could be divided in two ways.
    """
    beginning = text[: 2**16]
    fitting: dict[str, list[list[str]]] = {}
    for mark in DELIMITERS:
        with suppress(DataError):
            rows = [*islice(_some_rows(path, beginning, mark, comment), SNIFFED)]
            if len(beginning) < len(text) and len(rows) < SNIFFED:
                rows = rows[:-1]  # of which the last may be cut
            if len({len(row) for row in rows}) == 1 and len(rows[0]) > 1:
                fitting[mark] = rows
    if len(fitting) < 2:
        return next(iter(fitting), ",")
    best, *others = fitting
    for other in others:
        if all(any(other in cell for cell in row) for row in fitting[best]):
            ways = either(f"delimiter: {said(mark)}" for mark in (best, other))
            raise DataError(f"{path}: both {best!r} and {other!r} may separate the cells; say {ways}", "delimiter")
    return best


def _some_rows(path: str, text: str, delimiter: str, comment: str | None) -> Iterator[list[str]]:
    """The rows of a text that may end anywhere."""
    try:
        for row, _ in rows_of(path, io.StringIO(text, newline=""), delimiter, comment):
            yield row
    except DataError:
        return


def _read_rows(path: str, text: str, delimiter: str, comment: str | None = None) -> tuple[list[list[str]], list[int]]:
    """Cells without the space around them, and the line that each row starts on."""
    rows, lines = [], []
    for row, line in rows_of(path, io.StringIO(text, newline=""), delimiter, comment):
        rows.append(row)
        lines.append(line)
    return rows, lines


def rows_of(
    path: str, lines: Iterable[str], delimiter: str, comment: str | None = None
) -> Iterator[tuple[list[str], int]]:
    """The rows of a file's lines one by one: cells without the space around them, and the line that it starts on.

    Raises DataError for what is no CSV.
    """
    reader = csv.reader(
        _without_comments(lines, comment) if comment else lines,
        delimiter=delimiter,
        skipinitialspace=True,
        strict=True,
    )
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


def _without_comments(lines: Iterable[str], comment: str) -> Iterator[str]:
    """The same number of lines; one that begins a comment, and lies within no quotes, is empty."""
    within = False
    for line in lines:
        if not within and line.lstrip().startswith(comment):
            yield "\n"
            continue
        within ^= line.count('"') % 2 == 1
        yield line


def check_even(
    path: str, first: list[str], at: int, row: list[str], line: int, delimiter: str, layout: Layout | None = None
) -> None:
    """Refuse a row that has more or fewer cells than the first."""
    if len(row) != len(first):
        way_out = _way_to_even_rows(path, first, at, row, delimiter, layout or Layout())
        raise DataError(f"{path}:{line}: {count(len(row), 'cell')}, but line {at} has {len(first)}; {way_out}")


def _way_to_even_rows(path: str, first: list[str], at: int, row: list[str], delimiter: str, layout: Layout) -> str:
    """What to do about a row that has more or fewer cells than the first: what it looks like comes first."""
    marks = {"#", "%"} if layout.comment is None and not layout.settled and first[0][:1] != row[0][:1] else ()
    for cells, which in ((first, f"line {at}"), (row, "it")):
        if cells[0][:1] in marks:
            mark = cells[0][0]
            return f"{which} begins with {mark!r}, as a comment does: say comment: '{mark}' if it is one"
    if first[0].startswith("sep=") and layout.comment is None and not layout.settled:
        return f"line {at} tells a spreadsheet what separates the cells: say comment: 'sep='"
    for mark in DELIMITERS if not layout.settled else ():
        if mark != delimiter and any(mark in cell for cell in first) and any(mark in cell for cell in row):
            with suppress(DataError):
                text = read_text_of(path, layout.encoding)
                widths = {len(cells) for cells in _read_rows(path, text, mark, layout.comment)[0]}
                if len(widths) == 1:
                    commas = delimiter == "," and re.search(r"\d,\d", ",".join(row))
                    decimals = ", and decimal: ','" if commas else ""
                    return f"{mark!r} seems to separate the cells: say delimiter: {said(mark)}{decimals}"
    if len(row) == len(first) + 1 and not row[-1] and not layout.settled:
        return f"it ends in a delimiter: remove it, or end line {at} in one and say ignore: [-1]"
    return "fill in what is missing" if len(row) < len(first) else f"quote a cell that holds {delimiter!r}"
