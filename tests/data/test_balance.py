"""Rows that weigh more, and rows that are drawn more often."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainer.data import Dataset, Prepared, Split, prepare
from trainer.data.balance import resampled


def dataset(*rows_of_class: int, weights: Any = None) -> Dataset:
    targets = np.repeat(np.arange(len(rows_of_class)), rows_of_class)
    inputs = np.arange(len(targets), dtype=float)[:, None]
    names = ("rare", "often", "never")[: len(rows_of_class)]
    return Dataset("d", inputs, targets, "classification", names, weights=weights)


def prepared(data: Dataset, *, test_fraction: float = 0, dtype: type = np.float64, **options: Any) -> Prepared:
    return prepare(data, targets="classes", split=Split(test_fraction=test_fraction), dtype=dtype, **options)


def test_without_weights_there_are_none() -> None:
    assert prepared(dataset(5, 15)).train.weights is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_balanced_classes_weigh_the_same_in_all(dtype: type) -> None:
    result = prepared(dataset(10, 40), class_weights="balanced", test_fraction=0.2, dtype=dtype)
    assert result.train.weights is not None
    assert result.train.weights.dtype == dtype
    assert result.train.weights.shape == (40,)
    np.testing.assert_allclose(result.train.weights.mean(), 1, rtol=1e-6)
    sums = np.bincount(result.train.targets, result.train.weights)
    np.testing.assert_allclose(sums, [20, 20], rtol=1e-6)


def test_balanced_is_scikit_learns_rule() -> None:
    from sklearn.utils.class_weight import compute_sample_weight

    data = dataset(3, 11, 6)
    weights = prepared(data, class_weights="balanced").train.weights
    assert weights is not None
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", data.targets))


def test_weights_by_name_count_one_where_there_is_no_name_and_have_mean_one() -> None:
    result = prepared(dataset(2, 2), class_weights={"rare": 3.0})
    assert result.train.weights is not None
    assert result.train.weights.tolist() == [1.5, 1.5, 0.5, 0.5]


def test_rows_bring_their_own_weights_and_both_multiply() -> None:
    data = dataset(2, 2, weights=np.array([1.0, 3.0, 1.0, 3.0]))
    own, both = prepared(data).train.weights, prepared(data, class_weights={"rare": 3.0}).train.weights
    assert own is not None
    assert both is not None
    assert own.tolist() == [0.5, 1.5, 0.5, 1.5]
    assert both.tolist() == [0.75, 2.25, 0.25, 0.75]


def test_oversampling_repeats_every_row_about_equally_often() -> None:
    result = prepared(dataset(4, 14), resample="oversample")
    assert np.bincount(result.train.targets).tolist() == [14, 14]
    repeats = np.bincount(result.train.indices)
    assert set(repeats[:4]) == {3, 4}
    assert set(repeats[4:]) == {1}
    np.testing.assert_array_equal(result.train.inputs[:, 0], result.train.indices)


def test_undersampling_leaves_rows_out() -> None:
    result = prepared(dataset(4, 14), resample="undersample")
    assert np.bincount(result.train.targets).tolist() == [4, 4]
    assert len(set(result.train.indices)) == 8


def test_only_training_rows_are_resampled_and_the_seed_decides_which() -> None:
    results = [prepared(dataset(10, 40), resample="undersample", test_fraction=0.2, seed=seed) for seed in (0, 0, 1)]
    plain = prepared(dataset(10, 40), test_fraction=0.2)
    assert results[0].test.indices.tolist() == plain.test.indices.tolist()
    assert set(results[0].train.indices) <= set(plain.train.indices)
    assert results[0].train.indices.tolist() == results[1].train.indices.tolist() != results[2].train.indices.tolist()


def test_what_is_fitted_is_fitted_before_rows_are_repeated() -> None:
    plain, more = (prepared(dataset(4, 14), standardize=True, resample=how) for how in (None, "oversample"))
    assert plain.scaling is not None
    assert more.scaling is not None
    np.testing.assert_array_equal(plain.scaling.mean, more.scaling.mean)


def test_the_rows_that_are_repeated_once_more_are_drawn() -> None:
    classes = np.array([0] * 13 + [1] * 5)  # 5 goes into 13 twice, so three rows of class 1 come three times
    drawn = {tuple(np.flatnonzero(np.bincount(resampled(classes, "oversample", seed)) == 3)) for seed in range(30)}
    assert len(drawn) > 5
    assert all(len(rows) == 3 for rows in drawn)


@pytest.mark.parametrize("how", ["oversample", "undersample"])
def test_resampled_rows_stand_in_the_order_of_the_file(how: str) -> None:
    classes = np.random.default_rng(0).integers(0, 3, 50)
    for seed in range(3):
        rows = resampled(classes, how, seed)
        assert np.all(np.diff(rows) >= 0)
        counts = np.bincount(classes[rows])
        assert counts.tolist() == [(max if how == "oversample" else min)(np.bincount(classes))] * 3
