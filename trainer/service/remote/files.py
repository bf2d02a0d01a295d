"""What attempts elsewhere need and hand in, as it lies in the service's folder.

Files are known by their SHA-256. What comes in lies aside until a manifest names all of a set; that is written down
first, and then each takes its place, status.json last. So whatever ends in between, the set is in its place or will be
(`finish`), and never half of it counts. Records, to which a run appends, grow where they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.files import atomic_write, writing
from trainer.service import mark
from trainer.service.queue import Conflict

__all__ = ["MANIFEST", "RECORDS", "accept", "append", "digest_of", "finish", "is_name", "listed", "offered"]

MANIFEST = "manifest.json"
RECORDS = ("metrics.csv", "metrics.jsonl", "log.txt")
CHECKPOINTS = "checkpoints"
PIECE = 1 << 20
_NAME = re.compile(r"([A-Za-z0-9][\w-]{0,60}/)?[A-Za-z0-9][\w .+-]{0,120}")
_OURS = frozenset({"lock", mark.CLAIM, mark.FILE})


def is_name(name: str) -> bool:
    """Whether a run's folder may have a file of this name from elsewhere, itself or in a folder of it."""
    return _NAME.fullmatch(name) is not None and name not in _OURS and not name.endswith(".tmp")


def offered(folder: Path) -> Iterator[str]:
    """The names of the plain files of a run's folder, and of folders in it, that travel."""
    for place, inner, names in os.walk(folder):
        inner[:] = [each for each in inner if Path(place) == folder and not os.path.islink(os.path.join(place, each))]
        for name in sorted(names):
            path = Path(place, name)
            known = str(path.relative_to(folder))
            if is_name(known) and path.is_file() and not path.is_symlink():
                yield known


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(root: Path, run: str, files: Mapping[str, str]) -> list[dict[str, Any]]:
    """What an attempt needs: what its run has left so far, its uploads, and the parameters that it begins with.

    files: as the table has it, what the config calls them and where they lie.
    """
    folder = root / "runs" / run
    paths = [folder / name for name in offered(folder)]
    for name, place in files.items():
        there = root / "runs" / name.partition(":")[2]
        parameters = [there / each for each in ("parameters.safetensors", "parameters.safetensors.sha256")]
        paths += [root / "uploads" / Path(place).name] if name.startswith("upload:") else parameters
    return [
        {"path": str(path.relative_to(root)), "bytes": path.stat().st_size, "sha256": digest_of(path)}
        for path in paths
        if path.is_file()
    ]


def append(folder: Path, name: str, at: int, data: bytes) -> int:
    """Let a record go on from a byte; gives how far it agrees with whoever sends it, where that is to go on.

    What is there already stays; of what differs, what comes now is right. So the same may come twice, and nothing is
    cut that a checkpoint counts on. Raises StorageError.
    """
    with writing(folder / name):
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "r+b", buffering=0) as file, writing(folder / name):
        size = file.seek(0, os.SEEK_END)
        if at > size:
            return size
        file.seek(at)
        known = file.read(len(data))
        same = next((i for i, pair in enumerate(zip(known, data, strict=False)) if pair[0] != pair[1]), len(known))
        if same < len(data):
            file.truncate(at + same)
            file.seek(at + same)
            file.write(data[same:])
    return at + len(data)


def accept(folder: Path, incoming: Path, given: Sequence[Mapping[str, Any]], attempt: int, overrides: int) -> list[str]:
    """Take a set of files, each `{name, sha256}`; gives the SHA-256 of those that have not come, and then takes none.

    Raises Conflict for a name that is none of a run's.
    """
    wrong = [each["name"] for each in given if not is_name(each["name"])]
    if wrong:
        raise Conflict(f"no file of a run is called {', '.join(map(repr, sorted(wrong)))}")
    missing = [
        each["sha256"]
        for each in given
        if not (incoming / each["sha256"]).is_file() and not _has(folder / each["name"], each["sha256"])
    ]
    if missing:
        return missing
    for name in RECORDS:
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                os.fsync(file.fileno())
    content = {"files": [dict(each) for each in given], "attempt": attempt, "overrides": overrides}
    atomic_write(incoming / MANIFEST, json.dumps(content))
    finish(folder, incoming)
    return []


def finish(folder: Path, incoming: Path) -> None:
    """Put a set in its place whose manifest has come, if there is one."""
    try:
        manifest = json.loads((incoming / MANIFEST).read_bytes())
    except FileNotFoundError:
        return
    names = {each["name"]: each["sha256"] for each in manifest["files"]}
    for name, digest in names.items():
        _place(incoming / digest, folder, name)
    _tidy(folder / CHECKPOINTS, {name.partition("/")[2] for name in names if name.startswith(f"{CHECKPOINTS}/")})
    if "status.json" in names:
        known = mark.read(folder)
        if known.attempt == manifest["attempt"] != known.began:
            mark.write(folder, replace(known, began=manifest["attempt"], overrides=manifest["overrides"]))
    (incoming / MANIFEST).unlink()
    for digest in set(names.values()):
        (incoming / digest).unlink(missing_ok=True)


def _has(path: Path, digest: str) -> bool:
    return path.is_file() and not path.is_symlink() and digest_of(path) == digest


def _place(source: Path, folder: Path, name: str) -> None:
    """A file under its name, which others may have too; what was put there before the end came is there."""
    if not source.exists():
        return
    inner, target = name.rpartition("/")[0], folder / name
    if inner:
        if (folder / inner).is_symlink():
            (folder / inner).unlink()
        (folder / inner).mkdir(mode=0o700, exist_ok=True)
    beside = target.with_name(f".{target.name}.tmp")
    beside.unlink(missing_ok=True)
    os.link(source, beside)
    os.replace(beside, target)


def _tidy(folder: Path, kept: Iterable[str]) -> None:
    """Away with checkpoints that the run has let go of; manifests first."""
    there = [path for path in folder.glob("*") if path.name not in set(kept)] if folder.is_dir() else []
    for path in sorted(there, key=lambda path: path.suffix != ".json"):
        path.unlink()


def cleared(incoming: Path) -> None:
    """Away with what came of an attempt that is over."""
    shutil.rmtree(incoming, ignore_errors=True)
