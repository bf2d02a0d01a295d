"""One run, for whoever asks."""

from __future__ import annotations

import numpy as np
import pytest

import trainer
from tests.hints import advised
from trainer import runs
from trainer.config import load
from trainer.errors import ConfigError, DivergedError, UsageError
from trainer.experiment import Observer, execute
from trainer.experiment.size import size_of
from trainer.runs.lock import locked

LINE = {
    "dataset": {"name": "linear", "rows": 100, "noise": 0.1},
    "network": [{"dense": 1}],
    "cost": "mean_squared_error",
    "step_size": 0.1,
    "metrics": [],
    "epochs": 3,
}


class Told(Observer):
    """Writes down what it is told."""

    def __init__(self):
        self.heard = []

    def began(self, training, folder):
        self.heard.append(("began", training.epoch, folder))

    def step(self, record):
        self.heard.append(record.step)

    def epoch(self, record):
        self.heard.append(f"epoch {record.epoch}")

    def ended(self):
        self.heard.append("ended")


class Interrupting(Observer):
    def epoch(self, record):
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_mapping_trains_without_a_word_or_a_file(folder, capfd):
    outcome = trainer.train(LINE)
    assert outcome.folder is None
    assert outcome.epoch is outcome.last
    assert outcome.last.epoch == 3
    assert outcome.parameters["0.weights"].shape == (1, 1)
    assert (outcome.warnings, outcome.reports) == ((), {})
    assert capfd.readouterr() == ("", "")
    assert not list(folder.iterdir())


def test_a_file_a_mapping_and_a_loaded_config_give_the_same_bits_with_a_folder_and_without(folder):
    first = trainer.train(LINE, ["seed=3"], out="runs")
    given = runs.load(first.folder)
    assert (given.status, given.config["seed"]) == ("finished", 3)
    resolved = first.folder / "resolved.yaml"
    for outcome in (trainer.train(resolved), trainer.train(load(resolved)), trainer.train(str(resolved), out="again")):
        for name, value in outcome.parameters.items():
            np.testing.assert_array_equal(value, first.parameters[name])
            np.testing.assert_array_equal(value, given.parameters[name])


def test_an_observer_hears_everything_in_its_order():
    told = Told()
    outcome = trainer.train(LINE, ["epochs=2", "batch_size=40"], out="runs", observers=[told])
    assert told.heard == [("began", 0, outcome.folder), 1, 2, "epoch 1", 3, 4, "epoch 2", "ended"]


def test_what_cuts_a_run_short_is_told_to_every_observer_and_stands_in_the_folder(folder):
    before, after = Told(), Told()
    with pytest.raises(KeyboardInterrupt):
        execute(load(LINE), "runs", [before, Interrupting(), after])
    assert before.heard[-2:] == ["epoch 1", "ended"]
    assert after.heard[-1] == "ended"
    (path,) = (folder / "runs").iterdir()
    run = runs.load(path)
    assert (run.status, run.reason) == ("interrupted", "Ctrl-C")
    assert run.parameters["0.weights"].shape == (1, 1)


def test_a_diverged_run_raises_and_leaves_a_folder(folder):
    with pytest.raises(DivergedError, match="training diverged at step "):
        trainer.train(LINE, ["step_size=1000", "epochs=2000"], out="runs")
    (path,) = (folder / "runs").iterdir()
    assert runs.load(path).status == "diverged"


def test_a_run_that_diverges_in_its_first_epoch_draws_the_losses_of_its_steps(folder):
    with pytest.raises(DivergedError, match="epoch 1 of"):
        trainer.train(LINE, ["step_size=1e8", "batch_size=8"], out="runs")
    (path,) = (folder / "runs").iterdir()
    assert "loss per step" in (path / "loss.svg").read_text()


def test_a_loss_that_grows_is_among_the_warnings():
    outcome = trainer.train(LINE, ["step_size=2.5", "epochs=5", "compute.dtype=float64"])
    (warning,) = outcome.warnings
    assert warning.startswith("a step size too large (command line): one step of 2.5 before the first step takes ")
    assert "; the train loss grew from " in warning
    assert warning.endswith(". Try step_size=0.03")


def test_the_best_epoch_is_the_outcomes_where_the_config_asks_for_it():
    outcome = trainer.train(LINE, ["stop={best: true, better: higher}"])
    assert outcome.epoch.epoch == outcome.training.best.epoch.epoch == 1
    assert outcome.last.epoch == 3


def test_a_mistake_in_a_mapping_is_shown_in_the_yaml_that_it_is():
    with pytest.raises(ConfigError) as caught:
        trainer.train({**LINE, "network": [{"dens": 1}]})
    assert str(caught.value) == (
        "config:6:3: unknown name 'dens' in network; did you mean 'dense'?\n  6 | - dens: 1\n        ^~~~"
    )


def test_a_mapping_holds_what_yaml_can_write():
    with pytest.raises(ConfigError, match="a config holds what YAML can write, numbers, texts, lists and mappings: "):
        trainer.train({**LINE, "step_size": np.float32(0.1)})


def test_a_loaded_config_takes_no_overrides():
    with pytest.raises(UsageError) as caught:
        trainer.train(load(LINE), ["epochs=1"])
    advised(caught.value, "a config that is loaded already takes no overrides; give them to trainer.config.load")
    assert trainer.train(trainer.config.load(LINE, ["epochs=1"])).epoch.epoch == 1


def test_what_the_data_went_through_is_saved_beside_the_parameters(tmp_path):
    line = {**LINE, "dataset": {**LINE["dataset"], "preprocess": ["standard_scaler"]}}
    outcome = trainer.train(line, out=tmp_path)
    saved = runs.load_parameters(outcome.folder / "parameters.safetensors").preprocessing()
    assert saved is not None
    x = np.array([[1.0], [2.0]])
    np.testing.assert_array_equal(saved.apply(x), outcome.training.data.preprocessing.apply(x))


def test_a_batch_has_no_more_rows_than_there_are():
    training = trainer.train(LINE, ["batch_size=1000", "epochs=1"]).training
    assert training.batch_size == len(training.data.train) == len(training.batches(0)[0])
    assert training.program().inputs[1].shape[0] == training.batch_size


def test_a_run_can_be_given_the_folder_itself_and_begins_there_again(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    loaded = load({**LINE, "checkpoint": False})
    whole = execute(loaded, tmp_path / "runs").folder
    (folder / "metrics.csv").write_text("epoch\n1\n")
    for _ in range(2):
        assert execute(loaded, folder, itself=True).folder == folder
        for name in ("parameters.safetensors", "resolved.yaml", "config.yaml"):
            assert (folder / name).read_bytes() == (whole / name).read_bytes()
        assert (folder / "metrics.csv").read_text().count("\n") == (whole / "metrics.csv").read_text().count("\n")
    with locked(folder), pytest.raises(UsageError, match="is being trained by process"):
        execute(loaded, folder, itself=True)


def test_the_size_of_a_run_is_known_before_it_runs():
    size = size_of(load({**LINE, "batch_size": 10, "epochs": 3}))
    assert (size.parameters, size.rows, size.steps) == (2, 80, 24)
    larger = size_of(load({**LINE, "network": [{"dense": 1000}, {"dense": 1}], "optimizer": "adam"}))
    assert larger.parameters == 3001
    assert larger.bytes > 4 * 4 * 3001  # θ, its gradient, and two moments of it
    assert larger.disk >= 2 * 3 * 4 * 3001
