"""The observer that fills a run folder: log, metrics, parameters, loss curve."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.compiler.executors import spread_over
from trainer.experiment.observer import Observer
from trainer.runs.folder import RunFolder
from trainer.runs.progress import ProgressTable
from trainer.runs.steps import lines_of_steps
from trainer.wording import count, described

if TYPE_CHECKING:
    from trainer.runs.painter import Painter
    from trainer.training import Epoch, Step, Training

__all__ = ["Recorder", "StepRecorder", "heading"]


class Recorder(Observer):
    """Writes the records of a training into its folder. Parameters and curve are saved however it ends.

    model: what is saved with the parameters, see `trainer.experiment.model`.
    painter: who draws the curve beside this process, if it can.
    failed: what there is no picture or table of, and why.
    """

    def __init__(self, folder: RunFolder, model: Mapping[str, object], painter: Painter | None = None) -> None:
        self._folder, self._model, self._painter = folder, model, painter
        self.failed: list[str] = []

    def began(self, training: Training, folder: Path | None) -> None:
        self._training, self._table = training, ProgressTable(training.epochs)
        self._losses = array("d")
        # Of standardised targets the steps' losses are of another unit than the epochs', so of another picture.
        self._first = training.epoch == 0 and training.data.target_scaling is None
        self._folder.log(heading(training))

    def warned(self, text: str) -> None:
        self._folder.log(f"warning: {text}")

    def step(self, record: Step) -> None:
        if self._first:
            self._losses.append(record.loss)

    def epoch(self, record: Epoch) -> None:
        self._first = False
        if record.numbers:
            self._folder.record(record)
        for line in self._table.lines(record):
            self._folder.log(line)
        self._folder.beat()

    def ended(self) -> None:
        training, data = self._training, self._training.data
        training.let_go()
        if training.whole:
            self._folder.save_parameters(training.parameters, data.scaling, data.preprocessing, self._model)
        else:
            self._folder.log("there are no parameters: an error came in the midst of a step")
        with self.by_product("picture of the loss"):
            self._folder.save_loss(self._losses if self._first else (), self._painter)

    @contextmanager
    def by_product(self, what: str) -> Iterator[None]:
        """Inside, what goes wrong is a line of the log and of `failed`: no run fails for it that is done."""
        try:
            yield
        except Exception as error:
            self.without(f"there is no {what}: {described(error)}")

    def without(self, text: str) -> None:
        """Note what there is not, and why."""
        self.failed.append(text)
        self._folder.log(f"warning: {text}")


class StepRecorder(Observer):
    """Writes the steps that were measured into metrics.jsonl, a piece of them at a time, as they were computed."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def began(self, training: Training, folder: Path | None) -> None:
        self._training = training
        self._pending: list[Step] = []
        self._digits = 9 if training.now.theta.itemsize == 4 else 17

    def step(self, record: Step) -> None:
        if record.measured is not None:
            self._pending.append(record)
        state = self._training.now
        if record.step >= state.step and self._pending:
            pending, self._pending = self._pending, []
            self._folder.steps.append(lines_of_steps(pending, state.seconds, self._digits))


def heading(training: Training) -> str:
    """What is trained on what, in a line or two."""
    data, network = training.data, training.network
    return (
        f"{data.name}: {data.told}. "
        f"{', '.join(network.names)}: {network.size:,} parameters, {training.dtype}, "
        f"{training.runs_on} executor, {count(_threads(training), 'thread')}{_shards(training)}."
        f"{_beginning(training)}{_scaled(training)}{_executor(training)}"
    )


def _threads(training: Training) -> int:
    return spread_over() if training.runs_on == "native" else 1


def _shards(training: Training) -> str:
    """Into what a batch is cut, and who computes it."""
    if training.shards is None:
        return ""
    ranks = training.shard_gradient.ranks
    return f", {count(training.shards, 'shard')} on {count(1 if ranks is None else ranks.size, 'rank')}"


def _beginning(training: Training) -> str:
    """Which parameters were not drawn."""
    if not training.initial:
        return ""
    total = len(training.network.parts) + len(training.now.layer_state)
    return f"\n{len(training.initial)} of {total} parameters from a saved run."


def _scaled(training: Training) -> str:
    """In which units its numbers are, where its steps have others."""
    if training.data.target_scaling is None:
        return ""
    return "\nSteps learn standardized targets, and have the loss of these; other numbers are in the units of the data."


def _executor(training: Training) -> str:
    """Why it is not the machine that runs, where a person might expect it."""
    missing = training.executor == "auto" and training.runs_on == "numpy"
    return "\nThe quicker native executor needs a C compiler when this package is installed." if missing else ""
