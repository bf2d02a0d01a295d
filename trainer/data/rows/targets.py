"""The targets beside rows that a model is measured on: classes by their names, whatever the order of their indices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.data.dataset import Dataset, as_numbers
from trainer.data.readers.archive import ARCHIVES, arrays_of, targets_in
from trainer.data.readers.decoding import ending_of
from trainer.data.readers.idx_file import idx_targets, is_idx
from trainer.data.readers.mapped import ARRAYS, is_array_folder
from trainer.data.readers.registry import Formats
from trainer.data.readers.spelling import Spelling, shown
from trainer.data.readers.stored import classes_of, load_array, texts_of
from trainer.data.readers.svm_file import is_svm, load_svm
from trainer.data.readers.table import Table
from trainer.data.readers.typed_file import ARROW, PARQUET, TEXTS, typed_spelling, typed_table
from trainer.data.rows.columns import only
from trainer.data.spec import TargetSpec
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import count, listed

__all__ = ["read_targets"]

SHOWN = 6


def read_targets(
    path: Path,
    spec: TargetSpec,
    reading: Mapping[str, object],
    files: Sequence[str] = (),
    formats: Formats | None = None,
) -> Array:
    """The targets of the rows that `open_rows` reads: class indices, int64 (n,), or numbers, float64 (n, k).

    Args:
        files: of images, the class of each of which is the folder that it lies in.
        formats: see `open_rows`.

    Raises DataError for a file without targets, and for a class that the model does not know.
    """
    ending = ending_of(path)
    if formats is not None and (own := formats.strangers(path)):
        return _of_dataset(str(path), own.rows_of(path, reading), spec)
    if files:
        return _classes(spec, [Path(file).parent.name for file in files], lambda row: files[row])
    if path.is_dir() and is_array_folder(path):
        return _of_array(str(path / ARRAYS[1]), load_array(str(path / ARRAYS[1])), (), spec)
    if ending == ".txt":
        from trainer.data.rows.text_rows import text_windows

        return text_windows(path, reading, spec.class_names)[1]
    if ending in (".csv", ".tsv"):
        return _of_csv(path, spec, reading)
    if ending in ARCHIVES:
        arrays = arrays_of(str(path))
        wanted: list[Any] = [reading.get("target"), "targets", "y"]
        name = next((name for name in wanted if name in arrays), None)
        if name is None:
            raise DataError(f"{path} has no array 'targets' or 'y' to measure by")
        names = texts_of(arrays["class_names"].whole()) if "class_names" in arrays else ()
        return _of_array(str(path), targets_in(str(path), arrays, name, spec.task), names, spec)
    if is_idx(path):
        return _of_array(str(path), idx_targets(path), (), spec)
    if is_svm(path):
        return _of_array(str(path), load_svm(str(path)).targets, (), spec)
    if ending in (*PARQUET, *ARROW, *TEXTS):
        return _of_typed(path, spec, reading)
    raise DataError(f"{path} holds inputs alone, and measuring takes targets too: give a .csv, .npz or .parquet file")


def _of_dataset(shown: str, dataset: Dataset, spec: TargetSpec) -> Array:
    """The targets of a data set that a reader of a plugin's has read."""
    if dataset.task != spec.task:
        raise DataError(f"{shown} is a {dataset.task}, and the model was trained on a {spec.task}")
    return _of_array(shown, dataset.targets, dataset.class_names, spec)


def _of_csv(path: Path, spec: TargetSpec, reading: Mapping[str, object]) -> Array:
    from trainer.data.rows.csv_rows import open_csv, tables

    header = open_csv(path, reading, spec.names)
    if spec.names and header.has_header:
        missing = [name for name in spec.names if name not in header.names]
        if missing:
            there = listed([*map(repr, header.names)], 12)
            raise DataError(f"{path} has no column {missing[0]!r} to measure by; its columns are {there}")
        columns = [only(name, header.names, str(path)) for name in spec.names]
    else:
        columns = _by_place(path, len(header.names), reading)
    return np.concatenate([_of_table(table, columns, spec) for table in tables(header)])


def _by_place(path: Path, found: int, reading: Mapping[str, Any]) -> list[int]:
    """Where the targets are in a file without names: where they were in training, and otherwise at the end."""
    given = reading.get("target", -1)
    columns = given if isinstance(given, list) else [given]
    if not all(isinstance(j, int) and -found <= j < found for j in columns):
        raise DataError(f"{path} has {count(found, 'column')}, and no header that says which are the targets")
    return [j % found for j in columns]


def _of_table(table: Table, columns: Sequence[int], spec: TargetSpec) -> Array:
    if spec.task == "regression":
        return np.stack(
            [table.booleans(j) if table.kind(j) == "booleans" else table.numbers(j, "") for j in columns], axis=1
        )
    (j,) = columns
    return _classes(spec, table.cells(j), lambda row: f"{table.path}:{table.lines[row]}: {table.label(j)}")


def _classes(spec: TargetSpec, texts: Sequence[str], place: Callable[[int], str]) -> Array:
    """Indices of the classes of these names; numbers may be spelt otherwise, 1 and 1.0."""
    index: dict[str, int | None] = {name: i for i, name in enumerate(spec.class_names)}
    spelling = Spelling()
    numbers = {value: i for name, i in index.items() if (value := spelling.exactly(name)) is not None}
    for text in set(texts) - set(index):
        value = spelling.exactly(text)
        index[text] = None if value is None else numbers.get(value)
    for row, text in enumerate(texts):
        if index[text] is None:
            known = listed([*map(repr, spec.class_names)], SHOWN)
            raise DataError(f"{place(row)}: {shown(text)} is a class that the model does not know; it knows {known}")
    return np.array([index[text] for text in texts], dtype=np.int64)


def _of_array(path: str, targets: Array, names: tuple[str, ...], spec: TargetSpec) -> Array:
    if spec.task == "regression":
        return as_numbers(targets, f"targets of {path}").reshape(len(targets), -1)
    indices, names = classes_of(path, targets, names, said=targets.ndim > 1)
    known = _classes(spec, names, lambda row: f"{path}: targets")
    return np.where(indices >= 0, known[np.maximum(indices, 0)], -1)


def _of_typed(path: Path, spec: TargetSpec, reading: Mapping[str, object]) -> Array:
    table = typed_table(path, typed_spelling(reading))
    there = table.names
    missing = [name for name in spec.names if name not in there]
    if missing or not spec.names:
        wanted = f"no column {missing[0]!r}" if missing else "no columns that the model knows as targets"
        raise DataError(f"{path} has {wanted} to measure by; its columns are {listed([*map(repr, there)], 12)}")
    return _of_table(table, [only(name, there, str(path)) for name in spec.names], spec)
