"""What reading NumPy's files has in common, in memory or mapped: their errors, and targets as classes.

Nothing is ever unpickled: a pickle can run code.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any
from zipfile import ZipFile

import numpy as np

from trainer.data.dataset import Task, class_indices
from trainer.data.pages import pages
from trainer.data.readers.room import check_room
from trainer.errors import DataError
from trainer.types import Array, Shape

__all__ = [
    "NPY", "PICKLED", "SUFFIX", "beginning_of", "classes_of", "described", "header_of", "load_array", "load_entry",
    "opened_entry", "plain", "refusing", "task_of", "texts_of",
]  # fmt: skip

NPY = b"\x93NUMPY"
SUFFIX = ".npy"  # of what is in an archive
READ = 2**20  # bytes that are read together
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
PICKLED = (
    "holds Python objects, which only pickle can read, and a pickle can run any code; save plain arrays of numbers"
)


def load_array(path: str, mapped: bool = False) -> Array:
    """The array of an .npy file, which may stay on disk as a read-only memory map."""
    if beginning_of(path) != NPY:
        raise DataError(f"{path} holds several arrays, as np.savez writes them; save each with np.save")
    if not mapped:
        return load_entry(path, "")
    with refusing(path):
        return plain(path, np.load(path, mmap_mode="r", allow_pickle=False))


def load_entry(path: str, entry: str, kept: Callable[[np.dtype[Any]], np.dtype[Any]] | None = None) -> Array:
    """An array of an archive, or that of a file, which is no entry, in memory of `trainer.data.pages`.

    kept: the type in which numbers are kept, by that which they have in the file, so that they are never there in both.
    """
    shape, by_columns, dtype = described(path, entry)
    check_room(path, math.prod(shape) * dtype.itemsize)
    with refusing(path), opened_entry(path, entry) as (file, _):
        header_of(path, file)
        numeric = dtype.kind in "biuf"
        flat = pages((math.prod(shape),), kept(dtype) if kept is not None and numeric else dtype)
        start, together = 0, max(1, READ // max(1, dtype.itemsize))
        while start < flat.size and dtype.itemsize:
            some = flat[start : start + together]
            piece = some if some.dtype == dtype else np.empty(some.shape, dtype)
            _fill(path, file, piece)
            if piece is not some:
                some[...] = piece
            start += some.size
        file.read(1)  # an archive compares its check sum at the end of an entry
    return flat.reshape(shape[::-1]).T if by_columns else flat.reshape(shape)


def _fill(path: str, file: IO[bytes], array: Array) -> None:
    """Read an array's bytes. Raises DataError where there are fewer."""
    content, end = array.view(np.uint8).data, 0
    while end < len(content):
        piece = file.read(len(content) - end)
        if not piece:
            raise DataError(f"{path} is damaged: it ends within an array")
        content[end : end + len(piece)] = piece
        end += len(piece)


def described(path: str, entry: str) -> tuple[Shape, bool, np.dtype[Any]]:
    """What `header_of` says of a file or of what is in an archive, which is as long as that. Raises DataError."""
    with refusing(path), opened_entry(path, entry) as (file, size):
        shape, by_columns, dtype = header_of(path, file)
        if file.tell() + math.prod(shape) * dtype.itemsize > size:
            raise DataError(f"{path} is damaged: {f'its array {entry!r}' if entry else 'it'} is cut off")
    return shape, by_columns, dtype


@contextmanager
def opened_entry(path: str, entry: str) -> Iterator[tuple[IO[bytes], int]]:
    """A file, or what is in an archive, with its size."""
    if not entry:
        with open(path, "rb") as file:
            yield file, os.fstat(file.fileno()).st_size
        return
    with ZipFile(path) as archive, archive.open(entry) as file:
        yield file, archive.getinfo(entry).file_size


def header_of(path: str, file: IO[bytes]) -> tuple[Shape, bool, np.dtype[Any]]:
    """Shape, whether it lies by columns, and dtype, as the beginning of an array says. Raises DataError."""
    if file.read(len(NPY)) != NPY:
        raise DataError(f"{path} holds something else than NumPy arrays; write it with np.savez")
    version = tuple(file.read(2))
    if version not in HEADERS:  # the third has names of fields alone, which no array of numbers has
        raise DataError(f"{path} has an array of NumPy's format {version}; save a plain array of numbers")
    shape, by_columns, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise DataError(f"{path} {PICKLED}")
    plain(path, np.empty(0, dtype))
    if any(length < 0 for length in shape):
        raise DataError(f"{path} is damaged: it says that an array has shape {shape}")
    return shape, by_columns, dtype


