"""How a CSV file begins: enough of it to tell its delimiter and its header by, however long it is."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from trainer.data.readers.decoding import decoded_lines, mark_of
from trainer.data.readers.table import Layout, delimiter_of, rows_of, sniffed

__all__ = ["Beginning", "beginning_of"]

ENOUGH = 2**16  # characters by which a delimiter is told


class Beginning(NamedTuple):
    """The first rows of a file that are not empty.

    rows, lines: their cells, and the line that each starts on; none in a file without a row.
    start, behind: the bytes before the first row and behind it; −1 in another encoding than UTF-8.
    size: about how many bytes a row has.
    """

    delimiter: str
    rows: list[list[str]]
    lines: list[int]
    start: int
    behind: int
    size: float


def beginning_of(path: str, layout: Layout, rows: int = 1) -> Beginning:
    """The first rows of a CSV file. Raises DataError for what is none."""
    delimiter = delimiter_of(layout.delimiter) or sniffed(path, _text(path, layout), layout.comment)
    mark = mark_of(path)
    start = -1 if mark not in (None, "utf-8-sig") else len(BOM_UTF8) if mark else 0
    taken = behind = 0

    def counted() -> Iterator[str]:
        nonlocal taken
        for text in decoded_lines(path, layout.encoding, layout.settled):
            taken += len(text.encode())
            yield text

    first: list[tuple[list[str], int]] = []
    for row in islice(rows_of(path, counted(), delimiter, layout.comment), rows):
        behind = behind or taken
        first.append(row)
    cells, lines = [row for row, _ in first], [line for _, line in first]
    behind = -1 if start < 0 else start + behind
    return Beginning(delimiter, cells, lines, start, behind, max(taken, 1) / max(len(first), 1))


def _text(path: str, layout: Layout) -> str:
    lines: list[str] = []
    size = 0
    for line in decoded_lines(path, layout.encoding, layout.settled):
        lines.append(line)
        size += len(line)
        if size > ENOUGH:
            break
    return "".join(lines)
