"""Whether a first line names the columns. Where nobody says so it is read off the file, and refused where in doubt.

A first line is a header if none of its cells is a number. What would make that a wrong guess is looked for in the other
rows, because the one mistake adds a row of names to the data and the other takes a row of data away.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from operator import eq

from trainer.data.dates import is_date
from trainer.data.readers.spelling import Spelling, readings, shown
from trainer.errors import DataError
from trainer.wording import listed

__all__ = ["check_name", "holds_names", "names_of"]

SHOWN = 6  # cells of a first line in a message
WHOLE = re.compile(r"[+-]?\d+")
BOTH = "say header: true if it names the columns, header: false if it is a row of data"

Rows = Sequence[Sequence[str]]


def names_of(
    path: str, first: list[str], line: int, header: bool | None, rows: Rows, lines: Sequence[int], spelling: Spelling
) -> list[str] | None:
    """The columns' names, if the first row holds them; they may be empty or occur twice.

    rows, lines: what follows the first row, or the beginning of it.

    Raises DataError where `header` does not say it and it cannot be told.
    """
    if header is not None:
        return first if header else None
    if not holds_names(first, spelling):
        _check_data(f"{path}:{line}", first, rows, spelling)
        return None
    _check_header(f"{path}:{line}", first, rows, lines, spelling)
    return first


def holds_names(first: Sequence[str], spelling: Spelling) -> bool:
    """Whether a first row is one of names, as far as it can say itself: none of its cells is a number."""
    return all(spelling.parse(cell) is None or spelling.is_missing(cell) for cell in first)


def _check_data(place: str, first: list[str], rows: Rows, spelling: Spelling) -> None:
    """Refuse a first line with numbers that is unlike the rows below: different whole numbers are rather names.

    They are unlike rows of fractions, or of texts that come again where beside them stands one that comes once: in any
    column where they ascend, as years and indices do, in every column otherwise.
    """
    numbers = [cell for cell in first if spelling.parse(cell) is not None]
    values = [float(cell) for cell in numbers if WHOLE.fullmatch(cell)]
    if len(rows) < 2 or len(values) < 2 or len(values) < len(numbers) or len(set(values)) < len(values):
        return
    ascending = all(a < b for a, b in pairwise(values))
    columns = list(zip(*(row for row in rows if len(row) == len(first)), strict=True))
    unlike = [_is_unlike(cell, below, spelling) for cell, below in zip(first, columns, strict=False)]
    if any(unlike) if ascending else len(unlike) > 2 and all(unlike):
        order = " in ascending order" if ascending else ", all different"
        what = f"line {place.rpartition(':')[2]} is {listed(first, SHOWN)}: whole numbers{order}"
        raise DataError(f"{place}: {what}, and the rows below are unlike it; {BOTH}", "header")


def _is_unlike(cell: str, below: Sequence[str], spelling: Spelling) -> bool:
    """Whether a cell is a whole number over fractions, or a text that comes once over some that come again."""
    if not WHOLE.fullmatch(cell):
        return cell not in below and max(Counter(below).values()) > 1
    present = [other for other in below if not spelling.is_missing(other)]
    whole = sum(WHOLE.fullmatch(other) is not None for other in present)
    return 2 * whole < len(present) and all(spelling.parse(other) is not None for other in present)


def _check_header(place: str, first: list[str], rows: Rows, lines: Sequence[int], spelling: Spelling) -> None:
    """Refuse a first line without numbers that looks like the rows below it."""
    for row, line in zip(rows, lines, strict=False):
        if row == first and len(first) > 1:
            raise DataError(
                f"{place.rpartition(':')[0]}:{line}: this line is that of the header again; remove it, or say header: "
                f"false if the first is a row of data",
                "header",
            )
    alike = [(row, line) for row, line in zip(rows, lines, strict=False) if any(map(eq, row, first))]
    for j, cell in enumerate(first):
        if not cell:
            continue
        what = "a missing value" if spelling.is_missing(cell) else "a date" if is_date(cell) else ""
        if what or readings([cell], spelling):
            raise DataError(
                f"{place}: {shown(cell)} is rather {what or 'a number'} than the name of a column; {BOTH}", "header"
            )
        for row, line in alike:
            if len(row) == len(first) and row[j] == cell:
                raise DataError(
                    f"{place}: {shown(cell)} in this line is also a value of column {j}, in line {line}; {BOTH}",
                    "header",
                )


def check_name(place: str, names: Sequence[str], column: int, others: Sequence[int], cells: Sequence[str]) -> None:
    """Refuse a name that a column cannot be called by: none, or one that another column has which is used too.

    others: the columns that are used. cells: of the column, which may say what it is.
    """
    name = names[column]
    if not name:
        raise DataError(f"{place}: an empty cell is no name for column {column}; {_nameless(names, column, cells)}")
    for other in others:
        if other != column and names[other] == name:
            a, b = sorted((column, other))
            raise DataError(
                f"{place}: columns {a} and {b} are both named {name!r}; rename one, or leave one out by its index: "
                f"ignore: [{b}]"
            )


def _nameless(names: Sequence[str], column: int, cells: Sequence[str]) -> str:
    """What to do about a column without a name: what it looks like comes first."""
    if column == len(names) - 1 and not any(cells):
        return "each line seems to end in a delimiter: say ignore: [-1]"
    if column == 0 and list(cells[:100]) == [str(i) for i in range(min(len(cells), 100))]:
        return "it seems to be an index, as pandas writes it: say ignore: [0]"
    return f"rename it, or leave it out by its index: ignore: [{column}]"
