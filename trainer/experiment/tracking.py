"""The numbers of a run for TensorBoard, MLflow and the trackers of plugins, beside those of its folder.

A tracker looks on: it changes no training, and what goes wrong in it costs a line of the log and the rest of what it
would have written, never the run.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.config.overrides import flat
from trainer.experiment.components import built
from trainer.experiment.observer import Observer
from trainer.files import atomic_write
from trainer.wording import described

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.training import Epoch, Step, Training

__all__ = ["MlFlow", "TensorBoard", "Tracked", "TrackedSteps", "check_trackers", "tracked", "trackers"]

FOLDER = "tensorboard"  # in that of the run
MLFLOW = "mlflow.json"  # which run of which store it is
# What one request may hold, see https://mlflow.org/docs/latest/rest-api.html#log-batch.
MOST_PARAMS, MOST_METRICS, MOST_LETTERS = 100, 1000, 500
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
MEASURED = ("step_size", "gradient", "update", "theta")


def check_trackers(loaded: LoadedConfig) -> None:
    """Raise ConfigError where a tracker is asked for that is not installed."""
    if loaded.config.log.tensorboard and find_spec("tensorboardX") is None:
        what = "log.tensorboard needs tensorboardX: pip install 'tape-trainer[tensorboard]'"
        raise loaded.error(("log", "tensorboard"), what)
    if loaded.config.log.mlflow and find_spec("mlflow") is None:
        raise loaded.error(("log", "mlflow"), "log.mlflow needs mlflow: pip install 'tape-trainer[mlflow]'")


def trackers(loaded: LoadedConfig, failed: Callable[[str], None]) -> list[Observer]:
    """Those that a config asks for. What goes wrong in one is told to `failed`."""
    told: list[Observer] = []
    if loaded.config.log.tensorboard:
        told.append(tracked("TensorBoard", TensorBoard(), failed))
    if loaded.config.log.mlflow:
        told.append(tracked("MLflow", MlFlow(loaded.config.log.mlflow, loaded.name, loaded.resolved()), failed))
    for i, choice in enumerate(loaded.config.log.trackers):
        with loaded.at("log", "trackers", i):
            tracker = built(choice)
        told.append(tracked(f"tracker '{choice.name}' of {choice.component.origin}", tracker, failed))
    return told


def tracked(name: str, observer: Observer, failed: Callable[[str], None]) -> Observer:
    """The observer, guarded. One that has no `step` of its own is told no step."""
    return (Tracked if type(observer).step is Observer.step else TrackedSteps)(name, observer, failed)


def _of_step(record: Step) -> Iterator[tuple[str, float]]:
    """What is tracked of a step, by its curve's name: nothing where the step is not logged."""
    if record.measured is not None:
        yield "step/loss", record.loss
        for name in MEASURED:
            yield f"step/{name}", getattr(record.measured, name)


def _of_epoch(record: Epoch) -> Iterator[tuple[str, float]]:
    """What is tracked of an epoch, by its curve's name."""
    for part, numbers in record.numbers.items():
        for name, value in numbers.items():
            yield f"{name}/{part}", value
    yield "epoch/step_size", record.step_size


class TensorBoard(Observer):
    """Writes events that TensorBoard reads, each epoch's numbers and what is logged of steps, all over the steps.

    A run that goes on writes a file of its own, which says where: what an earlier one has from there on, which comes
    again, a reader drops.
    """

    def began(self, training: Training, folder: Path | None) -> None:
        from tensorboardX import SummaryWriter  # 0.2 s, with protobuf, that only such a run needs

        assert folder is not None
        place = folder / FOLDER
        earlier = len(list(place.glob("events.*")))
        # A file's name has the second it was begun in; readers take files in the order of their names.
        again = {"purge_step": training.step + 1, "filename_suffix": f".{earlier:06}"} if earlier else {}
        self._writer = SummaryWriter(str(place), **again)

    def step(self, record: Step) -> None:
        for name, value in _of_step(record):
            self._writer.add_scalar(name, value, record.step)

    def epoch(self, record: Epoch) -> None:
        for name, value in _of_epoch(record):
            self._writer.add_scalar(name, value, record.step)
        self._writer.flush()

    def ended(self) -> None:
        self._writer.close()


