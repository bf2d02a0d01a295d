"""Which attempt may write in a run's folder, and what the folder knows of its run: attempt.json.

Attempts are numbered, and the newest that has claimed a folder has its number there. Whoever comes with a lower one,
because it was stopped for a while and another has taken its place, is refused before it has written anything. The claim
is a lock besides: it belongs to a living process, and the next attempt waits until that is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from trainer.errors import TrainerError
from trainer.files import atomic_write
from trainer.runs.lock import locked

__all__ = ["CLAIM", "FILE", "KEPT", "Mark", "Superseded", "claimed", "read", "settled", "write"]

FILE = "attempt.json"
CLAIM = "attempt.lock"
# What the table of runs knows of a run from its submission.
KEPT = (
    "owner", "name", "launcher", "config", "overrides", "files", "sha256", "size", "tags", "note", "created", "epochs",
    "steps", "trace", "idem_key", "idem_sha256",
)  # fmt: skip
PATIENCE = 60.0  # seconds; whoever starts an attempt has waited for the one before it


class Superseded(TrainerError):
    """A newer attempt has the folder."""


@dataclass(frozen=True)
class Mark:
    """What attempt.json says.

    Attributes:
        attempt: the newest that has claimed the folder; 0 before the first.
        began: the newest that has begun to train, of which status.json is; 0 before the first.
        overrides: with how many it began.
        row: of the run in the service's table, as the newest attempt was told it; see `KEPT`.
        state, reason: in which the service has seen the run come to rest after that attempt.
    """

    attempt: int = 0
    began: int = 0
    overrides: int = 0
    row: Mapping[str, Any] | None = None
    state: str | None = None
    reason: str = ""


def read(folder: Path) -> Mark:
    """What a folder says; the mark of no attempt where there was none."""
    try:
        return Mark(**json.loads((folder / FILE).read_bytes()))
    except FileNotFoundError:
        return Mark()


def write(folder: Path, mark: Mark) -> None:
    """Say it, whole. Raises StorageError."""
    atomic_write(folder / FILE, json.dumps(asdict(mark)))


def settled(folder: Path, attempt: int, state: str, reason: str) -> None:
    """Say in which state a run has come to rest, unless another attempt has its folder by now. Raises StorageError."""
    if folder.exists():
        with locked(folder, name=CLAIM):
            known = read(folder)
            if known.attempt == attempt:
                write(folder, replace(known, state=state, reason=reason))


@contextmanager
def claimed(folder: Path, attempt: int, row: Mapping[str, Any] | None = None) -> Iterator[Mark]:
    """Hold a folder as its attempt of that number; yields what it said before.

    Raises Superseded where a newer one has claimed it, UsageError where another one goes on holding it, and
    StorageError.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with claimed(folder, 2) as before:
    ...     before.attempt, read(folder).attempt
    (0, 2)
    >>> with claimed(folder, 1):
    ...     pass
    Traceback (most recent call last):
    trainer.service.mark.Superseded: attempt 1 comes too late: attempt 2 has the folder
    """
    with locked(folder, name=CLAIM, patience=PATIENCE):
        before = read(folder)
        if before.attempt >= attempt:
            raise Superseded(f"attempt {attempt} comes too late: attempt {before.attempt} has the folder")
        write(folder, replace(before, attempt=attempt, row=row, state=None, reason=""))
        yield before
