"""Files that grow by whole pieces, readable at any instant.

Every piece is one write to an unbuffered file opened for appending, so another process reads whole lines; a line that
a dying machine left unfinished has no line end.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from trainer.files import appending, writing

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["Appended", "Mark"]

_BLOCK = 1 << 20


class Mark(NamedTuple):
    """How far a file went at some instant: so many bytes, and what their SHA-256 goes on from."""

    length: int
    hashed: _Hash

    @property
    def facts(self) -> dict[str, Any]:
        """As `trainer.runs.digests.facts` says it."""
        return {"bytes": self.length, "sha256": self.hashed.hexdigest()}


class Appended:
    """A file to append to; it is there from the first piece on.

    >>> import tempfile
    >>> file = Appended(Path(tempfile.mkdtemp()) / "lines.txt")
    >>> file.append(b"one\\n")
    >>> file.append(b"two\\n")
    >>> file.mark.length, file.mark.facts["sha256"][:8], file.path.read_text()
    (8, 'c3f9c8c2', 'one\\ntwo\\n')
    >>> file.close()
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: io.FileIO | None = None
        self._mark = _marked(path)

    @property
    def mark(self) -> Mark:
        """How far it goes."""
        # Ctrl-C may have come between a write and its digest: then the file is asked.
        if self._file is not None and self._file.tell() != self._mark.length:
            self._mark = _marked(self.path)
        return self._mark

    def append(self, piece: bytes) -> None:
        """Write a piece whole. Raises StorageError."""
        self._file = self._file or appending(self.path)
        with writing(self.path):
            before = self.mark
            if self._file.write(piece) != len(piece):  # an unbuffered write may fall short when the disk is full
                raise OSError(errno.ENOSPC, "a whole piece has no room")
        hashed = before.hashed.copy()
        hashed.update(piece)
        self._mark = Mark(before.length + len(piece), hashed)

    def sync(self) -> None:
        """Force it to the disk, so that whatever is written from now on is no more durable than it is."""
        if self._file is None and self._mark.length:
            self._file = appending(self.path)  # whoever has written it has perhaps not forced it
        if self._file is not None:
            with writing(self.path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _marked(path: Path) -> Mark:
    length, hashed = 0, hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
                length += len(block)
    except FileNotFoundError:
        pass
    return Mark(length, hashed)
