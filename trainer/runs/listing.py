"""Many runs at a glance.

A folder may hold thousands of runs, and a list of them is asked for all the time: so a run is summed up from two small
files, status.json and metrics.csv, and those are read only of the runs that are asked about.
"""

from __future__ import annotations

import csv
import operator
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer.errors import DataError, UsageError
from trainer.runs import digests
from trainer.runs.lock import held
from trainer.wording import nearest

__all__ = ["Condition", "Summary", "runs_in", "select", "status_of"]

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "=": operator.eq,
}  # fmt: skip
STAMPED = re.compile(r"\d{8}-\d{6}-")
_CONDITION = re.compile(r"\s*([\w.-]+)\s*(<=|>=|!=|<|>|=)\s*(.+?)\s*")
# What status.json says of a run whose process may have died without a word.
_LIVE = "running"
CRASHED = "crashed"
METRICS = "metrics.csv"
DAMAGED = "damaged"


def status_of(folder: Path, said: str) -> str:
    """What a run is, by what its status.json says: "running" without a living process is "crashed"."""
    return CRASHED if said == _LIVE and not held(folder) else said


def runs_in(root: str | os.PathLike[str]) -> list[Path]:
    """The run folders in a folder, by name, which begins with the time they were made.

    Raises UsageError for a folder that is not there.
    """
    try:
        with os.scandir(root) as entries:
            return [Path(entry.path) for entry in sorted(entries, key=lambda e: e.name) if _is_run(entry)]
    except (FileNotFoundError, NotADirectoryError):
        hint = "trainer run CONFIG makes one, or say which: trainer runs --in FOLDER"
        raise UsageError(f"there is no folder {os.fspath(root)} with runs in it; {hint}") from None


def _is_run(entry: os.DirEntry[str]) -> bool:
    """By the name that `RunFolder` gives, without a look inside; whatever else a person calls it, by what is in it."""
    return (bool(STAMPED.match(entry.name)) and entry.is_dir()) or os.path.exists(Path(entry.path, "status.json"))


