"""The numbers of a CSV file without a text for each: by the parser that is compiled with the machine, in threads.

It reads what it surely reads as `trainer.data.readers.table` does. At anything else it gives up (`Doubt`), and that
reader reads the file, or says what is wrong with it. A column is numbers here as long as each cell is one, or a sign
that it is missing, which is NaN; whoever wants the texts of such a column after all has them read again.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple, Self

import numpy as np

from trainer.compiler.executors import native_available
from trainer.compiler.processors import processors
from trainer.data.ahead import in_order
from trainer.data.readers.spelling import ANY_CASE, Spelling
from trainer.data.readers.table import DELIMITERS, Kind, Layout, Table
from trainer.errors import DataError
from trainer.types import Array

__all__ = [
    "NUMBER",
    "SKIP",
    "TEXT",
    "Cells",
    "Doubt",
    "Quick",
    "Style",
    "can_read",
    "cells_of",
    "read_cells",
    "reads_units",
]

TEXT, NUMBER, SKIP = range(3)  # what is wanted of a column
DONE = -1
BYTES = 2**19  # of a file that are read together
LONGEST = 2**24  # bytes of a piece
CANDIDATES = 100  # lines that a cell may go on for
MOST_THREADS = 8  # each holds some of the pieces


class Doubt(Exception):
    """Something that should be looked at by the other reader.

    column: the one that holds something else than numbers, where it is that.
    """

    def __init__(self, column: int | None = None) -> None:
        super().__init__(column)
        self.column = column


class Cells(NamedTuple):
    """What a piece of a file holds.

    numbers: (rows, columns of numbers), float64; NaN for what is missing, of which there are `gaps`.
    texts: of each column of texts.
    """

    numbers: Array
    texts: list[list[str]]
    gaps: int


@dataclass(frozen=True)
class Style:
    """How the parser is to read cells.

    signs: the delimiter, the mark before decimals, and that between groups of digits or a zero.
    marks: what says that a value is missing, each with a zero behind it, in capitals too where `any_case`.
    units: the texts beside numbers, each with a zero behind it.
    numbers: those that say that a value is missing.
    """

    signs: bytes
    marks: bytes
    any_case: bool
    units: bytes
    numbers: tuple[float, ...]

    @classmethod
    def of(cls, delimiter: str, spelling: Spelling) -> Self:
        """For a file of this delimiter whose cells are spelt so."""
        given = spelling.missing_values
        marks = "".join(f"{mark}\0" for mark in (ANY_CASE if given is None else given))
        signs = f"{delimiter}{spelling.decimal}{spelling.thousands or chr(0)}"
        units = "".join(f"{unit}\0" for unit in spelling.units if reads_units(delimiter, spelling))
        return cls(signs.encode(), marks.encode(), given is None, units.encode(), tuple(spelling.marked_numbers))


def reads_units(delimiter: str, spelling: Spelling) -> bool:
    """Whether the parser reads the units of numbers: at a mark that begins or ends another it might take the wrong."""
    units = spelling.units
    odd = any(set(unit) & {delimiter, '"', "\n", "\r", "\0", "+", "-"} or unit != unit.strip() for unit in units)
    one = len(set(units)) == len(units) and not any(
        a != b and (a.startswith(b) or a.endswith(b)) for a in units for b in units
    )
    return one and not odd


def can_read(layout: Layout, delimiter: str, spelling: Spelling) -> bool:
    """Whether a file is written as the parser expects."""
    usual = layout.encoding.lower() in ("utf-8", "utf8") and layout.comment is None and delimiter in DELIMITERS
    signs = f"{spelling.decimal}{spelling.thousands}"
    odd = set("".join(spelling.missing_values or ())) & {delimiter, '"', "\n", "\r", "\0"}
    within = any(spelling.decimal in unit for unit in spelling.units)
    return usual and signs.isascii() and signs.isprintable() and not (odd or within) and native_available()


def read_cells(
    file: io.BufferedIOBase, style: Style, kinds: bytes, room: Callable[[int], Array] | None = None
) -> Generator[Cells, None, None]:
    """The cells of a file from where it stands, a piece after the other. Raises Doubt.

    room: gives an array (rows, columns of numbers) for so many rows at most, which are read ahead of those handed on.
    """
    free: list[bytearray] = []
    pieces = _pieces(file, free)
    roomy = ((piece, _room_for(piece, kinds, room)) for piece in pieces)

    def taken(piece_and_room: tuple[bytearray, Array]) -> Cells:
        piece, numbers = piece_and_room
        cells = _cells(piece, numbers, style, kinds)
        free.append(piece)
        return cells

    try:
        yield from in_order(taken, roomy, min(processors(), MOST_THREADS))
    finally:
        pieces.close()


def cells_of(piece: bytes | bytearray, style: Style, kinds: bytes) -> Cells:
    """The cells of whole rows; `kinds` has a byte for each column. Raises Doubt."""
    return _cells(piece, _room_for(piece, kinds), style, kinds)


def _room_for(piece: bytes | bytearray, kinds: bytes, room: Callable[[int], Array] | None = None) -> Array:
    """Room for the numbers of a piece. Raises Doubt for what is no UTF-8."""
    from trainer.compiler.machine import _machine

    lines, plain = _machine.count_lines(piece)
    if not plain:
        try:
            piece.decode()
        except UnicodeDecodeError:
            raise Doubt from None
    most = min(lines + (not piece.endswith(b"\n")), len(piece) // len(kinds) + 1)  # a cell has a byte behind it
    return np.empty((most, kinds.count(NUMBER))) if room is None else room(most)


def _cells(piece: bytes | bytearray, numbers: Array, style: Style, kinds: bytes) -> Cells:
    from trainer.compiler.machine import _machine

    spans = np.empty((len(numbers), kinds.count(TEXT), 2), np.int64)
    rows, gaps, problem = _machine.read_cells(
        piece, style.signs, style.marks, style.any_case, style.units, kinds, powers(), numbers, spans
    )
    if problem != DONE:
        raise Doubt(problem if problem >= 0 else None)
    numbers = numbers[:rows]
    if style.numbers and (marked := np.isin(numbers, style.numbers)).any():
        numbers[marked] = np.nan
        gaps += int(marked.sum())
    content = bytes(piece) if spans.shape[1] else b""  # whose parts may be keys
    return Cells(numbers, [_texts(content, spans[:rows, j]) for j in range(spans.shape[1])], gaps)


class _Known(dict[bytes, str]):
    """The text of each cell, which is made when it is first asked for."""

    def __missing__(self, cell: bytes) -> str:
        content = cell[1:-1].replace(b'""', b'"') if cell.startswith(b'"') else cell
        text = self[cell] = content.decode().strip()
        return text


def _texts(content: bytes, spans: Array) -> list[str]:
    known = _Known()
    return [known[content[start:end]] for start, end in zip(*spans.T.tolist(), strict=True)]


def _pieces(file: io.BufferedIOBase, free: list[bytearray]) -> Generator[bytearray, None, None]:
    """Some whole rows at a time, as far as quotes tell; the parser sees where they do not.

    free: pieces that nobody needs any more, which are written over: memory that is at hand takes no time to be had.
    """
    while True:
        try:
            piece = free.pop() if free else bytearray()
            if len(piece) < BYTES:
                piece = bytearray(BYTES)
            del piece[BYTES:]
            del piece[file.readinto(piece) or 0 :]
            piece += file.readline(LONGEST)
            for _ in range(CANDIDATES):
                if b'"' not in piece or not piece.count(b'"') % 2:
                    break
                piece += file.readline(LONGEST)
        except Exception:  # a decompressor's own, or the disk's: the other reader says it
            raise Doubt from None
        if not piece:
            return
        if len(piece) > LONGEST:
            raise Doubt
        yield piece


@cache
def powers() -> bytes:
    """The first 128 bits of 5^q for q from −342 to 308, rounded up where q is negative: see numbers.c."""
    words: list[int] = []
    for q in range(-342, 309):
        power = 5 ** abs(q)
        if q < 0:
            bits = (power - 1).bit_length()
            power = (1 << (bits + 127 if q >= -27 else 2 * bits + 128)) // power + 1
        size = power.bit_length()
        power = power << 128 - size if size < 128 else power >> size - 128
        words += [power >> 64, power & 2**64 - 1]
    return np.array(words, np.uint64).tobytes()


@dataclass(frozen=True)
class Quick(Table):
    """A table of which columns are numbers, `values`, with NaN for what is missing, or texts.

    `rows` and `lines` are not all of them here, so whoever derives from this says where the others are.
    """

    size: int = 0
    values: dict[int, Array] = field(default_factory=dict)
    texts: dict[int, Sequence[str]] = field(default_factory=dict)
    gaps: bool = True
    _missing: dict[int, int] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return self.size

    def missing(self, column: int) -> int:
        """How many cells say that their value is missing."""
        if column not in self.values:
            return super().missing(column)
        if column not in self._missing:
            self._missing[column] = int(np.isnan(self.values[column]).sum()) if self.gaps else 0
        return self._missing[column]

    def kind(self, column: int) -> Kind:
        """What all cells of a column are, but for the missing ones."""
        if column not in self.values:
            return super().kind(column)
        return "numbers" if self.missing(column) < len(self) else "nothing"

    def _finite(self, column: int) -> Array | None:
        if column not in self.values:
            return super()._finite(column)
        return None if self.missing(column) else self.values[column]

    def numbers(self, column: int, way_out: str, missing: bool | None = None) -> Array:
        """A column as float64, see `Table.numbers`."""
        if missing and column in self.values:
            return self.values[column]
        return super().numbers(column, way_out, missing)


@dataclass(frozen=True)
class Piece(Quick):
    """Some rows of a file that the other reader reads where there is more to say of them than their cells.

    block: (rows, columns of numbers), of which `values` are the columns.
    """

    block: Array = field(default_factory=lambda: np.empty((0, 0)))

    def cells(self, column: int) -> Sequence[str]:
        """The texts of a column of them. Raises Doubt for one of numbers."""
        if column not in self.texts:
            raise Doubt(column)
        return self.texts[column]

    def error(self, row: int, column: int, problem: str) -> DataError:
        """Raises Doubt."""
        raise Doubt
