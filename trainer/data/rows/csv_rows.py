"""The rows of a CSV file: by pyarrow where it is installed, and wherever that is in doubt by our own reader.

pyarrow reads numbers several times faster. What it refuses, or reads as something that is not finite, or as a category
that is not known, our reader looks at again from that block on: it knows the line, and what it says is what counts. So
both read the same numbers, and say the same of a mistake.
"""

from __future__ import annotations

import csv
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from trainer.data.readers.table import Table, check_even, names_of, read_utf8, rows_of
from trainer.data.rows.columns import ignored, of_table, places, width
from trainer.data.rows.stream import AT_ONCE, Block, Blocks, Stream
from trainer.data.spec import InputSpec
from trainer.errors import DataError
from trainer.wording import count, listed

__all__ = ["Header", "csv_rows", "open_csv", "tables"]


class Header(NamedTuple):
    """How a CSV file begins.

    names: of the columns; their numbers where there is no header.
    first, line: the first row that is not empty, and the line that it starts on.
    start: where the first row of data begins, in bytes.
    """

    path: str
    delimiter: str
    names: list[str]
    has_header: bool
    first: list[str]
    line: int
    start: int


def open_csv(path: Path, reading: Mapping[str, Any]) -> Header:
    """The beginning of a CSV file, by the options that training had. Raises DataError for what is none."""
    shown, delimiter = str(path), str(reading.get("delimiter", ","))
    with _opened(path) as file:
        first, line = _first(shown, rows_of(shown, _lines(shown, file), delimiter))
    names = names_of(shown, first, line, reading.get("header"))
    header = names is not None
    plain = [str(j) for j in range(len(first))]
    return Header(shown, delimiter, names or plain, header, first, line, _start(path, delimiter, header))


def _first(path: str, rows: Iterator[tuple[list[str], int]]) -> tuple[list[str], int]:
    for row, line in rows:
        return row, line
    raise DataError(f"{path} is empty; there is no row to predict")


def _start(path: Path, delimiter: str, header: bool) -> int:
    """Where the rows of data begin, in bytes: after the byte order mark, the header, and what is empty before it."""
    with path.open("rb") as binary:
        before = len(BOM_UTF8) if binary.read(len(BOM_UTF8)) == BOM_UTF8 else 0
    if not header:
        return before

    def counted(lines: Iterator[str]) -> Iterator[str]:
        nonlocal before
        for line in lines:
            before += len(line.encode())
            yield line

    with _opened(path) as file:
        next(row for row in csv.reader(counted(file), delimiter=delimiter, skipinitialspace=True) if row)
    return before


def csv_rows(path: Path, spec: InputSpec, reading: Mapping[str, object], known: Sequence[str] = ()) -> Stream:
    """The rows of a CSV file with the columns of a model among its own, in any order.

    Raises DataError where one is missing, and as it is read for a row that is not as those of training were.
    """
    width(spec)
    header = open_csv(path, reading)
    where, remarks = _where(header, spec, reading, known)
    return Stream(header.path, _blocks(header, spec, where), remarks)


def _where(
    header: Header, spec: InputSpec, reading: Mapping[str, object], known: Sequence[str]
) -> tuple[list[int], tuple[str, ...]]:
    """The places of the model's columns, and what is ignored."""
    names = [column.name for column in spec.columns]
    if spec.named:
        if not header.has_header:
            raise DataError(
                f"{header.path} has no header, and the model takes its columns by name: begin it with a line of their "
                f"names, {listed(names, 6)}"
            )
        return places(spec, header.names, header.path), ignored(spec, header.names, known)
    found = len(header.names)
    others = _others(found, reading)
    if found == len(names):
        return [*range(found)], ()
    if found == len(names) + len(others):
        left = [j for j in range(found) if j not in others]
        told = ", ".join(map(str, sorted(others)))
        return left, (f"columns that the model does not take are ignored: {told}",)
    wanted = f"{count(len(names), 'column')}, or {len(names) + len(others)} as in training"
    raise DataError(f"{header.path} has {count(found, 'column')}, and the model takes {wanted}")


def _others(found: int, reading: Mapping[str, object]) -> set[int]:
    """The columns that were no inputs in training, in a file of so many: those named by their numbers."""
    if "delimiter" not in reading:  # it was no CSV file
        return set()
    given = [reading.get(role) for role in ("group", "weight", "ignore")]
    given += [reading.get("target", -1)]
    numbers = [j for each in given for j in (each if isinstance(each, list) else [each])]
    return {j % found for j in numbers if isinstance(j, int) and -found <= j < found}


def _blocks(header: Header, spec: InputSpec, where: list[int]) -> Blocks:
    done = 0
    if find_spec("pyarrow") is not None:
        from trainer.data.rows.arrow import Doubt, quick_csv

        try:
            for values in quick_csv(header, spec, where):
                yield Block(values)
                done += len(values)
        except Doubt:
            pass  # our own reader says what it is
        else:
            _check_some(header, done)
            return
    for table in tables(header, skip=done):
        yield Block(of_table(spec, table, where))
        done += len(table.rows)
    _check_some(header, done)


def _check_some(header: Header, rows: int) -> None:
    if not rows:
        raise DataError(f"{header.path} has a header (line {header.line}) and no rows; there is no row to predict")


def tables(header: Header, skip: int = 0) -> Iterator[Table]:
    """The cells of a CSV file, some rows at a time, without the first `skip`. Raises DataError for an uneven row."""
    path = Path(header.path)
    with _opened(path) as file:
        rows = rows_of(header.path, _lines(header.path, file), header.delimiter)
        if header.has_header:
            next(rows)
        for _ in islice(rows, skip):
            pass
        while some := list(islice(rows, AT_ONCE)):
            for row, line in some:
                check_even(header.path, header.first, header.line, row, line, header.delimiter)
            cells, lines = [row for row, _ in some], [line for _, line in some]
            yield Table(header.path, header.names, header.has_header, cells, lines)


def _opened(path: Path) -> IO[str]:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _lines(path: str, file: IO[str]) -> Iterator[str]:
    try:
        yield from file
    except UnicodeDecodeError:
        read_utf8(path)  # which knows the line
        raise
