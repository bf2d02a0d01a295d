"""The rows of files of arrays: those of NumPy's go through in blocks, so that memory does not grow with them; the
arrays of a .mat or .h5 file are taken out whole."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from trainer.data.dataset import Dataset
from trainer.data.readers.archive import PARTS, arrays_of
from trainer.data.readers.stored import texts_of
from trainer.data.readers.unrolled import Held, Unrolled, array_of
from trainer.data.rows.columns import ignored, places
from trainer.data.rows.stream import AT_ONCE, Block, Blocks, Stream
from trainer.data.spec import InputSpec
from trainer.errors import DataError
from trainer.types import Array, Shape
from trainer.wording import listed

__all__ = ["archive_rows", "dataset_rows", "held_rows", "npy_rows"]


def npy_rows(path: Path, spec: InputSpec) -> Stream:
    """The rows of an .npy file of inputs, shape (rows, *shape). Raises DataError for any other."""
    shown = str(path)
    array = array_of(shown)
    _check_rows(shown, array, spec.shape)
    return Stream(shown, _blocks(shown, array.pieces(_at_once(spec)), spec))


def held_rows(shown: str, array: Array, spec: InputSpec) -> Stream:
    """The rows of an array in memory, shape (rows, *shape). Raises DataError for any other."""
    held = Held(array)
    _check_rows(shown, held, spec.shape)
    return Stream(shown, _blocks(shown, held.pieces(_at_once(spec)), spec))


def dataset_rows(shown: str, dataset: Dataset, spec: InputSpec) -> Stream:
    """The rows of a data set that a reader of a plugin's has read; columns that have names go by them.

    Raises DataError for other columns, categories or shapes than the model takes.
    """
    inputs, names, remarks = dataset.numbers(), dataset.feature_names, tuple[str, ...]()
    for column, texts in dataset.categories.items():
        if spec.categories.get(column, texts) != texts:
            known = listed([*map(repr, spec.categories[column])], 8)
            raise DataError(f"{shown}: the categories of column {column!r} are others than those of training, {known}")
    if names and spec.feature_names and names != spec.feature_names:
        plain = InputSpec(spec.shape, spec.feature_names)
        inputs, remarks = inputs[:, places(plain, names, shown)], ignored(plain, names)
    return replace(held_rows(shown, inputs, spec), remarks=remarks)


def archive_rows(path: Path, spec: InputSpec) -> Stream:
    """The rows of an .npz, .mat or .h5 file: its array `inputs` or `x`, or the parts `inputs.NAME` of a model.

    Raises DataError where there are none, and for other shapes.
    """
    shown = str(path)
    arrays = arrays_of(shown)
    remarks: tuple[str, ...] = ()
    if spec.parts:
        return Stream(shown, _blocks(shown, _beside(_parts(shown, arrays, spec), spec), spec))
    found = [name for name in ("inputs", "x") if name in arrays]
    if len(found) != 1:
        there = f"its arrays are {listed([*map(repr, arrays)], 8)}" if arrays else "it holds none"
        raise DataError(f"{shown} has {'two arrays' if found else 'no array'} 'inputs' or 'x'; {there}")
    array, where = arrays[found[0]], None
    shape = array.shape
    if "feature_names" in arrays and spec.feature_names and len(shape) == 2:
        names = texts_of(arrays["feature_names"].whole())
        if names != spec.feature_names and len(names) == shape[1]:
            plain = InputSpec(spec.shape, spec.feature_names)
            where, remarks = places(plain, names, shown), ignored(plain, names)
    _check_rows(shown, array, spec.shape if where is None else shape[1:])
    return Stream(shown, _blocks(shown, array.pieces(_at_once(spec)), spec, where), remarks)


def _parts(shown: str, arrays: Mapping[str, Unrolled | Held], spec: InputSpec) -> list[Unrolled | Held]:
    """The parts that the model takes, in its order."""
    parts: list[Unrolled | Held] = []
    for name, shape in spec.parts.items():
        array = arrays.get(f"{PARTS}{name}")
        if array is None:
            raise DataError(
                f"{shown} has no array '{PARTS}{name}', which the model takes; its arrays are "
                f"{listed([*map(repr, arrays)], 8)}"
            )
        if array.shape[1:] != shape or not array.shape:
            wanted = ", ".join(map(str, shape))
            raise DataError(f"{shown}: '{PARTS}{name}' has shape {array.shape}, and the model takes (rows, {wanted})")
        _check_rows(shown, array, shape)
        parts.append(array)
    if len({array.shape[0] for array in parts}) > 1:
        raise DataError(
            f"{shown}: its parts have {', '.join(str(a.shape[0]) for a in parts)} rows; each row needs every part"
        )
    return parts


def _beside(parts: list[Unrolled | Held], spec: InputSpec) -> Generator[Array, None, None]:
    """Inputs of several shapes laid flat, side by side, as training had them."""
    with ExitStack() as stack:
        pieces = [stack.enter_context(closing(part.pieces(_at_once(spec)))) for part in parts]
        for some in zip(*pieces, strict=True):
            yield np.concatenate([x.reshape(len(x), -1) for x in some], axis=1)


def _check_rows(shown: str, array: Unrolled | Held, wanted: Shape) -> None:
    if array.dtype.kind not in "biuf":
        raise DataError(f"{shown}: values of type {array.dtype} are not real numbers")
    if not array.shape or array.shape[1:] != wanted:
        sizes = ", ".join(map(str, wanted))
        raise DataError(f"{shown} has inputs of shape {array.shape}, and the model takes (rows, {sizes})")
    if not array.shape[0]:
        raise DataError(f"{shown} has no rows; there is no row to predict")


def _at_once(spec: InputSpec) -> int:
    return max(1, min(AT_ONCE, 2**20 // max(1, math.prod(spec.shape))))


def _blocks(
    shown: str, pieces: Generator[Array, None, None], spec: InputSpec, where: list[int] | None = None
) -> Blocks:
    start = 0
    with closing(pieces):
        for piece in pieces:
            values = np.asarray(piece if where is None else piece[:, where], dtype=np.float64)
            good = np.isfinite(values) | np.isnan(values) if spec.has_missing else np.isfinite(values)
            if not good.all():
                row, *place = (int(i) for i in np.argwhere(~good)[0])
                raise DataError(
                    f"{shown}: {values[(row, *place)]} at {[start + row, *place]} is not a finite number; put one there"
                )
            yield Block(values)
            start += len(values)
