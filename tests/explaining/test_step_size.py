"""A step size, found by trying."""

from __future__ import annotations

import pytest

from trainer.config import load
from trainer.errors import UsageError
from trainer.experiment import build
from trainer.explaining.step_size import search, size_of, with_step_size

LINE = {
    "dataset": {"name": "linear", "rows": 100, "noise": 0.1},
    "network": [{"dense": 1}],
    "cost": "mean_squared_error",
    "step_size": 1e-4,
    "batch_size": "all",
    "epochs": 8,
}


def training(**changes):
    return build(load({**LINE, **changes}))


def test_the_best_is_within_a_factor_of_two_of_a_fine_grid():
    found = search(training())
    losses = {}
    for exponent in range(-30, 6):
        each = with_step_size(training(), 10 ** (exponent / 10))
        for _ in each.records():
            pass
        losses[10 ** (exponent / 10)] = each.evaluate("train")["loss"]
    best = min(losses, key=losses.__getitem__)
    assert 0.5 <= found.best / best <= 2


def test_the_reason_names_the_loss_its_rivals_and_where_it_is_too_large():
    found = search(training(), [0.01, 0.1, 10.0])
    last = next(tried for tried in found.tried if tried.step_size == 0.1).losses[8]
    assert found.best == 0.1
    assert found.reason.startswith(f"the train loss after 8 epochs is {last:#.4g}, the lowest of 3 step sizes")
    assert "0.01 gives " in found.reason
    assert f"with 10 it is above the {found.before:#.4g} before the first step" in found.reason


def test_the_training_is_not_moved_and_the_answer_is_the_same_again():
    one = training(network=[{"dense": 4}, "tanh", {"dense": 1}])
    before = one.theta.tobytes()
    assert [t.losses for t in search(one).tried] == [t.losses for t in search(one).tried]
    assert (one.step, one.theta.tobytes()) == (0, before)


def test_a_candidate_is_the_very_run_with_that_step_size():
    found = search(training(), [0.01, 0.1, 0.2])
    whole = training(step_size=0.1)
    losses = {record.epoch: record.train["loss"] for record in whole.records() if hasattr(record, "train")}
    tried = next(tried for tried in found.tried if tried.step_size == 0.1)
    assert tried.losses == {epochs: losses[epochs] for epochs in tried.losses}


def test_rows_of_validation_judge_where_there_are_any():
    assert search(training(dataset={**LINE["dataset"], "validation_fraction": 0.2})).part == "validation"


@pytest.mark.parametrize(
    ("given", "option"),
    [({"cosine": 0.1}, "start"), ({"one_cycle": 0.2}, "peak"), ({"plateau": 0.1}, "start"), (1, None)],
)
def test_a_schedule_is_moved_as_a_whole(given, option):
    moved = with_step_size(training(step_size=given), 0.05)
    assert size_of(moved) == (option, 0.05)


def test_what_never_learns_is_told():
    with pytest.raises(UsageError, match=r"no step size from 10 to 20 makes the train loss smaller than the .* before"):
        search(training(), [10.0, 20.0])
