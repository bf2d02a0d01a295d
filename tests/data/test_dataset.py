# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""What a data set accepts, and how it says what it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainer.data import Dataset
from trainer.errors import DataError

INPUTS = np.arange(6).reshape(3, 2)
CLASSES: dict[str, Any] = {"targets": np.array([0, 1, 0]), "task": "classification", "class_names": ("a", "b")}
VALUES: dict[str, Any] = {"targets": np.array([0.0, 1.0, 2.0]), "task": "regression"}


def test_arrays_become_contiguous_float64_and_int64() -> None:
    dataset = Dataset("d", np.asfortranarray(INPUTS), **(CLASSES | {"targets": np.array([0, 1, 0], dtype=np.uint8)}))
    assert dataset.inputs.dtype == np.float64
    assert dataset.inputs.flags.c_contiguous
    assert dataset.targets.dtype == np.int64


def test_it_prints_what_it_is() -> None:
    assert repr(Dataset("d", INPUTS, **CLASSES)) == "Dataset 'd': 3 rows, inputs (2,), classification of 2 classes"
    assert repr(Dataset("d", INPUTS, **VALUES)) == "Dataset 'd': 3 rows, inputs (2,), regression"


def test_facts_are_what_a_list_of_data_sets_shows() -> None:
    assert Dataset("d", INPUTS, **CLASSES, description="Two").facts() == ("d", 3, (2,), "classification", 2, "Two")
    assert Dataset("d", INPUTS, **VALUES).facts() == ("d", 3, (2,), "regression", None, "")


def test_classes_per_position_may_be_a_vocabulary_of_which_some_do_not_occur() -> None:
    dataset = Dataset("d", INPUTS, np.array([[0, 1], [0, 0], [1, 0]]), "classification", ("a", "b", "c"))
    assert dataset.targets.shape == (3, 2)


def test_a_position_may_be_without_a_class() -> None:
    dataset = Dataset("d", INPUTS, np.array([[0, -1], [-100, 1], [-1, -1]], np.int8), "classification", ("a", "b"))
    assert dataset.targets.tolist() == [[0, -1], [-100, 1], [-1, -1]]
    assert dataset.targets.dtype == np.int64


def test_names_out_of_an_array_are_plain_texts() -> None:
    names = tuple(np.array(["a", "b"]))
    dataset = Dataset("d", INPUTS, **(CLASSES | {"class_names": names, "feature_names": names}))
    kept = (*dataset.class_names, *dataset.feature_names)
    assert [repr(name) for name in kept] == ["'a'", "'b'", "'a'", "'b'"]


def test_groups_weights_parts_and_categories_are_kept() -> None:
    dataset = Dataset(
        "d",
        INPUTS,
        **VALUES,
        parts={"a": [1], "b": (1, 1)},
        groups=np.array([3, 3, 1], dtype=np.uint8),
        weights=np.array([1, 2, 3]),
        categories={"city": ["Oslo", "Rome"]},
    )
    assert dataset.parts == {"a": (1,), "b": (1, 1)}
    assert dataset.groups.dtype == np.int64
    assert dataset.weights.dtype == np.float64
    assert dataset.categories == {"city": ("Oslo", "Rome")}


def test_has_missing_is_whether_something_is() -> None:
    holes = np.array([[0.0], [np.nan], [1.0]])
    assert Dataset("d", holes, **VALUES, has_missing=True).has_missing
    assert not Dataset("d", INPUTS, **VALUES, has_missing=True).has_missing


