"""One attempt at a run, in a process of its own that was forked for it.

What it writes is the run's folder, as `trainer run` and `trainer resume` do, while it has claimed that (see
`trainer.service.mark`). What it says to the server is only news: how far it is, at most ten times a second. Whether and
how it has ended stands in the folder before it says so, in status.json, and the server believes the folder.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from trainer.config import served
from trainer.config.loader import load
from trainer.config.policy import Policy
from trainer.errors import StorageError, TrainerError
from trainer.experiment.execution import execute
from trainer.experiment.observer import Observer
from trainer.experiment.recorder import heading
from trainer.experiment.resuming import resume
from trainer.plugins.manager import shared
from trainer.runs.checkpoint import Checkpoints
from trainer.runs.metrics import row_of
from trainer.service import mark
from trainer.service.mark import Mark
from trainer.service.tracing import VARIABLE
from trainer.wording import described

if TYPE_CHECKING:
    from trainer.training import Epoch, Step, Training

__all__ = ["Reporter", "main", "policy_of"]

INTERVAL = 0.1  # seconds between two reports
ENDING = (signal.SIGTERM, signal.SIGXCPU)  # of the supervisor, and of a limit, which is said again every second
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})  # which is no fault of the run's, and passes


def main(file: BinaryIO, work: Mapping[str, Any]) -> int:
    """Begin or go on with a run; returns the exit code of `trainer run`."""
    folder, known = Path(work["folder"]), set(sys.modules)
    reporter = Reporter(file, work, folder)
    os.environ[VARIABLE] = work["traceparent"]
    try:
        with mark.claimed(folder, work["attempt"], work["row"]) as before:
            if _done(folder, before, work):
                reporter.say({"kind": "ended", "status": "finished", "reason": "it was finished already"})
                return 0
            if Checkpoints(folder / "checkpoints").steps():
                resume(folder, work["overrides"], [reporter], plugins=shared())
            else:
                name = f"{work['name']}.yaml"
                loaded = load(name, work["overrides"], shared(), text=work["config"], policy=policy_of(work["policy"]))
                execute(loaded, folder, [reporter], itself=True)
    except (TrainerError, MemoryError) as error:
        if isinstance(error, mark.Superseded) or (isinstance(error, StorageError) and error.error.errno in NO_ROOM):
            reporter.say({"kind": "ended", "status": "lost", "reason": str(error)})
            return error.exit_code
        # Of what went wrong before there was a status nothing is written down: it would go wrong again.
        reason = str(error) or f"it needs more memory than the {work['limits'].get('AS', 0):,} bytes that it may have"
        reporter.say({"kind": "ended", "status": "failed", "reason": reason})
        return getattr(error, "exit_code", 1)
    except Exception as error:  # a mistake of ours: tried again it would be one again
        reporter.say({"kind": "ended", "status": "failed", "reason": described(error)})
        raise
    finally:
        reporter.say({"kind": "imported", "modules": sorted(set(sys.modules) - known)})
    return 0


def _end(signum: int, frame: object) -> None:
    """What ends a run does so once: whoever asks again waits for what there is to write, or kills."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + signum)


def policy_of(plain: Mapping[str, Any]) -> Policy:
    """The policy that the server sends; paths may start in the folder of what there is of the service here."""
    root = Path(os.environ.get(served.VARIABLE, ""))
    return Policy(
        plugins=frozenset(plain["plugins"]),
        datasets=frozenset(plain["datasets"]),
        uploads={name: root / path for name, path in plain["uploads"].items()},
        runs={name: root / path for name, path in plain["runs"].items()},
        threads=plain["threads"],
    )


def _done(folder: Path, before: Mark, work: Mapping[str, Any]) -> bool:
    """Whether an attempt before this one has finished all that is asked for, and died before anybody heard of it."""
    if not before.began or before.overrides != len(work["overrides"]):
        return False
    return bool(json.loads((folder / "status.json").read_bytes())["status"] == "finished")


class Reporter(Observer):
    """Tells the server how far a run is, and ends it where there is no server any more."""

    def __init__(self, file: BinaryIO, work: Mapping[str, Any], folder: Path) -> None:
        self._file, self._work, self._folder = file, work, folder
        self._due, self._losses, self._count, self._rows = 0.0, 0.0, 0, list[dict[str, int | float | None]]()
        self._loss: float | None = None
        self._heard, self._over = True, False

    def notice(self, text: str) -> None:
        self.say({"kind": "log", "text": text})

    def began(self, training: Training, folder: Path | None) -> None:
        number, overrides = self._work["attempt"], len(self._work["overrides"])
        mark.write(self._folder, replace(mark.read(self._folder), began=number, overrides=overrides))
        for each in ENDING:
            signal.signal(each, _end)
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
        self._over = True
        if hasattr(self, "_training"):
            self._flush()

    def say(self, message: Mapping[str, object]) -> None:
        """Send a line; where nobody listens any more, the run is stopped as from outside, with a checkpoint.

        Then the fork server sends a signal as well, or the kernel does.
        """
        if not self._heard:
            return
        try:
            self._file.write(json.dumps(message, allow_nan=False).encode() + b"\n")
            self._file.flush()
        except OSError:
            self._heard = False
            if not self._over:
                _end(signal.SIGTERM, None)

    def _flush(self) -> None:
        epoch, step = self._at
        where = {"epoch": epoch, "epochs": self._training.epochs, "step": step, "steps": self._steps}
        if self._count:  # else the last word of a run would take away what there was to tell
            self._loss = _finite(self._losses / self._count)
        loss = self._loss
        rows, self._rows, self._losses, self._count = self._rows, [], 0.0, 0
        self._due = time.monotonic() + INTERVAL
        self.say({"kind": "points", **where, "loss": loss, "rows": rows})


def _finite(value: float) -> float | None:
    """JSON knows no infinity."""
    return value if value - value == 0 else None
