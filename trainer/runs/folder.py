"""The folder that a run writes while it goes on.

Everything in it is of use at every instant: each file is either whole or a list of whole lines, and status.json says
how far things have come, by whom, and what each file was (see `trainer.runs.digests`). A run that is killed leaves
"running" there, since nobody was left to write anything else.
"""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from trainer.config.served import told
from trainer.errors import DivergedError, StorageError, UsageError
from trainer.files import FULL, atomic_write, expanded, new_folder, overwrite, remove, writing
from trainer.runs.already import going_on
from trainer.runs.appended import Appended, Mark
from trainer.runs.checkpoint import FOLDER, Checkpoints
from trainer.runs.digests import MADE_OF, STATUS, facts, read_mapping, sealed
from trainer.runs.lock import locked
from trainer.runs.metrics import EpochRecord, MetricsFile, read_metrics
from trainer.runs.parameters import save_parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.data import Preprocessing, Scaling
    from trainer.runs.painter import Painter

__all__ = ["RunFolder", "Status", "as_yaml"]

METRICS, STEPS, LOG, FINDINGS = "metrics.csv", "metrics.jsonl", "log.txt", "findings.json"
_ROWS = (METRICS, STEPS)  # which have a row for each epoch or step
_GIVEN = ("config.yaml", "environment.json")  # which a run that goes on leaves as they are
_BEAT = 5.0  # seconds between two signs of life, at least

Status = Literal["running", "finished", "interrupted", "diverged", "failed"]

# The exit codes with which a shell says that a signal ended a process.
_SIGNALLED = {128 + number: number.name for number in Signals}


