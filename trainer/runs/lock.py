"""Who trains a run: one process, for as long as it lives.

The lock is the operating system's and belongs to an open file, so it is gone with the process however that ends, also
after a power cut. Readers ask whether somebody holds it without taking it away: a run that says "running" and that
nobody holds has crashed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from trainer.errors import UsageError
from trainer.files import writing

__all__ = ["held", "holder", "locked"]

NAME = "lock"
_PATIENCE = 1.0  # seconds: a reader that asks holds its answer for a moment


@contextmanager
def locked(folder: Path, what: str = "trained", *, name: str = NAME, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold the run in `folder` for the block. Raises UsageError, with the process, where another one holds it.

    Args:
        what: is done with the folder by whoever holds it.
        name: of the lock; one of another name is another lock.
        patience: seconds to wait for whoever holds it.
    """
    path = folder / name
    with writing(path):
        file = path.open("a+b", buffering=0)
    with file:
        waited_until = time.monotonic() + patience
        while not _take(file, exclusive=True):
            if time.monotonic() > waited_until:
                raise UsageError(f"{folder} is being {what} by {_holder(path)}; wait for it, or stop it first")
            time.sleep(0.02)
        with writing(path):
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "host": platform.node()}).encode())
        yield


def held(folder: Path, name: str = NAME) -> bool:
    """Whether a living process trains the run in `folder`.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with locked(folder):
    ...     inside = held(folder)
    >>> inside, held(folder)
    (True, False)
    """
    try:
        file = (folder / name).open("rb")
    except FileNotFoundError:
        return False
    with file:
        return not _take(file, exclusive=False)


def holder(folder: Path, name: str = NAME) -> int | None:
    """The process on this computer that trains the run in `folder`; None where there is none, or it is elsewhere."""
    about = _about(folder / name)
    return about["pid"] if about.get("host") == platform.node() and held(folder, name) else None


def _holder(path: Path) -> str:
    about = _about(path)
    return f"process {about['pid']} on {about['host']}" if about else "another process"


def _about(path: Path) -> dict[str, Any]:
    """Who holds a lock, or held it last; empty where it is about to write that."""
    try:
        about = json.loads(path.read_bytes())
        return {"pid": about["pid"], "host": about["host"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes], *, exclusive: bool) -> bool:
        """Lock a byte far behind the text, which others may go on reading."""
        file.seek(1 << 30)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            file.seek(0)
        return True

else:
    import fcntl

    def _take(file: IO[bytes], *, exclusive: bool) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