def beginning_of(path: str) -> bytes:
    """The first bytes of a file that NumPy wrote, which are `NPY` unless it is an archive; DataError for any other."""
    with refusing(path), open(path, "rb") as file:
        beginning = file.read(len(NPY))
    if beginning.startswith(b"\x80"):
        raise DataError(f"{path} {PICKLED}")
    if beginning != NPY and not beginning.startswith(b"PK"):
        raise DataError(
            f"{path} {'is no file' if beginning else 'is empty, not a file'} that np.save or np.savez wrote"
        )
    return beginning


@contextmanager
def refusing(path: str) -> Iterator[None]:
    """Whatever reading a file of NumPy's raises is raised as a DataError."""
    try:
        yield
    except (DataError, MemoryError):
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:
        # Anything may have written these bytes, so whatever NumPy's parser raises is their fault.
        if "allow_pickle" in str(error) or "Python objects" in str(error):
            raise DataError(f"{path} {PICKLED}") from None
        raise DataError(f"{path} is damaged: {error}") from None


def plain(path: str, array: object) -> Array:
    """The array itself. Raises DataError for one of records, and for what is no array."""
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} holds something else than NumPy arrays; write it with np.savez")
    if array.dtype.names:
        raise DataError(
            f"{path} holds records with the fields {', '.join(array.dtype.names)}; save a plain array of numbers"
        )
    return array


def texts_of(array: Array) -> tuple[str, ...]:
    """An array of names as a tuple of them."""
    return tuple(str(name) for name in array.ravel().tolist())


def task_of(targets: Array) -> Task:
    """What targets of that type are for: somebody chose it."""
    return "classification" if targets.dtype.kind in "biuUS" else "regression"


def classes_of(
    path: str, targets: Array, class_names: tuple[str, ...] = (), said: bool = False
) -> tuple[Array, tuple[str, ...]]:
    """Targets as class indices: whole numbers are indices already if `class_names` is given, else labels.

    targets: (n,), or a column of them, (n, 1), which is the same.
    said: whether somebody said that these are classes; then there may be one per position, shape (n, positions), which
        might as well be several numbers to predict. A negative number then marks a position without a class.
    """
    if targets.ndim not in (1, 2):
        raise DataError(
            f"{path}: classes are one label per row, targets of shape (rows,), or per position, (rows, positions), not "
            f"{targets.shape}"
        )
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim == 2 and not said and _is_one_hot(targets):
        raise DataError(
            f"{path}: targets of shape {targets.shape} have one 1 among zeros in each row; save the class itself, "
            f"targets.argmax(axis=1)"
        )
    if targets.ndim == 2 and not (said or class_names):
        raise DataError(
            f"{path}: targets of shape {targets.shape} are whole numbers, and so might be several numbers per row or a "
            f"class per position; say task: regression or task: classification"
        )
    if targets.dtype.kind == "f":
        broken = ~np.isfinite(targets) | (targets != np.floor(targets))
        if broken.any():
            row = tuple(int(i) for i in np.argwhere(broken)[0])
            raise DataError(
                f"{path}: {targets[row]} in row {row[0]} of the targets is no class; classes are whole numbers or "
                f"text, and numbers to predict are task: regression"
            )
        targets = targets.astype(np.int64)
    if class_names and targets.dtype.kind in "iu":
        return targets, class_names
    if class_names:
        raise DataError(
            f"{path}: class_names name whole numbers, and the targets are {targets.dtype}; leave class_names out"
        )
    if targets.dtype.kind not in "biuU":
        raise DataError(f"{path}: targets of type {targets.dtype} are no classes; use whole numbers, booleans or text")
    if targets.dtype.kind in "iu":  # many rows have few labels, so texts are made of the labels alone
        labels, indices = np.unique(targets, return_inverse=True)
        indices = indices.reshape(targets.shape)
        return (indices, _names(labels)) if targets.ndim == 1 else _known(path, labels, indices)
    indices, class_names = class_indices(targets.ravel().tolist())
    return indices.reshape(targets.shape), class_names


def _is_one_hot(targets: Array) -> bool:
    """Whether each row has one 1 among zeros."""
    return targets.dtype.kind in "biu" and bool(((targets == 0) | (targets == 1)).all() and (targets.sum(1) == 1).all())


def _known(path: str, labels: Array, indices: Array) -> tuple[Array, tuple[str, ...]]:
    """Indices of the labels, ascending, without those of positions that have no class: −1 takes their place."""
    absent = int(np.count_nonzero(labels < 0))
    left = len(labels) - absent
    if absent and left < 2:
        raise DataError(
            f"{path}: a negative class number marks a position without a class, which leaves {left or 'no'} "
            f"class{'' if left == 1 else 'es'}; number the classes from 0"
        )
    return np.maximum(indices - absent, -1), _names(labels[absent:])


def _names(labels: Array) -> tuple[str, ...]:
    return tuple(map(str, labels.tolist()))
