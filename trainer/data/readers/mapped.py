"""Inputs and targets in .npy files of their own, so that inputs can be larger than memory.

Mapped inputs stay on disk: the operating system brings in what is read and drops it again. They are kept in the type
they were saved with, float32 or float64, and looked through once for numbers that are not finite, a block at a time.
Classes are held in memory, eight bytes for each.
"""

from __future__ import annotations

import os
from pathlib import Path

from trainer.data.dataset import Dataset, Task
from trainer.data.readers.stored import classes_of, load_array, task_of, texts_of
from trainer.errors import DataError
from trainer.wording import did_you_mean

__all__ = ["is_array_folder", "read_array_folder", "read_pair"]

ARRAYS = ("inputs.npy", "targets.npy")
NAMES = ("class_names.npy", "feature_names.npy")


def read_pair(
    inputs: str,
    targets: str,
    *,
    name: str | None = None,
    task: Task | None = None,
    mapped: bool = True,
    missing: bool = False,
    class_names: tuple[str, ...] = (),
    feature_names: tuple[str, ...] = (),
) -> Dataset:
    """The inputs of one .npy file, shape (n, ...), with the targets of another, shape (n,) or (n, k).

    name: of the data set. Default: that of the file of inputs.
    task: "classification" or "regression". Default: by the type of the targets.
    mapped: whether inputs, and targets that are floats, stay on disk.
    missing: whether NaN among inputs in memory is let through.

    Raises DataError for a file that is no .npy file, and for shapes and types that do not fit.
    """
    if missing and mapped:
        raise DataError(
            f"{inputs}: missing values are filled in in memory; say mapped: false, or fill them in first", "missing"
        )
    x, y = load_array(inputs, mapped), load_array(targets, mapped)
    said, task = task is not None, task or task_of(y)
    if task == "classification":
        y, class_names = classes_of(targets, y, class_names, said)
    elif mapped and y.dtype.kind != "f":
        y = y.astype(float)
    return Dataset(
        name or Path(inputs).name,
        x,
        y,
        task,
        class_names,
        feature_names,
        mapped=mapped,
        narrow=not mapped,
        has_missing=missing,
    )


def is_array_folder(path: Path) -> bool:
    """Whether a folder holds arrays: one of the two files is enough, for who lacks the other wants to be told."""
    return any((path / name).exists() for name in ARRAYS)


def read_array_folder(path: str | os.PathLike[str], *, task: Task | None = None, mapped: bool = True) -> Dataset:
    """The folder's inputs.npy and targets.npy, with class_names.npy and feature_names.npy if it has them.

    inputs.npy      float32 or float64, (n, ...): one row for each example.
    targets.npy     (n,): integers, booleans or text are classes, floats are numbers to predict, which may be (n, k).

    task: "classification" or "regression". Default: by the type of the targets.
    mapped: whether inputs stay on disk and are read as they are needed. Default: yes.

    Raises DataError where one of the two is missing, and for any other file.
    """
    folder = Path(path)
    names = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    for name in ARRAYS:
        if name not in names:
            raise DataError(f"{path} has no {name} beside {next(n for n in ARRAYS if n in names)}")
    for name in names:
        if name not in (*ARRAYS, *NAMES):
            hint = did_you_mean(name, NAMES, f"beside {' and '.join(ARRAYS)} there may be {', '.join(NAMES)}")
            raise DataError(f"{path} has a file {name}, which is no part of a data set; {hint}")
    inputs, targets = (str(folder / name) for name in ARRAYS)
    class_names, feature_names = (texts_of(load_array(str(folder / name))) if name in names else () for name in NAMES)
    return read_pair(
        inputs,
        targets,
        name=folder.resolve().name,
        task=task,
        mapped=mapped,
        class_names=class_names,
        feature_names=feature_names,
    )
