"""How a source of data was understood, column by column: what a person looks at to see whether it was meant so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Account", "ColumnAccount"]


class ColumnAccount(NamedTuple):
    """One column.

    role: "input", "target", "group", "weight" or "ignored".
    read_as: "number", "3 categories", "date: year, month, ...", and so on.
    missing: how many rows have no value.
    first: what the first rows have, as it was understood.
    """

    name: str
    role: str
    read_as: str
    missing: int
    first: tuple[str, ...]


@dataclass(frozen=True)
class Account:
    """Of a table.

    said: how the file is written, "line 1 names the columns" and the like.
    rows: how many it has.
    """

    said: tuple[str, ...]
    columns: tuple[ColumnAccount, ...]
    rows: int