BAD: list[tuple[dict[str, Any], str]] = [
    (VALUES | {"task": "clustering"}, "data set 'd': task is 'classification' or 'regression', not 'clustering'"),
    (
        VALUES | {"inputs": np.arange(3)},
        "inputs of data set 'd' have shape (3,): the first axis counts the rows and at least one more the features, as in inputs.reshape(-1, 1)",
    ),
    (
        VALUES | {"inputs": np.zeros((3, 0))},
        "inputs of data set 'd' have shape (3, 0): there is nothing to learn from",
    ),
    (
        VALUES | {"inputs": np.full((3, 2), None)},
        "inputs of data set 'd': values of type object are not real numbers",
    ),
    (
        VALUES | {"targets": np.zeros(2)},
        "data set 'd' has 3 rows of inputs and targets of shape (2,): every row needs its target",
    ),
    (
        VALUES | {"targets": np.zeros((3, 1, 1))},
        "data set 'd': targets of a regression have shape (rows,) or (rows, numbers per row), not (3, 1, 1)",
    ),
    (
        VALUES | {"targets": np.array([0, np.nan, np.nan])},
        "targets of data set 'd': nan at [1] is not a finite number (2 of them in all); fill in the missing values or remove their rows; nothing is dropped silently",
    ),
    (
        VALUES | {"class_names": ("a", "b")},
        "data set 'd' is a regression, so it has no class names: ('a', 'b')",
    ),
    (
        VALUES | {"feature_names": ("a", "b", "c")},
        "data set 'd' has inputs of shape (3, 2), and its feature names are 3 in number: give one per column, or none",
    ),
    (
        CLASSES | {"targets": np.array([0.0, 1.0, 0.0])},
        "data set 'd': targets of a classification are one class index per row, integers of shape (3,), or one per position, (3, positions), not float64 of shape (3,); for numbers to predict use task 'regression'",
    ),
    (
        CLASSES | {"class_names": ()},
        "data set 'd' has no class names: a classification needs at least two classes",
    ),
    (
        CLASSES | {"targets": np.array([0, -1, 1])},
        "data set 'd': class index -1 is outside 0 to 1, the indices of its 2 class names",
    ),
    (
        CLASSES | {"targets": np.array([[0, -1], [2, 1], [0, 0]])},
        "data set 'd': class index 2 is outside 0 to 1, the indices of its 2 class names",
    ),
    (
        CLASSES | {"targets": np.full((3, 2), -1)},
        "data set 'd': no position has a class, since all its targets are negative",
    ),
    (
        CLASSES | {"class_names": ("a", "b", "c")},
        "data set 'd': no row belongs to class 'c'; leave its name out",
    ),
    (
        CLASSES | {"targets": np.zeros((3, 2, 1), dtype=int)},
        "data set 'd': targets of a classification are one class index per row, integers of shape (3,), or one per position, (3, positions), not int64 of shape (3, 2, 1); for numbers to predict use task 'regression'",
    ),
    (
        VALUES | {"parts": {"a": (3,), "b": (1, 2)}},
        "data set 'd' has inputs of shape (3, 2), and its parts are a (3,), b (1, 2): the parts of a row, each laid flat, fill it",
    ),
    (
        VALUES | {"groups": np.array([0, 1])},
        "data set 'd': groups are one whole number per row, integers of shape (3,), not int64 of shape (2,)",
    ),
    (
        VALUES | {"groups": np.array([0.0, 1.0, 1.0])},
        "data set 'd': groups are one whole number per row, integers of shape (3,), not float64 of shape (3,)",
    ),
    (
        VALUES | {"weights": np.ones((3, 1))},
        "data set 'd': weights are one number per row, of shape (3,), not (3, 1)",
    ),
    (
        VALUES | {"weights": np.array([1.0, 0.0, 2.0])},
        "data set 'd': weight 0 of row 1 is not above 0; leave out a row that does not count",
    ),
    (
        VALUES | {"weights": np.array([1.0, np.nan, 2.0])},
        "weights of data set 'd': nan at [1] is not a finite number (1 of them in all); fill in the missing values or remove their rows; nothing is dropped silently",
    ),
    (
        VALUES | {"inputs": np.array([[0.0], [np.nan], [np.inf]]), "has_missing": True},
        "inputs of data set 'd': inf at [2, 0] is not a finite number (1 of them in all); a missing value is nan; nothing is dropped silently",
    ),
    (
        VALUES | {"mapped": True, "has_missing": True},
        "inputs of data set 'd' are mapped, and what is missing is filled in in memory: fill it in first",
    ),
    (
        VALUES | {"mapped": True},
        "inputs of data set 'd': a mapped array is read as it lies on disk, float32 or float64, not int64; save it with .astype(np.float32)",
    ),
    (
        VALUES | {"mapped": True, "inputs": np.asfortranarray(np.ones((3, 2)))},
        "inputs of data set 'd': a mapped array lies on disk row after row, and this one column after column; save np.ascontiguousarray(array)",
    ),
]


@pytest.mark.parametrize(("fields", "message"), BAD, ids=[message[:60] for _, message in BAD])
def test_what_cannot_be_learnt_from_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        Dataset(**({"name": "d", "inputs": INPUTS} | fields))
    assert str(caught.value) == message
