"""Trials are the runs that they would be alone: known again, gone on with, paused and picked up to the same bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

import trainer
from tools.kills import remains
from trainer.errors import ConfigError, UsageError
from trainer.sweeps.space import axis_of_text
from trainer.sweeps.sweeping import Watcher, planned, train

LINE: dict[str, Any] = {
    "name": "line",
    "dataset": {"name": "linear", "rows": 60},
    "network": [{"dense": 1}],
    "cost": "mean_squared_error",
    "step_size": 0.1,
    "epochs": 9,
}


class Counted(Watcher):
    """What was trained, and what was there."""

    def __init__(self):
        self.trained, self.there = [], []

    def done(self, trial, member, *, there):
        (self.there if there else self.trained).append(f"{trial} {member.loaded.config.seed}")


def swept(out: Path, parameters: Any, jobs: int = 2, **settings: Any) -> tuple[Any, Counted]:
    watcher = Counted()
    return train(planned(LINE, parameters, **settings), out, jobs, watcher), watcher


def test_a_trial_has_the_bytes_of_the_run_alone_and_is_not_trained_again(tmp_path):
    plan, first = swept(tmp_path / "swept", {"step_size": [0.01, 0.1], "seed": [0, 1]})
    assert len(first.trained) == 4
    for trial in plan.trials:
        alone = trainer.run(LINE, [f"{key}={text}" for key, text in trial.values.items()], out=tmp_path / "alone")
        assert remains(trial.members[0].path) == remains(alone.path)
        again = trainer.run(LINE, [f"{key}={text}" for key, text in trial.values.items()], out=tmp_path / "swept")
        assert again.path == trial.members[0].path
    more, second = swept(tmp_path / "swept", {"step_size": [0.01, 0.1, 0.2], "seed": [0, 1]}, jobs=1)
    assert (len(second.there), second.trained) == (4, ["step_size=0.2 seed=0 0", "step_size=0.2 seed=1 1"])
    assert [trial.status for trial in more.trials] == ["finished"] * 6


def test_the_best_is_the_one_with_the_lowest_number_and_of_an_accuracy_the_highest(tmp_path):
    plan, _ = swept(tmp_path, {"step_size": [0.001, 0.1, 0.01]})
    assert [str(trial) for trial in plan.ranked()] == ["step_size=0.1", "step_size=0.01", "step_size=0.001"]
    config = {"dataset": "iris", "network": [{"dense": 3}], "cost": "softmax_cross_entropy", "step_size": 0.1}
    assert planned(config, {"seed": [0, 1]}, metric="accuracy").watched.better == "higher"
    assert planned(config, {"seed": [0, 1]}, metric="train_loss").watched.column == "train_loss"


@pytest.mark.parametrize(
    ("parameters", "overrides", "said"),
    [
        ({"step_size": [0.1, -1]}, (), "greater than 0 or a schedule, found -1\n  step_size=-1"),
        ({"step_sise": [0.1, 1]}, (), "unknown key 'step_sise'"),
        ({"network.0.dense": [1, 2]}, (), "in the trial network.0.dense=2"),
        ({"network.0.dense": [1, "relu"]}, (), "found the text 'relu'"),
        ({"seed": [0, 1]}, ["seeds=2"], "seed is varied, and seeds asks for several of each trial: leave one out"),
        ({"epochs": [1, 2]}, ["sweep.pruner=successive_halving", "checkpoint=false"], "leave checkpoint=false out"),
        ({"epochs": [1, 2]}, ["sweep.pruner=successive_halving"], "these have 1 to 2: leave epochs out, or the pruner"),
        ({}, (), "a sweep takes a key with several values"),
    ],
)  # fmt: skip
def test_a_mistake_in_any_value_is_refused_before_anything_trains(tmp_path, monkeypatch, parameters, overrides, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ConfigError, UsageError)) as caught:
        planned(LINE, parameters, overrides)
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_every_mistake_is_listed_once_and_one_of_the_config_stands_where_it_is(tmp_path):
    with pytest.raises(ConfigError) as caught:
        planned(LINE, {"step_size": [-1, 0.1], "seed": [0, -3]})
    assert [problem.excerpt.splitlines()[0].strip() for problem in caught.value.problems] == ["step_size=-1", "seed=-3"]
    with pytest.raises(ConfigError) as caught:
        planned({**LINE, "sweep": {"parameters": {"step_size": [-1, 0.1]}}})
    assert str(caught.value).startswith("sweep.parameters: step_size expects")
    with pytest.raises(ConfigError) as caught:
        planned(LINE, {"step_sise": [0.1, 1, 2], "seed": [0, 1]})
    (problem,) = caught.value.problems
    assert (problem.source, problem.excerpt) == ("parameters", "  step_sise=...\n  ^~~~~~~~~")
    assert str(caught.value).startswith("parameters: unknown key 'step_sise'; did you mean 'step_size'?\n")
    with pytest.raises(ConfigError) as caught:
        planned(LINE, {"step_sise": axis_of_text("step_sise", "0.1,1") or ""})
    assert str(caught.value).startswith("command line: unknown key 'step_sise'")
    for row in ("step_size=0.1", ["step_size=0.1"]):
        with pytest.raises(UsageError, match="KEY=VALUE for every trial stands in overrides"):
            planned(LINE, row)
    with pytest.raises(UsageError, match="a sweep watches 'acuracy', which is not among the numbers of an epoch: loss"):
        planned(LINE, {"seed": [0, 1]}, metric="acuracy")


DYING = """
import os
from dataclasses import dataclass
from trainer import hookimpl