class MlFlow(Observer):
    """Sends what TensorBoard would get to a tracking server or store, a batch after every epoch.

    Each config is an experiment by its name, and each folder a run of it with the settings as parameters. A run that
    goes on goes on there, too: mlflow.json in its folder knows which it is, and what the store has is not sent twice.

    Args:
        uri: of the store: http://host:5000, sqlite:///runs.db.
        name: of the experiment.
        settings: the config as it is used.
    """

    def __init__(self, uri: str, name: str, settings: Mapping[str, object]) -> None:
        self._uri, self._name, self._settings = uri, name, settings

    def began(self, training: Training, folder: Path | None) -> None:
        for key, value in PATIENCE.items():  # a server that is gone keeps a run waiting for seconds, not for minutes
            os.environ.setdefault(key, value)
        from mlflow.entities import Param  # seconds, that only such a run needs
        from mlflow.tracking import MlflowClient

        assert folder is not None
        self._client, self._pending = MlflowClient(tracking_uri=self._uri), list[Any]()
        self._known: dict[str, int] = {}
        known = folder / MLFLOW
        about = json.loads(known.read_text()) if known.exists() else {}
        if about.get("uri") == self._uri:
            self._run = str(about["run"])
            run = self._client.get_run(self._run)
            for key in run.data.metrics:
                self._known[key] = max(each.step for each in self._client.get_metric_history(self._run, key))
            return
        found = self._client.get_experiment_by_name(self._name)
        experiment = found.experiment_id if found else self._client.create_experiment(self._name)
        self._run = self._client.create_run(experiment, run_name=folder.name).info.run_id
        atomic_write(known, json.dumps({"uri": self._uri, "run": self._run}) + "\n")
        params = [Param(key, str(value)[:MOST_LETTERS]) for key, value in flat(self._settings)]
        for start in range(0, len(params), MOST_PARAMS):
            self._client.log_batch(self._run, params=params[start : start + MOST_PARAMS])

    def step(self, record: Step) -> None:
        for name, value in _of_step(record):
            self._add(name, value, record.step)

    def epoch(self, record: Epoch) -> None:
        for name, value in _of_epoch(record):
            self._add(name, value, record.step)
        self._send()

    def ended(self) -> None:
        error = sys.exc_info()[1]
        self._send()
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        self._client.set_terminated(self._run, "FINISHED" if error is None else "KILLED" if stopped else "FAILED")

    def _add(self, key: str, value: float, step: int) -> None:
        if step > self._known.get(key, 0):
            self._pending.append((key, float(value), step))

    def _send(self) -> None:
        from mlflow.entities import Metric

        now, pending = int(time.time() * 1000), self._pending
        self._pending = []
        for start in range(0, len(pending), MOST_METRICS):
            batch = [Metric(key, value, now, step) for key, value, step in pending[start : start + MOST_METRICS]]
            self._client.log_batch(self._run, metrics=batch)


class Tracked(Observer):
    """An observer whose first fault is a line, and its last."""

    def __init__(self, name: str, observer: Observer, failed: Callable[[str], None]) -> None:
        self._name, self._observer, self._failed = name, observer, failed
        self._well = True

    def began(self, training: Training, folder: Path | None) -> None:
        self._guarded(self._observer.began, training, folder)

    def epoch(self, record: Epoch) -> None:
        self._guarded(self._observer.epoch, record)

    def ended(self) -> None:
        self._guarded(self._observer.ended)

    def _guarded(self, method: Callable[..., None], *arguments: Any) -> None:
        if not self._well:
            return
        try:
            method(*arguments)
        except Exception as error:
            self._well = False
            self._failed(f"{self._name} has no more of this run: {described(error)}")


class TrackedSteps(Tracked):
    """One that is told steps, too."""

    def step(self, record: Step) -> None:
        if self._well:
            self._guarded(self._observer.step, record)
