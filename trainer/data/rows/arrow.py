"""The rows of a Parquet file, as pyarrow reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.rows.columns import encoded, ignored, of_array, places, width
from trainer.data.rows.stream import AT_ONCE, Block, Blocks, Stream
from trainer.data.spec import Column, InputSpec
from trainer.errors import DataError, UsageError
from trainer.types import Array
from trainer.wording import count

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

__all__ = ["parquet_rows"]


def parquet_rows(path: Path, spec: InputSpec, known: Sequence[str] = ()) -> Stream:
    """The rows of a Parquet file with the columns of a model among its own, in any order.

    Raises UsageError without pyarrow, and DataError for a file that is damaged or lacks a column, and as it is read for
    a row that is not as those of training were.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        hint = "pip install 'tape-trainer[tables]'"
        raise UsageError(f"{path.name} is read by pyarrow, which is not installed: {hint}") from None
    shown = str(path)
    width(spec)
    try:
        file = parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{shown} cannot be read as Parquet: {_sentence(error)}") from None
    names = list(file.schema_arrow.names)
    if not spec.named and len(names) == len(spec.columns):
        wanted = names
    else:
        wanted = [names[j] for j in places(spec, names, shown)]
    remarks = ignored(spec, names, known) if spec.named else ()
    if not file.metadata.num_rows:
        raise DataError(f"{shown} has no rows; there is no row to predict")
    return Stream(shown, _parquet_blocks(shown, file, spec, wanted), remarks)


def _parquet_blocks(shown: str, file: parquet.ParquetFile, spec: InputSpec, wanted: list[str]) -> Blocks:
    import pyarrow as pa

    done = 0
    batches = file.iter_batches(AT_ONCE, columns=wanted)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{shown} is damaged after {count(done, 'row')}: {_sentence(error)}") from None
        if batch is None:
            return
        columns = []
        for column, name in zip(spec.columns, wanted, strict=True):
            values = _plain(batch.column(batch.schema.get_field_index(name)), column)
            columns.append(of_array(spec, column, values, _place(shown, done)))
        yield Block(encoded(spec, columns))
        done += batch.num_rows


def _place(shown: str, done: int) -> Any:
    return lambda row: f"{shown}: row {done + row + 1:,}"


def _plain(values: pa.Array, column: Column) -> Array:
    """A column as NumPy has it: texts and what has gaps as objects, numbers as they are."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        values = values.cast(pa.timestamp("us"))
    if not column.categories and (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        plain: Array = np.asarray(values.to_numpy(zero_copy_only=False))
        return plain
    objects = np.empty(len(values), dtype=object)
    objects[:] = values.to_pylist()
    return objects


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
