"""What pyarrow reads: the columns of a CSV file quickly, and those of a Parquet file.

Threads read ahead while the rows before are computed; pyarrow lets Python's lock go meanwhile. Of a CSV file only the
columns that a model takes are converted.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from io import BufferedReader
from os import SEEK_CUR
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.rows.ahead import in_order
from trainer.data.rows.columns import USUAL, encoded, ignored, index_of, of_array, places, width
from trainer.data.rows.stream import AT_ONCE, Block, Blocks, Stream
from trainer.data.spec import Column, InputSpec
from trainer.errors import DataError, UsageError
from trainer.types import Array
from trainer.wording import count

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

    from trainer.data.rows.csv_rows import Header

__all__ = ["Doubt", "parquet_rows", "quick_csv"]

BYTES = 2**20  # of a CSV file that are parsed together
LONGEST = 2**24  # bytes of a line that pyarrow is given
MOST_THREADS = 8  # that read; each holds some of the pieces
# Those that our own reader takes for missing, in the spellings that pyarrow is told of; others it looks at itself.
MISSING = ["", "?", "NA", "na", "N/A", "n/a", "nan", "NaN", "NAN", "null", "NULL", "Null"]


class Doubt(Exception):
    """Something that pyarrow refuses, or that should be looked at again."""


def quick_csv(header: Header, spec: InputSpec, where: list[int]) -> Iterator[Array]:
    """Inputs (rows, columns) of a CSV file, a block at a time. Raises Doubt where a cell is not what it should be.

    A quoted cell may hold a line's end, so from the first quote on pyarrow itself finds the rows, in one thread.
    """
    import pyarrow as pa
    from pyarrow import csv

    if any(column.dates is not None or column.boolean for column in spec.columns):
        raise Doubt
    names = [str(j) for j in where]
    texts = pa.dictionary(pa.int32(), pa.string())
    kinds = {n: texts if c.categories else pa.float64() for n, c in zip(names, spec.columns, strict=True)}
    columns = [str(j) for j in range(len(header.names))]
    marks = csv.ParseOptions(delimiter=header.delimiter)
    cells = csv.ConvertOptions(
        column_types=kinds, include_columns=names, null_values=MISSING if spec.has_missing else []
    )

    def read(piece: bytes) -> Array:
        options = csv.ReadOptions(column_names=columns, use_threads=False, block_size=len(piece) + 1)
        try:
            (batch,) = csv.read_csv(pa.BufferReader(piece), options, marks, cells).to_batches() or [None]
        except pa.ArrowInvalid:
            raise Doubt from None
        return np.empty((0, spec.shape[0])) if batch is None else _inputs(spec, batch)

    with Path(header.path).open("rb") as file:
        file.seek(header.start)
        yield from in_order(read, _pieces(file), min(pa.cpu_count(), MOST_THREADS))
        if not file.peek(1):
            return
        try:
            options = csv.ReadOptions(column_names=columns, block_size=BYTES)
            for batch in csv.open_csv(file, options, marks, cells):
                yield _inputs(spec, batch)
        except pa.ArrowInvalid:
            raise Doubt from None


def _pieces(file: BufferedReader) -> Iterator[bytes]:
    """A file from where it stands, in pieces of whole lines, up to the first with a quote; there it stands then."""
    rest = b""
    while read := file.read(BYTES):
        piece = rest + read
        if b'"' in read:
            file.seek(-len(piece), SEEK_CUR)
            return
        end = piece.rfind(b"\n") + 1
        if piece.startswith(BOM_UTF8) or len(rest) > LONGEST:
            raise Doubt
        if end:
            yield piece[:end]
        rest = piece[end:]
    if rest:
        yield rest


def _inputs(spec: InputSpec, batch: pa.RecordBatch) -> Array:
    """The columns of a batch side by side; those of categories come as numbers and the texts that these stand for."""
    if not spec.categories:
        inputs: Array = batch.to_tensor(null_to_nan=spec.has_missing).to_numpy()
    else:
        inputs = encoded(spec, [_column(column, batch.column(j)) for j, column in enumerate(spec.columns)])
    if not np.isfinite(inputs).all() and not (spec.has_missing and not np.isinf(inputs).any()):
        raise Doubt
    return inputs


def _column(column: Column, values: pa.Array) -> Array:
    if not column.categories:
        numbers: Array = values.to_numpy(zero_copy_only=False)
        return numbers
    known = [index_of(column, text.strip(), USUAL) for text in values.dictionary.to_pylist()]
    if None in known or values.null_count:
        raise Doubt
    indices: Array = np.array(known, dtype=np.int64)[values.indices.to_numpy()]
    return indices


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
