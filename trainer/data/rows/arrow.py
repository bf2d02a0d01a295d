"""The rows of a Parquet file, as pyarrow reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.data.readers.spelling import Spelling
from trainer.data.readers.typed_file import typed_spelling, values_of
from trainer.data.rows.columns import ignored, of_values, places, width
from trainer.data.rows.stream import AT_ONCE, Block, Blocks, Stream
from trainer.data.spec import Column, InputSpec
from trainer.errors import DataError, UsageError
from trainer.types import Array
from trainer.wording import count

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

__all__ = ["parquet_rows"]


def parquet_rows(path: Path, spec: InputSpec, reading: Mapping[str, Any], known: Sequence[str] = ()) -> Stream:
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
    return Stream(shown, _parquet_blocks(shown, file, spec, wanted, typed_spelling(reading)), remarks)


def _parquet_blocks(
    shown: str, file: parquet.ParquetFile, spec: InputSpec, wanted: list[str], spelling: Spelling
) -> Blocks:
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
        given = [batch.column(batch.schema.get_field_index(name)) for name in wanted]
        named = [c.name for c, values in zip(spec.columns, given, strict=True) if pa.types.is_dictionary(values.type)]
        columns = [_values(values, column) for column, values in zip(spec.columns, given, strict=True)]
        yield Block(of_values(spec, shown, columns, named, spelling, done))
        done += batch.num_rows


def _values(values: pa.Array, column: Column) -> Array | list[object]:
    """A column as training has it; whole numbers with gaps need not be told from others where they are no names."""
    import pyarrow as pa

    kind = values.type
    number = not column.categories and column.dates is None and not column.boolean
    if pa.types.is_integer(kind) and number and values.null_count:
        values = values.cast(pa.float64(), safe=False)
    return values_of(pa.chunked_array([values]))


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
