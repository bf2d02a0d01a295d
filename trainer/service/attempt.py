"""One attempt at a run, in a process of its own that was forked for it.

What it writes is the run's folder, as `trainer run` and `trainer resume` do, under the folder's lock. What it says to
the server is only news: how far it is, at most ten times a second. Whether and how it has ended stands in the folder
before it says so, and the server believes the folder:

    attempt.json   which attempt has begun to train, and with how many overrides; then it has status.json
    status.json    how it ended
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from trainer.config.loader import load
from trainer.config.policy import Policy
from trainer.errors import TrainerError
from trainer.experiment.execution import execute
from trainer.experiment.observer import Observer
from trainer.experiment.recorder import heading
from trainer.experiment.resuming import resume
from trainer.files import atomic_write
from trainer.plugins.manager import shared
from trainer.runs.checkpoint import Checkpoints
from trainer.runs.metrics import row_of
from trainer.service.tracing import VARIABLE

if TYPE_CHECKING:
    from trainer.training import Epoch, Step, Training

__all__ = ["Reporter", "begun", "main", "policy_of"]

INTERVAL = 0.1  # seconds between two reports
MARK = "attempt.json"


def main(file: BinaryIO, work: Mapping[str, Any]) -> int:
    """Begin or go on with a run; returns the exit code of `trainer run`."""
    folder, known = Path(work["folder"]), set(sys.modules)
    reporter = Reporter(file, work, folder)
    os.environ[VARIABLE] = work["traceparent"]
    try:
        if _done(folder, work):
            reporter.say({"kind": "ended", "status": "finished", "reason": "it was finished already"})
            return 0
        if Checkpoints(folder / "checkpoints").steps():
            resume(folder, work["overrides"], [reporter], plugins=shared())
        else:
            name = f"{work['name']}.yaml"
            loaded = load(name, work["overrides"], shared(), text=work["config"], policy=policy_of(work["policy"]))
            execute(loaded, folder, [reporter], itself=True)
    except (TrainerError, MemoryError) as error:
        # Of what went wrong before there was a status nothing is written down: it would go wrong again.
        reason = str(error) or f"it needs more memory than the {work['limits'].get('AS', 0):,} bytes that it may have"
        reporter.say({"kind": "ended", "status": "failed", "reason": reason})
        return getattr(error, "exit_code", 1)
    finally:
        reporter.say({"kind": "imported", "modules": sorted(set(sys.modules) - known)})
    return 0


def policy_of(plain: Mapping[str, Any]) -> Policy:
    """The policy that the server sends."""
    return Policy(
        plugins=frozenset(plain["plugins"]),
        datasets=frozenset(plain["datasets"]),
        uploads={name: Path(path) for name, path in plain["uploads"].items()},
        runs={name: Path(path) for name, path in plain["runs"].items()},
        threads=plain["threads"],
    )


def begun(folder: Path) -> tuple[int, int]:
    """Which attempt has begun to train in a folder, and with how many overrides; (0, 0) before the first."""
    try:
        mark = json.loads((folder / MARK).read_bytes())
    except FileNotFoundError:
        return 0, 0
    return mark["attempt"], mark["overrides"]


def _done(folder: Path, work: Mapping[str, Any]) -> bool:
    """Whether an attempt before this one has finished all that is asked for, and died before anybody heard of it."""
    attempt, overrides = begun(folder)
    if not attempt or overrides != len(work["overrides"]):
        return False
    return bool(json.loads((folder / "status.json").read_bytes())["status"] == "finished")


class Reporter(Observer):
    """Tells the server how far a run is, and ends it where there is no server any more."""

    def __init__(self, file: BinaryIO, work: Mapping[str, Any], folder: Path) -> None:
        self._file, self._work, self._folder = file, work, folder
        self._due, self._losses, self._count, self._rows = 0.0, 0.0, 0, list[dict[str, int | float | None]]()

    def notice(self, text: str) -> None:
        self.say({"kind": "log", "text": text})

    def began(self, training: Training, folder: Path | None) -> None:
        mark = {"attempt": self._work["attempt"], "overrides": len(self._work["overrides"])}
        atomic_write(self._folder / MARK, json.dumps(mark))
        self._training = training
        self._steps = training.epochs * training.steps_per_epoch
        self._at = training.epoch, training.step
        self.say({"kind": "log", "text": heading(training)})

    def warned(self, text: str) -> None:
        self.say({"kind": "warning", "text": text})

    def step(self, record: Step) -> None:
        self._losses += record.loss
        self._count += 1
        if time.monotonic() >= self._due:
            self._at = record.epoch - 1, record.step
            self._flush()

    def epoch(self, record: Epoch) -> None:
        self._rows.append({name: _finite(value) for name, value in row_of(record).items()})
        self._at = record.epoch, record.step
        if time.monotonic() >= self._due:
            self._flush()

    def ended(self) -> None:
        if hasattr(self, "_training"):
            self._flush()

    def say(self, message: Mapping[str, object]) -> None:
        """Send a line; where nobody listens any more, the run is stopped as from outside, with a checkpoint."""
        try:
            self._file.write(json.dumps(message, allow_nan=False).encode() + b"\n")
            self._file.flush()
        except OSError:
            os.kill(os.getpid(), signal.SIGTERM)

    def _flush(self) -> None:
        epoch, step = self._at
        where = {"epoch": epoch, "epochs": self._training.epochs, "step": step, "steps": self._steps}
        loss = _finite(self._losses / self._count) if self._count else None
        rows, self._rows, self._losses, self._count = self._rows, [], 0.0, 0
        self._due = time.monotonic() + INTERVAL
        self.say({"kind": "points", **where, "loss": loss, "rows": rows})


def _finite(value: float) -> float | None:
    """JSON knows no infinity."""
    return value if value - value == 0 else None
