"""The rows of files of arrays: an .npy file stays on disk and is read block by block; an .npz, .mat or .h5 file is an
archive, whose array of inputs is taken out whole."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from trainer.data.readers.archive import PARTS, load_archive
from trainer.data.readers.stored import load_one, texts_of
from trainer.data.rows.columns import ignored, places
from trainer.data.rows.stream import AT_ONCE, Block, Blocks, Stream
from trainer.data.spec import InputSpec
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import listed

__all__ = ["archive_rows", "npy_rows"]

KNOWN = ("inputs", "x", "targets", "y", "class_names", "feature_names", "groups", "weights")


def npy_rows(path: Path, spec: InputSpec) -> Stream:
    """The rows of an .npy file of inputs, shape (rows, *shape). Raises DataError for any other."""
    shown = str(path)
    array = load_one(shown, mapped=True)
    _check_rows(shown, array, spec)
    return Stream(shown, _blocks(shown, array, spec))


def archive_rows(path: Path, spec: InputSpec) -> Stream:
    """The rows of an .npz, .mat or .h5 file: its array `inputs` or `x`, or the parts `inputs.NAME` of a model.

    Raises DataError where there are none, and for other shapes.
    """
    shown = str(path)
    arrays = load_archive(shown)
    remarks: tuple[str, ...] = ()
    if spec.parts:
        return Stream(shown, _blocks(shown, _parts(shown, arrays, spec), spec))
    found = [name for name in ("inputs", "x") if name in arrays]
    if len(found) != 1:
        there = f"its arrays are {listed([*map(repr, arrays)], 8)}" if arrays else "it holds none"
        raise DataError(f"{shown} has {'two arrays' if found else 'no array'} 'inputs' or 'x'; {there}")
    array = arrays[found[0]]
    if "feature_names" in arrays and spec.feature_names and array.ndim == 2:
        names = texts_of(arrays["feature_names"])
        if names != spec.feature_names and len(names) == array.shape[1]:
            plain = InputSpec(spec.shape, spec.feature_names)
            array, remarks = array[:, places(plain, names, shown)], ignored(plain, names)
    _check_rows(shown, array, spec)
    return Stream(shown, _blocks(shown, array, spec), remarks)


def _parts(shown: str, arrays: dict[str, Array], spec: InputSpec) -> Array:
    """Inputs of several shapes laid flat, side by side, as training had them."""
    rows = []
    for name, shape in spec.parts.items():
        array = arrays.get(f"{PARTS}{name}")
        if array is None:
            raise DataError(
                f"{shown} has no array '{PARTS}{name}', which the model takes; its arrays are "
                f"{listed([*map(repr, arrays)], 8)}"
            )
        if array.shape[1:] != shape or not array.ndim:
            wanted = ", ".join(map(str, shape))
            raise DataError(f"{shown}: '{PARTS}{name}' has shape {array.shape}, and the model takes (rows, {wanted})")
        rows.append(array.reshape(len(array), math.prod(shape)))
    if len({len(array) for array in rows}) > 1:
        raise DataError(
            f"{shown}: its parts have {', '.join(str(len(a)) for a in rows)} rows; each row needs every part"
        )
    return np.concatenate(rows, axis=1)


def _check_rows(shown: str, array: Array, spec: InputSpec) -> None:
    if array.dtype.kind not in "biuf":
        raise DataError(f"{shown}: values of type {array.dtype} are not real numbers")
    if not array.ndim or array.shape[1:] != spec.shape:
        wanted = ", ".join(map(str, spec.shape))
        raise DataError(f"{shown} has inputs of shape {array.shape}, and the model takes (rows, {wanted})")
    if not len(array):
        raise DataError(f"{shown} has no rows; there is no row to predict")


def _blocks(shown: str, array: Array, spec: InputSpec) -> Blocks:
    rows = max(1, min(AT_ONCE, 2**22 // max(1, math.prod(spec.shape))))
    for start in range(0, len(array), rows):
        values = np.asarray(array[start : start + rows], dtype=np.float64)
        good = np.isfinite(values) | np.isnan(values) if spec.has_missing else np.isfinite(values)
        if not good.all():
            row, *place = (int(i) for i in np.argwhere(~good)[0])
            raise DataError(
                f"{shown}: {values[(row, *place)]} at {[start + row, *place]} is not a finite number; put one there"
            )
        yield Block(values)
