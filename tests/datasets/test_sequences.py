"""Tasks on sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.hints import advised
from trainer.data import Dataset
from trainer.errors import DataError
from trainer.rng import generator
from trainer_datasets import adding, copying, parity, waves


def make(function: Callable[..., Dataset], seed: int = 0, **options: Any) -> Dataset:
    return function(rng=generator(seed, "dataset"), **options)


@pytest.mark.parametrize("function", [adding, copying, parity, waves])
def test_the_data_are_a_function_of_the_generator(function: Callable[..., Dataset]) -> None:
    first, again, other = make(function, rows=20), make(function, rows=20), make(function, seed=1, rows=20)
    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.targets, again.targets)
    assert not np.array_equal(first.inputs, other.inputs)


@pytest.mark.parametrize("shortest", [None, 3])
def test_adding_marks_one_number_in_each_half_and_asks_for_their_sum(shortest: int | None) -> None:
    dataset = make(adding, rows=500, length=9, shortest=shortest)
    for sequence, target in zip(dataset.inputs, dataset.targets, strict=True):
        length = np.flatnonzero(sequence.any(axis=1))[-1] + 1
        assert length == 9 if shortest is None else 3 <= length <= 9
        numbers, marks = sequence[:length].T
        assert set(marks) <= {-1.0, 1.0}
        first, second = np.flatnonzero(marks == 1)
        assert first < length // 2 <= second
        assert target == numbers[first] + numbers[second]
    np.testing.assert_allclose(make(adding, rows=20_000).targets.var(), 1 / 6, rtol=0.03)


def test_every_length_from_the_shortest_to_the_longest_occurs() -> None:
    there = make(parity, length=6, shortest=2).inputs[..., 0] != 0
    assert sorted(set(there.sum(axis=1))) == [2, 3, 4, 5, 6]
    assert np.all(np.diff(there.astype(int), axis=1) <= 0)  # padding comes after the end


def test_parity_is_that_of_the_number_of_plus_ones() -> None:
    dataset = make(parity, length=7, shortest=2)
    np.testing.assert_array_equal(dataset.targets, (dataset.inputs[..., 0] == 1).sum(axis=1) % 2)
    so_far = make(parity, length=7, every=True)
    np.testing.assert_array_equal(so_far.targets, (so_far.inputs[..., 0] == 1).cumsum(axis=1) % 2)


def test_copying_says_the_symbols_again_after_the_sign() -> None:
    dataset = make(copying, rows=50, symbols=3, memorize=2, delay=4)
    assert dataset.inputs.shape == dataset.targets.shape == (50, 8)
    np.testing.assert_array_equal(dataset.inputs[:, :2], dataset.targets[:, -2:])
    assert dataset.inputs[0, 2:].tolist() == [0, 0, 0, 4, 0, 0]
    assert not dataset.targets[:, :-2].any()
    assert dataset.class_names == ("blank", "1", "2", "3")


def test_waves_go_on_in_the_targets() -> None:
    dataset = make(waves, rows=30, length=40, horizon=7, noise=0)
    assert dataset.targets.shape == (30, 7)
    series = np.concatenate([dataset.inputs[..., 0], dataset.targets], axis=1)
    # A sum of two sines obeys a linear recurrence: x[t+4] − a (x[t+3] + x[t+1]) + b x[t+2] + x[t] = 0.
    for x in series:
        design = np.stack([x[3:-1] + x[1:-3], x[2:-2]], axis=1)
        residual = np.linalg.lstsq(design, x[4:] + x[:-4])[1]
        assert residual.sum() < 1e-15
    assert make(waves).targets.shape == (2000, 1)


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (adding, {"length": 1}, "adding: a sequence has from 2 steps to length, 1; shortest is 1"),
        (adding, {"shortest": 60}, "adding: a sequence has from 2 steps to length, 50; shortest is 60"),
        (adding, {"rows": 0}, "adding: 0 rows are too few; there is nothing to learn from"),
        (parity, {"shortest": 0}, "parity: a sequence has from 1 steps to length, 16; shortest is 0"),
        (
            parity,
            {"shortest": 4, "every": True},
            "parity: every step has a target, so all sequences have one length; leave shortest: 4 out",
        ),
        (copying, {"symbols": 0}, "copying: symbols is a whole number of at least 1, not 0"),
        (waves, {"horizon": 0}, "waves: horizon is a whole number of at least 1, not 0"),
        (waves, {"noise": -0.1}, "waves: noise is a finite number of at least 0, not -0.1"),
    ],
)
def test_options_out_of_range_are_refused(
    function: Callable[..., Dataset], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        make(function, **options)
    assert str(caught.value) == message


def test_parities_of_every_step_have_one_length_as_is_said() -> None:
    options = {"shortest": 4, "every": True}
    with pytest.raises(DataError) as caught:
        make(parity, **options)
    said = advised(caught.value, "so all sequences have one length; leave shortest: 4 out")
    del options[said.split()[-3].strip(":")]
    assert make(parity, **options).targets.shape == (2000, 16)
