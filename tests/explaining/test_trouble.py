"""Why a training did not learn."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

import trainer
from tests.hints import advised
from tools.troubles import explained, plan, planted
from trainer.config import load
from trainer.errors import DivergedError
from trainer.experiment import Observer, build
from trainer.explaining.batch import look
from trainer.explaining.trouble import WELL, Explainer

WINE = {"name": "wine", "standardize": True}
QUICK = {
    "values that are not finite",
    "the loss does not fall",
    "exploding gradients",
    "dead units",
    "a step size too large",
    "a step size too small",
    "data that are not scaled",
    "a class is never predicted",
    "the labels look shuffled",
    "a plugin's rule is wrong",
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("cause", sorted(QUICK))
def test_a_planted_fault_is_named_and_mended(tmp_path, cause):
    config = next(config for each, config in planted(tmp_path) if each == cause)
    found, _ = explained(config, [])
    assert found[0].cause == cause
    if found[0].overrides:
        tried = shlex.split(advised(found[0], f". Try {' '.join(found[0].overrides)}").removeprefix(". Try "))
        again, left = explained(config, tried)
        assert cause not in {each.cause for each in again}
        assert left < WELL or "class_weights" in str(found[0])


@pytest.mark.parametrize("config", [plan(WINE, {"dense": 8}, "tanh", {"dense": 3}), plan(WINE, {"dense": 3}, epochs=2)])
def test_a_sound_one_raises_no_alarm(config):
    assert explained(config, [])[0] == []


@pytest.mark.parametrize(("size", "cost"), [(4e4, "mean_squared_error"), (2e5, "huber"), (1e-5, "mean_absolute_error")])
def test_targets_far_from_what_a_network_gives_are_named_and_mended(tmp_path, size, cost):
    x = np.random.default_rng(0).uniform(size=(120, 3))
    np.savez(tmp_path / "far.npz", inputs=x, targets=size * (2 + x @ [1.0, -1.0, 0.5]))
    config = plan({"path": "far.npz"}, {"dense": 8}, "tanh", {"dense": 1}, cost=cost, step_size=0.01, epochs=60)
    first = explained(config, [])[0][0]
    assert first.cause == "data that are not scaled"
    assert re.fullmatch(r"the targets' size \(rms\) is \S+", first.evidence)
    assert first.overrides == ["dataset.standardize_targets=true"]
    assert explained(config, list(first.overrides))[0] == []


def test_a_cost_that_is_no_difference_has_no_targets_to_scale(tmp_path):
    x = np.random.default_rng(0).normal(size=(120, 3))
    np.savez(tmp_path / "far.npz", inputs=x, targets=np.round(4e4 * np.exp(x[:, 0])))
    config = plan({"path": "far.npz"}, {"dense": 1}, cost="poisson", step_size=1e-9, epochs=60)
    found, _ = explained(config, [])
    assert "data that are not scaled" not in {each.cause for each in found}


def test_a_look_moves_nothing():
    config = plan({"name": "wine"}, {"dense": 8}, {"dropout": 0.5}, "relu", {"dense": 3})
    outcome = trainer.train(config)
    assert outcome.warnings
    alone = build(load(config))
    for _ in alone.records():
        pass
    assert outcome.training.theta.tobytes() == alone.theta.tobytes()


def test_the_record_has_what_was_found_and_loses_it_when_it_is_mended(tmp_path):
    config = plan(WINE, {"dense": 8}, "relu", {"dense": 3}, step_size=1e-5)
    said = []

    class Ear(Observer):
        def warned(self, text):
            said.append(text)

    outcome = trainer.train(config, out="runs", observers=[Ear()])
    (finding,) = trainer.Run(outcome.folder).findings
    assert finding["cause"] == "a step size too small"
    assert finding["overrides"] == ["step_size=1"]
    assert said == list(outcome.warnings)
    assert said[0] in trainer.Run(outcome.folder).log
    again = trainer.train(config, ["step_size=0.1"], out="runs")
    assert not (again.folder / "findings.json").exists()
    assert trainer.Run(again.folder).findings == []


def test_what_diverges_carries_its_cause():
    with pytest.raises(DivergedError, match=r"What may be wrong: a step size too large \(command line\): one step of "):
        trainer.train(plan(WINE, {"dense": 8}, {"dense": 8}, {"dense": 3}, epochs=50), ["step_size=1e6"])


def test_a_look_that_fails_is_said_and_fails_no_run(monkeypatch):
    monkeypatch.setattr(Explainer, "findings", lambda self: [][0])
    outcome = trainer.train(plan(WINE, {"dense": 3}))
    (warning,) = outcome.warnings
    assert warning.startswith("nothing looked for what may be wrong: IndexError")


def test_weights_and_penalties_are_no_reason_to_complain(tmp_path):
    data = {**WINE, "class_weights": "balanced"}
    assert explained(plan(data, {"dense": 3}, penalty={"l2": 0.1}, evaluate={"train": "running"}), [])[0] == []


def test_a_batch_is_looked_at_layer_by_layer():
    training = build(load(plan(WINE, {"dense": 8}, "relu", {"dense": 3})))
    rows = look(training)
    assert [row.name for row in rows] == ["dense", "relu", "dense", "cost"]
    assert [row.shape for row in rows] == [(32, 8), (32, 8), (32, 3), (32,)]
    assert rows[1].values.zeros > 0.2
    batch = [array[training.batches(0)[0]] for array in training.data.train.arrays]
    _, g, _ = training.objective.gradient(training.theta, batch)
    last = g[[part.slice for part in training.network.parts][2].start :]
    assert rows[2].gradient == pytest.approx(float(np.sqrt(np.mean(last**2))), rel=1e-5)
    assert np.mean(rows[3].values.rms) == pytest.approx(
        float(np.sqrt(np.mean(training.cost(training.network.predict(training.theta, batch[0]), batch[1]) ** 2))),
        rel=1e-5,
    )
