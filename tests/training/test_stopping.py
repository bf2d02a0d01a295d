"""Ends before the last epoch: patience, targets, limits, callbacks; and the best epoch handed back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.made_up import EXECUTORS
from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import build
from trainer.training import Epoch, Step
from trainer.training.stopping import Stopping, part_of

CONFIG = """
dataset: {name: moons, rows: 100, noise: 0.4}
network: [dense: 8, tanh, dense: 2]
cost: softmax_cross_entropy
step_size: 0.5
batch_size: 10
epochs: 60
"""


@pytest.fixture
def trained(tmp_path):
    def trained(*overrides, callbacks=()):
        path = tmp_path / "c.yaml"
        path.write_text(CONFIG, encoding="utf-8")
        training = build(load(path, overrides))
        training.callbacks = callbacks
        return training, list(training.records())

    return trained


@pytest.mark.parametrize("executor", EXECUTORS)
def test_patience_hands_back_the_best_epoch(executor, trained):
    training, records = trained("stop.patience=5", f"compute.executor={executor}")
    epochs = [r for r in records if isinstance(r, Epoch)]
    losses = [r.test["loss"] for r in epochs]
    best = int(np.argmin(losses))
    assert len(losses) == best + 6 < 60
    assert training.best.epoch is epochs[best]
    assert training.ended == (f"the test loss was not better than {losses[best]:.6g} of epoch {best + 1} for 5 epochs")
    theta = training.network.theta(training.parameters)
    training.resume(replace(training.state, theta=theta))
    assert training.evaluate("test")["loss"] == losses[best]


def test_the_best_of_a_whole_run_without_patience(trained):
    training, records = trained("stop.best=true", "epochs=20")
    epochs = [r for r in records if isinstance(r, Epoch)]
    assert len(epochs) == 20
    assert training.ended is None
    assert training.best.epoch.test["loss"] == min(r.test["loss"] for r in epochs)


def test_the_last_epoch_where_the_best_is_not_wanted(trained):
    training, _ = trained("stop.patience=5", "stop.best=false")
    assert training.best is None
    np.testing.assert_array_equal(training.network.theta(training.parameters), training.theta)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_limit_of_steps_is_exact_and_the_epoch_is_reported(executor, trained):
    training, records = trained("stop.steps=19", f"compute.executor={executor}")
    assert training.step == 19
    assert [type(r) for r in records] == [Step] * 8 + [Epoch] + [Step] * 8 + [Epoch] + [Step] * 3 + [Epoch]
    assert training.ended == "19 steps were taken"
    straight, _ = trained("stop.steps=19", "compute.executor=eager")
    assert straight.theta.tobytes() == training.theta.tobytes()


def test_a_limit_of_time(trained):
    training, records = trained("stop.seconds=1e-6")
    assert training.ended == "1e-06 seconds have passed"
    assert sum(isinstance(r, Epoch) for r in records) == 1


def test_a_target_of_a_metric_is_higher_unless_it_is_said(trained):
    training, records = trained("stop.target=0.8", "stop.watched=accuracy", "stop.part=train")
    assert training.stopping.better == "higher"
    assert records[-1].train["accuracy"] >= 0.8
    assert training.ended == f"the train accuracy reached 0.8: {records[-1].train['accuracy']:.6g}"
    assert all(r.train["accuracy"] < 0.8 for r in records[:-1] if isinstance(r, Epoch))


def test_a_callback_is_told_everything_and_may_end_the_training(trained):
    told = []

    def callback(record, training):
        told.append(record)
        return "enough" if isinstance(record, Epoch) and record.epoch == 3 else None

    training, records = trained(callbacks=[callback])
    assert told == records
    assert training.ended == "enough"
    assert records[-1].epoch == 3


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_callback_sees_every_step_and_ends_at_the_one_that_it_names(executor, trained):
    seen = []

    def callback(record, training):
        if isinstance(record, Step):
            seen.append(training.theta.copy())
            return "enough" if record.step == 13 else None
        return None

    training, _ = trained("epochs=5", f"compute.executor={executor}", callbacks=[callback])
    assert training.step == len(seen) == 13
    assert all((a != b).any() for a, b in pairwise(seen))
    np.testing.assert_array_equal(seen[-1], training.theta)


def test_a_callback_returns_a_text_or_nothing(trained):
    from trainer.errors import UsageError

    with pytest.raises(UsageError) as caught:
        trained(callbacks=[lambda record, training: False])
    why = "it returns a text, why training should end, or None"
    assert str(caught.value) == f"callback '<lambda>' returned False; {why}"


def test_a_metric_that_has_its_options_in_its_title_can_be_watched(trained):
    training, _ = trained("metrics=[{f1: macro}, {f1: micro}]", "stop={patience: 2, watched: f1_macro}")
    assert training.stopping.better == "higher"
    assert list(training.metrics) == ["f1_macro", "f1_micro"]


@pytest.mark.parametrize(("better", "sign"), [("lower", 1), ("higher", -1)])
def test_what_is_equal_is_not_better(better, sign):
    stopping, memory = Stopping(patience=2, better=better, threshold=0.25), {}
    for epoch, loss in enumerate((2.0, 2.0, 1.75), start=1):
        memory = stopping.watch(memory, epoch, {"train": {"loss": sign * loss}})
        assert memory["of"] == 1
    assert stopping.watch(memory, 4, {"train": {"loss": sign * 1.5}})["of"] == 4
    assert Stopping(target=2.0 * sign, better=better).reason(memory | {"now": 2.0 * sign})  # reached is reached


def test_the_first_nan_is_better_than_nothing():
    stopping = Stopping(patience=1)
    memory = stopping.watch({}, 1, {"train": {"loss": float("nan")}})
    assert stopping.watch(memory, 2, {"train": {"loss": 1.0}})["of"] == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "stop.watched=recall",
            "stop watches 'recall', which is not among the numbers of an epoch: loss, accuracy",
        ),
        ("stop={patience: 3, part: test}", "stop watches the test rows, and there are none; write part: train"),
        ("stop.patience=0", "stop.patience expects a whole number of at least 1, found 0"),
        ("stop=3", "stop expects a mapping, found 3; for example stop: {patience: 10}"),
    ],
)
def test_what_cannot_be_watched(override, message, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG + "stop: {patience: 3}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        build(load(path, [override, *(["dataset.test_fraction=0.0"] if "part" in override else [])]))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("measured", "watched"),
    [
        (["train"], "train"), (["train", "test"], "test"), (["test", "train"], "test"),
        (["train", "validation", "test"], "validation"), (["test", "validation"], "validation"),
    ],
)  # fmt: skip
def test_what_chooses_is_what_is_there_to_choose_by(measured, watched):
    assert part_of(None, measured) == watched
    assert part_of("train", measured) == "train"
