"""A run as an object with which one goes on: what `trainer.runs.Run` reads, and what takes a network to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from trainer.errors import DataError, DoneError
from trainer.experiment.model import Model, load
from trainer.experiment.observer import Observer
from trainer.files import atomic_write, expanded
from trainer.nn.network import Network
from trainer.runs.card import card
from trainer.runs.checkpoint import FOLDER, Checkpoints
from trainer.runs.config import config_of
from trainer.runs.loading import Run as Folder
from trainer.runs.loading import load as load_run
from trainer.training.state import TrainingState
from trainer.types import Array

if TYPE_CHECKING:
    from trainer.training import Epoch, Step

__all__ = ["Run", "run"]


class Run(Folder):
    """The run in a folder. Each part is read when it is first asked for; a notebook shows curve and numbers.

    run = trainer.Run("runs/20260131-174502-iris")
    run.metrics["test_loss"], run.config["network"], run.status
    run.predict(x), run.predict_proba(x), run.network
    run.resume(["epochs=50"]).metrics
    run.report()

    Raises DataError, with the nearest name, for a folder that holds none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(load_run(path).path)

    @cached_property
    def model(self) -> Model:
        """What it learnt, without its data set; see `trainer.load`."""
        return load(self.path)

    @property
    def network(self) -> Network:
        """The layers of the model."""
        return self.model.network

    def predict(self, x: object) -> Array:
        """Class names or numbers for rows of inputs; see `Model.predict`."""
        return self.model.predict(x)

    def predict_proba(self, x: object) -> Array:
        """The probability of each class for rows of inputs; see `Model.predict_proba`."""
        return self.model.predict_proba(x)

    @property
    def state(self) -> TrainingState:
        """Where the training stands, by its newest whole checkpoint. Raises DataError where there is none."""
        checkpoint = Checkpoints(self.path / FOLDER, keep=2).newest()
        if checkpoint is None:
            raise DataError(f"{self.path} has no whole checkpoint, so nothing is known of where its training stands")
        return TrainingState.from_arrays(checkpoint.arrays, checkpoint.values)

    def resume(self, overrides: Sequence[str] = (), observers: Sequence[Observer] = ()) -> Self:
        """Go on with it, as `trainer resume` does, and return it as it is then; see `trainer.experiment.resume`."""
        from trainer.experiment.resuming import resume

        resume(self.path, overrides, observers)
        return type(self)(self.path)

    def report(self, file: str | os.PathLike[str] | None = None) -> Path:
        """Write the page that `trainer report` writes, by default report.html in the run's folder, and say where."""
        from trainer.experiment.report import report

        path = self.path / "report.html" if file is None else expanded(file)
        atomic_write(path, report([self]))
        return path

    def _repr_html_(self) -> str:
        return card(self)

    def __repr__(self) -> str:
        return f"<Run {Path(self.path).name}: {self.status}>"


def run(
    config: str | os.PathLike[str] | Mapping[str, object],
    overrides: Sequence[str] = (),
    *,
    out: str | os.PathLike[str] = "runs",
    on_record: Callable[[Step | Epoch], None] | None = None,
    again: bool = False,
) -> Run:
    """The run of a config, in a folder of its own in `out`; it prints nothing.

    Where `out` has the same run already, finished and unaltered, of the same config, data, code and seed, that is
    returned, and nothing is trained.

    Args:
        config: a YAML file, a run's folder, or a mapping of the same keys.
        overrides: `key=value`, as on the command line.
        on_record: is told every step and epoch.
        again: train although the same run is there.

    Raises what `trainer.train` raises.

    >>> import tempfile, trainer
    >>> line = {"dataset": {"name": "linear", "rows": 50}, "network": [{"dense": 1}], "cost": "mean_squared_error"}
    >>> out = tempfile.mkdtemp()
    >>> first = trainer.run({**line, "step_size": 0.1, "epochs": 2}, out=out)
    >>> first.status, trainer.run({**line, "step_size": 0.1}, ["epochs=2"], out=out).path == first.path
    ('finished', True)
    """
    from trainer.config.loader import load as load_config
    from trainer.experiment.execution import execute

    observers = [] if on_record is None else [_Told(on_record)]
    try:
        outcome = execute(load_config(config_of(config), overrides), out, observers, again=again)
    except DoneError as done:
        return Run(done.path)
    assert outcome.folder is not None
    return Run(outcome.folder)


class _Told(Observer):
    """A function that is told every record."""

    def __init__(self, function: Callable[[Step | Epoch], None]) -> None:
        self._function = function

    def step(self, record: Step) -> None:
        self._function(record)

    def epoch(self, record: Epoch) -> None:
        self._function(record)
