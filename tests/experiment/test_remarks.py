"""Settings that silently do nothing say so before the first step, or are refused where nothing at all could happen."""

from __future__ import annotations

import numpy as np
import pytest

from tests.made_up import EXECUTORS
from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import Observer, build, execute
from trainer.experiment.remarks import remarks
from trainer.training import Step

LINE = """
dataset: {name: linear, rows: 125, test_fraction: 0.2, validation_fraction: 0.2}
network: [dense: 1]
cost: mean_squared_error
step_size: 0.1
batch_size: 20
epochs: 10
"""
CLASSES = """
dataset: {name: spirals, rows: 40, test_fraction: 0.25, stratify: true}
network: [dense: 2]
cost: softmax_cross_entropy
step_size: 0.1
batch_size: 10
epochs: 10
"""


def loaded_from(tmp_path, text, *overrides):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load(path, overrides)


def said(tmp_path, text, *overrides):
    loaded = loaded_from(tmp_path, text, *overrides)
    return remarks(loaded, build(loaded))


SAID = [
    ("batch_size=500", "batch_size: 500 is more than the 80 rows to train: every batch is all of them"),
    ("stop.patience=10", "stop.patience: 10 never ends the run early: the run has 10 epochs"),
    ("stop={patience: 4, steps: 9}", "stop.patience: 4 never ends the run early: the run has 3 epochs"),
    ("step_size={plateau: 0.1}", "plateau's patience: 10 never lowers the step size: the run has 10 epochs"),
    (
        "average=0.999",
        "average: 0.999 forgets over about 1,000 updates, and the run makes 40: 96% of it is θ after the first one",
    ),
    (
        "compute={threads: 2, executor: numpy}",
        "compute.threads: 2 does nothing here: it is the native executor that divides its work",
    ),
    (
        "compute={memory: less, executor: eager}",
        "compute.memory: less does nothing here: the tape keeps what the rules ask for, and nothing else",
    ),
    (
        "stop.seconds=100 step_size.cosine=0.1",
        "cosine descends over all 40 steps of the run, and stop.seconds may end it before; give it steps of its own",
    ),
]
SILENT = [
    "compute.executor=eager", "compute={threads: 1, executor: numpy}", "compute.memory=less",
    "batch_size=80", "batch_size=all", "stop.patience=9", "step_size={plateau: {start: 0.1, patience: 8}}",
    "average=0.9", "stop.seconds=100", "stop.seconds=100 step_size={cosine: {start: 0.1, steps: 10}}",
    "stop.seconds=100 step_size={step: {start: 0.1, every: 3}}",
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "line"), SAID)
def test_a_setting_that_does_nothing_is_a_line(overrides, line, tmp_path):
    arguments = [overrides] if "={" in overrides else overrides.split()
    assert said(tmp_path, LINE, *arguments) == [line]


@pytest.mark.parametrize("overrides", SILENT)
def test_a_setting_that_does_something_is_none(overrides, tmp_path):
    first, *rest = overrides.split(" step_size=")
    assert said(tmp_path, LINE, first, *(f"step_size={text}" for text in rest)) == []


@pytest.mark.parametrize("how", ["oversample", "undersample"])
def test_classes_that_are_equal_already_are_not_resampled(how, tmp_path):
    counts = set(np.bincount(build(loaded_from(tmp_path, CLASSES)).data.train.targets).tolist())
    line = f"resample: {how} changes nothing, since all classes have equally many rows to train"
    assert said(tmp_path, CLASSES, f"dataset.resample={how}") == ([line] if len(counts) == 1 else [])


def test_observers_are_told_before_the_first_step_and_the_outcome_keeps_it(tmp_path):
    told = []

    class Watcher(Observer):
        def warned(self, text):
            told.append(text)

        def step(self, record):
            told.append("a step")

    outcome = execute(loaded_from(tmp_path, LINE, "batch_size=500", "epochs=1"), observers=[Watcher()])
    assert told == [SAID[0][1], "a step"]
    assert outcome.warnings == (SAID[0][1],)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("cut", ["epochs=3", "stop.steps=10"])
def test_gradients_that_are_left_at_the_end_become_an_update(executor, cut, tmp_path):
    settings = ["accumulate=8", f"compute.executor={executor}", "compute.dtype=float64", cut]
    training = build(loaded_from(tmp_path, LINE, *settings))
    thetas = [training.theta for record in training.records() if isinstance(record, Step)]
    assert not np.array_equal(training.theta, thetas[-1])
    assert not training.state.optimizer["accumulate.sum"].any()
    rest = [r for epoch in range(3) for r in training.batches(epoch)][8 : training.step]
    g = np.mean([training.objective.gradient(thetas[-1], [a[r] for a in training.data.train.arrays])[1] for r in rest],
        axis=0)  # fmt: skip
    np.testing.assert_allclose(training.theta, thetas[-1] - 0.1 * g, rtol=1e-12)


@pytest.mark.parametrize("limit", ["epochs=3", "stop.steps=12"])
def test_an_accumulation_that_no_run_completes_is_refused(limit, tmp_path):
    with pytest.raises(ConfigError) as caught:
        build(loaded_from(tmp_path, LINE, "accumulate=64", limit))
    assert "accumulate: 64 makes an update of every 64 batches, and the whole run has 12 batches" in str(caught.value)


def test_one_row_to_train_is_no_batch_to_normalize(tmp_path):
    settings = [
        "dataset.rows=2",
        "dataset.test_fraction=0.5",
        "dataset.validation_fraction=0",
        "network=[batch_norm, dense: 1]",
    ]
    with pytest.raises(ConfigError, match="batch_norm compares the rows of a batch, and there is one row to train"):
        build(loaded_from(tmp_path, LINE, *settings))


def test_more_threads_than_processors_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.experiment.remarks.processors", lambda: 2)
    assert said(tmp_path, LINE, "compute.threads=64") == [
        "compute.threads: 64 is more than the 2 processors that this process was given"
    ]
    assert said(tmp_path, LINE, "compute.threads=2") == said(tmp_path, LINE, "compute.threads=auto") == []
