"""Checkpoints: from where a run that was stopped goes on.

    runs/20260131-174502-mlp/checkpoints/
        000000001200.safetensors   every array of the training's state
        000000001200.json          the manifest: the rest of the state, what it belongs to, and digests of both files

A checkpoint is there once its manifest is, and the manifest is written last. It holds the name, the length and the
SHA-256 of the arrays and, in its own last key, the SHA-256 of all that stands before: one flipped bit anywhere is
found, and the one before is used. Two are kept for that reason, so a disk needs room for three. Where a step is saved
again (the last one, once its epoch was told), the new arrays stand beside the old until the new manifest names them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.errors import DataError
from trainer.files import atomic_write, new_folder, remove, writing, writing_whole
from trainer.runs.pieces import safetensors_pieces
from trainer.types import Array

__all__ = ["FOLDER", "Checkpoint", "Checkpoints"]

FOLDER = "checkpoints"  # of a run
FORMAT = 1
_NAME = re.compile(r"(\d{12})(?:\.json|(?:-again)?\.safetensors)")


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after some step, as it was written.

    Attributes:
        step: how many steps it has taken.
        arrays, values: the two halves of the state (see `trainer.training.TrainingState`).
        facts: what the state belongs to: config, data, plugins, numerics, how long each record was.
        path: the manifest.
    """

    step: int
    arrays: dict[str, Array]
    values: dict[str, Any]
    facts: dict[str, Any]
    path: Path


@dataclass
class Checkpoints:
    """The checkpoints in a folder; at least the last two are kept.

    >>> import numpy as np, tempfile
    >>> checkpoints = Checkpoints(Path(tempfile.mkdtemp()) / "checkpoints")
    >>> for step in (10, 20, 30):
    ...     _ = checkpoints.save(step, {"theta": np.full(3, step)}, {"epoch": 1}, {"config": "ab12"})
    >>> checkpoints.steps(), checkpoints.newest().arrays["theta"]
    ([20, 30], array([30, 30, 30]))
    """

    folder: Path
    keep: int = 2
    damaged: list[str] = field(default_factory=list, init=False)

    def save(
        self, step: int, arrays: Mapping[str, Array], values: Mapping[str, object], facts: Mapping[str, object]
    ) -> Path:
        """Write the state after `step`, then let go of those that are older than the last `keep`.

        Returns the manifest's path. Raises StorageError; the checkpoints that were there are there still.
        """
        pieces = list(safetensors_pieces(arrays))
        with writing(self.folder):
            if not self.folder.exists():
                self.folder.parent.stat()  # a run's folder that somebody took away is not made anew, with half a run
                new_folder(self.folder)
        path, digest = self._free(step), hashlib.sha256()
        with ThreadPoolExecutor(1) as digesting, writing_whole(path) as write:
            for piece in pieces:
                digesting.submit(digest.update, piece)  # while the disk is at work
                write(piece)
        manifest = {
            "format": FORMAT,
            "step": step,
            "values": dict(values),
            "facts": dict(facts),
            "arrays": {"file": path.name, "bytes": sum(map(len, pieces)), "sha256": digest.hexdigest()},
        }
        atomic_write(self._path(step, ".json"), json.dumps({**manifest, "sha256": _digest(manifest)}, indent=1) + "\n")
        self.tidy()
        return self._path(step, ".json")

    def steps(self) -> list[int]:
        """The steps that have a manifest, ascending."""
        found = (_NAME.fullmatch(entry.name) for entry in self._entries() if entry.suffix == ".json")
        return sorted(int(name[1]) for name in found if name is not None)

    def newest(self) -> Checkpoint | None:
        """The newest that is whole, or None. What is wrong with newer ones is in `damaged`, a sentence each."""
        self.damaged = []
        for step in reversed(self.steps()):
            try:
                return self.load(step)
            except DataError as error:
                self.damaged.append(str(error))
        return None

    def load(self, step: int) -> Checkpoint:
        """The checkpoint after `step`. Raises DataError where it is not the one that was written."""
        from safetensors.numpy import load

        path = self._path(step, ".json")
        manifest = _manifest(path)
        about = manifest["arrays"]
        arrays = path.with_name(about["file"])
        try:
            content = arrays.read_bytes()
        except OSError as error:
            raise DataError(f"{arrays} cannot be read: {error.strerror or error}") from error
        if len(content) != about["bytes"] or hashlib.sha256(content).hexdigest() != about["sha256"]:
            raise DataError(f"{arrays} is damaged: its {len(content):,} bytes are not those that {path.name} describes")
        named = dict(sorted(load(content).items()))
        return Checkpoint(manifest["step"], named, manifest["values"], manifest["facts"], path)

    def tidy(self) -> None:
        """Remove what is older than the last `keep`, and what a dying process left behind. Manifests go first."""
        kept = set(self.steps()[-max(self.keep, 1) :])
        entries = sorted(self._entries(), key=lambda entry: entry.suffix != ".json")
        for entry in entries:
            name = _NAME.fullmatch(entry.name)
            if entry.suffix == ".tmp" or (name is not None and int(name[1]) not in kept):
                remove(entry)
            elif name is not None and entry.suffix != ".json" and self._named(int(name[1])) not in (None, entry.name):
                remove(entry)  # of the same step, before or after the one that counts

    def clear(self) -> None:
        """Remove all of them, and the folder once it is empty."""
        for entry in sorted(self._entries(), key=lambda entry: entry.suffix != ".json"):
            if entry.suffix == ".tmp" or _NAME.fullmatch(entry.name):
                remove(entry)
        with writing(self.folder):
            if self.folder.exists() and not self._entries():
                os.rmdir(self.folder)

    def _entries(self) -> list[Path]:
        try:
            return sorted(self.folder.iterdir())
        except FileNotFoundError:
            return []

    def _path(self, step: int, kind: str) -> Path:
        return self.folder / f"{step:012d}{kind}"

    def _named(self, step: int) -> str | None:
        """The file of arrays that a step's manifest names; None where no manifest vouches for one."""
        try:
            return str(_manifest(self._path(step, ".json"))["arrays"]["file"])
        except DataError:
            return None

    def _free(self, step: int) -> Path:
        """Where new arrays of a step are in nobody's way."""
        path, again = self._path(step, ".safetensors"), self._path(step, "-again.safetensors")
        return again if self._named(step) == path.name else path


def _manifest(path: Path) -> dict[str, Any]:
    """The manifest without its own digest, which has vouched for it."""
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        digest = manifest.pop("sha256")
        whole = digest == _digest(manifest)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DataError(f"{path} is damaged: it is no manifest of a checkpoint") from error
    if not whole:
        raise DataError(f"{path} is damaged: its text is not the one that its SHA-256 belongs to")
    if manifest["format"] != FORMAT:
        what = f"{path} has format {manifest['format']}, and this version reads {FORMAT}"
        raise DataError(f"{what}; use the version of tape-trainer that wrote it")
    return manifest


def _digest(manifest: Mapping[str, object]) -> str:
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
