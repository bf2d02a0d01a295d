"""A disk that keeps a journal, and tells what may be left of its files if the power fails before any one call.

What POSIX promises after a crash is little: bytes are there once their file was forced to the disk, names once their
folder was. Of the rest, any part: any subset of a folder's changes that were not forced, and of a file whatever it has
held since it was forced, its last write torn in half, or zeros where that write's bytes should be.

A process that dies at a call leaves what the calls before it did; so one run and its journal have every such death.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

Content = bytes | None  # None is a folder
State = dict[str, Content]  # names below a disk's root to what is there
REFUSALS = [errno.ENOSPC, errno.EIO, errno.EROFS]


class Change(NamedTuple):
    """A change of a folder: a name that is taken away, and one that is given to a file by its number."""

    folder: str
    gone: str | None
    named: tuple[str, int] | None


class Moment(NamedTuple):
    """How a disk stood before a call.

    label: what the disk's `label` said then.
    safe: the names that are there whatever happens, and whose they are.
    changes: of names, that are not forced yet.
    versions: what each file may hold, what was forced last first and what it holds now last.
    """

    call: str
    label: Any
    safe: dict[str, int]
    changes: tuple[Change, ...]
    versions: tuple[tuple[Content, ...], ...]

    def states(self, *, few: bool = False) -> Iterator[State]:
        """What may be left of it.

        few: of the changes none, all, each alone and all but one; of the contents all old, all new, and in between.
        """
        for chosen in self._subsets(few):
            names = self._names(chosen)
            for contents in self._contents(list(names.values()), few):
                yield dict(zip(names, contents, strict=True))

    def _subsets(self, few: bool) -> Iterator[tuple[Change, ...]]:
        number = len(self.changes)
        for count in range(number + 1):
            if not few or count in (0, 1, number - 1, number):
                yield from combinations(self.changes, count)

    def _contents(self, files: list[int], few: bool) -> Iterator[tuple[Content, ...]]:
        versions = [self.versions[file] for file in files]
        if not few:
            yield from product(*versions)
            return
        for place in range(max(map(len, versions), default=1)):
            yield tuple(each[min(place, len(each) - 1)] for each in versions)

    def _names(self, changes: tuple[Change, ...]) -> dict[str, int]:
        names = dict(self.safe)
        for change in changes:
            names.pop(change.gone or "", None)
            if change.named is not None:
                names[change.named[0]] = change.named[1]
        # What stands in a folder that is not there is not there either.
        return {name: file for name, file in sorted(names.items()) if all(up in names for up in _above(name))}


def _above(name: str) -> list[str]:
    return [str(folder) for folder in Path(name).parents][:-1]


def build(state: State, folder: Path) -> Path:
    """A folder with what was left of a disk in it."""
    folder.mkdir()
    for name, content in state.items():  # sorted: a folder comes before what is in it
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)
    return folder


@dataclass
class Disk:
    """What is written below `root` while it is `mounted`: done as it is asked, and kept in a journal.

    Attributes:
        label: is asked before each call, for `Moment.label`.
        refuses, refusal: the call that is refused, counted from 1 (0: none), and with which error.
        for_good: whether all calls after that one are refused, too.
        moments: one before each call, and one at the end; none where a call is refused.
    """

    root: Path
    label: Callable[[], Any] = lambda: None
    refuses: int = 0
    refusal: int = errno.ENOSPC
    for_good: bool = False
    moments: list[Moment] = field(default_factory=list, init=False)
    calls: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._root = os.path.abspath(self.root)
        self._versions: list[list[Content]] = []
        self._names: dict[str, int] = {}
        self._safe: dict[str, int] = {}
        self._changes: list[Change] = []
        self._descriptors: dict[int, str] = {}

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """In the block, `os` and `open` write below `root` through this disk."""
        shims = {name: getattr(self, f"_os_{name}") for name in _CALLS}
        self._os = {name: getattr(os, name) for name in _CALLS}
        self._io_open = io.open
        with pytest.MonkeyPatch.context() as patch:
            for name, shim in shims.items():
                patch.setattr(os, name, shim)
            patch.setattr(io, "open", self._opened)
            yield
        self._note("the end")

    # --- the journal -------------------------------------------------------------------------------------------

    def _call(self, call: str) -> None:
        self.calls += 1
        if self.refuses and (self.calls == self.refuses or (self.for_good and self.calls > self.refuses)):
            raise OSError(self.refusal, os.strerror(self.refusal))
        self._note(call)

    def _note(self, call: str) -> None:
        if not self.refuses:
            versions = tuple(tuple(dict.fromkeys(each)) for each in self._versions)
            self.moments.append(Moment(call, self.label(), dict(self._safe), tuple(self._changes), versions))

    def _below(self, path: Any) -> str | None:
        """A path as a name below the root, which is ""; None for one that is not."""
        if not isinstance(path, str | os.PathLike):
            return None
        whole = os.path.abspath(os.fspath(path)) + os.sep
        return whole.removeprefix(self._root + os.sep).rstrip(os.sep) if whole.startswith(self._root + os.sep) else None

    def _change(self, gone: str | None, named: tuple[str, int] | None) -> None:
        name = gone if named is None else named[0]
        assert name is not None
        self._changes.append(Change(os.path.dirname(name), gone, named))
        self._names.pop(gone or "", None)
        if named is not None:
            self._names[named[0]] = named[1]

    def _begin(self, descriptor: int, name: str, *, new: bool, content: Content = b"") -> None:
        self._descriptors[descriptor] = name
        if new:
            self._versions.append([content])
            self._change(None, (name, len(self._versions) - 1))

    def _held(self, name: str, content: bytes, *, new: bytes = b"") -> None:
        """Note what a file holds now. new: the bytes of it that were written just now."""
        versions = self._versions[self._names[name]]
        if new:
            before = content[: len(content) - len(new)]
            versions += [before + new[: len(new) // 2], before + bytes(len(new))]
        versions.append(content)

    # --- the calls ---------------------------------------------------------------------------------------------

    def _os_open(self, path: Any, flags: int, mode: int = 0o777, **rest: Any) -> int:
        name = self._below(path)
        if name is None:
            return int(self._os["open"](path, flags, mode, **rest))
        there = os.path.exists(path)
        if os.path.isdir(path) or flags & (os.O_WRONLY | os.O_RDWR):  # what only reads needs no telling
            self._call(f"open {name}")
        descriptor = int(self._os["open"](path, flags, mode, **rest))
        self._begin(descriptor, name, new=not there)
        return descriptor

    def _os_close(self, descriptor: int) -> None:
        self._descriptors.pop(descriptor, None)
        self._os["close"](descriptor)

    def _os_write(self, descriptor: int, data: Any) -> int:
        name = self._descriptors.get(descriptor)
        if name is None:
            return int(self._os["write"](descriptor, data))
        self._call(f"write {name}")
        content = self._versions[self._names[name]][-1]
        assert content is not None
        part = bytes(data) if content else bytes(data)[: len(data) // 2 + 1]  # a write may fall short, as this one does
        self._os["write"](descriptor, part)
        self._held(name, content + part, new=part)
        return len(part)

    def _os_fsync(self, descriptor: int) -> None:  # nobody waits for the real disk
        name = self._descriptors.get(descriptor)
        if name is None:
            return
        self._call(f"fsync {name}")
        if os.path.isdir(os.path.join(self._root, name)):
            for change in [change for change in self._changes if change.folder == name]:
                self._changes.remove(change)
                self._safe.pop(change.gone or "", None)
                self._safe |= {} if change.named is None else dict([change.named])
        else:
            number = self._names[name]
            self._versions[number] = self._versions[number][-1:]

    def _os_replace(self, source: Any, target: Any) -> None:
        old, new = self._below(source), self._below(target)
        if old is not None and new is not None:
            self._call(f"replace {new}")
            self._change(old, (new, self._names[old]))
        self._os["replace"](source, target)

    def _os_unlink(self, path: Any, **rest: Any) -> None:
        name = self._below(path)
        if name is not None:
            self._call(f"unlink {name}")
        self._os["unlink"](path, **rest)
        if name is not None:
            self._change(name, None)

    def _os_mkdir(self, path: Any, mode: int = 0o777, **rest: Any) -> None:
        name = self._below(path)
        if name is not None:
            self._call(f"mkdir {name}")
        self._os["mkdir"](path, mode, **rest)
        if name is not None:
            self._versions.append([None])
            self._change(None, (name, len(self._versions) - 1))

    def _os_truncate(self, path: Any, length: int) -> None:
        name = self._below(path)
        if name is not None:
            self._call(f"truncate {name}")
        self._os["truncate"](path, length)
        if name is not None:
            self._held(name, Path(path).read_bytes())

    def _opened(self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
        name = self._below(file)
        if name is None or mode.strip("bt") == "r":
            return self._io_open(file, mode, buffering, *rest, **named)
        assert mode[0] == "a", f"{name} is opened with '{mode}': it would not be whole at every instant"
        assert not buffering, f"{name} is buffered: a refusal would come when it is closed"
        there = os.path.exists(file)
        self._call(f"open {name}")
        raw = _Appended(self, name, file, mode.replace("b", ""))
        self._begin(raw.fileno(), name, new=not there)
        return raw


_CALLS = ("open", "close", "write", "fsync", "replace", "unlink", "mkdir", "truncate")


class _Appended(io.FileIO):
    """A file that is opened for appending, of a disk."""

    def __init__(self, disk: Disk, name: str, path: Any, mode: str) -> None:
        super().__init__(path, mode)
        self._disk, self._below = disk, name

    def write(self, data: Any, /) -> int:
        self._disk._call(f"write {self._below}")
        content = bytes(data)
        count = super().write(content)
        self._disk._held(self._below, self._whole(), new=content)
        return count

    def truncate(self, size: int | None = None, /) -> int:
        self._disk._call(f"truncate {self._below}")
        length = super().truncate(size)
        self._disk._held(self._below, self._whole())
        return length

    def _whole(self) -> bytes:
        return Path(self.name).read_bytes()

    def close(self) -> None:
        if not self.closed:
            self._disk._descriptors.pop(self.fileno(), None)
        super().close()
