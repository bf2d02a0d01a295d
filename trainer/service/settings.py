"""What an admin says of a service, and where everything of it lies."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from trainer.wording import did_you_mean

__all__ = ["DATASETS", "Limits", "Quota", "Settings", "no_such"]

# The shipped data sets that are made or bundled; of those that are fetched from elsewhere none.
DATASETS = frozenset(
    {
        "adding", "blobs", "breast_cancer", "circles", "classification", "copying", "diabetes", "digits", "friedman1",
        "friedman2", "friedman3", "gaussian_quantiles", "grammar", "hastie_10_2", "iris", "linear", "linnerud",
        "low_rank", "moons", "multilabel_classification", "parity", "regression", "s_curve", "sonnets",
        "sparse_uncorrelated", "spirals", "swiss_roll", "waves", "wine",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """Of one run, and of one file.

    Attributes:
        parameters, bytes, steps, disk: of what is estimated before a run is taken (see `trainer.experiment.size`).
        memory: address space of an attempt, in bytes.
        file: bytes of one file that an attempt writes.
        cpu_seconds: of an attempt; 0 for no limit.
        upload: bytes of one file of data.
    """

    parameters: int = 100_000_000
    bytes: int = 4 << 30
    steps: int = 1_000_000_000
    disk: int = 8 << 30
    memory: int = 16 << 30
    file: int = 8 << 30
    cpu_seconds: int = 0
    upload: int = 256 << 20


@dataclass(frozen=True)
class Quota:
    """What one user may have.

    Attributes:
        queued, running: runs at once.
        cpu_seconds: of all attempts of a day, UTC; 0 for no limit.
        bytes: of uploads and runs' folders together.
    """

    queued: int = 100
    running: int = 1_000
    cpu_seconds: int = 0
    bytes: int = 32 << 30


@dataclass(frozen=True)
class Settings:
    """Of a service.

    Attributes:
        root: the folder that holds all of it.
        launchers: what starts attempts, as `--launcher` has it: NAME or NAME=OPTIONS, the one that is preferred first.
        url: where attempts on other computers report, as these reach it.
        certificate: the file of the one that they find there, for theirs to trust.
        slots: attempts at once on this machine; None for one a processor.
        plugins: installed plugins, by the names of their entry points, that configs may use and list.
        datasets: names that configs may choose.
        quota: of a user of whom nothing else is said.
        grace: seconds that an attempt has for its checkpoint, before it is killed.
        frozen: seconds after which a process that somebody has stopped is killed.
        check_seconds: that the check of a config may take.
        predict_seconds: that a prediction may take.
    """

    root: Path
    launchers: tuple[str, ...] = ("local",)
    url: str | None = None
    certificate: Path | None = None
    slots: int | None = None
    plugins: frozenset[str] = frozenset()
    datasets: frozenset[str] = DATASETS
    limits: Limits = field(default_factory=Limits)
    quota: Quota = field(default_factory=Quota)
    grace: float = 10.0
    frozen: float = 30.0
    check_seconds: float = 10.0
    predict_seconds: float = 10.0

    @property
    def database(self) -> Path:
        """The queue, the tokens and the events."""
        return self.root / "service.sqlite"

    @property
    def runs(self) -> Path:
        """A folder for each run, named by its id."""
        return self.root / "runs"

    @property
    def incoming(self) -> Path:
        """What attempts on other computers hand in, until it is whole."""
        return self.root / "incoming"

    @property
    def uploads(self) -> Path:
        """The data that were uploaded, named by their SHA-256."""
        return self.root / "uploads"

    @property
    def token_file(self) -> Path:
        """The admin's token, for whoever may read the admin's files."""
        return self.root / "token"

    def folder(self, run: str) -> Path:
        """Of a run that is in the database."""
        return self.runs / run


def no_such(option: str, name: str, kind: str, there: Collection[str]) -> str:
    """What to say where an option allows something by a name that nothing has.

    >>> no_such("--allow-dataset", "moon", "data set", ["iris", "moons"])
    "--allow-dataset moon: no data set has that name; did you mean 'moons'?"
    """
    hint = did_you_mean(name, there, f"there are: {', '.join(there)}")
    return f"{option} {name}: no {kind} has that name; {hint}"
