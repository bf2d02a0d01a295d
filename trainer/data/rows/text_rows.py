"""The windows of a text as those of training were, in the characters of the text that was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.data.readers.text_file import LENGTH, OPTIONS, read_text, recoded
from trainer.data.rows.stream import Block, Stream
from trainer.errors import DataError
from trainer.types import Array

__all__ = ["text_rows", "text_windows"]

ENDING = ".txt"


def text_rows(path: Path, reading: Mapping[str, Any], characters: Sequence[str]) -> Stream:
    """The windows of a text file. Raises DataError where the model was trained on none, and for a strange character."""
    inputs, _ = text_windows(path, reading, characters)
    return Stream(str(path), (Block(some) for some in [inputs]))


def text_windows(path: Path, reading: Mapping[str, Any], characters: Sequence[str]) -> tuple[Array, Array]:
    """Inputs and targets, (windows, length): the indices of characters, and of what follows each."""
    if not str(reading.get("path", "")).lower().endswith(ENDING):
        raise DataError(f"{path} is a text, and the model was trained on no text file")
    options = {"length": LENGTH} | {key: reading[key] for key in OPTIONS if reading.get(key) is not None}
    return recoded(read_text(path, **options), tuple(characters), str(path))
