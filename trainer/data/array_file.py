"""NumPy's own files as data sets. Nothing in them is ever unpickled: a pickle can run code.

    .npz   two arrays: `inputs` or `x`, shape (n, ...), and `targets` or `y`, shape (n,) or (n, k); optionally
           `class_names` and `feature_names`. Targets of integers, booleans or text are classes, floats are numbers to
           predict: here, unlike in a CSV file, somebody chose the type.
    .npy   one table of numbers, shape (n, columns). The last column is the target, a number to predict.

The options `target` and `task` overrule these.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainer.data.dataset import Array, Dataset, Task, as_numbers, class_indices
from trainer.errors import DataError, nearest

__all__ = ["read_npy", "read_npz"]

PICKLED = (
    "holds Python objects, which only pickle can read, and a pickle can run any code; save plain arrays of numbers"
)


def read_npz(path: str | os.PathLike[str], *, target: str | int | None = None, task: Task | None = None) -> Dataset:
    """The arrays of an .npz file; the data set has the file's name.

    target: name of the array of targets. Default: `targets` or `y`.
    task: "classification" or "regression". Default: by the type of the targets.

    Raises DataError for a file that is damaged, pickled, or lacks an array, and for shapes that do not fit.

        np.savez("clouds.npz", inputs=inputs, targets=targets)
        read_npz("clouds.npz")
    """
    shown = os.fspath(path)
    if isinstance(target, int):
        raise DataError(f"the target of an .npz file is the name of an array, not {target!r}")
    arrays = _load(shown)
    if not isinstance(arrays, dict):
        raise DataError(f"{shown} is a single array, as np.save writes it; name it .npy, or write it with np.savez")
    inputs = arrays[_find(shown, arrays, ("inputs", "x"), "inputs")]
    targets = arrays[_find(shown, arrays, (target,) if target else ("targets", "y"), "targets")]
    names = {key: _texts(arrays[key]) for key in ("class_names", "feature_names") if key in arrays}
    return _dataset(shown, inputs, targets, task or _task_of(targets), **names)


def read_npy(path: str | os.PathLike[str], *, target: str | int | None = None, task: Task | None = None) -> Dataset:
    """The table of an .npy file; the data set has the file's name.

    target: index of the target column, from 0 (negative: from the end). Default: the last.
    task: "classification" or "regression". Default: regression.

    Raises DataError for a file that is damaged or pickled, and for anything but a table of numbers.

        np.save("table.npy", np.column_stack([inputs, targets]))
        read_npy("table.npy")
    """
    shown = os.fspath(path)
    table = _load(shown)
    if isinstance(table, dict):
        raise DataError(f"{shown} holds several arrays, as np.savez writes them; name it .npz")
    if table.ndim != 2 or table.shape[1] < 2:
        raise DataError(
            f"{shown} holds an array of shape {table.shape}; a table has shape (rows, columns) with at least two "
            f"columns, and inputs of another shape go into an .npz file beside their targets"
        )
    columns = table.shape[1]
    column = -1 if target is None else target
    if not isinstance(column, int) or not -columns <= column < columns:
        raise DataError(f"{shown} has columns 0 to {columns - 1}, and no target column {column!r}")
    table = as_numbers(table, shown)
    return _dataset(shown, np.delete(table, column, axis=1), table[:, column], task or "regression")


def _load(path: str) -> Array | dict[str, Array]:
    """The array of an .npy file or the arrays of an .npz file."""
    try:
        with open(path, "rb") as file:
            _check_beginning(path, file.read(6))
            file.seek(0)
            loaded: Any = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                return _plain(path, loaded)
            return {name: _plain(path, loaded[name]) for name in loaded.files}
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:
        # Anything may have written these bytes, so whatever NumPy's parser raises is their fault.
        if "allow_pickle" in str(error):
            raise DataError(f"{path} {PICKLED}") from None
        raise DataError(f"{path} is damaged: {error}") from None


def _check_beginning(path: str, beginning: bytes) -> None:
    if beginning.startswith(b"\x80"):
        raise DataError(f"{path} {PICKLED}")
    if beginning != b"\x93NUMPY" and not beginning.startswith(b"PK"):
        raise DataError(
            f"{path} {'is no file' if beginning else 'is empty, not a file'} that np.save or np.savez wrote"
        )


def _plain(path: str, array: object) -> Array:
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} holds something else than NumPy arrays; write it with np.savez")
    if array.dtype.names:
        raise DataError(
            f"{path} holds records with the fields {', '.join(array.dtype.names)}; save a plain array of numbers"
        )
    return array


def _find(path: str, arrays: Mapping[str, Array], names: tuple[str, ...], what: str) -> str:
    found = [name for name in names if name in arrays]
    if len(found) > 1:
        raise DataError(f"{path} has two arrays of {what}, {found[0]!r} and {found[1]!r}; keep one")
    if not found:
        near = nearest(names[0], arrays)
        hint = f"rename {near!r}" if near else f"its arrays are {', '.join(map(repr, arrays)) or 'none'}"
        raise DataError(f"{path} has no array {' or '.join(map(repr, names))} for the {what}; {hint}")
    return found[0]


def _texts(array: Array) -> tuple[str, ...]:
    return tuple(str(name) for name in array.ravel().tolist())


def _task_of(targets: Array) -> Task:
    return "classification" if targets.dtype.kind in "biuUS" else "regression"


def _dataset(
    path: str,
    inputs: Array,
    targets: Array,
    task: Task,
    *,
    class_names: tuple[str, ...] = (),
    feature_names: tuple[str, ...] = (),
) -> Dataset:
    if task == "classification":
        targets, class_names = _classes(path, targets, class_names)
    return Dataset(Path(path).name, inputs, targets, task, class_names, feature_names)


def _classes(path: str, targets: Array, class_names: tuple[str, ...]) -> tuple[Array, tuple[str, ...]]:
    """Targets as class indices: whole numbers are indices already if `class_names` is given, else labels."""
    if targets.ndim != 1:
        raise DataError(
            f"{path}: classes are one label per row, targets of shape (rows,), not {targets.shape}; for several "
            f"numbers per row say task: regression"
        )
    if targets.dtype.kind == "f":
        broken = ~np.isfinite(targets) | (targets != np.floor(targets))
        if broken.any():
            row = int(broken.argmax())
            raise DataError(
                f"{path}: {targets[row]} in row {row} of the targets is no class; classes are whole numbers or text, "
                f"and numbers to predict are task: regression"
            )
        targets = np.array([int(label) for label in targets.tolist()])
    if class_names and targets.dtype.kind in "iu":
        return targets, class_names
    if class_names:
        raise DataError(
            f"{path}: class_names name whole numbers, and the targets are {targets.dtype}; leave class_names out"
        )
    if targets.dtype.kind not in "biuU":
        raise DataError(f"{path}: targets of type {targets.dtype} are no classes; use whole numbers, booleans or text")
    return class_indices(targets.tolist())
