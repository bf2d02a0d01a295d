"""A CSV file as a data set: numbers and text, divided by commas, or by semicolons or tabs, which is told by the rows.

CSV has no types, so every decision is a rule that can be said in a line, and an option overrules it: whether the first
line is a header, in `trainer.data.readers.header`; which column is what, in `trainer.data.readers.roles`; what a number
is, in `trainer.data.readers.spelling`. `trainer validate` shows what was understood.

Everything that does not fit is an error with its line and column. No value is guessed, and no row is left out.
"""

from __future__ import annotations

import os
from typing import Literal

from trainer.data.dataset import Dataset, Task
from trainer.data.readers.decoding import COMPRESSED
from trainer.data.readers.features import Encoding
from trainer.data.readers.roles import DateColumns, Name, Names, Roles, dataset_of
from trainer.data.readers.spelling import Spelling
from trainer.data.readers.table import Layout, Table, read_table, said
from trainer.data.readers.whole import quick_table

__all__ = ["ENDINGS", "Names", "read_csv"]

ENDINGS = tuple(f"{kind}{packed}" for packed in ("", *COMPRESSED) for kind in (".csv", ".tsv"))


def read_csv(
    path: str | os.PathLike[str],
    *,
    target: Names | None = None,
    task: Task | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    categorical: Names | None = None,
    encode: Encoding = "one_hot",
    dates: DateColumns | None = None,
    group: Name | None = None,
    weight: Name | None = None,
    ignore: Names | None = None,
    missing: Literal["error", "allow"] = "error",
    missing_values: list[str | int | float] | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    units: list[str] | None = None,
    encoding: str = "utf-8",
    comment: str | None = None,
) -> Dataset:
    """The rows of a CSV file, which may be compressed (.gz, .bz2, .xz, .zst); the data set has the file's name.

    Columns go by name, or by index from 0 (negative: from the end).

    target: the target column, or a list of them. Default: the last that has no other role.
    task: "classification" or "regression". Default: by the cells of the target column.
    header: whether the first line names the columns. Default: whether none of its cells is a number; where the rows
        below make that doubtful it has to be said.
    delimiter: the character between cells, or "tab". Default: that of , ; tab | which divides all rows alike.
    categorical: the columns that hold categories, or "auto" for every column of text.
    encode: "one_hot", a column of 0 and 1 for each category, or "index", for an embedding.
    dates: the columns of dates, which become year, month, day, weekday, and hour if there are times: [sold], or with a
        format where they are not ISO 8601, {sold: "%d.%m.%Y"}.
    group: the column of what rows have in common, which a grouped split keeps together; it is no input.
    weight: the column of how much each row counts, a number above 0.
    ignore: the columns that are left out.
    missing: "allow" makes a missing number NaN, for an imputer to fill in, and a missing category one of its own, "?";
        "error" refuses both.
    missing_values: the cells that say that a value is missing, ["", "-"] or [-999]; [] for none. Default: empty cells,
        ?, NA, N/A, NaN, null, and what else pandas takes for it.
    decimal: the mark before decimals.
    thousands: the mark between groups of digits, in which case 1,234 is a number.
    units: texts beside numbers that mean nothing more, ["%", "$"]: 12 % is 12.
    encoding: of the text, such as "cp1252", "latin-1" or "utf-16"; a byte order mark overrules it.
    comment: what a line begins with that is none of the data, such as "#".

    Raises DataError, with line and column, for whatever is not a complete table of numbers and categories with a
    target.

        read_csv("flowers.csv", target="species")
        read_csv("sensors.csv", target=0, task="regression", header=False, delimiter=";", decimal=",")
        read_csv("houses.csv", target="price", categorical=["city"], group="street", dates=["sold"])
    """
    roles = Roles(target, task, categorical, encode, dates, group, weight, ignore, missing)
    options = {"decimal": decimal, "thousands": thousands, "units": units, "missing_values": missing_values}
    layout, spelling = Layout(delimiter, encoding, comment), Spelling.of(options)
    table = quick_table(path, header, layout, spelling) or read_table(path, header, layout, spelling)
    return dataset_of(table, roles, _said(table, encoding), consumed=True)


def _said(table: Table, encoding: str) -> list[str]:
    """How the file is written, for a person to look at."""
    header = f"line {table.header_line} names the columns" if table.has_header else "no header"
    return [header, f"cells are separated by {said(table.delimiter)}", *([encoding] if encoding != "utf-8" else [])]
