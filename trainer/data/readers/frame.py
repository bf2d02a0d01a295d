"""The columns of a file that has types: numbers stay the arrays that they are, everything else is the text of a cell.

So what a column is for, what is missing and what an error says are those of a CSV file: a `Frame` is a `Table` of which
numbers need no parsing, whose names of categories are known to be names, and which counts rows instead of lines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from trainer.data.readers.spelling import Spelling
from trainer.data.readers.table import Kind, Table
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import in_yaml

__all__ = ["Frame", "Typed", "frame_of"]

FLOATS = (np.float32, np.float64)  # which hold what a cell says as it is


@dataclass(frozen=True)
class Typed(Table):
    """Cells of a file that says more of them.

    named: the columns of which it says that they hold names, whatever these look like.
    """

    named: frozenset[int] = frozenset()

    def kind(self, column: int) -> Kind:
        if column in self.named:
            return "text" if self.present(column) else "nothing"
        return super().kind(column)


@dataclass(frozen=True)
class Frame(Typed):
    """Columns with types.

    given: each column, numbers as an array, and everything else as Python's objects.
    before: how many rows of the file are before these.
    """

    given: Sequence[Array | list[object]] = ()
    before: int = 0
    _made: dict[int, list[str]] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.given[0]) if self.given else 0

    def cells(self, column: int) -> Sequence[str]:
        """The cells of a column as text, made where somebody asks."""
        if column not in self._made:
            values = self.given[column]
            if isinstance(values, list) and set(map(type, values)) <= {str, type(None)}:
                known = {value: str(value or "").strip() for value in set(values)}
                self._made[column] = [known[value] for value in values]
            else:
                self._made[column] = [self.text(column, row) for row in range(len(self))]
        return self._made[column]

    def error(self, row: int, column: int, problem: str) -> DataError:
        """An error that begins with file, row, counted from 1, and column."""
        return DataError(f"{self.path}: row {self.before + row + 1:,}: {self.label(column)}: {problem}")

    def place(self) -> str:
        return self.path

    def missing(self, column: int) -> int:
        values = self.given[column]
        if isinstance(values, list) and not all(map(_is_cell, values)):
            return sum(value is None for value in values)
        return super().missing(column)

    def first(self, column: int, rows: int) -> list[str]:
        """The first cells; of a column that is left out, anything may stand in one."""
        some = self.given[column][:rows]
        return [self.text(column, row) if _is_cell(value) else _what(value) for row, value in enumerate(some)]

    def text(self, column: int, row: int) -> str:
        """A cell as it would stand in a CSV file, empty where there is nothing. Raises DataError for what is none."""
        value = self.given[column][row]
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return ""
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, date):  # a time is one as well
            return value.isoformat()
        if isinstance(value, bool | int | float | Decimal):
            return str(value)
        way = "" if self.settled else f"; leave the column out, ignore: [{in_yaml(self.option(column))}]"
        raise self.error(row, column, f"a cell is a number, a text, a date, or true or false, not {_what(value)}{way}")

    def _finite(self, column: int) -> Array | None:
        values = self.given[column]
        if column not in self._numbers and column not in self.named and isinstance(values, np.ndarray):
            numbers = values if values.dtype in FLOATS else values.astype(np.float64)
            marked = any((numbers == mark).any() for mark in self.spelling.marked_numbers)
            self._numbers[column] = None if marked or not np.isfinite(numbers).all() else numbers
        return super()._finite(column)

    def numbers(self, column: int, way_out: str, missing: bool | None = None) -> Array:
        """A column of numbers, see `Table.numbers`; those of single precision stay so."""
        values = self.given[column]
        if missing and column not in self.named and isinstance(values, np.ndarray) and values.dtype in FLOATS:
            plain = not self.spelling.marked_numbers and not np.isinf(values).any()
            return values if plain else super().numbers(column, way_out, missing)
        return super().numbers(column, way_out, missing)

    def booleans(self, column: int, missing: bool | None = None) -> Array:
        """A column of true and false, see `Table.booleans`; truth itself need not become text for it."""
        values = self.given[column]
        if isinstance(values, list) and set(map(type, values)) <= ({bool, type(None)} if missing else {bool}):
            return np.array(values, dtype=np.float64)  # None becomes NaN
        return super().booleans(column, missing)

    def dates(self, column: int, form: str, missing: bool | None = None) -> list[datetime | None]:
        """The times of a column of dates, see `Table.dates`; times themselves are in no format."""
        timed = any(isinstance(value, date) for value in self.given[column])
        return super().dates(column, "" if timed else form, missing)


def frame_of(path: str, columns: Mapping[str, Array | list[object]], named: Sequence[str], spelling: Spelling) -> Frame:
    """The columns of a file, by name; `named` are those that hold names."""
    names = [*columns]
    where = frozenset(map(names.index, named))
    return Frame(path, names, True, [], [], spelling, named=where, given=[*columns.values()])


def _is_cell(value: object) -> bool:
    return value is None or isinstance(value, str | date | bool | int | float | Decimal | np.generic)


def _what(value: object) -> str:
    kinds: dict[type, str] = {dict: "a mapping", list: "a list", tuple: "a list", bytes: "bytes"}
    return next((words for kind, words in kinds.items() if isinstance(value, kind)), f"a {type(value).__name__}")
