"""The arrays of .npy and .npz files some rows at a time, so that memory does not grow with them.

What is read is read as a file, since what is mapped counts as memory while it is looked at; of an archive, stored or
deflated, only the arrays that are asked for are taken out. An array that lies column after column cannot be read so:
it is mapped where it is a file of its own, and taken out whole where it is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any
from zipfile import ZipFile

import numpy as np

from trainer.data.readers.stored import (
    NPY,
    SUFFIX,
    beginning_of,
    described,
    header_of,
    load_array,
    load_entry,
    opened_entry,
    refusing,
)
from trainer.errors import DataError
from trainer.types import Array, Shape

__all__ = ["Held", "Unrolled", "array_of", "arrays_in"]


@dataclass(frozen=True)
class Unrolled:
    """An array in a file.

    entry: what it is called in the archive; none where the file is the array.
    """

    path: str
    entry: str
    shape: Shape
    dtype: np.dtype[Any]
    by_columns: bool

    def whole(self, kept: Callable[[np.dtype[Any]], np.dtype[Any]] | None = None) -> Array:
        """All of it, see `load_entry`. Raises DataError for a file that is damaged."""
        return load_entry(self.path, self.entry, kept)

    def pieces(self, rows: int) -> Generator[Array, None, None]:
        """So many rows at a time, read-only. Raises DataError for a file that is damaged, once that is reached."""
        if self.by_columns:
            array = self.whole() if self.entry else load_array(self.path, mapped=True)
            yield from (array[start : start + rows] for start in range(0, len(array), rows))
            return
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        with refusing(self.path), opened_entry(self.path, self.entry) as (file, _):
            header_of(self.path, file)
            for start in range(0, self.shape[0], rows):
                some = min(rows, self.shape[0] - start)
                content = file.read(some * size)
                if len(content) < some * size:
                    raise DataError(f"{self.path} is damaged: it ends within its row {start + len(content) // size}")
                yield np.frombuffer(content, self.dtype).reshape(some, *self.shape[1:])
            file.read(1)  # an archive compares its check sum at the end of an entry


@dataclass(frozen=True, eq=False)
class Held:
    """An array in memory, which is looked at in the same way."""

    array: Array

    @property
    def shape(self) -> Shape:
        """Of the array."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its numbers."""
        return self.array.dtype

    def whole(self, kept: Callable[[np.dtype[Any]], np.dtype[Any]] | None = None) -> Array:
        """All of it, as it is."""
        return self.array

    def pieces(self, rows: int) -> Generator[Array, None, None]:
        """So many rows at a time."""
        yield from (self.array[start : start + rows] for start in range(0, len(self.array), rows))


def array_of(path: str) -> Unrolled:
    """The array of an .npy file. Raises DataError for any other, and for one that is cut off."""
    if beginning_of(path) != NPY:
        raise DataError(f"{path} holds several arrays, as np.savez writes them; save each with np.save")
    return _described(path, "")


def arrays_in(path: str) -> dict[str, Unrolled]:
    """The arrays of an .npz file by name. Raises DataError for any other, and for one that is cut off."""
    if beginning_of(path) == NPY:
        raise DataError(f"{path} is a single array, as np.save writes it; name it .npy, or write it with np.savez")
    with refusing(path), ZipFile(path) as archive:
        entries = archive.namelist()
    return {entry.removesuffix(SUFFIX): _described(path, entry) for entry in entries}


def _described(path: str, entry: str) -> Unrolled:
    shape, by_columns, dtype = described(path, entry)
    return Unrolled(path, entry, shape, dtype, by_columns and len(shape) > 1)
