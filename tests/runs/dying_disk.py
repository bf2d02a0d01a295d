"""A disk that dies: it does what it is asked until its time has come, and then tells what may be left of it.

Stands in for `os` in `trainer.files`. What POSIX promises after a crash is little: bytes are there once their file was
forced to the disk, names once their folder was; of the rest, any part. `leftovers` builds every such state: each subset
of the folder's changes that were not forced, and for bytes that were not, nothing, half or all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path


class Died(BaseException):
    """The process is gone; nothing after this instant happens."""


class Disk:
    """`os` for `trainer.files`, dying before call number `dies_at`, or refusing it with the error `refusal`."""

    O_WRONLY, O_CREAT, O_EXCL, O_RDONLY, name = os.O_WRONLY, os.O_CREAT, os.O_EXCL, os.O_RDONLY, os.name
    PathLike, fspath, getpid, urandom = os.PathLike, staticmethod(os.fspath), staticmethod(os.getpid), os.urandom

    def __init__(self, dies_at: int = -1, refusal: OSError | None = None) -> None:
        self.dies_at, self.refusal, self.calls = dies_at, refusal, 0
        self.written: list[bytearray] = []  # by number of the file
        self.forced: list[bytes] = []
        self.names: dict[str, int] = {}  # as the folder will be
        self.safe: dict[str, int] = {}  # as it surely is
        self.changes: list[tuple[str, str, int]] = []  # name, kind, file: not forced yet
        self.open_files: dict[int, int | None] = {}  # descriptor to file; None for a folder

    def _call(self) -> None:
        self.calls += 1
        if self.refusal is not None and self.calls == self.dies_at:
            raise self.refusal
        if self.refusal is None and 0 <= self.dies_at <= self.calls:
            raise Died

    def open(self, path: str | Path, flags: int, mode: int = 0o777) -> int:
        self._call()
        descriptor = os.open(path, flags, mode)
        self.open_files[descriptor] = None
        if flags & os.O_CREAT:
            self.open_files[descriptor] = number = len(self.written)
            self.written.append(bytearray())
            self.forced.append(b"")
            self._change(Path(path).name, "names", number)
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        self._call()
        part = data[: max(len(data) // 2, 1)]  # a write may fall short, and this one does
        number = self.open_files[descriptor]
        assert number is not None
        self.written[number] += part
        return os.write(descriptor, part)

    def fsync(self, descriptor: int) -> None:
        self._call()
        number = self.open_files[descriptor]
        if number is None:
            self.safe, self.changes = dict(self.names), []
        else:
            self.forced[number] = bytes(self.written[number])

    def close(self, descriptor: int) -> None:
        del self.open_files[descriptor]
        os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        self._call()
        os.replace(source, target)
        number = self.names[source.name]
        self.changes.append((f"{source.name}\0{target.name}", "renames", number))
        self.names.pop(source.name)
        self.names[target.name] = number

    def unlink(self, path: Path) -> None:
        self._call()
        os.unlink(path)
        self._change(path.name, "unlinks", self.names[path.name])

    def _change(self, name: str, kind: str, number: int) -> None:
        self.changes.append((name, kind, number))
        self.names.update({name: number}) if kind == "names" else self.names.pop(name)

    def leftovers(self) -> Iterator[dict[str, bytes]]:
        """Every content that the folder may have after the crash: names to bytes."""
        seen = set()
        for count in range(len(self.changes) + 1):
            for chosen in combinations(self.changes, count):
                names = self._after(chosen)
                for contents in product(*(self._contents(number) for number in names.values())):
                    state = dict(zip(names, contents, strict=True))
                    key = tuple(sorted(state.items()))
                    if key not in seen:
                        seen.add(key)
                        yield state

    def _after(self, changes: tuple[tuple[str, str, int], ...]) -> dict[str, int]:
        names = dict(self.safe)
        for name, kind, number in changes:
            if kind == "names":
                names[name] = number
            elif kind == "unlinks":
                names.pop(name, None)
            else:
                source, target = name.split("\0")
                names.pop(source, None)
                names[target] = number
        return names

    def _contents(self, number: int) -> list[bytes]:
        written, forced = bytes(self.written[number]), self.forced[number]
        return [forced] if written == forced else [forced, written[: len(written) // 2], written]
