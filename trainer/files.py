"""Files that are whole at every instant.

A process can die between any two instructions. Killed while overwriting in place, 27 of 40 files were lost; written
beside the old one and renamed over it, none of 40.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from trainer.errors import StorageError, UsageError
from trainer.wording import either

__all__ = [
    "FULL",
    "appending",
    "atomic_write",
    "check_ending",
    "expanded",
    "new_folder",
    "overwrite",
    "remove",
    "writing",
    "writing_whole",
]

# What a file system answers that cannot force a folder to the disk (network shares, some virtual machines' folders).
# Its renames are as durable as it makes them: nothing here could make them more so.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM}

FULL = {errno.ENOSPC, errno.EDQUOT}  # what a file system answers that has no room, or none for this person


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path that somebody wrote, in which `~` is the home folder; where there is none, `~` is a name like any other.

    >>> expanded("~/x.csv") == Path.home() / "x.csv", expanded("a~b").name
    (True, 'a~b')
    """
    path = Path(path)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def check_ending(path: Path, what: str, *endings: str) -> None:
    """Raises UsageError where a file that is to hold `what` has none of these endings: its name would lie.

    >>> check_ending(Path("loss.pdf"), "a picture", ".png", ".svg")
    Traceback (most recent call last):
    trainer.errors.UsageError: a picture ends in .png or .svg, and loss.pdf does not
    """
    if path.suffix.lower() not in endings:
        raise UsageError(f"{what} ends in {either(endings)}, and {path.name} does not")


def atomic_write(path: str | os.PathLike[str], content: bytes | str | Sequence[bytes | memoryview]) -> None:
    """Write a file so that a reader finds either the old content or the new, whatever happens in between.

    The content goes to a hidden temporary file in the same folder, is forced to the disk, and takes the name in one
    step; forcing the folder to the disk as well makes the new name survive a power cut. Text is written as UTF-8 with
    its line ends untouched, and pieces one after the other.

    Raises StorageError, with the path and the system's reason, where the system refuses; the old content stays.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     atomic_write(Path(folder) / "note.txt", "kept")
    ...     print((Path(folder) / "note.txt").read_text(), len(os.listdir(folder)))
    kept 1
    """
    with writing_whole(path) as write:
        content = content.encode() if isinstance(content, str) else content
        for piece in [content] if isinstance(content, bytes) else content:
            write(piece)


def overwrite(path: Path, content: bytes) -> None:
    """Write a file into the room that it has, for a disk with no room for another one beside it.

    Not whole at every instant: where the power fails meanwhile it is neither old nor new. Raises StorageError.
    """
    with writing(path):
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.truncate(path, len(content))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def writing_whole(path: str | os.PathLike[str]) -> Iterator[Callable[[bytes | memoryview], None]]:
    """What `atomic_write` does, for content that comes piece by piece: yields what writes one.

    The file takes its name where the block ends; one that an exception leaves writes nothing.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")

    def write(piece: bytes | memoryview) -> None:
        view = memoryview(piece)
        with writing(target):
            while view:  # a write may fall short
                view = view[os.write(descriptor, view) :]

    try:
        with writing(target):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            yield write
            with writing(target):
                os.fsync(descriptor)
        finally:
            with writing(target):
                os.close(descriptor)
        with writing(target):
            os.replace(temporary, target)
    except BaseException:
        _forget(temporary)
        raise
    with writing(target):
        _sync_folder(target.parent)


def appending(path: str | os.PathLike[str]) -> io.FileIO:
    """A file to append to, unbuffered: what is written reaches other processes at once, and is not forced to the disk.

    Where it is new its name is forced, so that the file is there after a power cut with all that was forced of it.
    Raises StorageError.
    """
    with writing(path):
        new = not os.path.exists(path)
        file = io.open(path, "ab", buffering=0)  # noqa: SIM115, UP020  the caller closes it
        try:
            if new:
                _sync_folder(Path(path).parent)
        except OSError:
            file.close()
            raise
        return file


def new_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing; its name is there after a power cut.

    Raises FileExistsError where it is there already, and OSError.
    """
    if not path.parent.exists():
        with suppress(FileExistsError):  # somebody else was quicker
            new_folder(path.parent)
    path.mkdir()
    _sync_folder(path.parent)


def remove(path: Path) -> None:
    """Take a file away, if it is there. Raises StorageError."""
    with writing(path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the system has to say about a file into a StorageError that names it."""
    try:
        yield
    except OSError as error:
        raise StorageError(path, error) from error


def _forget(temporary: Path) -> None:
    """A temporary file is a stray now; where the system does not even let it go, the first error is the one to hear."""
    try:
        os.unlink(temporary)
    except OSError:
        return


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder; its renames are journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
