"""The rows of Arrow, Feather, JSON lines and ARFF files, which are read whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.data.readers.typed_file import typed_spelling, typed_table
from trainer.data.rows.columns import ignored, of_table, places, width
from trainer.data.rows.stream import Block, Stream
from trainer.data.spec import InputSpec
from trainer.errors import DataError

__all__ = ["typed_rows"]


def typed_rows(path: Path, spec: InputSpec, reading: Mapping[str, Any], known: Sequence[str] = ()) -> Stream:
    """The rows of such a file, with the columns of a model among its own, in any order.

    Raises DataError for a file that is damaged or lacks a column, and for a row that is not as those of training were.
    """
    width(spec)
    table = replace(typed_table(path, typed_spelling(reading)), settled=True)
    if not len(table):
        raise DataError(f"{path} has no rows; there is no row to predict")
    by_place = not spec.named and len(table.names) == len(spec.columns)
    where = [*range(len(table.names))] if by_place else places(spec, table.names, str(path))
    remarks = ignored(spec, table.names, known) if spec.named else ()
    return Stream(str(path), (Block(of_table(spec, table, each)) for each in [where]), remarks)
