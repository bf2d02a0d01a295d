"""Whether a run is what was written, file by file; and taking it as it is, where a person has changed it on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainer.errors import DataError, UsageError
from trainer.files import atomic_write
from trainer.runs import digests
from trainer.runs.checkpoint import FOLDER, Checkpoints
from trainer.runs.lock import held
from trainer.runs.parameters import load_parameters

__all__ = ["accept", "check"]

PARAMETERS = "parameters.safetensors"


def check(folder: Path) -> dict[str, str]:
    """What is wrong with each file of a run for which anybody vouches; empty for what is as it was written."""
    found = {digests.STATUS: _problem(digests.read_mapping, folder / digests.STATUS)}
    for name in _known(folder):
        found[name] = _problem(digests.read, folder / name)
    if (folder / PARAMETERS).exists():
        found[PARAMETERS] = _problem(load_parameters, folder / PARAMETERS)
    checkpoints = Checkpoints(folder / FOLDER)
    for step in checkpoints.steps():
        found[f"{FOLDER}/{step:012d}.json"] = _problem(checkpoints.load, step)
    return found


def accept(folder: Path) -> list[str]:
    """Let status.json vouch for the files as they are now; returns the names of those that it had known otherwise.

    A run that was changed by hand is no longer what its config, data and code make. A status.json that cannot be read
    is written anew, of a run that may go on. Raises UsageError for a run that is being trained.
    """
    if held(folder):
        raise UsageError(f"{folder} is being trained, and writes its files itself; stop it first")
    status = folder / digests.STATUS
    changed = [name for name, problem in check(folder).items() if problem and "/" not in name and name != PARAMETERS]
    try:
        content = json.loads(digests.content_of(status))
        content = {key: value for key, value in content.items() if key not in ("sha256", digests.MADE_OF)}
    except (DataError, ValueError, AttributeError):
        content = {"status": digests.RUNNING, "reason": None}
    files = {name: folder / name for name in content.get("files", {}) if (folder / name).exists()}
    content["files"] = {name: digests.facts(digests.content_of(path)) for name, path in files.items()}
    atomic_write(status, digests.sealed(content))
    return changed


def _known(folder: Path) -> Iterator[str]:
    try:
        yield from digests.read_mapping(folder / digests.STATUS).get("files", {})
    except DataError:
        return


def _problem(read: Any, what: object) -> str:
    try:
        read(what)
    except DataError as error:
        return str(error)
    return ""
