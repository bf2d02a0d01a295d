"""Columns that are in memory: frames of pandas and polars, and mappings of names to columns. Their cells, roles,
categories, dates and missing values go as those of a file with types.

    trainer.train({"dataset": {"frame": frame, "target": "price"}, ...})

What is written down of them is their fingerprint, which a run's resolved.yaml holds.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from trainer.data.dataset import Dataset, Task
from trainer.data.readers.features import Encoding
from trainer.data.readers.frame import frame_of
from trainer.data.readers.roles import DateColumns, Name, Names, Roles, dataset_of
from trainer.data.readers.typed_file import typed_spelling
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import count

__all__ = ["Columns", "columns_of", "pairs_of", "read_frame"]

WHERE = "the frame"


class Columns(NamedTuple):
    """The columns of a frame, numbers as arrays and everything else as Python's objects; `named` hold names."""

    values: Mapping[str, Array | list[object]]
    named: tuple[str, ...]

    def fingerprint(self) -> str:
        """The SHA-256 of names, types and values, in their order."""
        found = hashlib.sha256(json.dumps([[*self.values], self.named]).encode())
        for column in self.values.values():
            if isinstance(column, np.ndarray):
                found.update(f"{column.dtype.str} {column.shape};".encode())
                found.update(np.ascontiguousarray(column).data)
            else:
                found.update(json.dumps([[type(cell).__name__, str(cell)] for cell in column]).encode())
        return found.hexdigest()


def columns_of(frame: Any) -> Columns:
    """The columns of a frame of pandas or polars, or of a mapping of names to columns.

    Raises DataError for anything else, for a name that is none or is there twice, and for columns of several lengths.
    """
    pairs = pairs_of(frame)
    names = [name for name, _ in pairs]
    for name in names:
        if not isinstance(name, str):
            raise DataError(f"{WHERE}: the name {name!r} of a column is no text; rename it, {str(name)!r}")
        if names.count(name) > 1:
            raise DataError(f"{WHERE} has two columns {name!r}; rename one")
    values, named = {}, []
    for name, column in pairs:
        values[name], categories = _column(name, column)
        if categories:
            named.append(name)
    for name, column in values.items():
        rows = len(values[names[0]])
        if len(column) != rows:
            raise DataError(f"{WHERE}: column {name!r} has {count(len(column), 'row')}, and {names[0]!r} has {rows}")
    return Columns(values, tuple(named))


def pairs_of(frame: Any) -> list[tuple[Any, Any]]:
    """Names and columns of a frame or a mapping, in order; of pandas by place, since a name may be there twice.

    Raises DataError for anything else.
    """
    if hasattr(frame, "collect"):
        raise DataError(f"{WHERE} is a {type(frame).__name__}, which has no rows yet; give frame.collect()")
    if not isinstance(frame, Mapping) and not (hasattr(frame, "columns") and hasattr(frame, "dtypes")):
        raise DataError(
            f"{WHERE} is one of pandas or polars, or a mapping of names to columns, not a {type(frame).__name__}"
        )
    if isinstance(frame, Mapping):
        return [*frame.items()]
    if hasattr(frame, "iloc"):
        return [(name, frame.iloc[:, j]) for j, name in enumerate(frame.columns)]
    return [(name, frame[name]) for name in frame.columns]


def read_frame(
    columns: Columns | None,
    fingerprint: str,
    *,
    target: Names | None = None,
    task: Task | None = None,
    categorical: Names | None = None,
    encode: Encoding = "one_hot",
    dates: DateColumns | None = None,
    group: Name | None = None,
    weight: Name | None = None,
    ignore: Names | None = None,
    missing: Literal["error", "allow"] = "error",
    missing_values: list[str | int | float] | None = None,
) -> Dataset:
    """The rows of a frame in memory; the options are those of `read_typed`.

    Raises DataError, with row and column, as `read_csv` does, and where there are no columns but their fingerprint.
    """
    if columns is None:
        raise DataError(
            f"the data came from memory, with the fingerprint {fingerprint[:16]}, and no file holds them: in Python, "
            f"load this file with yaml.safe_load, put the frame in the place of the fingerprint, and give it to "
            f"trainer.train",
            "frame",
        )
    table = frame_of(WHERE, columns.values, columns.named, typed_spelling({"missing_values": missing_values}))
    roles = Roles(target, task, categorical, encode, dates, group, weight, ignore, missing)
    return dataset_of(table, roles, ["the frame names the columns"])


def _column(name: str, column: Any) -> tuple[Array | list[object], bool]:
    """The cells of a column, and whether it says that they are names."""
    if hasattr(column, "null_count"):
        return _of_polars(column)
    if hasattr(column, "iloc"):
        return _of_pandas(column)
    if isinstance(column, str | bytes | Mapping) or not hasattr(column, "__len__"):
        raise DataError(f"{WHERE}: column {name!r} is a {type(column).__name__}, and not one value for each row")
    values = column if isinstance(column, np.ndarray) else None
    if values is None and all(type(cell) in (int, float) for cell in column):
        values = np.asarray(column)
    if values is not None and values.ndim != 1:
        raise DataError(f"{WHERE}: column {name!r} has shape {values.shape}, and a column has one value for each row")
    if values is not None and values.dtype.kind in "iuf":
        return values, False
    if values is not None and values.dtype.kind == "M":  # finer than Python's times are
        values = values.astype("datetime64[us]")
    return _plain(column if values is None else values.astype(object)), False


def _of_pandas(column: Any) -> tuple[Array | list[object], bool]:
    named = type(column.dtype).__name__ == "CategoricalDtype"
    absent = column.isna().to_numpy()
    kind = getattr(column.dtype, "kind", "O")  # a nullable column and one of Arrow's says it as NumPy's does
    if not named and kind in "iuf" and (kind == "f" or not absent.any()):
        dtype = np.float64 if kind == "f" else np.uint64 if kind == "u" else np.int64
        numbers = column.to_numpy(dtype=dtype, na_value=np.nan) if kind == "f" else column.to_numpy(dtype=dtype)
        return np.asarray(numbers), False
    cells = column.astype(object).tolist()
    return _plain([None if gone else cell for gone, cell in zip(absent, cells, strict=True)]), named


def _of_polars(column: Any) -> tuple[Array | list[object], bool]:
    kind = column.dtype
    named = str(kind).startswith(("Categorical", "Enum"))
    if kind.is_numeric() and not kind.is_decimal() and (kind.is_float() or not column.null_count()):
        return np.asarray(column.to_numpy()), False
    return _plain(column.to_list()), named


def _plain(cells: Any) -> list[object]:
    """Python's own values; None for pandas' marks of what is missing."""
    pandas = sys.modules.get("pandas")  # whose marks nobody has who has not imported it
    marks = () if pandas is None else (pandas.NA, pandas.NaT)
    return [None if any(cell is mark for mark in marks) else cell for cell in cells]
