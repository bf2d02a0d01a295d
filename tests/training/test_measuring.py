"""What is measured after an epoch, and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainer
from trainer.config import load
from trainer.errors import ConfigError, UsageError
from trainer.experiment.builder import build
from trainer.runs.metrics import read_metrics
from trainer.training import Epoch, Step, TrainingState
from trainer.training.evaluation import Measure

BLOBS: dict[str, Any] = {
    "name": "measured", "dataset": {"name": "blobs", "rows": 90}, "network": [{"dense": 4}, "tanh", {"dense": 3}],
    "cost": "softmax_cross_entropy", "step_size": 0.1, "batch_size": 16, "epochs": 7,
}  # fmt: skip


def epochs(*overrides: str, **more: Any) -> list[Epoch]:
    records = build(load({**BLOBS, **more}, list(overrides))).records()
    return [record for record in records if isinstance(record, Epoch)]


def test_all_rows_are_measured_by_default_and_the_steps_do_not_depend_on_it() -> None:
    whole = epochs()
    assert [list(record.numbers) for record in whole] == [["train", "test"]] * 7
    for other in ("running", "off", "5"):
        assert [record.test for record in epochs(f"evaluate.train={other}")] == [record.test for record in whole]


def test_running_is_the_mean_loss_of_the_batches() -> None:
    training = build(load(BLOBS, ["evaluate.train=running"]))
    losses, rows = 0.0, 0
    for record in training.records():
        if isinstance(record, Step):
            losses, rows = losses + record.loss * record.rows, rows + record.rows
        else:
            assert record.train == {"loss": losses / rows}
            losses, rows = 0.0, 0


def test_a_run_that_is_cut_off_divides_by_the_rows_that_it_has_seen() -> None:
    assert epochs("evaluate.train=running", "stop.steps=2")[0].train["loss"] == pytest.approx(
        np.mean([record.loss for record in build(load(BLOBS, ["stop.steps=2"])).records() if isinstance(record, Step)])
    )


def test_a_running_loss_goes_on_from_any_step_to_the_same_bits() -> None:
    def training() -> Any:
        return build(load(BLOBS, ["evaluate.train=running", "epochs=3"]))

    whole = training()
    expected = [record.numbers for record in whole.records() if isinstance(record, Epoch)]
    taken = training()
    states = [taken.state.to_arrays()]
    taken.callbacks = [lambda record, training: states.append(training.state.to_arrays())]  # so that no step runs ahead
    for _ in taken.records():
        pass
    for arrays, counters in states:
        resumed = training()
        resumed.resume(TrainingState.from_arrays(arrays, counters))
        found = [record.numbers for record in resumed.records() if isinstance(record, Epoch)]
        assert found == expected[len(expected) - len(found) :]


def test_some_rows_are_spread_over_all_of_them() -> None:
    training = build(load(BLOBS, ["evaluate.train=10"]))
    sample = training._sample.data.train
    assert len(sample) == 10
    assert sample.indices[0] == training.data.train.indices[0]
    assert sample.indices[-1] == training.data.train.indices[-1]
    assert len(set(sample.indices.tolist())) == 10
    assert epochs("evaluate.train=1000000")[-1].train == epochs()[-1].train


def test_epochs_in_between_have_no_numbers_and_no_row(tmp_path: Path) -> None:
    records = epochs("evaluate.every=3")
    whole = epochs()
    assert [bool(record.numbers) for record in records] == [False, False, True, False, False, True, True]
    assert [record.numbers for record in records if record.numbers] == [whole[i].numbers for i in (2, 5, 6)]
    outcome = trainer.train(BLOBS, ["evaluate.every=3"], out=tmp_path)
    assert outcome.folder is not None
    assert read_metrics(outcome.folder / "metrics.csv")["epoch"].tolist() == [3, 6, 7]
    assert outcome.last is not None
    assert outcome.last.epoch == 7


def test_what_watches_waits_for_the_numbers() -> None:
    stopped = epochs("evaluate.every=2", "epochs=40", "stop={patience: 3, threshold: 10.0}")
    assert len(stopped) == 6  # the first number is that of epoch 2; three epochs later is 5, and 6 is the next look
    lowered = epochs(
        "evaluate.every=2", "epochs=9", "step_size={plateau: {start: 0.1, patience: 0, threshold: 0.99, factor: 0.5}}"
    )
    assert [record.step_size for record in lowered] == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.00625]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["evaluate.train=off", "dataset.test_fraction=0"],
         "there are only training rows, and evaluate: {train: off} leaves them out; write train: running"),
        (["evaluate.train=off", "stop={patience: 2, part: train}"],
         "stop watches the train rows, which are not measured; write evaluate: {train: full}"),
        (["evaluate.train=running", "stop={patience: 2, part: train, watched: accuracy}"],
         "stop watches 'accuracy', which is not among the numbers of an epoch: loss"),
        (["evaluate.train=half"],
         "evaluate.train expects 'full', 'running' or 'off' or a whole number of at least 1, found the text 'half'"),
        (["evaluate.every=0"], "evaluate.every expects a whole number of at least 1, found 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_the_first_step(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(load(BLOBS, overrides))
    assert message in str(caught.value)
    repaired = [each for each in overrides if not each.startswith("evaluate")]
    build(load(BLOBS, [*repaired, "evaluate.train=full"]))  # what the messages say to write


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="Measure: every is 0; it must be at least 1"):
        Measure(every=0)
    with pytest.raises(UsageError, match="Measure: train is 0; it must be at least 1"):
        Measure(0)