@dataclass(frozen=True)
class Summary:
    """A run in one line. Each part is read when it is first asked for."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @cached_property
    def about(self) -> dict[str, Any]:
        """status.json; of one that cannot be read, or is not what was written, "unreadable" is the status."""
        try:
            return digests.unsealed(digests.content_of(self._file(digests.STATUS)))
        except DataError:
            return {"status": "unreadable"}

    @cached_property
    def status(self) -> str:
        """finished, running, crashed, interrupted, diverged or failed; damaged where its numbers are not those that it
        wrote."""
        return status_of(self.path, str(self.about.get("status"))) if self._rows is not None else DAMAGED

    @property
    def seconds(self) -> float:
        """How long it took; of a run that is still going on, how long ago it began."""
        started, ended = self.about.get("started"), self.about.get("ended")
        if started and not ended and self.status == _LIVE:
            return (datetime.now().astimezone() - datetime.fromisoformat(started)).total_seconds()
        return float(self.about.get("seconds") or 0.0)

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)  # `/` takes as long as to read it

    @cached_property
    def lines(self) -> list[str]:
        """The whole lines of metrics.csv, the header first; empty before the first epoch."""
        return self._whole.decode(errors="replace").splitlines()

    @property
    def _whole(self) -> bytes:
        """metrics.csv up to the end of its last whole line."""
        rows = self._rows or b""
        return rows[: rows.rfind(b"\n") + 1]

    @cached_property
    def _rows(self) -> bytes | None:
        """What is in metrics.csv, if anything; None where it is not what was written."""
        try:
            content = digests.content_of(self._file(METRICS))
        except DataError:
            return b""
        if digests.agrees(METRICS, content, self.about):
            return content
        try:
            return digests.read(
                self.path / METRICS
            )  # perhaps the run went on between a look at one file and at the other
        except DataError:
            return None

    @cached_property
    def last(self) -> dict[str, float]:
        """The last epoch's numbers by their column, and those of the test rows where these were measured once, at the
        end; empty before the first epoch."""
        *before, line = (self._whole.rstrip(b"\n")).rsplit(b"\n", 1)
        if not before:
            return {}
        cells = map(_number, line.decode(errors="replace").split(","))
        tested = {f"test_{name}": _number(value) for name, value in self.about.get("test", {}).items()}
        return {**dict(zip(self.columns, cells, strict=False)), **tested}

    @cached_property
    def columns(self) -> list[str]:
        """What metrics.csv has a number of for each epoch."""
        header = self._whole.partition(b"\n")[0].decode(errors="replace")
        return next(csv.reader([header]), [])

    def series(self, column: str) -> list[float]:
        """A column of metrics.csv, a number per epoch; empty where there is none of that name."""
        if column not in self.columns:
            return []
        place = self.columns.index(column)
        return [_number(line.split(",")[place]) for line in self.lines[1:]]

    def value(self, name: str) -> float | str | None:
        """What a condition or an order asks for: a number of `last`, or status, name, seconds, epochs."""
        if name in ("status", "name"):
            return str(getattr(self, name))
        if name == "seconds":
            return self.seconds
        if name == "epochs":
            return float(max(len(self.lines) - 1, 0))
        return self.last.get(name)


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (ValueError, TypeError):
        return float("nan")


@dataclass(frozen=True)
class Condition:
    """Which runs a person wants to see.

    >>> Condition.parse("test_accuracy >= 0.9")
    Condition(name='test_accuracy', sign='>=', wanted='0.9')
    """

    name: str
    sign: str
    wanted: str

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Raises UsageError for what is no condition."""
        found = _CONDITION.fullmatch(text)
        if found is None:
            signs = " ".join(_OPERATORS)
            raise UsageError(f"'{text}' is no condition; write NAME, one of {signs}, and a value: test_accuracy>=0.9")
        return cls(*found.groups())

    def holds(self, run: Summary) -> bool:
        """Whether it holds for a run; never for one that has no such number."""
        value = run.value(self.name)
        if value is None:
            return False
        if isinstance(value, str):
            return _OPERATORS[self.sign](value, self.wanted)
        try:
            return _OPERATORS[self.sign](value, float(self.wanted))
        except ValueError:
            raise UsageError(f"{self.name} is a number, and '{self.wanted}' is none") from None


def select(
    runs: Iterable[Summary], where: Sequence[Condition] = (), sort: str | None = None, limit: int | None = None
) -> list[Summary]:
    """The runs for which every condition holds, the last `limit` of them.

    sort: a name that `Summary.value` knows, ascending, or with a minus before it descending; by age without one. Runs
        that have no such number come first.

    Raises UsageError for a name that no run knows.
    """
    chosen = list(runs)
    for name in [condition.name for condition in where] + ([sort.lstrip("-")] if sort else []):
        _check_known(name, chosen)
    chosen = [run for run in chosen if all(condition.holds(run) for condition in where)]
    if sort:
        name = sort.lstrip("-")
        known = [run for run in chosen if not _missing(run.value(name))]
        unknown = [run for run in chosen if _missing(run.value(name))]
        chosen = unknown + sorted(known, key=lambda run: run.value(name) or 0, reverse=sort.startswith("-"))
    return chosen if limit is None else chosen[max(len(chosen) - limit, 0) :]


def _missing(value: float | str | None) -> bool:
    return value is None or value != value


def _check_known(name: str, runs: Sequence[Summary]) -> None:
    known = dict.fromkeys(("status", "name", "seconds", "epochs"))
    if name in known or any(name in run.last for run in runs):
        return
    known |= dict.fromkeys(column for run in runs for column in run.last)
    near = nearest(name, known)
    hint = f"did you mean '{near}'?" if near else f"there are {', '.join(known)}"
    raise UsageError(f"no run has a number called '{name}'; {hint}")