class RunFolder:
    """A new folder `<root>/<time>-<name>/` and the writer of everything in it; a context manager that notes the end.

    It is this process's (see `trainer.runs.lock`) until it is closed.

    Leaving the `with` block sets the status: "finished"; "interrupted" after Ctrl-C or a request to exit; "diverged"
    after DivergedError; "failed" after any other exception, always with the reason. Exceptions pass through.

    >>> import tempfile
    >>> root = tempfile.mkdtemp()
    >>> with RunFolder(root, "mlp", config_text="seed: 0", resolved={"seed": 0}) as run:
    ...     run.log("nothing to do")
    >>> json.loads((run.path / "status.json").read_text())["status"]
    'finished'
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        name: str,
        *,
        config_text: str | bytes = "",
        resolved: Mapping[str, object] | None = None,
        environment: Mapping[str, object] | None = None,
        made_of: Mapping[str, str] | None = None,
    ) -> None:
        """Make the folder, with config.yaml (`config_text` as it is), resolved.yaml and environment.json in it.

        Args:
            environment: see `trainer.runs.describe_environment`.
            made_of: see `trainer.runs.already`.

        Raises UsageError when `root` is no place for folders, StorageError when the disk refuses.
        """
        now = datetime.now(UTC)
        path = _new_folder(expanded(root), name, now)
        self._begin(path, name, now, config_text, resolved or {}, environment or {}, made_of or {})

    @classmethod
    def at(
        cls,
        path: Path,
        name: str,
        *,
        config_text: str | bytes,
        resolved: Mapping[str, object],
        environment: Mapping[str, object] | None = None,
        made_of: Mapping[str, str] | None = None,
    ) -> RunFolder:
        """The folder `path` itself, which is there, as a new run's; what an attempt has begun in it begins again.

        Raises UsageError where another process trains there.
        """
        run = cls.__new__(cls)
        run._begin(
            path, name, datetime.now(UTC), config_text, resolved, environment or {}, made_of or {}, (*_ROWS, LOG)
        )
        return run

    def _begin(
        self,
        path: Path,
        name: str,
        now: datetime,
        config_text: str | bytes,
        resolved: Mapping[str, object],
        environment: Mapping[str, object],
        made_of: Mapping[str, str],
        begun: Sequence[str] = (),
    ) -> None:
        with ExitStack() as held:
            held.enter_context(locked(path))
            for record in begun:
                remove(path / record)
            if begun:
                Checkpoints(path / FOLDER).clear()
            with self._opened_in(path, name, now, made_of):
                self._write("config.yaml", config_text)
                self._write("resolved.yaml", as_yaml(resolved))
                self._write("environment.json", _json(environment))
            self._held = held.pop_all()

    @classmethod
    def reopen(
        cls,
        path: Path,
        name: str,
        *,
        resolved: Mapping[str, object],
        lengths: Mapping[str, int],
        made_of: Mapping[str, str] | None = None,
        seconds: float = 0.0,
    ) -> RunFolder:
        """A folder that is there, and that the caller has locked, to go on in it.

        Args:
            resolved: the config as it is used from now on.
            lengths: how many bytes stay of what has a row for each epoch or step, by file, 0 where it is not said; what
                stands behind them comes again.
            made_of: what it is made of from now on; of what has changed, what it was is kept beside it.
            seconds: for how long the run has been trained.
        """
        run, about = cls.__new__(cls), read_mapping(path / STATUS)
        known, made_of = about.get("files", {}), going_on(about.get(MADE_OF, {}), made_of or {})
        given = {each: known[each] for each in _GIVEN if each in known}
        with run._opened_in(path, name, datetime.now(UTC), made_of, seconds, given, lengths):
            run._write("resolved.yaml", as_yaml(resolved))
        return run

    @contextmanager
    def _opened_in(
        self,
        path: Path,
        name: str,
        now: datetime,
        made_of: Mapping[str, str],
        seconds: float = 0.0,
        given: Mapping[str, object] | None = None,
        lengths: Mapping[str, int] | None = None,
    ) -> Iterator[None]:
        """Open what is written to; where the block fails, it is closed and the status says so.

        From the status before the block to that after it nobody vouches for what changes: it may end at any call.
        """
        self.path, self.name = path, name
        self.reason: str | None = None  # why it finished, where that is not the end of its epochs
        self.tested: Mapping[str, float] = {}  # what is measured once, at the end, and so is in no row of metrics.csv
        self._opened, self._before, self._next = now, seconds, 0.0
        self._started = _started(path / STATUS) or now.isoformat(timespec="milliseconds")
        self._made_of = made_of
        self._files = dict(given or {})  # what is written whole: its length and SHA-256
        self._held = ExitStack()
        self._log = Appended(path / LOG)
        self._appended: dict[str, Appended] = {}
        self._set_status("running")
        try:
            if lengths is not None:
                _cut(path, lengths)
            self._metrics = MetricsFile(path / METRICS)
            self.steps = Appended(path / STEPS)  # takes the lines of `trainer.runs.steps`
            self._appended = {METRICS: self._metrics.file, STEPS: self.steps, LOG: self._log}
            yield
            self.sync()
            self._set_status("running")
        except BaseException as error:
            self.close(*_ending(error))
            raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        status, reason = _ending(error)
        self.close(status, self.reason if error is None else reason)

    def record(self, epoch: EpochRecord) -> None:
        """Append an epoch to metrics.csv."""
        self._metrics.append(epoch)

    def log(self, text: str) -> None:
        """Append a line to log.txt, with the time in front; the further lines of a longer text are indented."""
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        text = told(text.rstrip())
        lines = f"{now}  {text}\n".replace("\n", "\n    ", text.count("\n"))
        self._log.append(lines.encode(errors="backslashreplace"))  # a name of a file may be no UTF-8

    @property
    def marks(self) -> dict[str, Mark]:
        """How far each file goes that is appended to."""
        return {name: file.mark for name, file in self._appended.items()}

    def sync(self) -> None:
        """Force what is appended to the disk: before a checkpoint, or a status, that counts on it."""
        for file in self._appended.values():
            file.sync()

    def beat(self) -> None:
        """Say in status.json that the run is alive, and what its files are; often asked, it is done now and then."""
        if time.monotonic() >= self._next:
            self.sync()
            self._set_status("running")

    def save_parameters(
        self,
        parameters: Mapping[str, NDArray[Any]],
        scaling: Scaling | None = None,
        preprocessing: Preprocessing | None = None,
        model: Mapping[str, object] | None = None,
    ) -> None:
        """Write parameters.safetensors and its SHA-256: the network's arrays by name, what the data go through, and
        what else there is to know of the model."""
        save_parameters(self.path / "parameters.safetensors", parameters, scaling, preprocessing, model)

    def save_table(self, title: str, table: NDArray[Any], names: Sequence[str] = ()) -> None:
        """Write `<title>.csv`: a square table with a name per row and column."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        named = list(names) if len(names) == len(table) else [str(i) for i in range(len(table))]
        writer.writerow(["", *named])
        writer.writerows([name, *row] for name, row in zip(named, table.tolist(), strict=True))
        self._write(f"{title}.csv", text.getvalue())

    def save_findings(self, findings: Sequence[Mapping[str, object]]) -> None:
        """Write findings.json, what was found to be wrong with the training; nothing is no file."""
        if findings:
            self._write(FINDINGS, _json({"findings": findings}))
        elif (self.path / FINDINGS).exists():  # of the run before it went on
            remove(self.path / FINDINGS)
            self._files.pop(FINDINGS, None)

    def save_loss(self, steps: Sequence[float] = (), painter: Painter | None = None) -> None:
        """Draw loss.svg and loss.png from the epochs recorded so far, or from the losses of steps if there is none.

        painter: who draws beside this process, if it can.
        """
        file = self.path / METRICS
        pictures = None if painter is None else painter.pictures(file, self.name, steps)
        if pictures is None:
            from trainer.runs.plots import loss_pictures

            pictures = loss_pictures(read_metrics(file), self.name, steps)
        for name, content in pictures.items():
            self._write(name, content)

    def close(self, status: Status = "finished", reason: str | None = None) -> None:
        """Set the final status. The `with` statement calls this."""
        try:
            self.log(status if reason is None else f"{status}: {reason}")
            self.sync()
        finally:  # a disk that takes no line more has room for another status in the place of this one
            try:
                with self._held:
                    self._set_status(status, reason)
            finally:
                for file in (self._log, *self._appended.values()):
                    file.close()

    def _write(self, name: str, content: str | bytes) -> None:
        """Write a file whole, and remember what it is."""
        content = content.encode() if isinstance(content, str) else content
        atomic_write(self.path / name, content)
        self._files[name] = facts(content)

    def _set_status(self, status: Status, reason: str | None = None) -> None:
        now = datetime.now(UTC)
        content: dict[str, Any] = {
            "status": status,
            "reason": reason and told(reason),
            "epochs": self._epochs(),
            "started": self._started,
            "seen": now.isoformat(timespec="milliseconds"),
            "ended": None if status == "running" else now.isoformat(timespec="milliseconds"),
            "seconds": round(self._before + (now - self._opened).total_seconds(), 3),
            "pid": os.getpid(),
            "host": platform.node(),
        }
        if self.tested:
            content["test"] = {name: float(value) for name, value in self.tested.items()}
        if self._made_of:
            content[MADE_OF] = dict(self._made_of)
        content["files"] = {**self._files, **{name: mark.facts for name, mark in self.marks.items() if mark.length}}
        try:
            atomic_write(self.path / STATUS, sealed(content))
        except StorageError as error:  # of a run that has ended, the last word is worth more than a whole file
            if status == "running" or error.error.errno not in FULL:
                raise
            overwrite(self.path / STATUS, sealed(content).encode())
        self._next = time.monotonic() + _BEAT

    def _epochs(self) -> int:
        """Rows in metrics.csv. The file is asked, because Ctrl-C may come between any two instructions, and a count
        of our own would sometimes be one off."""
        path = self.path / METRICS
        return max(path.read_bytes().count(b"\n") - 1, 0) if path.exists() else 0

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"


