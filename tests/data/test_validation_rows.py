"""Rows for validation: a part of what the test leaves, divided as the test was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainer.data import Dataset, Split, prepare
from trainer.errors import DataError

RNG = np.random.default_rng(0)
LABELS = np.arange(120) % 3
GROUPS = np.arange(120) // 4
WAYS: list[dict[str, Any]] = [{"by": by} for by in ("stratified", "random", "grouped", "ordered")]
FOLDS: list[dict[str, Any]] = [{**way, "folds": 5, "fold": fold} for way in WAYS for fold in (0, 4)]


def dataset(**more: Any) -> Dataset:
    return Dataset("d", RNG.normal(size=(120, 2)), LABELS, "classification", ("a", "b", "c"), groups=GROUPS, **more)


@pytest.mark.parametrize("options", [*WAYS, *FOLDS], ids=str)
def test_validation_rows_come_from_the_training_rows_and_leave_the_test_what_it_is(options: dict[str, Any]) -> None:
    data = dataset()
    without, divided = Split(**options).divide(data, 3), Split(**options, validation_fraction=0.25).divide(data, 3)
    assert divided.test.tolist() == without.test.tolist()
    assert sorted([*divided.train, *divided.validation]) == without.train.tolist()
    assert abs(len(divided.validation) - 0.25 * len(without.train)) <= 4
    assert len(without.validation) == 0


@pytest.mark.parametrize("options", [WAYS[2], *FOLDS[4:6]], ids=str)
def test_no_group_is_in_two_parts(options: dict[str, Any]) -> None:
    parts = Split(**options, validation_fraction=0.3).divide(dataset(), 1)
    groups = [set(GROUPS[part]) for part in parts]
    assert sum(map(len, groups)) == len(set(GROUPS))


def test_each_class_has_its_share_in_each_part() -> None:
    parts = Split(test_fraction=0.25, by="stratified", validation_fraction=1 / 3).divide(dataset())
    assert [np.bincount(LABELS[part]).tolist() for part in parts] == [[20] * 3, [10] * 3, [10] * 3]


def test_ordered_parts_follow_one_another() -> None:
    parts = Split(by="ordered", test_fraction=0.25, validation_fraction=1 / 3).divide(dataset())
    assert np.concatenate(parts).tolist() == list(range(120))


def test_the_seed_decides_which_rows_validate() -> None:
    draws = [
        Split(by="random", validation_fraction=0.2).divide(dataset(), seed).validation.tolist() for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_what_is_fitted_sees_the_training_rows_alone() -> None:
    data = prepare(
        dataset(), targets="classes", split=Split(validation_fraction=0.5), standardize=True, dtype=np.float64
    )
    assert abs(data.train.inputs.mean()) < 1e-12 < abs(data.validation.inputs.mean())
    assert repr(data).startswith("Prepared 'd': 48 rows to train, 48 to validate, 24 to test")
    assert data.rows == 120
    assert data.rows_of_class == (40, 40, 40)
    assert data.watched == ("train", "validation")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation_fraction": 1.0}, "validation_fraction is at least 0 and less than 1, such as 0.2; it is 1.0"),
        (
            {"by": "stratified", "test_fraction": 0.9, "validation_fraction": 0.9},
            "data set 'd': 11 of 12 rows for validation leave 1 row to train 3 classes, and every class needs one",
        ),
        (
            {"by": "random", "test_fraction": 0.0, "validation_fraction": 0.999},
            "data set 'd' has 120 rows left to train and validate on: validation_fraction 0.999 leaves none",
        ),
    ],
)
def test_a_validation_that_leaves_too_little_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as error:
        Split(**options).divide(dataset())
    assert str(error.value).startswith(message.partition("; ")[0])
    assert error.value.option == ("validation_fraction",)


def test_one_group_left_cannot_be_divided_again() -> None:
    data = Dataset("d", RNG.normal(size=(8, 2)), np.arange(8.0), "regression", groups=np.arange(8) // 4)
    with pytest.raises(
        DataError, match="has 1 group left to train and validate on, and split: grouped needs at least 2"
    ):
        Split(validation_fraction=0.5).divide(data)
