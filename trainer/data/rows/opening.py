"""Which of these reads a file or folder: by its name, as the readers of data sets are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.data.readers.archive import ARCHIVES
from trainer.data.readers.decoding import ending_of
from trainer.data.readers.idx_file import is_idx
from trainer.data.readers.image_folder import SUFFIXES
from trainer.data.readers.mapped import ARRAYS, is_array_folder
from trainer.data.readers.registry import Formats
from trainer.data.readers.svm_file import is_svm
from trainer.data.readers.typed_file import ARROW, PARQUET, TEXTS
from trainer.data.rows.stream import Stream
from trainer.data.spec import InputSpec
from trainer.errors import DataError
from trainer.wording import either, nearest_file

__all__ = ["open_rows"]

ENDINGS = (".csv", ".npz", ".npy", ".mat", ".h5", ".idx", ".svm", ".parquet", ".arrow", ".jsonl", ".arff")


def open_rows(
    path: Path,
    spec: InputSpec,
    reading: Mapping[str, object],
    known: Sequence[str] = (),
    classes: Sequence[str] = (),
    formats: Formats | None = None,
) -> Stream:
    """The rows of a file or folder as a model takes them.

    Args:
        spec: what the model takes.
        reading: the `dataset:` of the model's config: the delimiter, the size of images, the roles of columns.
        known: columns that are no inputs and of which nobody needs to be told that they are left out.
        classes: the names of the model's classes, which of a text are the characters of its inputs too.
        formats: those of plugins among them; without, only ours are known.

    Raises DataError for what is not there or cannot be read, and for rows of another kind.
    """
    ending = ending_of(path)
    if formats is not None and path.exists() and (own := formats.strangers(path)):
        from trainer.data.rows.arrays import dataset_rows

        return dataset_rows(str(path), own.rows_of(path, reading), spec)
    if path.is_dir():
        if is_array_folder(path):
            return open_rows(path / ARRAYS[0], spec, reading, known)
        from trainer.data.rows.images import image_rows

        return image_rows(path, spec, reading)
    if not path.exists():
        near = nearest_file(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else None
        raise DataError(f"there is no file {path}" + (f"; did you mean '{near}'?" if near else ""))
    if ending in (".csv", ".tsv"):
        from trainer.data.rows.csv_rows import csv_rows

        return csv_rows(path, spec, reading, known)
    if ending in PARQUET:
        from trainer.data.rows.arrow import parquet_rows

        return parquet_rows(path, spec, reading, known)
    if ending in (*ARROW, *TEXTS):
        from trainer.data.rows.typed_rows import typed_rows

        return typed_rows(path, spec, reading, known)
    if ending in (".npy", *ARCHIVES):
        from trainer.data.rows.arrays import archive_rows, npy_rows

        return npy_rows(path, spec) if ending == ".npy" else archive_rows(path, spec)
    if is_idx(path) or is_svm(path):
        from trainer.data.rows.numbered import idx_rows, svm_rows

        return idx_rows(path, spec) if is_idx(path) else svm_rows(path, spec)
    if ending == ".txt":
        from trainer.data.rows.text_rows import text_rows

        return text_rows(path, reading, classes)
    if ending in SUFFIXES:
        from trainer.data.rows.images import image_rows

        return image_rows(path, spec, reading)
    kinds = f"a file ends in {either(ENDINGS)}, or is a folder of images"
    raise DataError(f"{path.name} is nothing to predict from: {kinds}")
