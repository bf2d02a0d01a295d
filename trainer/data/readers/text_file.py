"""A text as a data set for a language model: what comes next, after each character or byte?

A row is a window of the text, and its targets are the window one further on, so that every position is an example. The
classes are the vocabulary: the characters that occur, in the order of their code points, or the 256 bytes.

Windows that overlap are no independent rows: drawn one by one, most of the test would lie within the training rows. So
the text is cut into stretches first, windows cross no cut, and those of a stretch are a group, which is in one part.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np

from trainer.data.dataset import Dataset
from trainer.data.readers.decoding import read_text_of
from trainer.data.readers.spelling import Spelling
from trainer.data.readers.table import DELIMITERS
from trainer.errors import DataError
from trainer.types import Array

__all__ = ["LENGTH", "OPTIONS", "Unit", "decode", "encode", "read_text", "recoded", "windows"]

Unit = Literal["characters", "bytes"]

OPTIONS = ("unit", "length", "stride", "encoding")  # of reading a text file
LENGTH = 64  # of a window
BEGINNING, LEAST_ROWS = 2**14, 8  # characters by which a table is told, and rows that it has
STRETCHES = 50  # into which a text is cut where its windows overlap

BYTES = tuple(f"0x{byte:02x}" if not 0x20 <= byte < 0x7F else chr(byte) for byte in range(256))


def read_text(
    path: str | os.PathLike[str],
    *,
    unit: Unit = "characters",
    length: int | None = None,
    stride: int | None = None,
    encoding: str = "utf-8",
) -> Dataset:
    r"""The windows of a text file; the data set has the file's name.

    Inputs are indices into `class_names`, shape (n, length), whole numbers that an embedding looks up; targets have the
    same shape, each the index of what follows. Class names are the characters, escaped where they would not print
    (`\n`); `encode` and `decode` go from text to indices and back.

    unit: "characters", or "bytes" of UTF-8, whose classes are the same 256 for every text.
    length: positions per row. Default: 64.
    stride: from one window to the next. Default: `length`, so that windows only touch. With less they overlap, and
        those of a stretch of the text, of about 50 and at least four windows long, are a group. What is left at the
        end, too short for a window, belongs to none.

    encoding: of the file, such as "cp1252" or "utf-16".

    Raises DataError for bytes that are no text in that encoding, for a text that is shorter than a window, or has one
    character only, and for a table of numbers, unless `length` is given.

        read_text("poems.txt", length=128)
    """
    shown = os.fspath(path)
    text = read_text_of(shown, encoding)
    if not text:
        raise DataError(f"{shown} is empty; a data set needs at least one row")
    if length is None:
        _check_no_table(shown, text)
    return windows(Path(shown).name, text, unit=unit, length=LENGTH if length is None else length, stride=stride)


def _check_no_table(path: str, text: str) -> None:
    """Raise DataError for a text whose lines are rows of a table with a column of numbers."""
    parse = Spelling().parse
    for mark in (*DELIMITERS, None):  # None: some spaces
        rows = [line.split(mark) for line in text[:BEGINNING].splitlines()[:-1] if line.strip()][1:]
        even = len(rows) >= LEAST_ROWS and len({len(row) for row in rows}) == 1 and len(rows[0]) > 1
        if even and any(all(parse(cell.strip()) is not None for cell in column) for column in zip(*rows, strict=True)):
            name = Path(path).with_suffix(".csv").name
            between = f"{mark!r} between them" if mark else "spaces between them, for which write one comma each"
            raise DataError(
                f"{path} is read as a text, a character after the other, and its lines are rows of {len(rows[0])} "
                f"cells, {between}: as a table it has another name, {name}; as a text say how long its windows are, "
                f"length: {LENGTH}"
            )


def windows(
    name: str,
    text: str,
    *,
    unit: Unit = "characters",
    length: int = LENGTH,
    stride: int | None = None,
    description: str = "",
) -> Dataset:
    r"""The windows of a text, as `read_text` describes them.

    >>> data = windows("d", "to be or not to be", length=4)
    >>> data
    Dataset 'd': 4 rows, inputs (4,), classification of 7 classes
    >>> decode(data.inputs[0], data.class_names), decode(data.targets[0], data.class_names)
    ('to b', 'o be')
    """
    if unit not in ("characters", "bytes"):
        raise DataError(f"unit is 'characters' or 'bytes', not {unit!r}", "unit")
    stride = length if stride is None else stride
    for option, value in {"length": length, "stride": stride}.items():
        if value < 1:
            raise DataError(f"{name}: {option} is a whole number of at least 1, not {value}", option)
    class_names = BYTES if unit == "bytes" else tuple(map(_escaped, sorted(set(text))))
    indices = encode(text, class_names)
    if len(indices) <= length:
        raise DataError(
            f"{name} has {len(indices)} {unit}, and a row of length {length} needs {length + 1}: the {unit} and what "
            f"follows the last; use a smaller length",
            "length",
        )
    starts = np.arange(0, len(indices) - length, stride)
    groups = None
    if stride < length:
        stretch = max(len(indices) // STRETCHES, 4 * length)
        starts = starts[starts % stretch + length < stretch]
        groups = starts // stretch
    places = starts[:, None] + np.arange(length)
    inputs, targets = indices[places], indices[places + 1]
    return Dataset(name, inputs, targets, "classification", class_names, description=description, groups=groups)


def encode(text: str, class_names: tuple[str, ...]) -> Array:
    r"""The indices of a text's characters among `class_names`, or of its bytes if these are the 256 bytes; int64.

    Raises DataError for a character that is not among them.

    >>> encode("a\nb", ("\\n", "a", "b"))
    array([1, 0, 2])
    """
    if class_names == BYTES:
        return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64)
    index_of = {name: index for index, name in enumerate(class_names)}
    try:
        return np.array([index_of[_escaped(character)] for character in text], dtype=np.int64)
    except KeyError as error:
        raise DataError(f"{error.args[0]!r} is not among the {len(class_names)} characters of the data set") from None


def recoded(dataset: Dataset, class_names: tuple[str, ...], path: str) -> tuple[Array, Array]:
    """Inputs and targets of windows in the indices of another text's characters.

    Raises DataError for a character that is not among those.
    """
    known = {name: index for index, name in enumerate(class_names)}
    strange = [name for name in dataset.class_names if name not in known]
    if strange:
        raise DataError(
            f"{path}: the character {strange[0]!r} is not among the {len(class_names)} of the text that is trained on"
        )
    index = np.array([known[name] for name in dataset.class_names])
    return index[dataset.inputs.astype(np.int64)].astype(np.float64), index[dataset.targets]


def decode(indices: Array, class_names: tuple[str, ...]) -> str:
    r"""The text behind indices, int64 or whole numbers as floats; bytes that are no UTF-8 become U+FFFD.

    >>> decode(encode("naïve\n", BYTES), BYTES)
    'naïve\n'
    """
    whole = np.asarray(indices).astype(np.int64).ravel().tolist()
    if class_names == BYTES:
        return bytes(whole).decode(errors="replace")
    characters = [_unescaped(name) for name in class_names]
    return "".join(characters[index] for index in whole)


def _escaped(character: str) -> str:
    """A character as a name of a class: itself if it prints, otherwise as Python writes it."""
    return character if character.isprintable() and character != "\\" else repr(character)[1:-1]


def _unescaped(name: str) -> str:
    return name if len(name) == 1 else name.encode("ascii").decode("unicode_escape")
