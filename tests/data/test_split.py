"""Which rows train and which test."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.data import Dataset, split
from trainer.errors import DataError


def classification(*rows_of_class: int) -> Dataset:
    targets = np.repeat(np.arange(len(rows_of_class)), rows_of_class)
    names = tuple("abcdefgh"[: len(rows_of_class)])
    return Dataset("d", np.arange(len(targets))[:, None], targets, "classification", names)


def regression(rows: int) -> Dataset:
    return Dataset("d", np.arange(rows)[:, None], np.arange(rows), "regression")


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("dataset", [classification(50, 30, 7), regression(87)], ids=["classes", "numbers"])
def test_every_row_is_in_exactly_one_part_and_the_parts_have_the_right_size(dataset: Dataset, fraction: float) -> None:
    train, test = split(dataset, test_fraction=fraction, seed=3)
    assert sorted([*train, *test]) == list(range(87))
    assert len(test) == round(87 * fraction)
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(test) > 0)


def test_it_is_a_function_of_the_seed() -> None:
    dataset = classification(50, 50)
    first, again, other = (split(dataset, test_fraction=0.2, seed=seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_each_class_gives_its_share() -> None:
    dataset = classification(100, 60, 40)
    _, test = split(dataset, test_fraction=0.1)
    assert np.bincount(dataset.targets[test]).tolist() == [10, 6, 4]


def test_shares_that_do_not_divide_go_to_the_largest_remainders() -> None:
    dataset = classification(5, 4, 4)  # of 3 rows: 1.15, 0.92, 0.92
    _, test = split(dataset, test_fraction=0.25)
    assert np.bincount(dataset.targets[test]).tolist() == [1, 1, 1]


def test_a_class_of_one_row_stays_in_training() -> None:
    dataset = classification(1, 2, 2)
    for fraction in (0.2, 0.4):
        train, _ = split(dataset, test_fraction=fraction)
        assert set(dataset.targets[train]) == {0, 1, 2}


def test_every_row_of_a_class_is_drawn_sooner_or_later() -> None:
    dataset = classification(5, 5)
    drawn = {row for seed in range(40) for row in split(dataset, test_fraction=0.2, seed=seed)[1]}
    assert drawn == set(range(10))


def test_a_small_fraction_still_tests_one_row() -> None:
    assert len(split(regression(10), test_fraction=0.001)[1]) == 1


@pytest.mark.parametrize("fraction", [1, 1.5, -0.1, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(DataError) as caught:
        split(regression(10), test_fraction=fraction)
    assert str(caught.value) == f"test_fraction is at least 0 and less than 1, such as 0.2; it is {fraction}"


def test_one_row_cannot_be_split() -> None:
    with pytest.raises(DataError) as caught:
        split(regression(1), test_fraction=0.2)
    assert str(caught.value) == (
        "data set 'd' has 1 row: test_fraction 0.2 leaves none to train on; add rows, or use test_fraction: 0"
    )
    assert len(split(regression(1), test_fraction=0)[0]) == 1


def test_too_few_rows_for_every_class_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        split(classification(2, 2, 2), test_fraction=0.7)
    assert str(caught.value) == (
        "data set 'd': 4 of 6 rows for the test leave 2 rows to train 3 classes, and every class needs one; use a "
        "smaller test_fraction"
    )


def test_without_stratify_a_class_that_is_not_trained_is_refused() -> None:
    dataset = classification(1, 40)
    seeds = [seed for seed in range(60) if draws_row_0(dataset, seed)]
    assert seeds
    with pytest.raises(DataError) as caught:
        split(dataset, test_fraction=0.2, stratify=False, seed=seeds[0])
    assert str(caught.value) == (
        "data set 'd': with stratify: false no training row is of class 'a', which could not be learnt; use stratify: "
        "true, another seed, or a smaller test_fraction"
    )


def draws_row_0(dataset: Dataset, seed: int) -> bool:
    try:
        split(dataset, test_fraction=0.2, stratify=False, seed=seed)
    except DataError:
        return True
    return False


def test_stratify_wants_classes() -> None:
    with pytest.raises(DataError) as caught:
        split(regression(10), test_fraction=0.2, stratify=True)
    assert str(caught.value) == (
        "stratify keeps the share of every class, and data set 'd' is a regression, without classes: leave stratify out"
    )
