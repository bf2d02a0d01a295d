"""`start_from`: a run's parameters as the beginning of another."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import build
from trainer.runs.parameters import save_parameters

CONFIG = """
dataset: wine
network: [dense: 6, batch_norm, tanh, dense: 3]
cost: softmax_cross_entropy
step_size: 0.1
epochs: 2
start_from: saved.safetensors
"""


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A trained network's parameters, saved beside c.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.yaml").write_text(CONFIG.replace("start_from: saved.safetensors\n", ""))
    (tmp_path / "c.yaml").write_text(CONFIG)
    training = build(load("first.yaml"))
    for _ in training.records():
        pass
    save_parameters("saved.safetensors", training.parameters)
    return training.parameters


def test_every_parameter_and_moving_average_is_taken(saved):
    training = build(load("c.yaml"))
    for name, value in training.parameters.items():
        np.testing.assert_array_equal(value, saved[name])


def test_what_has_no_match_is_drawn_and_what_is_frozen_stays(saved):
    overrides = ["network=[dense: 6, batch_norm, tanh, dense: 5, tanh, dense: 3]", "freeze=[0.*]"]
    with pytest.raises(ConfigError) as caught:
        build(load("c.yaml", overrides))
    assert str(caught.value) == (
        "c.yaml:7:13: '3.bias' has shape (3,) there, and (5,) in this network; say which to take, "
        "start_from: {path: saved.safetensors, parameters: ['0.*']}\n"
        "  7 | start_from: saved.safetensors\n                  ^~~~~~~~~~~~~~~~~"
    )
    overrides.append("start_from.parameters=[0.*, 1.*]")
    training = build(load("c.yaml", overrides))
    drawn = build(load("first.yaml", overrides[:1])).parameters
    np.testing.assert_array_equal(training.parameters["3.weights"], drawn["3.weights"])
    for _ in training.records():
        pass
    np.testing.assert_array_equal(training.parameters["0.weights"], saved["0.weights"])
    assert (training.parameters["1.mean"] != saved["1.mean"]).any()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("start_from=nowhere", "there is no"),
        (
            "network=[{residual: {layers: [dense: 13]}}, dense: {units: 3, bias: false}]",
            "no parameter there has the name",
        ),
        ("start_from=3", "start_from expects a mapping, found 3; for example start_from: runs/20260131-174502-mlp"),
        ("start_from={parameters: [0.*]}", "start_from needs 'path'; for example start_from: runs/20260131-174502-mlp"),
    ],
)
def test_what_cannot_be_begun_with(saved, override, message):
    with pytest.raises(ConfigError) as caught:
        build(load("c.yaml", [override]))
    assert message in str(caught.value)


def test_a_file_of_another_program_is_taken_without_a_digest_and_a_run_folder_is_not(saved, tmp_path):
    (tmp_path / "saved.safetensors.sha256").unlink()
    training = build(load("c.yaml"))
    np.testing.assert_array_equal(training.parameters["0.weights"], saved["0.weights"])
    (tmp_path / "run").mkdir()
    (tmp_path / "saved.safetensors").rename(tmp_path / "run" / "parameters.safetensors")
    with pytest.raises(ConfigError) as caught:
        build(load("c.yaml", ["start_from=run"]))
    assert "run/parameters.safetensors cannot be loaded: there is no parameters.safetensors.sha256" in str(caught.value)
