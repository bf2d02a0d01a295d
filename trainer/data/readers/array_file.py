"""Files of arrays as data sets. Nothing in NumPy's is ever unpickled: a pickle can run code.

    .npz   two arrays: `inputs` or `x`, shape (n, ...), and `targets` or `y`, shape (n,) or (n, k); optionally
           `class_names`, `feature_names`, `groups` (n,) and `weights` (n,). Targets of integers, booleans or text are
           classes, floats are numbers to predict: here, unlike in a CSV file, somebody chose the type. Classes of
           positions are (n, positions), and a negative number marks a position without a class; a column of classes,
           (n, 1), is (n,). Several inputs of different shapes are arrays `inputs.NAME`, each (n, ...). Arrays of the
           same names are in MATLAB's .mat and in .h5: `trainer.data.readers.archive`.
    .npy   one table of numbers, shape (n, columns). The last column is the target, a number to predict. Or inputs
           alone, (n, ...), with the targets in a file of their own: `trainer.data.readers.mapped`.

The options `target` and `task` overrule these.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainer.data.dataset import Dataset, Task, as_numbers, narrow_type
from trainer.data.packed import packed_type
from trainer.data.pages import give_back, pages
from trainer.data.readers.archive import PARTS, arrays_of, targets_in
from trainer.data.readers.mapped import read_pair
from trainer.data.readers.room import check_room
from trainer.data.readers.spelling import MENDING
from trainer.data.readers.stored import NPY, beginning_of, classes_of, load_entry, task_of, texts_of
from trainer.data.readers.unrolled import Held, Unrolled
from trainer.errors import DataError
from trainer.types import Array, Shape
from trainer.wording import nearest

__all__ = ["read_npy", "read_npz"]

TOGETHER = 2**18  # numbers that are moved, or looked at, together
EXTRAS = ("class_names", "feature_names", "groups", "weights")


def read_npz(
    path: str | os.PathLike[str],
    *,
    target: str | None = None,
    task: Task | None = None,
    missing: Literal["error", "allow"] = "error",
) -> Dataset:
    """The arrays of an .npz file, as np.savez writes them, or of a .mat or .h5 file; the data set has the file's name.

    inputs or x     numbers, (n, ...): one row for each example. Or several arrays inputs.NAME, each (n, ...).
    targets or y    (n,): integers, booleans or text are classes, floats are numbers to predict, which may be (n, k).
    class_names     texts, if there are any: what class 0, 1, 2, ... are called.
    feature_names   texts, if there are any: one for each column of inputs (n, columns).
    groups          whole numbers (n,), if there are any: equal for rows that belong together.
    weights         numbers above 0 (n,), if there are any: how much each row counts.

    target: name of the array of targets. Default: `targets` or `y`.
    task: "classification" or "regression". Default: by the type of the targets.
    missing: "allow" lets NaN among the inputs through, for an imputer to fill in; "error" refuses it.

    Raises DataError for a file that is damaged, pickled, or lacks an array, and for shapes that do not fit; UsageError
    without h5py for one of HDF5.

        np.savez("clouds.npz", inputs=inputs, targets=targets)
        read_npz("clouds.npz")
        np.savez("posts.npz", **{"inputs.picture": pictures, "inputs.likes": likes, "targets": targets})
    """
    shown = os.fspath(path)
    _check_missing(missing)
    arrays = arrays_of(shown)
    check_room(shown, sum(math.prod(array.shape) * array.dtype.itemsize for array in arrays.values()))
    inputs, parts = _inputs(shown, arrays, target)
    found = _find(shown, arrays, (target,) if target else ("targets", "y"), "targets", "target")
    targets = targets_in(shown, arrays, found, task)
    for name in arrays:
        near = nearest(name, EXTRAS)
        if near and name not in EXTRAS and name != found:
            raise DataError(f"{shown} has an array {name!r}; rename it {near!r} if that is what it is")
    names = {name: texts_of(arrays[name].whole()) for name in ("class_names", "feature_names") if name in arrays}
    others: dict[str, Any] = {name: arrays[name].whole() for name in ("groups", "weights") if name in arrays}
    return _dataset(
        shown,
        inputs,
        targets,
        task,
        **names,
        **others,
        parts=parts,
        has_missing=missing == "allow",
    )


def read_npy(
    path: str | os.PathLike[str],
    *,
    target: int | None = None,
    task: Task | None = None,
    targets: str | None = None,
    mapped: bool | None = None,
    missing: Literal["error", "allow"] = "error",
) -> Dataset:
    """The table of an .npy file, or its inputs with the targets of another; the data set has the file's name.

    target: index of the target column, from 0 (negative: from the end). Default: the last.
    task: "classification" or "regression". Default: regression of a table, else by the type of the targets.
    targets: the .npy file that holds the targets, from the folder of this one. Then this one holds inputs alone.
    mapped: whether inputs stay on disk and are read as they are needed. Default: yes with `targets`; a table cannot.
    missing: "allow" lets NaN among the inputs through, for an imputer to fill in; "error" refuses it.

    Raises DataError for a file that is damaged or pickled, and for anything but a table of numbers.

        np.save("table.npy", np.column_stack([inputs, targets]))
        read_npy("table.npy")
        read_npy("inputs.npy", targets="targets.npy")
    """
    shown = os.fspath(path)
    _check_missing(missing)
    if targets is not None:
        if target is not None:
            raise DataError(f"{shown}: target names a column and targets a file; keep one of the two", "target")
        return read_pair(
            shown, str(Path(shown).parent / targets), task=task, mapped=mapped is not False, missing=missing == "allow"
        )
    if mapped:
        raise DataError(
            f"{shown}: a table is not mapped, because its target column lies between the inputs; save inputs and "
            f"targets each in a file, and say targets: FILE.npy",
            "mapped",
        )
    if beginning_of(shown) != NPY:
        raise DataError(f"{shown} holds several arrays, as np.savez writes them; name it .npz")
    table = load_entry(shown, "", narrow_type)
    if table.ndim != 2 or table.shape[1] < 2:
        raise DataError(
            f"{shown} holds an array of shape {table.shape}; a table has shape (rows, columns) with at least two "
            f"columns, and inputs of another shape go into an .npz file beside their targets"
        )
    columns = table.shape[1]
    column = -1 if target is None else target
    if not -columns <= column < columns:
        raise DataError(f"{shown} has columns 0 to {columns - 1}, and no target column {column!r}", "target")
    table = as_numbers(table, shown, missing == "allow", MENDING, narrow=True)
    inputs, values = _apart(table, column % columns)
    return _dataset(shown, inputs, values, task or "regression", has_missing=missing == "allow")


def _apart(table: Array, column: int) -> tuple[Array, Array]:
    """The other columns of a table, row after row at the beginning of its memory, and a copy of that one."""
    targets = table[:, column].astype(np.float64)
    rows, width = table.shape
    inputs = table.reshape(-1)[: rows * (width - 1)].reshape(rows, width - 1)
    together = max(1, TOGETHER // width)
    for start in range(0, rows, together):  # what is written lies before all that is still to be read
        inputs[start : start + together] = np.delete(table[start : start + together], column, axis=1)
    return inputs, targets


def _check_missing(missing: str) -> None:
    if missing not in ("error", "allow"):
        raise DataError(f"missing is 'error' or 'allow', not {missing!r}", "missing")


def _inputs(
    path: str, arrays: Mapping[str, Unrolled | Held], target: str | None
) -> tuple[Array, dict[str, tuple[int, ...]]]:
    """The inputs; several of them laid flat, side by side, with the shape of each. Those in memory are given back,
    unless somebody wants one for the targets."""
    named = {name: array for name, array in arrays.items() if name.startswith(PARTS)}
    if not named:
        return arrays[_find(path, arrays, ("inputs", "x"), "inputs")].whole(narrow_type), {}
    if alone := [name for name in ("inputs", "x") if name in arrays]:
        raise DataError(f"{path} has inputs {alone[0]!r} and {next(iter(named))!r}; give each a name, {PARTS}NAME")
    first = next(iter(named.values()))
    rows = first.shape[0] if first.shape else 0
    for name, array in named.items():
        if name == PARTS:
            raise DataError(f"{path} has an array {name!r}; after the dot comes the name of the part")
        if len(array.shape) < 2 or 0 in array.shape:
            raise DataError(
                f"{path}: array {name!r} has shape {array.shape}; the first axis counts the rows and at least one more "
                f"the features, as in {name.removeprefix(PARTS)}.reshape(-1, 1)"
            )
        if array.shape[0] != rows:
            raise DataError(
                f"{path}: array {name!r} has {array.shape[0]} rows, and {next(iter(named))!r} has {rows}; each row "
                f"needs every part"
            )
        if array.dtype.kind not in "biuf":
            raise DataError(f"{path}: array {name!r}: values of type {array.dtype} are not real numbers")
    parts = {name.removeprefix(PARTS): array.shape[1:] for name, array in named.items()}
    inputs, places = _room(rows, parts, [_narrowest(array) for array in named.values()])
    held = [array.array for name, array in named.items() if isinstance(array, Held) and name != target]
    together = max(1, TOGETHER // sum(place.shape[1] for place in places))
    with ExitStack() as stack:
        pieces = [stack.enter_context(closing(array.pieces(together))) for array in named.values()]
        for start, some in zip(range(0, rows, together), zip(*pieces, strict=True), strict=True):
            for piece, place in zip(some, places, strict=True):
                place[start : start + together] = piece.reshape(len(piece), place.shape[1])
            for values in held:
                give_back(values, start + together)
    return inputs, parts


def _room(rows: int, parts: Mapping[str, Shape], types: Sequence[np.dtype[Any]]) -> tuple[Array, Sequence[Array]]:
    """Memory for so many rows of parts, and where in it each part goes; packed where some need double precision, to
    which all would be widened, and others do not."""
    widths = {part: math.prod(shape) for part, shape in parts.items()}
    kept, whole = [narrow_type(dtype) for dtype in types], narrow_type(np.result_type(*types))
    if whole == np.float64 and {*kept} != {whole}:
        inputs = pages((rows,), packed_type(dict(zip(parts, kept, strict=True)), widths))
        return inputs, [inputs[part] for part in parts]
    inputs = pages((rows, sum(widths.values())), whole)
    return inputs, np.split(inputs, np.cumsum([*widths.values()])[:-1], axis=1)


def _narrowest(array: Unrolled | Held) -> np.dtype[Any]:
    """A type that has every number of an array and is no wider than it need be; a wide array is looked through."""
    dtype = array.dtype.newbyteorder("=")
    if dtype.itemsize <= 2 or dtype == np.float32:
        return dtype
    rows = max(1, TOGETHER // math.prod(array.shape[1:]))
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            single = all(np.array_equal(some.astype(np.float32), some, equal_nan=True) for some in array.pieces(rows))
        return np.dtype(np.float32) if single else dtype
    ends = [(some.min(), some.max()) for some in array.pieces(rows)]
    least, most = min(low for low, _ in ends), max(high for _, high in ends)
    return np.min_scalar_type(most if least >= 0 else min(least, -most - 1))  # as many negative numbers as others


def _find(path: str, arrays: Mapping[str, Unrolled | Held], names: tuple[str, ...], what: str, *option: str) -> str:
    found = [name for name in names if name in arrays]
    if len(found) > 1:
        raise DataError(f"{path} has two arrays of {what}, {found[0]!r} and {found[1]!r}; keep one")
    if not found:
        near = nearest(names[0], arrays)
        hint = f"rename {near!r}" if near else f"its arrays are {', '.join(map(repr, arrays)) or 'none'}"
        raise DataError(f"{path} has no array {' or '.join(map(repr, names))} for the {what}; {hint}", *option)
    return found[0]


def _dataset(
    path: str, inputs: Array, targets: Array, task: Task | None, *, class_names: tuple[str, ...] = (), **fields: Any
) -> Dataset:
    said = task is not None
    task = task or task_of(targets)
    what = f"inputs of data set {Path(path).name!r}"
    inputs = as_numbers(inputs, what, bool(fields.get("has_missing")), MENDING, narrow=True)
    if task == "classification":
        targets, class_names = classes_of(path, targets, class_names, said)
    return Dataset(Path(path).name, inputs, targets, task, class_names, narrow=True, **fields)
