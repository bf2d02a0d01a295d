"""Schedules: their ends and corners, warm-up, what they say when something is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from tests.hints import advised
from trainer.config import load
from trainer.errors import ConfigError, UsageError
from trainer.experiment import build
from trainer.limits import Limits
from trainer.plugins import shared
from trainer.training import Epoch
from trainer.training.schedules import (
    Constant,
    Cosine,
    Exponential,
    Milestones,
    OneCycle,
    Plateau,
    Polynomial,
    Staircase,
    WarmRestarts,
    schedule_of,
)

HEAD = "dataset: iris\nnetwork: [dense: 3]\ncost: softmax_cross_entropy\n"


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(0.5, warmup=4), Staircase(0.5, every=3, warmup=4), Milestones(0.5, at=(2,), warmup=4),
        Exponential(0.5, factor=0.9, warmup=4), Polynomial(0.5, steps=5, warmup=4), Cosine(0.5, steps=5, warmup=4),
        WarmRestarts(0.5, period=3, warmup=4),
    ],
    ids=lambda schedule: type(schedule).__name__,
)  # fmt: skip
def test_a_warm_up_rises_in_equal_steps_and_then_the_schedule_begins(schedule):
    from dataclasses import replace

    np.testing.assert_allclose([schedule(step) for step in range(5)], [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-15)
    cold = replace(schedule, warmup=0)
    assert [schedule(step) for step in range(4, 12)] == [cold(step) for step in range(8)]


DESCENTS = {  # each as a function of τ, over steps enough for several of its periods
    Staircase(0.5, every=3, factor=0.5): lambda t: 0.5 * 0.5 ** (t // 3),
    Milestones(0.5, at=(2, 3, 7), factor=0.5): lambda t: 0.5 * 0.5 ** sum(m <= t for m in (2, 3, 7)),
    Exponential(0.5, factor=0.25, every=2): lambda t: 0.5 * 0.25 ** (t / 2),
    Polynomial(0.5, steps=8, end=0.1, power=2.0): lambda t: 0.1 + 0.4 * (1 - min(t, 8) / 8) ** 2,
    Cosine(0.5, steps=8, end=0.1): lambda t: 0.3 + 0.2 * math.cos(math.pi * min(t, 8) / 8),
    WarmRestarts(0.5, period=2, multiply=3): lambda t: next(
        0.25 + 0.25 * math.cos(math.pi * (t - start) / period)
        for start, period in ((26, 54), (8, 18), (2, 6), (0, 2))
        if t >= start
    ),
}


@pytest.mark.parametrize("schedule", DESCENTS, ids=lambda schedule: type(schedule).__name__)
def test_a_descent_is_its_formula_at_every_step(schedule):
    found = [schedule(step) for step in range(40)]
    np.testing.assert_allclose(found, [DESCENTS[schedule](step) for step in range(40)], rtol=1e-14)


@pytest.mark.parametrize("make", [Polynomial, Cosine, OneCycle])
def test_a_schedule_without_steps_takes_the_whole_run(make):
    schedule = make(0.5).over(20)
    assert schedule.steps == 20
    assert schedule.over(99) is schedule
    assert schedule(10**6) == pytest.approx(0.0, abs=1e-5)
    with pytest.raises(UsageError) as caught:
        make(0.5)(3)
    name = make.__name__
    said = advised(caught.value, f"{name} has no steps, so no end; give it steps=..., or call over(steps) of it")
    assert str(caught.value) == said
    assert make(0.5, steps=20)(3) == schedule(3)


def test_a_warm_up_longer_than_the_run_is_refused():
    with pytest.raises(UsageError) as caught:
        Cosine(0.5, warmup=20).over(20)
    assert str(caught.value) == (
        "Cosine warms up for 20 steps, and the run has only 20; give a smaller warmup, or more epochs or steps"
    )


def test_a_function_of_the_step_is_a_schedule_that_watches_nothing():
    schedule = schedule_of(lambda step: 0.5**step, 10)
    assert schedule.sizes(1, 3, {}) == [0.5, 0.25, 0.125]
    assert schedule.watch({}, {"train": {"loss": 1.0}}) == {}


def test_a_plugins_schedule_may_watch_and_may_want_to_know_the_run():
    @dataclass
    class Own:
        steps: int = 0

        def __call__(self, step, seen):
            return 1.0 - step / self.steps if not seen else 0.25

        def watch(self, seen, numbers):
            return {"loss": np.array(numbers["train"]["loss"])}

        def over(self, steps):
            return Own(steps)

    schedule = schedule_of(Own(), 10)
    assert schedule.sizes(4, 2, {}) == [0.6, 0.5]
    assert schedule(0, schedule.watch({}, {"train": {"loss": 1.0}})) == 0.25


def test_a_one_cycle_of_one_step_or_with_no_rise_is_finite():
    assert OneCycle(1.0, steps=1)(0) > 0
    assert OneCycle(1.0, steps=10, rise=0.0)(0) <= 1.0
    assert OneCycle(1.0, steps=10, rise=0.1)(0) == 1.0
    assert OneCycle(1.0, steps=10, rise=1.0)(9) == 1.0


def test_restarts_far_out_are_found_quickly():
    assert WarmRestarts(0.5, period=10, multiply=2)(10**12) >= 0
    assert WarmRestarts(0.5, period=10)(10**12) == 0.5


def watched(schedule, values):
    seen, sizes = {}, []
    for value in values:
        seen = schedule.watch(seen, {"train": {"loss": value, "accuracy": value}})
        sizes.append(schedule(0, seen))
    return sizes


def test_a_plateau_can_be_one_of_a_number_that_should_rise():
    schedule = Plateau(0.5, factor=0.5, patience=0, watched="accuracy", better="higher")
    assert watched(schedule, [0.1, 0.2, 0.2, 0.3, 0.1]) == [0.5, 0.5, 0.25, 0.25, 0.125]


def test_a_plateau_stops_at_its_end_and_waits_through_its_cooldown():
    schedule = Plateau(0.5, factor=0.1, patience=0, cooldown=2, end=0.04)
    assert watched(schedule, [1.0] * 6) == [0.5, 0.05, 0.05, 0.05, 0.04, 0.04]


def test_what_a_plateau_saw_is_arrays_and_its_watching_changes_none(tmp_path):
    schedule = Plateau(0.5)
    seen = schedule.watch({}, {"train": {"loss": 1.0}})
    before = {name: value.copy() for name, value in seen.items()}
    schedule.watch(seen, {"train": {"loss": 2.0}})
    assert all(isinstance(value, np.ndarray) and value.dtype == np.float64 for value in seen.values())
    assert seen == before


def test_a_plateau_prefers_the_test_rows():
    schedule = Plateau(0.5)
    assert schedule.watch({}, {"train": {"loss": 1.0}, "test": {"loss": 3.0}})["best"] == 3.0
    assert schedule.watch({}, {"train": {"loss": 1.0}})["best"] == 1.0
    assert Plateau(0.5, part="train").watch({}, {"train": {"loss": 1.0}, "test": {"loss": 3.0}})["best"] == 1.0


def test_the_loop_shows_a_plateau_every_epoch(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(HEAD + "step_size: {plateau: {start: 0.1, factor: 0.5, patience: 0, threshold: 0.9}}\nepochs: 4\n")
    records = [record for record in build(load(path)).records() if isinstance(record, Epoch)]
    assert [record.step_size for record in records] == [0.1, 0.05, 0.025, 0.0125]


def test_an_epoch_tells_the_step_size_of_the_step_that_comes_next(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(HEAD + "step_size: {cosine: {start: 0.1}}\nepochs: 4\n")
    training = build(load(path))
    per_epoch, schedule = training.steps_per_epoch, training.schedule
    records = [record for record in training.records() if isinstance(record, Epoch)]
    assert [record.step_size for record in records] == [schedule(per_epoch * epoch, {}) for epoch in (1, 2, 3, 4)]
    assert records[-1].step_size == 0.0  # there is none after the last; docs/record.md says of which step it is


MISTAKES = {
    "a warm-up longer than the run": (
        "cosine: {start: 0.1, warmup: 1000}",
        "Cosine warms up for 1000 steps, and the run has only 80; give a smaller warmup, or more epochs or steps",
    ),
    "a number that no epoch has": (
        "plateau: {start: 0.1, watched: acc}",
        "plateau watches 'acc', which is not among the numbers of an epoch: loss, accuracy",
    ),
    "test rows that are not there": (
        "plateau: {start: 0.1, part: test}",
        "plateau watches the test rows, and there are none; write part: train",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_a_schedule_misses_is_found_before_the_first_step(case, tmp_path, monkeypatch):
    written, message = MISTAKES[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(f"{HEAD}step_size: {{{written}}}\n")
    with pytest.raises(ConfigError) as caught:
        build(load("c.yaml", ["dataset.test_fraction=0"] if "rows" in case else []))
    name = written.partition(":")[0]
    assert str(caught.value) == (
        f"c.yaml:4:13: {message}\n  4 | step_size: {{{written}}}\n{' ' * 18}^{'~' * (len(name) - 1)}"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cosine(0.0), "Cosine: start is 0.0; it must be greater than 0"),
        (lambda: Cosine(0.1, steps=0), "Cosine: steps is 0; it must be at least 1"),
        (lambda: Milestones(0.1, at=(5, 0)), "Milestones: at is 0; it must be at least 1"),
        (lambda: OneCycle(0.1, rise=1.5), "OneCycle: rise is 1.5; it must be at least 0 and at most 1"),
        (lambda: Plateau(0.1, factor=1.0), "Plateau: factor is 1.0; it must be greater than 0 and less than 1"),
    ],
)
def test_a_number_out_of_its_limits_is_refused_in_python_too(make, message):
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [
        (Limits(gt=0), [1e-300, np.inf], [0.0, -1.0, np.nan]), (Limits(ge=0, lt=1), [0.0, 0.9], [1.0, -1e-300, np.nan]),
        (Limits(ge=-1, le=1), [-1, 1], [1.5, -1.5, np.nan]), (Limits(lt=0), [-1], [0, np.nan]),
        (Limits(), [0.0, np.inf], [np.nan]),
    ],
)  # fmt: skip
def test_a_limit_is_inside_or_outside_and_what_is_no_number_is_nowhere(limits, inside, outside):
    assert all(map(limits.admit, inside))
    assert not any(map(limits.admit, outside))


def test_limits_inside_lists_and_options_that_may_be_missing_hold_in_a_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for written, message in (
        (
            "milestones: {start: 0.1, at: [5, 0]}",
            "milestones.at expects a list of whole numbers of at least 1, found 0",
        ),
        ("cosine: {start: 0.1, steps: 0}", "cosine.steps expects a whole number of at least 1, found 0"),
        ("cosine: {start: 0.1, T_max: 9}", "unknown option 'T_max' of cosine; it is called 'steps' here"),
    ):
        (tmp_path / "c.yaml").write_text(HEAD + f"step_size: {{{written}}}\n")
        with pytest.raises(ConfigError) as caught:
            load("c.yaml")
        assert message in str(caught.value)


def test_the_schedules_that_ship_are_these():
    shipped = {name for name, c in shared().all("schedules").items() if c.plugin == "trainer"}
    assert shipped == {
        *("constant", "step", "milestones", "exponential", "polynomial", "cosine"),
        *("warm_restarts", "one_cycle", "plateau"),
    }


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("best", [-100.0, -1.0, -1e-3, 1e-3, 1.0, 100.0])
def test_a_margin_is_a_share_of_the_best_numbers_size_whatever_its_sign(better, best):
    towards = -1.0 if better == "lower" else 1.0
    seen = Plateau(0.5, better=better, threshold=0.1).watch({}, {"train": {"loss": best}})
    for share, counts in ((-0.5, False), (0.0, False), (0.05, False), (0.15, True)):
        value = best + towards * share * abs(best)
        after = Plateau(0.5, better=better, threshold=0.1).watch(seen, {"train": {"loss": value}})
        assert (after["best"] == value) == (counts or share == 0.0)
        assert (after["waited"] == 0) == counts


def test_a_plateau_below_zero_is_one():
    assert watched(Plateau(0.5, factor=0.5, patience=2), [-1.0] * 8) == [0.5] * 3 + [0.25] * 3 + [0.125] * 2
    seen = {}
    for value in (-1.0, -0.95, -0.9):
        seen = Plateau(0.5, threshold=0.1).watch(seen, {"train": {"loss": value}})
    assert (float(seen["best"]), int(seen["waited"])) == (-1.0, 2)


def test_a_plateau_forgets_a_first_nan():
    assert watched(Plateau(0.5, factor=0.5, patience=1), [math.nan, 1.0, 0.9, 0.8]) == [0.5] * 4


@pytest.mark.parametrize(("metric", "better"), [("accuracy", "higher"), ("loss", "lower"), ("f1", "higher")])
def test_what_is_better_the_metric_says_to_a_plateau_as_to_stop(metric, better, tmp_path):
    path = tmp_path / "c.yaml"
    plateau = f"step_size: {{plateau: {{start: 0.1, watched: {metric}}}}}\n"
    path.write_text(HEAD + plateau + f"metrics: [accuracy, f1]\nstop: {{patience: 2, watched: {metric}}}\n")
    training = build(load(path))
    assert isinstance(training.schedule, Plateau)
    assert training.schedule.better == training.stopping.better == better
    assert "better='lower'" in repr(build(load(path, ["step_size.plateau.better=lower"])).schedule)


def test_a_schedule_ends_where_the_run_stops(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(HEAD + "step_size: {cosine: 0.1}\nepochs: 1000\nstop: {steps: 50}\n")
    training = build(load(path))
    records = list(training.records())
    assert training.schedule == Cosine(0.1, steps=50)
    assert training.step == 50
    assert records[-1].step_size == 0.0
    whole = build(load(path, ["stop.steps=1000000"])).schedule
    assert whole == Cosine(0.1, steps=1000 * training.steps_per_epoch)
    with pytest.raises(ConfigError, match="warms up for 60 steps, and the run has only 50; give a smaller warmup, or"):
        build(load(path, ["step_size={cosine: {start: 0.1, warmup: 60}}"]))
