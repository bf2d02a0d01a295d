"""What .npz and .npy files mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.data import Split, load, prepare, read_npy, read_npz
from trainer.metrics.agreement import accuracy
from trainer_ops import softmax_cross_entropy

INPUTS = np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.fixture
def save(tmp_path: Path):
    def save(**arrays: Any) -> Path:
        path = tmp_path / "data.npz"
        np.savez(path, **arrays)
        return path

    return save


@pytest.mark.parametrize("names", [("inputs", "targets"), ("x", "y"), ("inputs", "y")])
def test_either_pair_of_names_will_do(save, names: tuple[str, str]) -> None:
    dataset = read_npz(save(**{names[0]: INPUTS, names[1]: np.array([0.5, 1.5, 2.5])}))
    assert dataset.task == "regression"
    assert dataset.inputs.tolist() == INPUTS.tolist()
    assert dataset.inputs.dtype == INPUTS.dtype
    assert dataset.targets.tolist() == [0.5, 1.5, 2.5]
    assert dataset.name == "data.npz"


@pytest.mark.parametrize(
    ("targets", "class_names"),
    [
        (np.array([7, 3, 7]), ("3", "7")),
        (np.array([True, False, True]), ("False", "True")),
        (np.array(["b", "a", "b"]), ("a", "b")),
    ],
    ids=["integers", "booleans", "text"],
)
def test_integers_booleans_and_text_are_classes(save, targets: np.ndarray, class_names: tuple[str, ...]) -> None:
    dataset = read_npz(save(x=INPUTS, y=targets))
    assert dataset.task == "classification"
    assert dataset.targets.tolist() == [1, 0, 1]
    assert dataset.class_names == class_names


@pytest.mark.parametrize("options", [{}, {"task": "classification"}])
def test_a_column_of_classes_is_one_class_per_row(save, options: dict[str, str]) -> None:
    dataset = load(save(x=INPUTS, y=np.array([[1], [0], [1]])), options)
    assert (dataset.targets.tolist(), dataset.class_names) == ([1, 0, 1], ("0", "1"))


def test_task_overrules_the_type_of_the_targets(save) -> None:
    assert read_npz(save(x=INPUTS, y=np.array([1, 2, 3])), task="regression").targets.dtype == np.float64
    dataset = read_npz(save(x=INPUTS, y=np.array([1.0, 2.0, 1.0])), task="classification")
    assert dataset.class_names == ("1", "2")


def test_class_names_make_integers_indices(save) -> None:
    dataset = read_npz(save(x=INPUTS, y=np.array([1, 0, 1]), class_names=["no", "yes"], feature_names=["a", "b"]))
    assert dataset.targets.tolist() == [1, 0, 1]
    assert dataset.class_names == ("no", "yes")
    assert dataset.feature_names == ("a", "b")


def test_images_and_several_numbers_per_row_keep_their_shapes(save) -> None:
    dataset = read_npz(save(x=np.zeros((3, 8, 8)), y=np.zeros((3, 2))))
    assert dataset.inputs.shape == (3, 8, 8)
    assert dataset.targets.shape == (3, 2)


def test_target_names_another_array(save) -> None:
    assert read_npz(save(x=INPUTS, y=np.zeros(3), price=np.ones(3)), target="price").targets.tolist() == [1, 1, 1]


def test_the_last_column_of_a_table_is_the_target_unless_said_otherwise(tmp_path: Path) -> None:
    np.save(tmp_path / "table.npy", np.asfortranarray([[1, 2, 3], [4, 5, 6]]))
    dataset = read_npy(tmp_path / "table.npy")
    assert dataset.inputs.tolist() == [[1, 2], [4, 5]]
    assert dataset.targets.tolist() == [3, 6]
    assert dataset.inputs.flags.c_contiguous
    dataset = load(tmp_path / "table.npy", {"target": 0, "task": "classification"})
    assert dataset.inputs.tolist() == [[2, 3], [5, 6]]
    assert dataset.class_names == ("1", "4")


def test_named_inputs_are_packed_flat_in_the_order_of_the_file(tmp_path: Path) -> None:
    picture, likes = np.arange(24.0).reshape(2, 3, 4), np.array([[5], [6]])
    path = tmp_path / "posts.npz"
    np.savez(path, **{"inputs.picture": picture, "inputs.likes": likes, "targets": np.arange(2.0)})
    dataset = read_npz(path)
    assert dataset.parts == {"picture": (3, 4), "likes": (1,)}
    np.testing.assert_array_equal(dataset.inputs, np.column_stack([picture.reshape(2, 12), likes]))


def test_groups_weights_and_missing_values_come_from_an_npz_file(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    x = np.array([[1.0], [np.nan]])
    np.savez(path, x=x, y=np.array([0, 1]), groups=np.array([7, 7]), weights=np.array([1.0, 2.0]))
    dataset = read_npz(path, missing="allow")
    assert dataset.has_missing
    assert dataset.groups.tolist() == [7, 7]
    assert dataset.weights.tolist() == [1, 2]


def test_a_class_per_position_is_said(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x=np.ones((2, 3)), y=np.array([[5, 7, 5], [5, 5, 9]]))
    dataset = read_npz(path, task="classification")
    assert dataset.targets.tolist() == [[0, 1, 0], [0, 0, 2]]
    assert dataset.class_names == ("5", "7", "9")


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_a_negative_number_is_a_position_without_a_class(save, dtype: type) -> None:
    targets = np.array([[5, -1, 5], [-100, 5, 9], [9, -1, -1]])
    dataset = read_npz(save(x=INPUTS, y=targets.astype(dtype)), task="classification")
    assert dataset.targets.tolist() == [[0, -1, 0], [-1, 0, 1], [1, -1, -1]]
    assert dataset.class_names == ("5", "9")
    named = read_npz(save(x=INPUTS, y=np.minimum(targets, 1), class_names=np.array(["a", "b"])))
    assert named.targets.tolist() == [[1, -1, 1], [-100, 1, 1], [1, -1, -1]]
    assert named.class_names == ("a", "b")


def test_positions_without_a_class_cost_nothing_from_the_file_to_the_cost(save) -> None:
    targets = np.array([[0, -1, 2], [1, 1, -1], [-1, -1, -1], [2, 0, 1]])
    data = prepare(
        read_npz(save(x=np.ones((4, 3)), y=targets), task="classification"),
        targets="classes",
        split=Split(by="random", test_fraction=0.25),
    )
    assert data.class_names == ("0", "1", "2")
    assert (
        np.concatenate([data.train.targets, data.test.targets]).tolist()
        == targets[[*data.train.indices, *data.test.indices]].tolist()
    )
    scores = np.random.default_rng(0).normal(size=(3, 3, 3))
    each = [
        softmax_cross_entropy(s[t >= 0], t[t >= 0]).mean() if (t >= 0).any() else 0
        for s, t in zip(scores, data.train.targets, strict=True)
    ]
    np.testing.assert_allclose(softmax_cross_entropy(scores, data.train.targets), each)
    known = data.train.targets >= 0
    assert accuracy(scores, data.train.targets) == accuracy(scores[known], data.train.targets[known])


def test_a_negative_label_of_a_row_is_a_class_like_any_other(save) -> None:
    assert read_npz(save(x=INPUTS, y=np.array([1, -1, 1]))).class_names == ("-1", "1")
