"""The folder that a run writes while it goes on.

Everything in it is of use at every instant: each file is either whole or a list of whole lines, and status.json says
how far things have come. A run that is killed leaves "running" there, since nobody was left to write anything else.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from trainer.errors import DivergedError, UsageError
from trainer.files import appending, atomic_write, new_folder, remove, writing
from trainer.runs.lock import locked
from trainer.runs.metrics import EpochRecord, MetricsFile, read_metrics
from trainer.runs.parameters import save_parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.data import Preprocessing, Scaling

__all__ = ["RunFolder", "Status"]

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
    ) -> None:
        """Make the folder, with config.yaml (`config_text` as it is), resolved.yaml and environment.json in it.

        Raises UsageError when `root` is no place for folders, StorageError when the disk refuses.
        """
        started = datetime.now(UTC)
        path = _new_folder(Path(root), name, started)
        self._begin(path, name, started, config_text, resolved or {}, environment or {})

    @classmethod
    def at(cls, path: Path, name: str, *, config_text: str | bytes, resolved: Mapping[str, object]) -> RunFolder:
        """The folder `path` itself, which is there, as a new run's; what an attempt has begun in it begins again.

        Raises UsageError where another process trains there.
        """
        run = cls.__new__(cls)
        run._begin(path, name, datetime.now(UTC), config_text, resolved, {}, begun=("metrics.csv", "log.txt"))
        return run

    def _begin(
        self,
        path: Path,
        name: str,
        now: datetime,
        config_text: str | bytes,
        resolved: Mapping[str, object],
        environment: Mapping[str, object],
        begun: Sequence[str] = (),
    ) -> None:
        with ExitStack() as held:
            held.enter_context(locked(path))
            for record in begun:
                remove(path / record)
            with self._opened_in(path, name, now):
                atomic_write(path / "config.yaml", config_text)
                atomic_write(path / "resolved.yaml", _yaml(resolved))
                self.save_environment(environment)
            self._held = held.pop_all()

    @classmethod
    def reopen(
        cls, path: Path, name: str, *, resolved: Mapping[str, object], rows: int = 0, seconds: float = 0.0
    ) -> RunFolder:
        """A folder that is there, and that the caller has locked, to go on in it.

        Args:
            resolved: the config as it is used from now on.
            rows: how many bytes of metrics.csv stay; what stands behind them comes again.
            seconds: for how long the run has been trained.
        """
        run = cls.__new__(cls)
        metrics = path / "metrics.csv"
        with writing(metrics):
            if metrics.exists():
                os.truncate(metrics, rows)
        with run._opened_in(path, name, datetime.now(UTC), seconds):
            atomic_write(path / "resolved.yaml", _yaml(resolved))
        return run

    @contextmanager
    def _opened_in(self, path: Path, name: str, now: datetime, seconds: float = 0.0) -> Iterator[None]:
        """Open what is written to; where the block fails, it is closed and the status says so."""
        self.path, self.name = path, name
        self.reason: str | None = None  # why it finished, where that is not the end of its epochs
        self.tested: Mapping[str, float] = {}  # what is measured once, at the end, and so is in no row of metrics.csv
        self._opened, self._before = now, seconds
        self._started = _started(path / "status.json") or now.isoformat(timespec="milliseconds")
        self._held = ExitStack()
        self._metrics = MetricsFile(path / "metrics.csv")
        self._log = appending(path / "log.txt")
        try:
            self._set_status("running")
            yield
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
        time = datetime.now().astimezone().isoformat(timespec="milliseconds")
        with writing(self.path / "log.txt"):
            self._log.write(f"{time}  {text.rstrip()}\n".replace("\n", "\n    ", text.rstrip().count("\n")).encode())

    @property
    def rows(self) -> int:
        """How many bytes of metrics.csv are written."""
        return self._metrics.length

    def sync(self) -> None:
        """Force metrics.csv and log.txt to the disk: before a checkpoint that counts on them."""
        self._metrics.sync()
        with writing(self.path / "log.txt"):
            os.fsync(self._log.fileno())

    def save_environment(self, environment: Mapping[str, object]) -> None:
        """Write environment.json (see `trainer.runs.describe_environment`)."""
        atomic_write(self.path / "environment.json", _json(environment))

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
        atomic_write(self.path / f"{title}.csv", text.getvalue())

    def save_loss(self) -> None:
        """Draw loss.svg and loss.png from the epochs recorded so far."""
        from trainer.runs.plots import save_loss

        save_loss(self.path, read_metrics(self.path / "metrics.csv"), self.name)

    def close(self, status: Status = "finished", reason: str | None = None) -> None:
        """Set the final status. The `with` statement calls this."""
        try:
            self.log(status if reason is None else f"{status}: {reason}")
        finally:  # a disk that takes no line more may have room for another status of the same size
            self._metrics.close()
            self._log.close()
            with self._held:
                self._set_status(status, reason)

    def _set_status(self, status: Status, reason: str | None = None) -> None:
        now = datetime.now(UTC)
        content: dict[str, Any] = {
            "status": status,
            "reason": reason,
            "epochs": self._epochs(),
            "started": self._started,
            "ended": None if status == "running" else now.isoformat(timespec="milliseconds"),
            "seconds": round(self._before + (now - self._opened).total_seconds(), 3),
        }
        if self.tested:
            content["test"] = {name: float(value) for name, value in self.tested.items()}
        atomic_write(self.path / "status.json", _json(content))

    def _epochs(self) -> int:
        """Rows in metrics.csv. The file is asked, because Ctrl-C may come between any two instructions, and a count
        of our own would sometimes be one off."""
        path = self.path / "metrics.csv"
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


def _yaml(content: Mapping[str, object]) -> str:
    import yaml

    return str(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=120))


def _json(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
