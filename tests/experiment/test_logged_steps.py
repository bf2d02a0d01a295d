"""Steps that are logged: the same numbers whoever runs them, and each once, wherever a run was stopped."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainer
from trainer.compiler.executors import native_available
from trainer.errors import DataError, UsageError
from trainer.experiment import Observer, resume
from trainer.runs.steps import COLUMNS

SMALL: dict[str, Any] = {
    "name": "small",
    "dataset": {"name": "linear", "rows": 103, "noise": 0.1},
    "network": [{"dense": 4}, "batch_norm", "tanh", {"dropout": 0.3}, {"dense": 1}],
    "cost": "mean_squared_error",
    "optimizer": "adam",
    "step_size": {"cosine": 0.05},
    "accumulate": 2,
    "batch_size": 10,
    "metrics": [],
    "epochs": 4,
    "checkpoint": {"steps": 1},
}
EXECUTORS = ["eager", "numpy", *(["native"] if native_available() else [])]


class StopAt(Observer):
    """Ctrl-C at a step."""

    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, record: Any) -> None:
        if record.step == self.at:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The curve is a function of metrics.csv, and takes longer to draw than these runs to train."""
    monkeypatch.setattr("trainer.runs.folder.RunFolder.save_loss", lambda run: None)


def trained(out: Path, executor: str, every: int = 1, **changes: Any) -> trainer.Run:
    config = {**SMALL, "log": {"steps": every}, "compute": {"executor": executor}, **changes}
    folder = trainer.train(config, out=out).folder
    assert folder is not None
    return trainer.Run(folder)


def lines(folder: Path) -> str:
    """What stands in metrics.jsonl, times aside."""
    return re.sub(r'"seconds": [\d.]+', "", (folder / "metrics.jsonl").read_text())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("every", [1, 3])
def test_every_executor_writes_the_same_lines(every: int, dtype: str, tmp_path: Path) -> None:
    config: dict[str, Any] = {"checkpoint": {"seconds": 60}}
    found = {
        lines(trained(tmp_path / name, name, every, **{**config, "compute": {"executor": name, "dtype": dtype}}).path)
        for name in EXECUTORS
    }
    (text,) = found
    assert [json.loads(line.replace(", }", "}"))["step"] for line in text.splitlines()] == [*range(every, 37, every)]


def test_the_norms_are_those_of_the_vectors(tmp_path: Path) -> None:
    """Of plain descent the update is ε times the gradient, and from θ to θ it leads."""
    config = {
        **SMALL,
        "optimizer": "sgd",
        "accumulate": 1,
        "step_size": 0.05,
        "log": {"steps": 1},
        "compute": {"executor": "eager"},
    }
    thetas: list[Any] = []

    class Watch(Observer):
        def began(self, training: Any, folder: Any) -> None:
            self.training = training
            thetas.append(training.theta.astype(float))

        def step(self, record: Any) -> None:
            thetas.append(self.training.theta.astype(float))

    folder = trainer.train(config, out=tmp_path, observers=[Watch()]).folder
    assert folder is not None
    steps = trainer.Run(folder).steps
    assert tuple(steps) == COLUMNS
    np.testing.assert_allclose(steps["theta"], np.linalg.norm(thetas[1:], axis=1), rtol=1e-6)
    np.testing.assert_allclose(steps["update"], np.linalg.norm(np.diff(thetas, axis=0), axis=1), rtol=1e-4)
    np.testing.assert_allclose(steps["update"], 0.05 * steps["gradient"], rtol=1e-4)
    assert steps["epoch"].tolist() == sorted(steps["epoch"])
    assert (np.diff(steps["seconds"]) >= 0).all()


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("step", [1, 2, 9, 10, 20, 35])
def test_a_run_that_was_stopped_has_the_lines_of_one_that_was_not(step: int, executor: str, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", executor, 2)
    config = {**SMALL, "log": {"steps": 2}, "compute": {"executor": executor}}
    with pytest.raises(KeyboardInterrupt):
        trainer.train(config, out=tmp_path / "cut", observers=[StopAt(step)])
    (folder,) = (tmp_path / "cut").iterdir()
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 99, "epo')  # what a dying machine leaves
    resume(folder)
    assert lines(folder) == lines(whole.path)


def test_lines_that_have_changed_are_refused(tmp_path: Path) -> None:
    run = trained(tmp_path, "eager")
    text = (run.path / "metrics.jsonl").read_text()
    (run.path / "metrics.jsonl").write_text(text.replace("1", "7", 1))
    with pytest.raises(DataError, match=r"metrics\.jsonl is damaged"):
        _ = run.steps
    with pytest.raises(DataError, match=r"metrics\.jsonl is not the one that 0+36\.json goes on from"):
        resume(run.path, ["epochs=6"])


def test_what_is_logged_stays_what_it_is(tmp_path: Path) -> None:
    run = trained(tmp_path, "eager", 2)
    with pytest.raises(UsageError, match=r"log cannot change in a run that goes on: log\.steps was 2 and would be 3"):
        resume(run.path, ["log.steps=3", "epochs=6"])


def test_a_run_that_logs_no_steps_has_no_such_file(tmp_path: Path) -> None:
    folder = trainer.train(SMALL, out=tmp_path).folder
    assert folder is not None
    assert not (folder / "metrics.jsonl").exists()
    assert trainer.Run(folder).steps == {}


def test_a_norm_beyond_the_range_is_null_and_read_as_nan(tmp_path: Path) -> None:
    from trainer.runs.steps import lines_of_steps, read_steps
    from trainer.training.records import Measures, Step

    step = Step(1, 1, 10, 0.5, Measures(0.1, float("inf"), 1.0, 2.0))
    (tmp_path / "a.jsonl").write_bytes(lines_of_steps([step, step], 0.25, 9))
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])["gradient"] is None
    found = read_steps(tmp_path / "a.jsonl")
    assert np.isnan(found["gradient"]).all()
    assert found["theta"].tolist() == [2.0, 2.0]
    (tmp_path / "a.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(DataError, match=r"a\.jsonl, from line 1 on: 'epoch'"):
        read_steps(tmp_path / "a.jsonl")
