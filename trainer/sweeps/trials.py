"""A trial, and the runs that it is: one, or one for each seed. Each is an ordinary run in a folder of its own.

A run is known by its config, which its seed is part of, and by the data and code that it is made of. So a trial that
is there is not trained again, whoever has trained it; one that was cut short goes on from its checkpoint; and a sweep
has nothing to remember of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.config.loader import LoadedConfig
from trainer.errors import DataError, DivergedError, UsageError
from trainer.experiment.execution import checked_training, execute, made_of_what, named_config
from trainer.experiment.observer import Observer
from trainer.experiment.resuming import resume
from trainer.runs import digests
from trainer.runs.checking import PARAMETERS, check
from trainer.runs.config import RESOLVED
from trainer.runs.folder import as_yaml
from trainer.runs.listing import Summary, runs_in
from trainer.runs.loading import load as load_run
from trainer.runs.lock import held
from trainer.sweeps.workers import Channel

if TYPE_CHECKING:
    from trainer.sweeps.watching import Watched
    from trainer.training import Epoch

__all__ = ["Attempt", "Known", "Member", "Trial"]

OVER = ("finished", "diverged")  # of a run that no training would change


class Known:
    """The runs in a folder, by the digest of their config."""

    def __init__(self, root: Path) -> None:
        self._paths: dict[str, list[Path]] = {}
        for path in runs_in(root) if root.is_dir() else []:
            known = Summary(path).about.get(digests.FILES, {}).get(RESOLVED)
            if known is not None:
                self._paths.setdefault(known["sha256"], []).append(path)

    def of(self, digest: str) -> tuple[Path, ...]:
        """Those of a config, the newest first."""
        return (*reversed(self._paths.get(digest, [])),)


@dataclass
class Member:
    """One run of a trial.

    Attributes:
        loaded: its config.
        path: its folder, once there is one.
        status: waiting, running, paused, given up, or what status.json says of it.
        problem: why it failed.
    """

    loaded: LoadedConfig
    path: Path | None = None
    status: str = "waiting"
    problem: str = ""

    @property
    def digest(self) -> str:
        """The SHA-256 of its resolved.yaml."""
        text = as_yaml(named_config(self.loaded, self.loaded.name))
        return str(digests.facts(text.encode())["sha256"])


@dataclass
class Trial:
    """A choice of values, and the runs of it.

    Attributes:
        number: from 0.
        values: of each key that is varied, as it is written on the command line.
        members: its run, or one for each seed.
        given_up: after how many epochs it was given up; None where it was not.
    """

    number: int
    values: Mapping[str, str]
    members: Sequence[Member]
    given_up: int | None = None

    @property
    def status(self) -> str:
        """That of its runs, the worst first."""
        if self.given_up is not None:
            return f"given up after {self.given_up}"
        order = ("failed", "waiting", "running", "paused", "interrupted", "crashed", "diverged", "finished")
        return min((m.status for m in self.members), key=lambda status: order.index(status) if status in order else 4)

    def score(self, watched: Watched, epoch: int | None = None) -> float:
        """The mean over its runs of the number that trials are judged by, after so many epochs or at the end; the
        worst there is where one of them has none."""
        reached = [watched.of(member.path, epoch) if member.path else math.nan for member in self.members]
        mean = sum(reached) / len(reached)
        worst = math.inf if watched.better == "lower" else -math.inf
        return worst if math.isnan(mean) else mean

    def __str__(self) -> str:
        return " ".join(f"{key}={text}" for key, text in self.values.items())


class Paused(SystemExit):
    """A run has come as far as it should for now."""


@dataclass(frozen=True)
class Attempt:
    """What a worker does: it brings a run as far as is asked for, and says where that is.

    Args:
        loaded: the run's config.
        root: where its folder goes.
        known: the folders that may be it, the newest first.
        epochs: after how many it pauses; None for all.
        asked: the number that it asks after each epoch whether to go on with.
    """

    loaded: LoadedConfig
    root: Path
    known: Sequence[Path]
    epochs: int | None = None
    asked: Watched | None = None

    def __call__(self, channel: Channel) -> dict[str, Any]:
        watcher = _Watcher(channel, self)
        path = self._there()
        if path is not None:
            channel.say(folder=str(path))
            summary = Summary(path)
            told = {"folder": str(path), "status": summary.status}
            if self.asked is not None and (stopped := self._asked_before(channel, path)):
                return {**told, "status": "paused", "epoch": stopped}
            if summary.status in OVER:
                return {**told, "there": True}
            if self._far_enough(path):
                return {**told, "status": "paused"}
        try:
            if path is None:
                execute(self.loaded, self.root, [watcher])
            else:
                resume(path, (), [watcher], loaded=self.loaded)
        except Paused:
            return {"folder": str(watcher.folder), "status": "paused", "epoch": watcher.reached}
        except DivergedError as error:
            return {"folder": str(watcher.folder), "status": "diverged", "error": str(error)}
        return {"folder": str(watcher.folder), "status": "finished"}

    def _there(self) -> Path | None:
        """The folder of the same run, made of the same data and code, that is whole; None where there is none."""
        if not self.known:
            return None
        _, training = checked_training(self.loaded, allow_unchecked=False)
        made_of = made_of_what(self.loaded, training)
        for path in self.known:
            try:
                about = load_run(path).about
            except DataError:  # of which nothing is known
                continue
            if about.get(digests.MADE_OF) != made_of or any(check(path).values()):
                continue
            if about["status"] == "running" and held(path):
                raise UsageError(f"{path} is being trained by somebody else, as the same run; wait for it, or stop it")
            if about["status"] != "finished" or (path / PARAMETERS).exists():
                return path
        return None

    def _far_enough(self, path: Path) -> bool:
        epochs = load_run(path).metrics.get("epoch")
        return self.epochs is not None and epochs is not None and len(epochs) > 0 and int(epochs[-1]) >= self.epochs

    def _asked_before(self, channel: Channel, path: Path) -> int | None:
        """After which of the epochs that are there the trial is given up, if it is."""
        assert self.asked is not None
        for epoch, value in self.asked.series(path):
            if not channel.ask(epoch=epoch, value=value):
                return epoch
        return None


class _Watcher(Observer):
    """Tells the parent how far a run is, and pauses it."""

    def __init__(self, channel: Channel, attempt: Attempt) -> None:
        self._channel, self._attempt = channel, attempt
        self.folder: Path | None = None
        self.reached = 0

    def began(self, training: Any, folder: Path | None) -> None:
        self.folder, self._last = folder, training.epochs
        self._channel.say(folder=str(folder))

    def epoch(self, record: Epoch) -> None:
        attempt, self.reached = self._attempt, record.epoch
        if attempt.asked is not None and record.numbers:
            go_on = self._channel.ask(epoch=record.epoch, value=attempt.asked.of_numbers(record.numbers))
        else:
            self._channel.say(epoch=record.epoch)
            go_on = attempt.epochs is None or record.epoch < attempt.epochs
        if not go_on and record.epoch < self._last:
            raise Paused(f"paused by a sweep after epoch {record.epoch:,} of {self._last:,}")
