"""LIBSVM's and SVMlight's files of sparse rows, by scikit-learn: `label qid:3 1:0.5 7:2 # a comment`. A feature not
named is 0.

Some programs count features from 1, as LIBSVM does, and some from 0. A file that has a feature 0 tells; for any other
it has to be said, since one that is wrong shifts every column. `qid` says which rows belong together.
"""

from __future__ import annotations

import io
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from trainer.data.dataset import Dataset, Task, as_numbers
from trainer.data.readers.decoding import COMPRESSED, opened
from trainer.data.readers.spelling import MENDING
from trainer.data.readers.stored import classes_of
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import count

__all__ = ["ENDINGS", "SparseRows", "dense", "is_svm", "load_svm", "read_svm"]

ENDINGS = tuple(f"{kind}{packed}" for packed in ("", *COMPRESSED) for kind in (".svm", ".libsvm", ".svmlight"))
EXAMPLE = "+1 1:0.5 7:2"
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_ROW = re.compile(rf"{_NUMBER}(?:\s+qid:\d+)?(?:\s+\d+:(?:{_NUMBER}|nan))*\s*", re.IGNORECASE)


class SparseRows(NamedTuple):
    """A file's rows: its matrix, with column i for feature i, the labels, and which rows belong together if it says."""

    matrix: Any
    targets: Array
    groups: Array | None
    least: int
    most: int


def read_svm(
    path: str | os.PathLike[str],
    *,
    first_index: Literal[0, 1] | None = None,
    features: int | None = None,
    task: Task | None = None,
    missing: Literal["error", "allow"] = "error",
) -> Dataset:
    """The rows of a LIBSVM or SVMlight file, with a column for each feature; the data set has the file's name.

    first_index: what the first feature is called: 1, as LIBSVM counts, or 0. Default: 0 where a row has a feature 0.
    features: how many there are. Default: as many as the highest index says.
    task: "classification" or "regression". Default: regression where a label is no whole number.
    missing: "allow" lets nan among the values through, for an imputer to fill in; "error" refuses it.

    Raises DataError, with the line, for a file that is no such file, and where first_index or task has to be said.

        read_svm("a9a.svm", first_index=1, task="classification")
    """
    shown = os.fspath(path)
    rows = load_svm(shown)
    first = first_index if first_index is not None else 0 if rows.least == 0 else None
    if first is None:
        raise DataError(
            f"{shown} has no feature 0, so its features may be counted from 1 or from 0; say first_index: 1, as LIBSVM "
            f"counts, or first_index: 0",
            "first_index",
        )
    inputs = dense(shown, rows, first, features)
    targets, names = rows.targets, tuple[str, ...]()
    if task is None:
        if (targets == np.floor(targets)).all():
            raise DataError(
                f"{shown}: the labels are whole numbers, and so might be classes or numbers to predict; say task: "
                f"classification or task: regression",
                "task",
            )
        task = "regression"
    if task == "classification":
        targets, names = classes_of(shown, targets, (), said=True)
    return Dataset(
        Path(shown).name,
        as_numbers(inputs, f"inputs of data set {Path(shown).name!r}", missing == "allow", MENDING),
        targets,
        task,
        names,
        tuple(str(first + j) for j in range(inputs.shape[1])),
        groups=rows.groups,
        has_missing=missing == "allow",
    )


def is_svm(path: Path) -> bool:
    """Whether a file is called as such files are."""
    return path.name.lower().endswith(ENDINGS)


def load_svm(path: str) -> SparseRows:
    """The rows of a file. Raises DataError, with the line, for what is none."""
    from sklearn.datasets import load_svmlight_file

    with opened(path) as file:
        content = file.read()
    if not any(line.partition(b"#")[0].strip() for line in content.splitlines()):
        raise DataError(f"{path} has no rows; one is a label and its features, such as {EXAMPLE}")
    _check_lines(path, content)
    try:
        matrix, targets, queries = load_svmlight_file(io.BytesIO(content), zero_based=True, query_id=True)
    except Exception as error:
        # Anything may have written this text, so whatever the parser raises is its fault.
        raise DataError(f"{path} cannot be read as LIBSVM: {' '.join(str(error).split()).rstrip('.')}") from None
    if not matrix.nnz:
        raise DataError(f"{path} has no row with a feature; a row is a label and its features, such as {EXAMPLE}")
    groups = np.asarray(queries, np.int64) if b"qid:" in content else None
    return SparseRows(matrix, targets, groups, int(matrix.indices.min()), int(matrix.indices.max()))


def dense(path: str, rows: SparseRows, first: int, features: int | None) -> Array:
    """Inputs (rows, features) whose first column is feature `first`."""
    if rows.least < first:
        raise DataError(f"{path} has a feature {rows.least}, so its features are counted from 0: say first_index: 0",
                        "first_index")  # fmt: skip
    found = rows.most + 1 - first
    if features is not None and found > features:
        raise DataError(
            f"{path} has a feature {rows.most}, and {count(features, 'feature')} counted from {first} end at "
            f"{first + features - 1}",
            "features",
        )
    width, height = features or found, rows.matrix.shape[0]
    try:
        inputs = np.zeros((height, width))
        inputs[:, : rows.most + 1 - first] = rows.matrix[:, first:].toarray()
    except (MemoryError, ValueError):
        raise DataError(
            f"{path} has {count(height, 'row')} of {count(width, 'feature')}, which are "
            f"{8e-9 * height * width:,.1f} GB as a table, and there is not so much memory"
        ) from None
    return inputs


def _check_lines(path: str, content: bytes) -> None:
    """Raise DataError for the first line that is no row, which the parser does not name."""
    for number, line in enumerate(content.splitlines(), 1):
        row = line.partition(b"#")[0].decode("utf-8", "replace").strip()
        if not row:
            continue
        if not _ROW.fullmatch(row):
            raise DataError(f"{path}:{number} is no row, which is a label and its features, such as {EXAMPLE}")
        indices = [int(each) for each in re.findall(r"(?<=\s)(\d+):", row)]
        unordered = next((b for a, b in pairwise(indices) if b <= a), None)
        if unordered is not None:
            raise DataError(f"{path}:{number}: feature {unordered} does not come behind all lower ones; sort each row")
