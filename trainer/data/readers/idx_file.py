"""IDX files, in which MNIST and its kin come: one array of numbers in each, packed by gzip or not.

Images and labels are two files. That of the images names the data set, and its labels lie beside it under the same
name with `labels` for `images` and `idx1` for `idx3`, or are said:

    dataset: {path: train-images-idx3-ubyte.gz, test_path: t10k-images-idx3-ubyte.gz}
    dataset: {path: digits.idx, targets: answers.idx}

Bytes of three axes are grey images, as a folder of them is read: (rows, height, width, 1), from 0 to 1. Any other array
of (rows, ...) is as it stands.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import numpy as np

from trainer.data.dataset import Dataset, Task
from trainer.data.pages import pages
from trainer.data.readers.decoding import opened
from trainer.data.readers.image_folder import DIVISOR
from trainer.data.readers.room import check_room
from trainer.data.readers.stored import classes_of, task_of
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import count

__all__ = ["ENDINGS", "idx_inputs", "idx_targets", "is_idx", "labels_beside", "read_idx"]

ENDINGS = (".idx", "-ubyte", ".idx.gz", "-ubyte.gz")
TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike[str], *, targets: str | None = None, task: Task | None = None) -> Dataset:
    """The images, or other inputs, of an IDX file with the labels of another; the data set has the file's name.

    targets: the IDX file of labels, from the folder of this one. Default: the one of the same name with `labels` for
        `images`, as in train-images-idx3-ubyte and train-labels-idx1-ubyte.
    task: "classification" or "regression". Default: whole numbers are classes, others numbers to predict.

    Raises DataError for a file that is damaged or no IDX file, without labels, and for shapes that do not fit.

        read_idx("train-images-idx3-ubyte.gz")
    """
    shown = Path(path)
    inputs, divisor = idx_inputs(shown)
    beside = shown.parent / targets if targets is not None else None
    values = idx_targets(shown, beside)
    said, task = task is not None, task or task_of(values)
    names: tuple[str, ...] = ()
    if task == "classification":
        values, names = classes_of(str(beside or labels_beside(shown)), values, (), said)
    return Dataset(shown.name, inputs, values, task, names, narrow=True, divisor=divisor)


def is_idx(path: Path) -> bool:
    """Whether a file is called as IDX files are."""
    return path.name.lower().endswith(ENDINGS)


def idx_inputs(path: Path) -> tuple[Array, int]:
    """The inputs of an IDX file, (rows, ...), and what they are to be divided by, which pixels of 8 bits are."""
    values = _load(str(path))
    if values.ndim < 2:
        raise DataError(f"{path} has one number in each row, as labels do; name the file of the images")
    if values.dtype == np.uint8 and values.ndim == 3:
        return values[..., np.newaxis], DIVISOR
    return values, 1


def idx_targets(path: Path, targets: Path | None = None) -> Array:
    """The labels of the rows of an IDX file: those of a file that was named, or of the one beside it."""
    where = targets or labels_beside(path)
    if where is None:
        named = _named_as_labels(path)
        called = f", or give that file the name {named}" if named != path.name else ""
        raise DataError(f"{path} has no labels beside it: say targets: FILE, from its folder{called}", "targets")
    if not where.is_file():
        raise DataError(f"there is no file {where} of labels", "targets")
    return _load(str(where))


def labels_beside(path: Path) -> Path | None:
    """The file of labels that belongs to one of images by its name, packed or not."""
    named = _named_as_labels(path)
    plain = named.removesuffix(".gz")
    found = (path.with_name(name) for name in (named, plain, f"{plain}.gz"))
    return next((each for each in found if each.name != path.name and each.is_file()), None)


def _named_as_labels(path: Path) -> str:
    return re.sub(r"idx\d", "idx1", path.name.replace("images", "labels"))


def _load(path: str) -> Array:
    with opened(path) as file:
        head = file.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES or not head[3]:
            what = "is empty" if not head else "does not begin as an IDX file does"
            packed = "; it is packed by gzip: name it .gz" if head[:2] == b"\x1f\x8b" else ""
            raise DataError(f"{path} {what}, with two zeros, a type and the number of axes{packed}")
        axes = file.read(4 * head[3])
        if len(axes) < 4 * head[3]:
            raise DataError(f"{path} ends within its first {4 + 4 * head[3]} bytes, which say how long its axes are")
        shape = tuple(np.frombuffer(axes, ">u4").tolist())
        dtype = np.dtype(TYPES[head[2]])
        size = math.prod(shape) * dtype.itemsize
        pieces, length = list[bytes](), 0
        while length <= size and (piece := file.read(min(size + 1 - length, 2**22))):
            pieces.append(piece)
            length += len(piece)
            check_room(path, length, "what is in it")
    if length != size:
        there = "more" if length > size else count(length, "byte")
        says = " × ".join(f"{axis:,}" for axis in shape)
        cut = "it was cut off" if length < size else "it is another file"
        raise DataError(f"{path} says that it holds {says} numbers, {count(size, 'byte')}, and has {there}: {cut}")
    values = pages(shape, dtype)
    content = values.reshape(-1).view(np.uint8)
    while pieces:  # the last first, so that each is gone once it is copied
        piece = pieces.pop()
        content[length - len(piece) : length] = np.frombuffer(piece, np.uint8)
        length -= len(piece)
    return values if dtype.isnative else values.byteswap(inplace=True).view(dtype.newbyteorder("="))
