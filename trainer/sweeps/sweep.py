"""A sweep from Python, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from trainer.experiment.run import Run
from trainer.sweeps.comparing import Comparison, compare
from trainer.sweeps.frames import frame_of, rows_of
from trainer.sweeps.sweeping import Plan, Watcher, planned, train
from trainer.sweeps.trials import Trial

__all__ = ["Sweep", "sweep"]


class Sweep:
    """What came of a sweep; its trials the best first.

    found = trainer.sweep("configs/mlp.yaml", {"step_size": [0.01, 0.1], "seed": range(3)})
    found.best, found.trials, found.runs
    found.frame()
    found.comparison.picture("sweep.png")
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @property
    def trials(self) -> list[Trial]:
        """Every trial, the best first."""
        return self.plan.ranked()

    @property
    def runs(self) -> list[Run]:
        """The runs that there are of all trials, those of the best first."""
        return [Run(member.path) for trial in self.trials for member in trial.members if member.path is not None]

    @property
    def best(self) -> Run:
        """The run of the best trial; of several seeds the first."""
        return self.runs[0]

    @cached_property
    def comparison(self) -> Comparison:
        """The runs compared, those that were not given up, by the number that the trials were judged by."""
        whole = [trial for trial in self.trials if trial.given_up is None]
        paths = [member.path for trial in whole for member in trial.members if member.path is not None]
        return compare([Run(path) for path in paths], metric=self.plan.watched.column)

    def frame(self) -> Any:
        """A row for each run: its trial's number, the values, its status, what it is judged by, and its folder.

        A frame of pandas or polars where one is installed, otherwise a mapping of names to columns.
        """
        rows = [(trial, member) for trial in self.trials for member in trial.members]
        keys = dict.fromkeys(key for trial, _ in rows for key in trial.values)
        columns: dict[str, list[Any]] = {"trial": [trial.number for trial, _ in rows]}
        for key in keys:
            columns[key] = [_plain(trial.values.get(key)) for trial, _ in rows]
        if self.plan.seeds:
            columns["seed"] = [member.loaded.config.seed for _, member in rows]
        columns["status"] = [member.status for _, member in rows]
        watched = self.plan.watched
        columns[watched.column] = [watched.of(m.path) if m.path else float("nan") for _, m in rows]
        columns["folder"] = ["" if m.path is None else str(m.path) for _, m in rows]
        return frame_of(columns)

    def __repr__(self) -> str:
        return f"<Sweep of {len(self.plan.trials)} trials>"


def sweep(
    config: str | os.PathLike[str] | Mapping[str, object],
    parameters: Any = (),
    overrides: Sequence[str] = (),
    *,
    sampler: str | None = None,
    trials: int | None = None,
    pruner: str | None = None,
    reduction_factor: int | None = None,
    min_epochs: int | None = None,
    metric: str | None = None,
    seed: int | None = None,
    out: str | os.PathLike[str] = "runs",
    jobs: int | None = None,
    watcher: Watcher | None = None,
) -> Sweep:
    """Train a config with many values of some of its keys; it prints nothing.

    Each trial is the very run that `trainer.run` makes with these values, in a folder of its own in `out`, on a
    processor of its own. One that is there already is not trained again, and one that was cut short goes on.

    Args:
        config: a YAML file, a run's folder, or a mapping of the same keys.
        parameters: of each key its values, a list or a range (`"0..4"`, `{"low": 1e-4, "high": 1e-1, "log": True}`),
            besides those of the config's `sweep`; or a frame, or a list of mappings, with a trial in each row.
        overrides: `key=value`, for every trial.
        sampler, trials, pruner, reduction_factor, min_epochs, metric, seed: instead of those in `sweep`.
        out: where the runs' folders go.
        jobs: runs at a time; by default as many as there are processors.
        watcher: is told how it goes.

    Raises ConfigError and UsageError, with every key and value that is wrong, before anything is trained. A trial that
    fails or diverges ends none of the others.

    >>> import tempfile, trainer
    >>> line = {"dataset": {"name": "linear", "rows": 50}, "network": [{"dense": 1}], "cost": "mean_squared_error"}
    >>> line |= {"step_size": 0.1, "epochs": 3}
    >>> found = trainer.sweep(line, {"step_size": [0.01, 0.1]}, out=tempfile.mkdtemp())
    >>> [str(trial) for trial in found.trials], found.best.status
    (['step_size=0.1', 'step_size=0.01'], 'finished')
    """
    given: Any = parameters
    if isinstance(parameters, Mapping) or hasattr(parameters, "columns"):
        given = rows_of(parameters) if hasattr(parameters, "columns") else dict(parameters)
    plan = planned(
        config, given, overrides, sampler=sampler, trials=trials, pruner=pruner, reduction_factor=reduction_factor,
        min_epochs=min_epochs, metric=metric, seed=seed,
    )  # fmt: skip
    return Sweep(train(plan, out, jobs, watcher))


def _plain(text: str | None) -> object:
    from trainer.config.document import scalar

    return None if text is None else scalar(text)
