"""What a key takes, as it is written on the command line, in a config and in Python."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.config.sweep import SweepConfig
from trainer.errors import UsageError
from trainer.sweeps.samplers import chosen_sampler, combinations
from trainer.sweeps.space import Range, Values, axis_of, axis_of_text, written


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("0.01,0.1", ("0.01", "0.1")),
        ("0..3", ("0", "1", "2", "3")),
        ("32..128:32", ("32", "64", "96", "128")),
        ("0..0.3:0.1", ("0.0", "0.1", "0.2", "0.3")),
        ("1,4..6", ("1", "4", "5", "6")),
        ("relu,tanh", ("relu", "tanh")),
        ("[1, 2],[3]", ("[1, 2]", "[3]")),
        ("1e-4..1e-1:log", ()),
        ("0.1..0.2", ()),
    ],
)
def test_an_argument_with_several_values(text, listed):
    axis = axis_of_text("key", text)
    assert axis is not None
    assert axis.listed == listed


@pytest.mark.parametrize("text", ["0.1", "relu", "[accuracy, f1]", "{huber: {delta: 1, x: 2}}", ",", "'a,b'", "../x"])
def test_an_argument_with_one_value_is_one_of_every_trial(text):
    assert axis_of_text("key", text) is None


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ([0.01, 0.1], ("0.01", "0.1")),
        (range(3), ("0", "1", "2")),
        (np.array([1, 2]), ("1", "2")),
        ("0..2", ("0", "1", "2")),
        (3, ("3",)),
        ([[{"dense": 3}], [{"dense": 4}, "relu"]], ("[{dense: 3}]", "[{dense: 4}, relu]")),
        ({"low": 1, "high": 5, "step": 2}, ("1", "3", "5")),
        ([True, False], ("true", "false")),
    ],
)
def test_values_in_a_config_and_in_python(given, listed):
    assert axis_of("key", given).listed == listed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("3..1", "key=3..1: a range goes from a number to a larger one"),
        ("0..1:log", "key=0..1:log begins above 0, such as 1e-4..1e-1:log"),
        ("a..b", "key=a..b: 'a' is no number; a range is low..high, low..high:step or low..high:log, in numbers"),
        ("0..1:-1", "key=0..1: a step is above 0, found -1"),
        ({"min": 0, "max": 1}, "key: a range is {low: 0.001, high: 0.1}, with log: true or a step; found min, max"),
        ({"low": 1, "high": 2, "step": 1, "log": True}, "key=1..2: a range has a step, or is drawn"),
        ([], "key has no value; write one or more, such as [1, 2]"),
        ([object], "a value is what YAML can write, and a type is not: <class 'object'>"),
    ],
)  # fmt: skip
def test_what_is_no_value_says_what_would_be(given, message):
    with pytest.raises(UsageError) as caught:
        axis_of("key", given)
    assert str(caught.value).startswith(message)


def test_a_number_is_drawn_between_the_ends_and_each_decade_alike():
    shares = np.linspace(0, 1, 2001)[:-1]
    drawn = np.array([float(Range("key", 1e-4, 1e-1, log=True).at(share)) for share in shares])
    assert drawn.min() >= 1e-4
    assert drawn.max() <= 1e-1
    assert np.histogram(np.log10(drawn), 3)[0].tolist() == pytest.approx([667] * 3, abs=2)
    whole = [Range("key", 2, 50, log=True).at(share) for share in shares]
    assert {int(each) for each in whole} <= {*range(2, 51)}
    assert Values("key", ("a", "b")).at(0.999) == "b"


def test_a_grid_has_every_pair_and_draws_of_more_trials_begin_with_the_same():
    axes = [axis_of("a", [1, 2]), axis_of("b", ["x", "y", "z"])]
    grid = combinations(axes, "grid", None, 0)
    assert len(grid) == 6
    assert grid[0] == {"a": "1", "b": "x"}
    ranges = [axis_of("a", "0.0..1.0"), axis_of("b", "1e-3..1:log")]
    few, many = (combinations(ranges, "random", trials, 3) for trials in (5, 9))
    assert many[:5] == few
    assert combinations(ranges, "random", 5, 4) != few


def test_a_latin_hypercube_has_a_trial_in_every_stratum():
    axes = [axis_of("a", "0.0..1.0"), axis_of("b", "0.0..1.0")]
    found = combinations(axes, "latin_hypercube", 20, 0)
    for key in "ab":
        assert sorted(int(float(trial[key]) * 20 - 1e-9) for trial in found) == pytest.approx(range(20), abs=1)


@pytest.mark.parametrize(
    ("asked", "given", "message"),
    [
        ({"sampler": "grid"}, "0.1..0.2", "a grid takes all values with all, and key is a range without steps: list"),
        ({"sampler": "grid", "trials": 3}, "1,2", "a grid has a trial for all values with all: leave trials out"),
        ({"sampler": "random"}, "1,2", "sampler=random needs to know how many trials it makes: trials=20"),
        ({}, "0.1..0.2", "key is a range without steps: say how many trials to draw, trials=20"),
    ],
)  # fmt: skip
def test_a_sampler_that_does_not_go_with_the_values(asked, given, message):
    with pytest.raises(UsageError) as caught:
        chosen_sampler(SweepConfig.model_validate(asked), [axis_of("key", given)])
    assert str(caught.value).startswith(message)


def test_a_grid_that_is_too_large_is_refused():
    axes = [axis_of(key, "0..999") for key in "ab"]
    with pytest.raises(UsageError, match="the grid has 1,000,000 trials, above 100,000; draw some"):
        combinations(axes, "grid", None, 0)


def test_what_is_written_is_read_as_the_same():
    from trainer.config.document import scalar

    for value in (0.1, 1e-7, 3, True, 1e20):
        assert scalar(written(value)) == value