def _ending(error: BaseException | None) -> tuple[Status, str | None]:
    if error is None:
        return "finished", None
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "Ctrl-C"
    if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code in _SIGNALLED:
        return "interrupted", f"ended by {_SIGNALLED[error.code]}"
    if isinstance(error, SystemExit) and isinstance(error.code, str):
        return "interrupted", error.code
    if isinstance(error, (SystemExit, GeneratorExit)):
        return "interrupted", f"{type(error).__name__} {error}".strip()
    if isinstance(error, DivergedError):
        from trainer.config.overrides import spelt

        return "diverged", error.told(spelt)
    return "failed", f"{type(error).__name__}: {error}"


def _started(status: Path) -> str | None:
    """When a run that is gone on with began."""
    try:
        return str(json.loads(status.read_bytes())["started"])
    except (OSError, ValueError, KeyError, TypeError):  # a new run, or a damaged file that is about to be written
        return None


def _cut(path: Path, lengths: Mapping[str, int]) -> None:
    for file in _ROWS:
        with writing(path / file):
            if (path / file).exists():
                os.truncate(path / file, lengths.get(file, 0))


def _new_folder(root: Path, name: str, now: datetime) -> Path:
    """`root/20260131-174502-mlp`, or with -002, -003, … behind it when runs of one name start within a second.

    So the greatest name is the last run. A file system counts a name's bytes, 255 at most.
    """
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80].encode()[:200].decode(errors="ignore") or "run"
    stem = f"{now.astimezone():%Y%m%d-%H%M%S}-{plain}"
    number = 1
    with writing(root):
        while True:
            path = root / (stem if number == 1 else f"{stem}-{number:03}")
            try:
                new_folder(path)  # the one step that two processes cannot both succeed in
                return path
            except FileExistsError:
                number += 1
            except (NotADirectoryError, PermissionError) as error:
                raise UsageError(f"{root} cannot hold run folders: {error.strerror}") from None


def as_yaml(content: Mapping[str, object]) -> str:
    """A config as resolved.yaml has it."""
    import yaml

    return str(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=120))


def _json(content: Mapping[str, object]) -> str:
    """JSON that a person can read; names of files that are no UTF-8 are escaped, and come back as they were."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    printable = not any("\ud800" <= letter <= "\udfff" for letter in text)
    return (text if printable else json.dumps(content, indent=2)) + "\n"
