# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""Which rows train and which test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.hints import advised
from trainer.data import Dataset, Split
from trainer.data.split import SplitName
from trainer.errors import DataError
from trainer.types import Array


def divided(dataset: Dataset, seed: int = 0, **options: Any) -> tuple[Array, Array]:
    train, _, test = Split(**options).divide(dataset, seed)
    return train, test


def classification(*rows_of_class: int) -> Dataset:
    targets = np.repeat(np.arange(len(rows_of_class)), rows_of_class)
    names = tuple("abcdefgh"[: len(rows_of_class)])
    return Dataset("d", np.arange(len(targets))[:, None], targets, "classification", names)


def regression(rows: int, groups: Sequence[int] | None = None) -> Dataset:
    inputs, targets = np.arange(rows)[:, None], np.arange(rows)
    return Dataset("d", inputs, targets, "regression", groups=None if groups is None else np.array(groups))


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("dataset", [classification(50, 30, 7), regression(87)], ids=["classes", "numbers"])
def test_every_row_is_in_exactly_one_part_and_the_parts_have_the_right_size(dataset: Dataset, fraction: float) -> None:
    train, test = divided(dataset, test_fraction=fraction, seed=3)
    assert sorted([*train, *test]) == list(range(87))
    assert len(test) == round(87 * fraction)
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(test) > 0)


