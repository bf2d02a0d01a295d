"""Tables in files whose columns have types: Parquet, Arrow and Feather, JSON lines, ARFF.

    .parquet .pq         read by pyarrow
    .arrow .feather .ipc read by pyarrow, files and streams
    .jsonl .ndjson       one JSON object in each line; a key that a line lacks is a missing value
    .arff                Weka's, read by liac-arff; what it declares as nominal are names, whatever they look like

Roles, categories, dates and what is missing go as in a CSV file, and a cell has the text that it would have there. An
error says the row, counted from 1, or the line where there are lines.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trainer.data.dataset import Dataset, Task
from trainer.data.pages import pages
from trainer.data.readers.decoding import COMPRESSED, decoded_lines, ending_of, read_text_of
from trainer.data.readers.features import Encoding
from trainer.data.readers.frame import Typed, frame_of
from trainer.data.readers.roles import DateColumns, Name, Names, Roles, dataset_of
from trainer.data.readers.spelling import Spelling
from trainer.data.readers.table import Table
from trainer.errors import DataError, UsageError
from trainer.types import Array
from trainer.wording import count

if TYPE_CHECKING:
    import pyarrow as pa

    Piece = tuple[int, pa.Table | pa.RecordBatch]  # its first row, and columns from there on

__all__ = ["ARROW", "ENDINGS", "PARQUET", "TEXTS", "read_typed", "typed_spelling", "typed_table", "values_of"]

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
TEXTS = (".jsonl", ".ndjson", ".arff")
TOGETHER = 2**18  # numbers that are read together, where the file lets one choose
ENDINGS = (*PARQUET, *ARROW, *(f"{kind}{packed}" for packed in ("", *COMPRESSED) for kind in TEXTS))


def read_typed(
    path: str | os.PathLike[str],
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
    """The rows of a Parquet, Arrow, Feather, JSON lines or ARFF file; the data set has the file's name.

    Columns go by name, or by index from 0 (negative: from the end).

    target: the target column, or a list of them. Default: the last that has no other role.
    task: "classification" or "regression". Default: by the cells of the target column.
    categorical: the columns that hold categories, or "auto" for every column of text.
    encode: "one_hot", a column of 0 and 1 for each category, or "index", for an embedding.
    dates: the columns of dates, which become year, month, day, weekday, and hour if there are times.
    group: the column of what rows have in common, which a grouped split keeps together; it is no input.
    weight: the column of how much each row counts, a number above 0.
    ignore: the columns that are left out.
    missing: "allow" makes a missing number NaN, for an imputer to fill in, and a missing category one of its own, "?";
        "error" refuses both.
    missing_values: cells that say that a value is missing beside those that hold nothing.

    Raises DataError, with row and column, as `read_csv` does, and for a file that is damaged; UsageError without the
    library that reads it.

        read_typed("flowers.parquet", target="species")
    """
    roles = Roles(target, task, categorical, encode, dates, group, weight, ignore, missing)
    table = typed_table(path, typed_spelling({"missing_values": missing_values}))
    return dataset_of(table, roles, ["the file names the columns"], consumed=True)


def typed_spelling(reading: Mapping[str, Any]) -> Spelling:
    """What cells mean by the options of a reader: one that holds nothing is always a missing value."""
    given = reading.get("missing_values")
    return Spelling.of({"missing_values": None if given is None else [*given, ""]})


def typed_table(path: str | os.PathLike[str], spelling: Spelling) -> Table:
    """The columns of a file. Raises DataError for one that is damaged, and UsageError without the library for it."""
    ending, shown = ending_of(Path(path)), os.fspath(path)
    if ending == ".arff":
        return _arff(shown, spelling)
    return _json_lines(shown, spelling) if ending in TEXTS else _arrow(shown, ending, spelling)


def _library(shown: str, module: str) -> UsageError:
    return UsageError(f"{shown} is read by {module}, which is not installed: pip install 'tape-trainer[tables]'")


def _arrow(shown: str, ending: str, spelling: Spelling) -> Table:
    try:
        import pyarrow as pa
    except ImportError:
        raise _library(shown, "pyarrow") from None
    what, opened = ("Parquet", _parquet) if ending in PARQUET else ("Arrow", _ipc)
    try:
        schema, rows, pieces = opened(shown)
        _check_once(shown, schema.names)
        columns = _columns(shown, schema, rows, pieces)
        named = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{shown} cannot be read as {what}: {' '.join(str(error).split()).rstrip('.')}") from None
    return frame_of(shown, columns, named, spelling)


def _parquet(shown: str) -> tuple[pa.Schema, int, Iterator[Piece]]:
    """The columns of a file, how many rows it has, and pieces of them: in a group of rows each column lies as a whole,
    so that to read some rows of all is to have all in memory, and some columns after another are not."""
    from pyarrow import parquet

    file = parquet.ParquetFile(shown)
    schema, about = file.schema_arrow, file.metadata

    def pieces() -> Iterator[Piece]:
        start = 0
        for group in range(about.num_row_groups):
            rows = about.row_group(group).num_rows
            width = max(1, TOGETHER // max(rows, 1))
            for left in range(0, len(schema.names), width):
                yield start, file.read_row_group(group, schema.names[left : left + width], use_threads=False)
            start += rows

    return schema, about.num_rows, pieces()


def _ipc(shown: str) -> tuple[pa.Schema, int, Iterator[Piece]]:
    """The same of a file with a footer, which Feather is, or a stream."""

    with open(shown, "rb") as file:
        beginning = file.read(6)
    if beginning.startswith(b"FEA1"):
        from pyarrow import feather

        table = feather.read_table(shown, memory_map=False)
        return table.schema, table.num_rows, iter([(0, table)])
    schema, batches = _batches(shown, beginning)
    _, first = _batches(shown, beginning, included_fields=[0] if schema.names else None)  # to count its rows

    def pieces() -> Iterator[Piece]:
        start = 0
        for batch in batches:
            yield start, batch
            start += batch.num_rows

    return schema, sum(batch.num_rows for batch in first), pieces()


def _batches(
    shown: str, beginning: bytes, included_fields: list[int] | None = None
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The columns of such a file, and its rows, as many at a time as were written together."""
    import pyarrow as pa

    source, options = pa.OSFile(shown), pa.ipc.IpcReadOptions(included_fields=included_fields)
    if beginning != b"ARROW1":
        reader = pa.ipc.open_stream(source, options=options)
        return reader.schema, iter(reader)
    file = pa.ipc.open_file(source, options=options)
    return file.schema, (file.get_batch(i) for i in range(file.num_record_batches))


