"""A step size, found by trying."""

from __future__ import annotations

import math

import pytest

from trainer.config import load
from trainer.errors import UsageError
from trainer.experiment import build
from trainer.explaining import step_size
from trainer.explaining.step_size import search, size_of, with_step_size
from trainer.rng import generator

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


def test_every_seed_that_judges_is_the_very_run_with_it():
    network = [{"dense": 4}, "tanh", {"dense": 1}]
    others = [training(network=network, seed=seed) for seed in (1, 2)]
    found = search(training(network=network), [0.05, 0.1], others=others)
    judged = [tried for tried in found.tried if tried.seeds]
    assert found.best in [tried.step_size for tried in judged]
    assert "the median of 3 seeds, " in found.reason
    for tried in judged:
        ends = []
        for seed in range(3):
            whole = training(network=network, seed=seed, step_size=tried.step_size)
            ends.append([record.train["loss"] for record in whole.records() if hasattr(record, "train")][-1])
        assert tried.seeds == tuple(ends)


def _known_curve(best, noise):
    """In place of training: a loss that is least at `best` and breaks down above, each seed with luck of its own."""

    def losses(training, part, rungs):
        off = math.log10(training.step_size / best)
        if off > 0.7:
            return
        luck = generator(training.seed, f"{training.step_size:g}").normal(scale=noise)
        yield from ((epochs, 0.1 + off**2 + luck) for epochs in rungs)

    return losses


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("exponent", [-4.3, -2.9, -2.15, -0.85, 0.1, 1.2])
def test_noise_of_the_seeds_leads_to_no_other_decade(monkeypatch, exponent, noise):
    monkeypatch.setattr(step_size, "_losses", _known_curve(10**exponent, noise))
    monkeypatch.setattr(step_size, "_loss", lambda training, part: 20.0)
    found = search(training(), others=[training(seed=1), training(seed=2)]).best
    assert 0.5 <= found / 10**exponent <= 2


def test_neighbours_that_share_the_seeds_among_them_give_the_middle(monkeypatch):
    table = {0.1: [4.0, 4.0, 4.0], 0.2: [1.0, 3.0, 3.0], 0.5: [2.0, 2.0, 2.0], 1.0: [5.0, 5.0, 5.0]}
    middle = [1.5, 2.5, 2.5]

    def losses(training, part, rungs):
        yield from ((epochs, table.get(training.step_size, middle)[training.seed]) for epochs in rungs)

    monkeypatch.setattr(step_size, "_losses", losses)
    monkeypatch.setattr(step_size, "_loss", lambda training, part: 6.0)
    others = [training(seed=1), training(seed=2)]
    assert search(training(), list(table), others=others).best == 0.32
    middle[:] = [3.0, 3.0, 3.0]  # worse than 0.5 with every seed
    found = search(training(), list(table), others=others)
    assert found.best == 0.5
    assert "loss after 8 epochs is 2.000, the median of 3 seeds, the lowest of 5 step sizes" in found.reason


def test_what_breaks_down_with_most_seeds_is_not_found(monkeypatch):
    def losses(training, part, rungs):
        if training.step_size < 0.2 or not training.seed:
            yield from ((epochs, 1 / training.step_size) for epochs in rungs)

    monkeypatch.setattr(step_size, "_losses", losses)
    monkeypatch.setattr(step_size, "_loss", lambda training, part: 1e6)
    others = [training(seed=1), training(seed=2)]
    assert search(training(), [0.01, 0.02, 0.05, 0.1, 0.2, 0.5], others=others).best == 0.1
    with pytest.raises(UsageError, match=r"no step size from 0.2 to 1 makes the train loss smaller"):
        search(training(), [0.2, 0.5, 1.0], others=others)


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
