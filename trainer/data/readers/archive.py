"""Files of several arrays that have names: NumPy's .npz, MATLAB's .mat, and HDF5. What is in them is said alike.

    .npz        np.savez; nothing in it is ever unpickled
    .mat        MATLAB's, read by SciPy; one of version 7.3 is HDF5 inside, read by h5py. A field of a struct has the
                name STRUCT.FIELD, as MATLAB writes it
    .h5 .hdf5   HDF5, read by h5py; an array in a group has the name GROUP.ARRAY, so inputs/picture is inputs.picture

MATLAB knows no arrays of one axis, keeps numbers as doubles unless told otherwise, and counts from 1. So a row or a
column beside the inputs is (n,), whole doubles are classes or numbers as `task` says, and where there are
`class_names` the targets count them from 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from trainer.data.dataset import Task
from trainer.data.readers.unrolled import Held, Unrolled, arrays_in
from trainer.errors import DataError
from trainer.types import Array

__all__ = ["ARCHIVES", "PARTS", "arrays_of", "targets_in"]

ARCHIVES = (".npz", ".mat", ".h5", ".hdf5")
PARTS = "inputs."


def arrays_of(path: str) -> Mapping[str, Unrolled | Held]:
    """The arrays of a file, by name; those of an .npz file are read where somebody asks.

    Raises DataError for one that is damaged or holds something else, and UsageError without the library that reads it.
    """
    ending = path.lower()
    if ending.endswith(".mat"):
        from trainer.data.readers.matlab_file import load_mat  # SciPy's reader, which only such a file needs

        return {name: Held(array) for name, array in load_mat(path).items()}
    if ending.endswith((".h5", ".hdf5")):
        from trainer.data.readers.hdf5_file import load_hdf5

        return {name: Held(array) for name, array in load_hdf5(path).items()}
    return arrays_in(path)


def targets_in(path: str, arrays: Mapping[str, Unrolled | Held], name: str, task: Task | None) -> Array:
    """The array of targets as its format means it.

    task: what somebody said, or knows, that they are; None where nobody did.

    Raises DataError for MATLAB's doubles that may be classes as well as numbers to predict.
    """
    targets = arrays[name].whole()
    if not path.lower().endswith(".mat") or targets.dtype.kind not in "biuf":
        return targets
    if "class_names" in arrays and task != "regression" and targets.dtype.kind != "b":
        return _from_one(path, targets, math.prod(arrays["class_names"].shape))
    if task is None and targets.dtype.kind == "f" and _whole(targets):
        raise DataError(
            f"{path}: the targets are whole numbers that MATLAB keeps as doubles, and so might be classes or numbers "
            f"to predict; say task: classification or task: regression",
            "task",
        )
    return targets


def _from_one(path: str, targets: Array, classes: int) -> Array:
    wrong = (
        ~((targets >= 1) & (targets <= classes) & (targets == np.floor(targets)))
        if targets.size
        else targets != targets
    )
    if wrong.any():
        value = targets[tuple(np.argwhere(wrong)[0])]
        raise DataError(
            f"{path}: target {value:g} is none of the {classes} class_names, which a .mat file counts from 1, as "
            f"MATLAB does"
        )
    indices: Array = targets.astype(np.int64) - 1
    return indices


def _whole(values: Array) -> bool:
    return bool(np.isfinite(values).all() and (values == np.floor(values)).all())
