"""The columns of a run's metrics.csv, thinned to what can be seen: nothing is kept of a file but what is answered.

A file is as long as a run has epochs, and a page has some hundred columns of dots. Of each piece of the rows the first
is kept, and for each curve those where it is least and largest, so that no spike is lost.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from trainer.runs.columns import COLUMNS
from trainer.service.web.answers import opened
from trainer.service.web.problems import HttpProblem

__all__ = ["Columns", "sampled", "thinned"]

Columns = dict[str, list[float | None]]
BLOCK = 1 << 20
SAMPLE = 512  # bytes, in which a whole row is looked for


def thinned(path: Path, wanted: Sequence[str] = (), most: int = 2000) -> Columns:
    """The columns that are wanted, all by default, and the epoch; about `most` rows of each. What is no number is None.

    Nothing of a file that is not there, or has no row yet.
    """
    with _opened(path) as file:
        if file is None:
            return {}
        rows = (
            sum(block.count(b"\n") for block in iter(partial(file.read, BLOCK), b"")) - 1
        )  # the last may not be whole
        file.seek(0)
        names = _names(file)
        if rows < 1:
            return {}
        chosen = {i: name for i, name in enumerate(names) if not wanted or name in wanted or name == "epoch"}
        lines = (line.rstrip().split(b",") for line in islice(file, rows))
        curves = [i for i, name in chosen.items() if name not in COLUMNS]  # those grow evenly: no extremes to keep
        kept = lines if rows <= most else _extremes(lines, rows, curves, max(1, most // (1 + 2 * len(curves))))
        cells = [*kept]
    return {name: [_value(row[i]) for row in cells] for i, name in chosen.items()}


def sampled(path: Path, names: Sequence[str], most: int) -> Columns:
    """At most so many rows from everywhere in a file, however long it is: it is read at so many places alone."""
    with _opened(path) as file:
        if file is None:
            return {}
        header = _names(file)
        first, size = file.tell(), file.seek(0, 2)
        if size - first <= most * SAMPLE:
            file.seek(first)
            lines = [line for line in file.read().split(b"\n")[:-1] if line]
            lines = [lines[i * len(lines) // most] for i in range(most)] if len(lines) > most else lines
        else:
            lines = [each for i in range(most) if (each := _line(file, first + i * (size - first) // most))]
        cells = [line.split(b",") for line in lines]
    return {name: [_value(row[i]) for row in cells] for i, name in enumerate(header) if name in names}


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    try:
        descriptor, _ = opened(path.parent, path.name)
    except HttpProblem:  # not yet
        yield None
        return
    with open(descriptor, "rb") as file:
        yield file


def _names(file: BinaryIO) -> list[str]:
    return next(csv.reader([file.readline().decode()]), [])


def _line(file: BinaryIO, place: int) -> bytes:
    """The first whole line from there on; nothing where there is none."""
    file.seek(place - 1)
    pieces = file.read(SAMPLE).split(b"\n")
    return pieces[1] if len(pieces) > 2 else b""


def _extremes(lines: Iterable[list[bytes]], rows: int, curves: Sequence[int], pieces: int) -> Iterator[list[bytes]]:
    """Of each piece the first row, and the least and the largest of each curve; and the last row of all."""
    piece, i, line = -1, 0, list[bytes]()
    first, low, high = dict[int, list[bytes]](), dict[int, _Point](), dict[int, _Point]()
    for i, line in enumerate(lines):
        if i * pieces // rows != piece:
            yield from _in_order(first, low, high)
            piece, first, low, high = i * pieces // rows, {i: line}, {}, {}
        for curve in curves:
            value = float(line[curve])
            if value - value != 0:
                continue
            if curve not in low or value < low[curve].value:
                low[curve] = _Point(value, i, line)
            if curve not in high or value > high[curve].value:
                high[curve] = _Point(value, i, line)
    yield from _in_order({**first, i: line}, low, high)


class _Point(NamedTuple):
    value: float
    row: int
    line: list[bytes]


def _in_order(lines: dict[int, list[bytes]], low: dict[int, _Point], high: dict[int, _Point]) -> Iterator[list[bytes]]:
    found = {**lines, **{point.row: point.line for point in (*low.values(), *high.values())}}
    yield from (found[row] for row in sorted(found))


def _value(cell: bytes) -> float | None:
    value = float(cell)
    if value - value != 0:
        return None
    return int(value) if value == int(value) and b"." not in cell else value