@dataclass(frozen=True)
class Dying:
    dies: bool = True

    def __call__(self, record, training):
        if self.dies:
            os._exit(7)

@hookimpl
def register_callbacks(register):
    register(Dying, name="dying")
"""


def test_a_trial_that_diverges_or_crashes_ends_none_of_the_others(tmp_path):
    (tmp_path / "dying.py").write_text(DYING)
    config = {**LINE, "plugins": [str(tmp_path / "dying.py")], "epochs": 2, "callbacks": [{"dying": False}]}
    trials = [{"step_size": 0.1}, {"step_size": 1e30}, {"callbacks": [{"dying": True}]}]
    plan = train(planned(config, trials), tmp_path / "out", 2)
    assert [trial.status for trial in plan.trials] == ["finished", "diverged", "failed"]
    assert plan.trials[2].members[0].problem == "its process ended with code 7"


def test_successive_halving_pauses_and_the_survivors_have_the_bytes_of_runs_that_were_never_paused(tmp_path):
    parameters = {"step_size": [0.001, 0.003, 0.01, 0.03, 0.1], "seed": [0]}
    plan, _ = swept(tmp_path / "halved", parameters, pruner="successive_halving", reduction_factor=2)
    assert [trial.given_up for trial in plan.trials] == [3, 3, 6, None, None]
    for trial in plan.trials:
        alone = trainer.run(LINE, [f"{key}={text}" for key, text in trial.values.items()], out=tmp_path / "alone")
        epochs = trainer.Run(trial.members[0].path).metrics["train_loss"].tolist()
        assert epochs == alone.metrics["train_loss"].tolist()[: trial.given_up]
        if trial.given_up is None:
            assert remains(trial.members[0].path) == remains(alone.path)
    again, _ = swept(tmp_path / "halved", parameters, pruner="successive_halving", reduction_factor=2)
    assert [trial.given_up for trial in again.trials] == [3, 3, 6, None, None]
    assert [trial.members[0].path for trial in again.trials] == [trial.members[0].path for trial in plan.trials]
    run = trainer.Run(plan.trials[0].members[0].path)
    assert (run.status, run.reason) == ("interrupted", "paused by a sweep after epoch 3 of 9")


def test_each_trial_is_judged_by_the_mean_over_its_seeds(tmp_path):
    plan = train(planned(LINE, {"step_size": [0.01, 0.1]}, ["seeds=3"]), tmp_path, 2)
    for trial in plan.trials:
        assert [member.loaded.config.seed for member in trial.members] == [0, 1, 2]
        values = [trainer.Run(member.path).metrics["test_loss"][-1] for member in trial.members]
        assert trial.score(plan.watched) == pytest.approx(sum(values) / 3)


def test_optunas_trials_are_the_same_again_and_its_pruner_ends_some(tmp_path):
    settings = {"sampler": "tpe", "trials": 6, "pruner": "median"}
    plan, first = swept(tmp_path, {"step_size": "1e-4..0.3:log"}, **settings)
    again, _ = swept(tmp_path, {"step_size": "1e-4..0.3:log"}, **settings)
    assert [str(trial) for trial in plan.trials] == [str(trial) for trial in again.trials]
    assert {member.path for t in plan.trials for member in t.members} == {
        m.path for t in again.trials for m in t.members
    }
    assert len(first.trained) == 6
    with pytest.raises(UsageError, match="compares all trials after so many epochs"):
        planned(LINE, {"step_size": "1e-4..0.3:log"}, **{**settings, "pruner": "successive_halving"})


def test_from_python_with_frames_in_and_out(tmp_path):
    trials = pandas.DataFrame({"step_size": [0.01, 0.1, 0.1], "seed": [0, 0, 1]})
    found = trainer.sweep(LINE, trials, out=tmp_path)
    frame = found.frame()
    assert list(frame.columns) == ["trial", "step_size", "seed", "status", "test_loss", "folder"]
    assert sorted(zip(frame["step_size"], frame["seed"], strict=True)) == [(0.01, 0), (0.1, 0), (0.1, 1)]
    assert frame["test_loss"].is_monotonic_increasing
    assert found.best.path == Path(frame["folder"][0])
    assert trainer.compare(frame).keys == ("step_size",)


def test_data_in_memory_are_trained_on_and_gone_on_with(tmp_path):
    frame = {"x": [float(i) for i in range(40)], "y": [2.0 * i for i in range(40)]}
    config = {**LINE, "dataset": {"frame": frame, "target": "y", "standardize": True}}
    plan = train(planned(config, {"step_size": [0.01, 0.1, 0.2]}, pruner="successive_halving"), tmp_path, 2)
    assert [trial.status for trial in plan.trials].count("finished") == 1


SLOW = """
import sys
from pathlib import Path
from tests.sweeps.test_sweeping import LINE
from trainer.sweeps.sweeping import planned, train
train(planned({**LINE, "epochs": 800, "checkpoint": {"seconds": 0.05}}, {"seed": range(2)}), Path(sys.argv[1]), 2)
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_sweep_that_is_stopped_goes_on_to_the_same_bytes(
    tmp_path: Path, sent: signal.Signals, start: Callable[..., subprocess.Popen[Any]]
) -> None:
    """Its workers end with it, however it ends."""
    process = start(
        [sys.executable, "-c", SLOW, str(tmp_path)], cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL
    )
    while len({path.parents[1] for path in tmp_path.glob("*/checkpoints/*.json")}) < 2:  # both have a status by then
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(sent)
    process.wait()
    while any(
        status == "running" for status in (trainer.Run(path.parent).status for path in tmp_path.glob("*/status.json"))
    ):
        time.sleep(0.02)  # for ever, where a worker stays: the suite's limit says where
    plan = train(planned({**LINE, "epochs": 800, "checkpoint": {"seconds": 0.05}}, {"seed": range(2)}), tmp_path, 2)
    assert len(list(tmp_path.iterdir())) == 2
    assert [trial.status for trial in plan.trials] == ["finished"] * 2
    longer = {**LINE, "epochs": 800, "checkpoint": {"seconds": 0.05}}
    alone = trainer.run(longer, ["seed=0"], out=tmp_path / "alone")
    assert remains(plan.trials[0].members[0].path) == remains(alone.path)
