"""The data sets that are a formula on random numbers, held to scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.datasets

import trainer_datasets
from trainer.data import Dataset
from trainer.errors import DataError
from trainer_datasets import gaussian_quantiles, hastie_10_2, sparse_uncorrelated

UNIFORM = ["friedman1", "friedman2", "friedman3", "s_curve", "swiss_roll"]
ALL = [*UNIFORM, "gaussian_quantiles", "hastie_10_2", "sparse_uncorrelated"]


def make(name: str, **options: Any) -> Dataset:
    made: Dataset = getattr(trainer_datasets, name)(rng=np.random.Generator(np.random.Philox(3)), **options)
    return made


@pytest.mark.parametrize("name", UNIFORM)
def test_without_noise_the_numbers_are_those_of_scikit_learn(name: str) -> None:
    ours = make(name, rows=50, noise=0.0)
    same_bits = np.random.RandomState(np.random.Philox(3))
    inputs, targets = getattr(sklearn.datasets, f"make_{name}")(50, noise=0.0, random_state=same_bits)
    np.testing.assert_allclose(ours.inputs, inputs, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(ours.targets, targets, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", ALL)
def test_the_data_are_a_function_of_the_generator(name: str) -> None:
    np.testing.assert_array_equal(make(name).inputs, make(name).inputs)
    np.testing.assert_array_equal(make(name).targets, make(name).targets)
    other = getattr(trainer_datasets, name)(rng=np.random.default_rng(8))
    assert not np.array_equal(make(name).inputs, other.inputs)


def test_noise_is_the_standard_deviation_of_what_is_added() -> None:
    for name in ("friedman1", "friedman2", "friedman3"):
        added = make(name, rows=20_000, noise=0.5).targets - make(name, rows=20_000, noise=0.0).targets
        np.testing.assert_allclose(added.std(), 0.5, rtol=0.02)
    for name in ("s_curve", "swiss_roll"):
        added = make(name, rows=20_000, noise=0.5).inputs - make(name, rows=20_000, noise=0.0).inputs
        np.testing.assert_allclose(added.std(axis=0), np.full(3, 0.5), rtol=0.02)


def test_sparse_uncorrelated_has_its_coefficients_and_noise_of_deviation_1() -> None:
    dataset = make("sparse_uncorrelated", rows=50_000)
    coefficients, *_ = np.linalg.lstsq(dataset.inputs, dataset.targets)
    np.testing.assert_allclose(coefficients, [1, 2, -2, -1.5, 0, 0, 0, 0, 0, 0], atol=0.02)
    np.testing.assert_allclose((dataset.targets - dataset.inputs @ coefficients).std(), 1, rtol=0.02)


def test_hastie_is_cut_at_the_median() -> None:
    dataset = make("hastie_10_2")
    np.testing.assert_array_equal(dataset.targets == 1, (dataset.inputs**2).sum(axis=1) > 9.34)
    assert abs(dataset.targets.mean() - 0.5) < 0.02


def test_quantiles_are_shells_of_equal_size() -> None:
    dataset = make("gaussian_quantiles", rows=10, classes=3, features=4, spread=2.0)
    radius = np.linalg.norm(dataset.inputs, axis=1)
    assert np.all(np.diff(radius) >= 0)
    assert np.bincount(dataset.targets).tolist() == [4, 3, 3]


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (trainer_datasets.friedman1, {"features": 4}, "friedman1: the targets depend on 5 features, so 4 are too few"),
        (trainer_datasets.friedman2, {"noise": -1}, "friedman2: noise is a finite number of at least 0, not -1"),
        (
            sparse_uncorrelated,
            {"features": 3},
            "sparse_uncorrelated: the targets depend on 4 features, so 3 are too few",
        ),
        (hastie_10_2, {"rows": 1}, "hastie_10_2: 1 rows are too few; every class needs one, 2 in all"),
        (gaussian_quantiles, {"classes": 1}, "gaussian_quantiles: a classification needs at least two classes, not 1"),
        (trainer_datasets.swiss_roll, {"rows": 0}, "swiss_roll: 0 rows are too few; there is nothing to learn from"),
    ],
)
def test_options_out_of_range_are_refused(
    function: Callable[..., Dataset], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        function(rng=np.random.default_rng(0), **options)
    assert str(caught.value) == message
