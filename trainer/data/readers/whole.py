"""The table of a whole CSV file by the quick parser, for training."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from trainer.data.pages import moved, pages
from trainer.data.readers.beginning import Beginning, beginning_of
from trainer.data.readers.decoding import decoded_lines, open_bytes
from trainer.data.readers.header import names_of
from trainer.data.readers.quick import NUMBER, SKIP, TEXT, Cells, Doubt, Quick, Style, can_read, read_cells, reads_units
from trainer.data.readers.spelling import Spelling
from trainer.data.readers.table import FIRST, Layout, rows_of
from trainer.errors import DataError
from trainer.types import Array

__all__ = ["quick_table"]

TRIED = 100  # rows by which it is told what a column holds
MOST_TRIALS = 20  # columns that turn out to be no numbers; each has the file read again
SPARE = 1.05  # rows that there is room for, of those that the file seems to have


@dataclass(frozen=True)
class Whole(Quick):
    """All rows of a file; of their texts the first ones, and those of columns that are no numbers."""

    start: int = 0

    def cells(self, column: int) -> Sequence[str]:
        """The texts of one column; of a column of numbers they are read now."""
        if column not in self.texts:
            kinds = bytes(TEXT if j == column else SKIP for j in range(len(self.names)))
            texts: list[str] = []
            try:
                for some in _read(self.path, self.start, Style.of(self.delimiter, self.spelling), kinds):
                    texts += some.texts[0]
            except Doubt:
                raise self._changed() from None
            if len(texts) != len(self):
                raise self._changed()
            self.texts[column] = texts
        return self.texts[column]

    def first(self, column: int, rows: int) -> list[str]:
        """The first cells as they stand there."""
        if rows <= len(self.rows):
            return [row[column] for row in self.rows[:rows]]
        return super().first(column, rows)

    def error(self, row: int, column: int, problem: str) -> DataError:
        """An error that begins with file, line and column."""
        all_rows = rows_of(self.path, decoded_lines(self.path), self.delimiter)
        at = row + self.has_header
        line = next((line for _, line in islice(all_rows, at, at + 1)), None)
        if line is None:
            return self._changed()
        return DataError(f"{self.path}:{line}: {self.label(column)}: {problem}")

    def _changed(self) -> DataError:
        return DataError(f"{self.path} was changed while it was read")


def quick_table(path: str | os.PathLike[str], header: bool | None, layout: Layout, spelling: Spelling) -> Whole | None:
    """The table that `read_table` would read, in a fraction of its time and memory; None where that has to do it."""
    place = os.fspath(path)
    try:
        begins = beginning_of(place, layout, FIRST + 1)
        if begins.start < 0 or not can_read(layout, begins.delimiter, spelling) or len(begins.rows) < 2:
            return None
        first, *others = begins.rows
        if any(len(row) != len(first) for row in others):
            return None
        names = names_of(place, first, begins.lines[0], header, others, begins.lines[1:], spelling)
    except DataError:
        return None  # it comes again, and after those that stand before it
    some = begins.rows if names is None else others
    known = reads_units(begins.delimiter, spelling)
    bare = spelling if known else replace(spelling, units=())  # what has one is read as a text then
    kinds = [_kind([row[j] for row in some[:TRIED]], bare) for j in range(len(first))]
    start = begins.start if names is None else begins.behind
    style = Style.of(begins.delimiter, spelling)
    for _ in range(MOST_TRIALS):
        try:
            values, texts, gaps = _taken(place, start, begins, style, bytes(kinds))
        except Doubt as doubt:
            if doubt.column is None:
                return None
            kinds[doubt.column] = TEXT
            continue
        numbers = [j for j, kind in enumerate(kinds) if kind == NUMBER]
        columns = [j for j, kind in enumerate(kinds) if kind == TEXT]
        return Whole(
            place,
            [str(j) for j in range(len(first))] if names is None else names,
            names is not None,
            some,
            [],
            spelling,
            begins.delimiter,
            0 if names is None else begins.lines[0],
            size=len(values),
            values={j: values[:, i] for i, j in enumerate(numbers)},
            texts=dict(zip(columns, texts, strict=True)),
            gaps=gaps,
            start=start,
        )
    return None


def _kind(cells: Sequence[str], spelling: Spelling) -> int:
    numbers = all(spelling.parse(cell) is not None or spelling.is_missing(cell) for cell in cells)
    return NUMBER if numbers else TEXT


def _read(
    path: str, start: int, style: Style, kinds: bytes, room: Callable[[int], Array] | None = None
) -> Generator[Cells, None, None]:
    with open_bytes(path) as file:
        file.read(start)
        with closing(read_cells(file, style, kinds, room)) as pieces:
            yield from pieces


def _is(one: Array, other: Array) -> bool:
    """Whether two arrays of one shape lie in one place."""
    return bool(one.__array_interface__["data"] == other.__array_interface__["data"])


def _taken(path: str, start: int, begins: Beginning, style: Style, kinds: bytes) -> tuple[Array, list[list[str]], bool]:
    """All numbers, (rows, columns), the texts of each column of them, and whether anything is missing."""
    texts: list[list[str]] = [[] for _ in range(kinds.count(TEXT))]
    width = kinds.count(NUMBER)
    expected = int(Path(path).stat().st_size / begins.size * SPARE) + 1
    numbers, rows, gaps = pages((expected, width), np.float64), 0, 0
    taken = 0  # of them, by pieces that are read ahead

    def room(most: int) -> Array:
        nonlocal taken
        taken += most
        return numbers[taken - most : taken] if taken <= len(numbers) else np.empty((most, width))

    with closing(_read(path, start, style, kinds, room)) as pieces:
        for some in pieces:
            end = rows + len(some.numbers)
            if end > len(numbers):
                grown = pages((end * 3 // 2, width), np.float64)
                moved(numbers[:rows], grown[:rows])
                numbers = grown
            if not _is(some.numbers, numbers[rows:end]):  # lines were empty, or there were more than was expected
                numbers[rows:end] = some.numbers
            rows, gaps = end, gaps + some.gaps
            for column, more in zip(texts, some.texts, strict=True):
                column += more
    return numbers[:rows], texts, gaps > 0
