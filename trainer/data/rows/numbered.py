"""The rows of files of numbers alone: IDX files, and LIBSVM's files of sparse rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from trainer.data.readers.idx_file import idx_inputs
from trainer.data.readers.svm_file import dense, load_svm
from trainer.data.rows.arrays import held_rows
from trainer.data.rows.stream import Block, Stream
from trainer.data.spec import InputSpec
from trainer.errors import DataError

__all__ = ["idx_rows", "svm_rows"]


def idx_rows(path: Path, spec: InputSpec) -> Stream:
    """The rows of an IDX file of inputs. Raises DataError for other shapes than the model takes."""
    shown = str(path)
    values, divisor = idx_inputs(path)
    stream = held_rows(shown, values, spec)
    return replace(stream, blocks=(Block(np.divide(block.values, divisor)) for block in stream.blocks))


def svm_rows(path: Path, spec: InputSpec) -> Stream:
    """The rows of a LIBSVM file: columns by the numbers that the features had in training.

    Raises DataError for a model that learnt from something else, and for a feature that it does not take.
    """
    shown = str(path)
    names = [column.name for column in spec.columns]
    first = 0 if names[:1] == ["0"] else 1
    if not spec.feature_names or names != [str(first + j) for j in range(len(names))]:
        takes = f"columns by name, such as {names[0]!r}" if names else f"inputs of shape {spec.shape}"
        raise DataError(f"{shown} has features by number, and the model learnt from something else: it takes {takes}")
    return held_rows(shown, dense(shown, load_svm(shown), first, len(names)), spec)