def _columns(shown: str, schema: pa.Schema, rows: int, pieces: Iterator[Piece]) -> dict[str, Array | list[object]]:
    """The columns by name; those of floats lie side by side in one table, which is that of the inputs as a rule."""
    import pyarrow as pa

    floats = [name for name, kind in zip(schema.names, schema.types, strict=True) if pa.types.is_floating(kind)]
    wide = any(schema.field(name).type == pa.float64() for name in floats)
    table = pages((rows, len(floats)), np.float64 if wide else np.float32)
    places = {name: table[:, place] for place, name in enumerate(floats)}
    others: dict[str, list[pa.Array]] = {name: [] for name in schema.names if name not in places}
    ends = dict.fromkeys(schema.names, 0)
    for start, piece in pieces:
        for name in piece.schema.names:
            if ends[name] != start or start + piece.num_rows > rows:
                continue  # it was there already, by a name that begins like it; or it is told below
            column = piece.column(name)
            for part in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
                begin, ends[name] = ends[name], ends[name] + len(part)
                if name in places:
                    places[name][begin : ends[name]] = part.to_numpy(zero_copy_only=False)
                else:
                    others[name].append(part)
    if any(end != rows for end in ends.values()):
        raise DataError(f"{shown} is damaged: it says that it has {count(rows, 'row')}, and has others")
    found: dict[str, Array | list[object]] = {**places}
    found |= {name: values_of(pa.chunked_array(parts, schema.field(name).type)) for name, parts in others.items()}
    pa.default_memory_pool().release_unused()
    return {name: found[name] for name in schema.names}


