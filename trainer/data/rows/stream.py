"""What every source of rows is to whoever predicts: blocks of inputs, and what to say of the rest."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

from trainer.types import Array

__all__ = ["AT_ONCE", "Block", "Blocks", "Stream"]

AT_ONCE = 8192  # rows of a block, where a source does not have blocks of its own


class Block(NamedTuple):
    """Some rows: their inputs, (n, *shape), and of images their files."""

    values: Array
    files: tuple[str, ...] = ()


Blocks = Generator[Block, None, None]  # whoever does not take them all closes them


@dataclass(frozen=True)
class Stream:
    """The rows of a source.

    path: what it is called in messages.
    blocks: once through, from the first row to the last.
    remarks: what a person should know of how it is read.
    """

    path: str
    blocks: Blocks
    remarks: tuple[str, ...] = ()