def test_it_is_a_function_of_the_seed() -> None:
    dataset = classification(50, 50)
    first, again, other = (divided(dataset, test_fraction=0.2, seed=seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_each_class_gives_its_share() -> None:
    dataset = classification(100, 60, 40)
    _, test = divided(dataset, test_fraction=0.1)
    assert np.bincount(dataset.targets[test]).tolist() == [10, 6, 4]


def test_shares_that_do_not_divide_go_to_the_largest_remainders() -> None:
    dataset = classification(5, 4, 4)  # of 3 rows: 1.15, 0.92, 0.92
    _, test = divided(dataset, test_fraction=0.25)
    assert np.bincount(dataset.targets[test]).tolist() == [1, 1, 1]


def test_a_class_of_one_row_stays_in_training() -> None:
    dataset = classification(1, 2, 2)
    for fraction in (0.2, 0.4):
        train, _ = divided(dataset, test_fraction=fraction)
        assert set(dataset.targets[train]) == {0, 1, 2}


@pytest.mark.parametrize("sizes", [(1, 1, 6), (1, 1, 1, 9), (2, 1, 5), (1, 12)])
def test_every_class_is_trained_whatever_the_test_takes(sizes: tuple[int, ...]) -> None:
    dataset = classification(*sizes)
    for n_test in range(1, sum(sizes) - len(sizes) + 1):
        train, test = divided(dataset, test_fraction=n_test / sum(sizes))
        assert len(test) == n_test
        assert set(dataset.targets[train]) == set(range(len(sizes)))


def test_every_row_of_a_class_is_drawn_sooner_or_later() -> None:
    dataset = classification(5, 5)
    drawn = {row for seed in range(40) for row in divided(dataset, test_fraction=0.2, seed=seed)[1]}
    assert drawn == set(range(10))


def test_a_small_fraction_still_tests_one_row() -> None:
    assert len(divided(regression(10), test_fraction=0.001)[1]) == 1


@pytest.mark.parametrize("fraction", [1, 1.5, -0.1, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(DataError) as caught:
        divided(regression(10), test_fraction=fraction)
    assert str(caught.value) == f"test_fraction is at least 0 and less than 1, such as 0.2; it is {fraction}"


def test_one_row_cannot_be_split() -> None:
    with pytest.raises(DataError) as caught:
        divided(regression(1), test_fraction=0.2)
    assert str(caught.value) == (
        "data set 'd' has 1 row: test_fraction 0.2 leaves none to train on; add rows, or use test_fraction: 0"
    )
    assert len(divided(regression(1), test_fraction=0)[0]) == 1


def test_too_few_rows_for_every_class_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        divided(classification(2, 2, 2), test_fraction=0.7)
    assert str(caught.value) == (
        "data set 'd': 4 of 6 rows for the test leave 2 rows to train 3 classes, and every class needs one; use a "
        "smaller test_fraction"
    )


def test_without_stratify_a_class_that_is_not_trained_is_refused() -> None:
    dataset = classification(1, 40)
    seeds = {draws_row_0(dataset, seed): seed for seed in range(60)}
    with pytest.raises(DataError) as caught:
        divided(dataset, test_fraction=0.2, by="random", seed=seeds[True])
    said = "which could not be learnt; use split: stratified, another seed, or a smaller test"
    assert str(caught.value) == f"data set 'd': with split: random no training row is of class 'a', {said}"
    advised(caught.value, "use split: stratified, another seed, or a smaller test")
    for mended in (
        {"by": "stratified", "seed": seeds[True]},
        {"by": "random", "seed": seeds[False]},
        {"by": "random", "seed": seeds[True], "test_fraction": 0.02},
    ):
        assert 0 in divided(dataset, **{"test_fraction": 0.2, **mended})[0]


def draws_row_0(dataset: Dataset, seed: int) -> bool:
    try:
        divided(dataset, test_fraction=0.2, stratify=False, seed=seed)
    except DataError:
        return True
    return False


def test_stratify_wants_classes() -> None:
    with pytest.raises(DataError) as caught:
        divided(regression(10), test_fraction=0.2, stratify=True)
    assert str(caught.value) == (
        "stratify keeps the share of every class, and data set 'd' is a regression, without classes: leave stratify out"
    )


def test_ordered_tests_the_last_rows() -> None:
    train, test = divided(regression(10), by="ordered", test_fraction=0.3)
    assert (train.tolist(), test.tolist()) == ([*range(7)], [7, 8, 9])


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_both_parts(fraction: float, seed: int) -> None:
    groups = np.random.default_rng(seed).integers(0, 12, size=100)
    train, test = divided(regression(100, groups.tolist()), by="grouped", test_fraction=fraction, seed=seed)
    assert sorted([*train, *test]) == [*range(100)]
    assert not set(groups[train]) & set(groups[test])
    assert abs(len(test) - 100 * fraction) <= np.bincount(groups).max() / 2


def test_groups_that_are_all_large_still_give_one_to_the_test() -> None:
    train, test = divided(regression(30, [0] * 10 + [1] * 9 + [2] * 11), by="grouped", test_fraction=0.05)
    assert (len(train), len(test)) == (21, 9)


@pytest.mark.parametrize("by", ["stratified", "random", "grouped"])
def test_over_all_folds_every_row_is_tested_once(by: SplitName) -> None:
    targets, groups = np.arange(103) % 3, np.arange(103) // 4
    dataset = Dataset("d", np.zeros((103, 1)), targets, "classification", ("a", "b", "c"), groups=groups)
    tested = []
    for fold in range(5):
        train, test = divided(dataset, by=by, folds=5, fold=fold, seed=2)
        assert sorted([*train, *test]) == [*range(103)]
        assert len(test) in ((20, 21) if by != "grouped" else range(16, 26))
        if by == "stratified":
            assert np.ptp(np.bincount(targets[test])) <= 1
        if by == "grouped":
            assert not set(groups[train]) & set(groups[test])
        tested += test.tolist()
    assert sorted(tested) == [*range(103)]


def test_the_seed_decides_the_folds_and_the_first_is_the_default() -> None:
    dataset = classification(20, 20)
    first, same, other = (divided(dataset, folds=4, fold=f, seed=s)[1].tolist() for f, s in ((0, 0), (None, 0), (0, 1)))
    assert first == same != other


def test_ordered_folds_are_those_of_scikit_learn() -> None:
    from sklearn.model_selection import TimeSeriesSplit

    expected = [(a.tolist(), b.tolist()) for a, b in TimeSeriesSplit(4).split(np.zeros((23, 1)))]
    found = [divided(regression(23), by="ordered", folds=4, fold=fold) for fold in range(4)]
    assert [(a.tolist(), b.tolist()) for a, b in found] == expected


def test_stratify_is_another_word() -> None:
    dataset = classification(30, 30)
    assert divided(dataset, stratify=True)[1].tolist() == divided(dataset, by="stratified")[1].tolist()
    assert divided(dataset, stratify=False)[1].tolist() == divided(dataset, by="random")[1].tolist()


def test_classes_per_position_are_split_at_random() -> None:
    targets = np.arange(200).reshape(50, 4) % 3
    dataset = Dataset("d", np.zeros((50, 4)), targets, "classification", ("a", "b", "c"))
    train, test = divided(dataset)
    assert (len(train), len(test)) == (40, 10)
    assert test.tolist() == divided(dataset, by="random")[1].tolist()


GROUPED = regression(6, [0, 0, 1, 1, 2, 2])
BAD: list[tuple[Dataset, dict[str, Any], str]] = [
    (
        regression(9),
        {"by": "alphabetical"},
        "split is one of 'stratified', 'random', 'grouped', 'ordered', not 'alphabetical'",
    ),
    (
        classification(5, 5),
        {"by": "random", "stratify": True},
        "split: random and stratify: true both say how rows are divided: leave stratify out",
    ),
    (
        regression(9),
        {"by": "stratified"},
        "split: stratified keeps the share of every class, and data set 'd' is a regression, without classes: leave split out",
    ),
    (
        Dataset("d", np.zeros((4, 2)), np.arange(8).reshape(4, 2) % 2, "classification", ("a", "b")),
        {"by": "stratified"},
        "split: stratified keeps the share of every class, and data set 'd' has a class for each of 2 positions of a row: use split: random",
    ),
    (
        regression(9),
        {"by": "grouped"},
        "split: grouped keeps the rows of a group together, and data set 'd' has no groups: name the column that tells them, as in group: patient, save them as an array called groups beside those of an .npz file, or leave split out",
    ),
    (
        regression(4, [7, 7, 7, 7]),
        {"by": "grouped"},
        "data set 'd' has 1 group, and split: grouped needs at least 2, a group for each part",
    ),
    (
        GROUPED,
        {"by": "grouped", "folds": 4},
        "data set 'd' has 3 groups, and split: grouped needs at least 4, one for each fold",
    ),
    (
        regression(9),
        {"fold": 1},
        "fold 1 is one of several, and there are no folds: add folds, as in folds: 5",
    ),
    (
        regression(9),
        {"folds": 5, "fold": 5},
        "fold counts from 0: with folds: 5 it is 0 to 4, not 5",
    ),
    (
        regression(9),
        {"folds": 1},
        "folds is at least 2, such as 5; it is 1",
    ),
    (
        regression(9),
        {"folds": 3, "test_fraction": 0.2},
        "test_fraction: 0.2 and folds: 3 both say how large the test is: leave test_fraction out",
    ),
    (
        regression(3),
        {"folds": 5},
        "data set 'd' has 3 rows, and folds: 5 needs one for each fold: use fewer folds",
    ),
    (
        regression(5),
        {"folds": 5, "by": "ordered"},
        "data set 'd' has 5 rows, and folds: 5 needs one for each fold, and one more to begin with: use fewer folds",
    ),
    (
        classification(1, 9),
        {"folds": 2, "fold": 0},
        "data set 'd': with split: stratified no training row is of class 'a', which could not be learnt; use fewer folds than it has rows, or add rows of it",
    ),
    (
        classification(8, 2),
        {"by": "ordered"},
        "data set 'd': with split: ordered no training row is of class 'b', which could not be learnt; use a smaller test, or split: stratified if time does not matter",
    ),
    (
        Dataset(
            "d", np.zeros((4, 1)), np.array([0, 0, 1, 1]), "classification", ("a", "b"), groups=np.array([0, 0, 1, 1])
        ),
        {"by": "grouped", "test_fraction": 0.5},
        "data set 'd': with split: grouped no training row is of class 'b', which could not be learnt; use another seed or fold, or a smaller test",
    ),
]


@pytest.mark.parametrize(("dataset", "options", "message"), BAD, ids=[case[2][:70] for case in BAD])
def test_a_split_that_cannot_be_is_refused(dataset: Dataset, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        divided(dataset, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("seed", range(8))
def test_large_groups_are_dealt_before_small_ones_so_that_folds_are_of_one_size(seed: int) -> None:
    dataset = regression(24, np.repeat(np.arange(9), [1, 1, 1, 1, 1, 1, 8, 6, 4]))
    sizes = [len(divided(dataset, seed, by="grouped", folds=3, fold=fold)[1]) for fold in range(3)]
    assert sizes == [8, 8, 8]
