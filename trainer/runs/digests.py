"""What the files of a run were when they were written: status.json has the length and the SHA-256 of each, and its own.

Whoever reads a file of a run reads it here, so that a bit which a disk, a copy or a hand has changed is found before
anybody judges by it. While a run goes on, what it appends to is vouched for as far as it was when status.json was last
written. What status.json does not name nobody vouches for.

parameters.safetensors travels, so its digest is beside it; checkpoints have manifests of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.errors import DataError
from trainer.wording import describe, typed

__all__ = [
    "MADE_OF", "STATUS", "agrees", "checked", "content_of", "digest", "facts", "read", "read_mapping", "read_text",
    "sealed", "unsealed",
]  # fmt: skip

STATUS = "status.json"
RUNNING = "running"
FILES = "files"  # where a status that is sealed knows them
MADE_OF = "made_of"  # where it knows what the run was computed from, see `trainer.runs.already`
_OWN = "sha256"


def digest(content: Mapping[str, object]) -> str:
    """The SHA-256 of plain values, whatever order their keys are in.

    >>> digest({"a": 1, "b": [2.5]}) == digest({"b": [2.5], "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(content: Mapping[str, object]) -> str:
    """Plain values as JSON, with the digest of all of them as the last.

    >>> unsealed(sealed({"status": "finished"}).encode())
    {'status': 'finished'}
    """
    return json.dumps({**content, _OWN: digest(content)}, indent=2, ensure_ascii=False) + "\n"


def unsealed(text: bytes | str) -> dict[str, Any]:
    """What `sealed` made a text of. One without a digest is as good as it looks.

    Raises DataError, without the file's name, for what is no JSON, no mapping, or not what was sealed.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(f"is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise DataError(f"holds no mapping but {describe(content)}")
    own = content.pop(_OWN, None)
    if own != digest(content) if own is not None else FILES in content:
        raise DataError("is damaged: its SHA-256 is not that of what it says")
    return content


def facts(content: bytes) -> dict[str, Any]:
    """How long a file is, and its SHA-256.

    >>> facts(b"abc")["bytes"], facts(b"abc")["sha256"][:8]
    (3, 'ba7816bf')
    """
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def agrees(name: str, content: bytes, about: Mapping[str, Any]) -> bool:
    """Whether what a file holds is what the run's status knows of it; of a run that goes on, what it begins with."""
    known = about.get(FILES, {}).get(name)
    if known is None:
        return True
    if about.get("status") == RUNNING:
        content = content[: known["bytes"]]
    return bool(facts(content) == known)


def read(path: Path) -> bytes:
    """The bytes of a file of a run, once they are those that were written.

    Raises DataError for a file that is missing, cannot be read, or is another than the run's status.json knows.
    """
    status, before = path.with_name(STATUS), None
    while True:
        try:
            about = unsealed(content_of(status))
        except DataError:  # there is none, or it is what is damaged and is refused where it is read: nobody vouches
            about = {}
        content = content_of(path)
        if agrees(path.name, content, about):
            return content
        if about == before:
            what = f"{path} is damaged: its {len(content):,} bytes are not those that {STATUS} knows"
            raise DataError(f"{what}. {_out(path)}")
        before = about  # it may have been written between the two: then both are looked at again


def checked(path: Path) -> Path:
    """The path of a file of a run, for whoever reads it in a way of their own, and says so where there is none.

    Raises DataError, as `read` does.
    """
    if path.exists():
        read(path)
    return path


def read_text(path: Path) -> str:
    """The text of a file of a run. Raises DataError, as `read` does, and for what is no text."""
    try:
        return read(path).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def read_mapping(path: Path) -> dict[str, Any]:
    """The values of a JSON file of a run, or of its status.json itself. Raises DataError, as `read` does."""
    text = read_text(path) if path.name != STATUS else content_of(path)
    try:
        return unsealed(text)
    except DataError as error:
        raise DataError(f"{path} {error}. {_out(path)}") from None


def _out(path: Path) -> str:
    return (
        f"Put it back from a copy; if it was changed on purpose, take it as it is: "
        f"trainer runs check {typed(path.parent)} --accept"
    )


def content_of(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a small file, a third of what `open` and its layers take."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise DataError(f"there is no {Path(path).name} in {Path(path).parent}") from None
    except OSError as error:
        raise DataError(f"{os.fspath(path)} cannot be read: {error.strerror or error}") from None
    try:
        parts, room = [], os.fstat(descriptor).st_size + 1
        while part := os.read(descriptor, room):
            parts.append(part)
            if len(part) < room:  # of a file on a disk that is all there is
                break
        return b"".join(parts)
    except OSError as error:  # a folder, say
        raise DataError(f"{os.fspath(path)} cannot be read: {error.strerror or error}") from None
    finally:
        os.close(descriptor)
