"""The rows of a CSV file: by the parser that was compiled, and wherever that is in doubt by our own reader.

The parser reads numbers fifty times faster. Where it is in doubt, or there is something to say of a cell, our reader
reads on from that block: it knows the line, and what it says is what counts. So both read the same, and say the same of
a mistake.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from trainer.data.readers.beginning import beginning_of
from trainer.data.readers.decoding import decoded_lines, open_bytes
from trainer.data.readers.header import holds_names
from trainer.data.readers.quick import NUMBER, SKIP, TEXT, Doubt, Piece, Style, can_read, read_cells
from trainer.data.readers.spelling import Spelling
from trainer.data.readers.table import Layout, Table, check_even, rows_of
from trainer.data.rows.columns import ignored, of_table, places, width
from trainer.data.rows.stream import AT_ONCE, Block, Blocks, Stream
from trainer.data.spec import InputSpec
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import count, listed

__all__ = ["Header", "csv_rows", "open_csv", "tables"]


class Header(NamedTuple):
    """How a CSV file begins, and how it is read on.

    names: of the columns; their numbers where there is no header.
    first, line: the first row that is not empty, and the line that it starts on.
    start: where the first row of data begins, in bytes.
    """

    path: str
    layout: Layout
    delimiter: str
    spelling: Spelling
    names: list[str]
    has_header: bool
    first: list[str]
    line: int
    start: int

    @property
    def quick(self) -> bool:
        """Whether it is written as the parser expects, and its rows begin where the bytes of its text do."""
        return self.start >= 0 and can_read(self.layout, self.delimiter, self.spelling)


def open_csv(path: Path, reading: Mapping[str, Any], wanted: Sequence[str] = ()) -> Header:
    """The beginning of a CSV file, by the options that training had. Raises DataError for what is none.

    wanted: names of columns; where none of the options says whether there is a header, a line with one of them is.
    """
    shown, spelling = str(path), Spelling.of(reading)
    layout = Layout(reading.get("delimiter"), reading.get("encoding") or "utf-8", reading.get("comment"), settled=True)
    begins = beginning_of(shown, layout)
    if not begins.rows:
        raise DataError(f"{path} is empty; there is no row to predict")
    first, line = begins.rows[0], begins.lines[0]
    header = reading.get("header")
    if header is None:
        header = bool(set(wanted) & set(first)) or holds_names(first, spelling)
    names = first if header else [str(j) for j in range(len(first))]
    start = begins.behind if header else begins.start
    return Header(shown, layout, begins.delimiter, spelling, names, header, first, line, start)


def csv_rows(path: Path, spec: InputSpec, reading: Mapping[str, object], known: Sequence[str] = ()) -> Stream:
    """The rows of a CSV file with the columns of a model among its own, in any order.

    Raises DataError where one is missing, and as it is read for a row that is not as those of training were.
    """
    width(spec)
    header = open_csv(path, reading, [column.name for column in spec.columns] if spec.named else ())
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
    wanted = count(len(names), "column") + (f", or {len(names) + len(others)} as in training" if others else "")
    raise DataError(f"{header.path} has {count(found, 'column')}, and the model takes {wanted}")


def _others(found: int, reading: Mapping[str, object]) -> set[int]:
    """The columns that were no inputs in training, in a file of so many: those named by their numbers."""
    if not {"delimiter", "encode"} & reading.keys():  # it was no table
        return set()
    given = [reading.get(role) for role in ("group", "weight", "ignore")]
    given += [reading.get("target", -1)]
    numbers = [j for each in given for j in (each if isinstance(each, list) else [each])]
    return {j % found for j in numbers if isinstance(j, int) and -found <= j < found}


def _blocks(header: Header, spec: InputSpec, where: list[int]) -> Blocks:
    done = 0
    try:
        with closing(_pieces(header, spec, where)) as pieces:
            for some in pieces:
                yield Block(_inputs(spec, some, where))
                done += len(some)
    except Doubt:
        pass  # our own reader says what it is
    else:
        _check_some(header, done)
        return
    for table in tables(header, skip=done):
        yield Block(of_table(spec, table, where))
        done += len(table)
    _check_some(header, done)


def _inputs(spec: InputSpec, some: Piece, where: list[int]) -> Array:
    """The numbers as they were read, where they are all that the model takes, in its order."""
    as_read = not some.gaps and not some.texts and where == [*some.values]
    return some.block if as_read else of_table(spec, some, where)


def _pieces(header: Header, spec: InputSpec, where: list[int]) -> Generator[Piece, None, None]:
    """The rows as the parser reads them, some at a time. Raises Doubt."""
    if not header.quick:
        raise Doubt
    kinds = bytearray([SKIP] * len(header.names))
    for j, column in zip(where, spec.columns, strict=True):
        kinds[j] = TEXT if column.categories or column.dates is not None or column.boolean else NUMBER
    numbers, texts = ([j for j, kind in enumerate(kinds) if kind == one] for one in (NUMBER, TEXT))
    with open_bytes(header.path) as file:
        file.read(header.start)
        with closing(read_cells(file, Style.of(header.delimiter, header.spelling), bytes(kinds))) as pieces:
            for some in pieces:
                yield Piece(
                    header.path,
                    header.names,
                    header.has_header,
                    [],
                    [],
                    size=len(some.numbers),
                    block=some.numbers,
                    values={j: some.numbers[:, i] for i, j in enumerate(numbers)},
                    texts=dict(zip(texts, some.texts, strict=True)),
                    gaps=some.gaps > 0,
                )


def _check_some(header: Header, rows: int) -> None:
    if not rows:
        raise DataError(f"{header.path} has a header (line {header.line}) and no rows; there is no row to predict")


def tables(header: Header, skip: int = 0) -> Iterator[Table]:
    """The cells of a CSV file, some rows at a time, without the first `skip`. Raises DataError for an uneven row."""
    text = decoded_lines(header.path, header.layout.encoding, settled=True)
    rows = rows_of(header.path, text, header.delimiter, header.layout.comment)
    if header.has_header:
        next(rows)
    for _ in islice(rows, skip):
        pass
    while some := list(islice(rows, AT_ONCE)):
        for row, line in some:
            check_even(header.path, header.first, header.line, row, line, header.delimiter, header.layout)
        cells, lines = [row for row, _ in some], [line for _, line in some]
        yield Table(
            header.path,
            header.names,
            header.has_header,
            cells,
            lines,
            header.spelling,
            header.delimiter,
            header.line,
            settled=True,
        )