def values_of(values: pa.ChunkedArray) -> Array | list[object]:
    """A column of Arrow's: numbers as an array, and everything else as Python's objects."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_floating(kind) or (pa.types.is_integer(kind) and not values.null_count):
        numbers: Array = np.asarray(values.to_numpy())
        return numbers
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_string(inner) or pa.types.is_large_string(inner):
        return _texts(values if inner is not kind else values.dictionary_encode())
    if pa.types.is_timestamp(kind):  # finer than Python's times are
        values = values.cast(pa.timestamp("us", kind.tz), safe=False)
    plain: list[object] = values.to_pylist()
    return plain


def _texts(values: pa.ChunkedArray) -> list[object]:
    """Texts, of which those that are alike within a chunk are one object; None for what is missing."""
    texts: list[object] = []
    for chunk in values.chunks:
        names = chunk.dictionary.to_pylist()
        texts += [None if index is None else names[index] for index in chunk.indices.to_pylist()]
    return texts


def _check_once(shown: str, names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{shown} has two columns {twice!r}; rename one")


def _json_lines(shown: str, spelling: Spelling) -> Table:
    names: dict[str, None] = {}
    objects: list[dict[str, str]] = []
    lines: list[int] = []
    for line, text in enumerate(decoded_lines(shown, settled=True), 1):
        if text.strip():
            objects.append(_object(f"{shown}:{line}", text))
            names |= dict.fromkeys(objects[-1])
            lines.append(line)
    rows = [[each.get(name, "") for name in names] for each in objects]
    return Table(shown, [*names], True, rows, lines, spelling)


def _object(place: str, text: str) -> dict[str, str]:
    """The cells of a line as text, numbers as they are spelt."""

    def cells(pairs: list[tuple[str, object]]) -> dict[str, str]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{place}: it has two values of {twice!r}; keep one")
        return {name: _cell(place, name, value) for name, value in pairs}

    try:
        found = json.loads(text, object_pairs_hook=cells, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        why = getattr(error, "msg", "it is nested too deeply")
        raise DataError(f"{place} is no JSON: {why}; each line is an object, such as {_EXAMPLE}") from None
    if not isinstance(found, dict):
        raise DataError(f"{place} is no JSON object; each line is one, such as {_EXAMPLE}")
    return found


_EXAMPLE = '{"width": 1.5, "kind": "b"}'


def _cell(place: str, name: str, value: object) -> str:
    if isinstance(value, dict | list):
        what = "mapping" if isinstance(value, dict) else "list"
        raise DataError(f"{place}: {name!r} is a {what}, and a cell is a number, a text, or true or false")
    return "" if value is None else str(value).strip()


# liac-arff cuts 1.5 to 1 in a column that is declared as whole numbers, so that its numbers are read as real ones.
_INTEGER = re.compile(r"^(\s*@attribute\s.*\s)integer(\s*)$", re.IGNORECASE)


def _arff(shown: str, spelling: Spelling) -> Table:
    try:
        import arff
    except ImportError:
        raise _library(shown, "liac-arff") from None
    lines = read_text_of(shown, settled=True).splitlines()
    head = next((i for i, line in enumerate(lines, 1) if line.strip().lower() == "@data"), len(lines))
    places = [i for i, line in enumerate(lines, 1) if i > head and line.strip() and line.strip()[0] != "%"]
    sparse = next((i for i in places if lines[i - 1].lstrip().startswith("{")), None)
    if sparse is not None:
        raise DataError(f"{shown}:{sparse}: a sparse row, which leaves zeros out; save the file with every value")
    try:
        read = arff.loads("\n".join([*(_INTEGER.sub(r"\1REAL\2", line) for line in lines[:head]), *lines[head:]]))
    except Exception as error:
        # Anything may have written this text, so whatever the parser raises is its fault.
        raise DataError(f"{shown} cannot be read as ARFF: {' '.join(str(error).split()).rstrip('.')}") from None
    names = [str(name).strip() for name, _ in read["attributes"]]
    _check_once(shown, names)
    rows = [[_number(value) for value in row] for row in read["data"]]
    if len(rows) != len(places):
        raise DataError(f"{shown} has {len(places)} lines of data, and {len(rows)} rows; write one in each line")
    named = frozenset(j for j, (_, kind) in enumerate(read["attributes"]) if isinstance(kind, list))
    return Typed(shown, names, True, rows, places, spelling, named=named)


def _number(value: object) -> str:
    """A value as a cell: whole numbers as such, since all are read as real ones."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return "" if value is None else str(value).strip()
