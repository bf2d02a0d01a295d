"""A data set on disk is read where it lies: its arrays are views of the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.data import Dataset, Split, prepare


def mapped(folder: Path, task: Any = "regression", dtype: Any = np.float32) -> Dataset:
    rng = np.random.default_rng(0)
    np.save(folder / "x.npy", rng.normal(size=(40, 3, 2)).astype(dtype))
    inputs = np.load(folder / "x.npy", mmap_mode="r")
    if task == "classification":
        return Dataset("d", inputs, np.arange(40) % 2, task, ("a", "b"), mapped=True)
    np.save(folder / "y.npy", rng.normal(size=40).astype(dtype))
    return Dataset("d", inputs, np.load(folder / "y.npy", mmap_mode="r"), task, mapped=True)


def test_both_parts_are_views_of_the_files_and_the_test_is_the_last_rows(tmp_path: Path) -> None:
    dataset = mapped(tmp_path)
    prepared = prepare(dataset, targets="values", split=Split(test_fraction=0.25))
    assert prepared.mapped
    assert prepared.split.by == "ordered"
    assert prepared.train.indices.tolist() == [*range(30)]
    assert prepared.test.indices.tolist() == [*range(30, 40)]
    for array in (prepared.train.inputs, prepared.test.inputs):
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous
        assert np.shares_memory(array, dataset.inputs)
    for array in (prepared.train.targets, prepared.test.targets):
        assert array.ndim == 2
        assert np.shares_memory(array, dataset.targets)
    np.testing.assert_array_equal(prepared.test.inputs, dataset.inputs[30:])
    assert prepared.block == 2**18 // 24


def test_without_a_test_and_by_folds(tmp_path: Path) -> None:
    dataset = mapped(tmp_path)
    assert prepare(dataset, targets="values", split=Split(test_fraction=0)).test.inputs.shape == (0, 3, 2)
    prepared = prepare(dataset, targets="values", split=Split(by="ordered", folds=3, fold=1))
    assert prepared.test.indices.tolist() == [*range(20, 30)]
    np.testing.assert_array_equal(prepared.test.inputs, dataset.inputs[20:30])
    assert np.shares_memory(prepared.test.inputs, dataset.inputs)


@pytest.mark.parametrize(("kind", "dtype"), [("classes", np.int64), ("binary", np.float32), ("signs", np.float32)])
def test_classes_are_encoded_in_memory_and_may_be_weighted(tmp_path: Path, kind: Any, dtype: Any) -> None:
    prepared = prepare(mapped(tmp_path, "classification"), targets=kind, class_weights={"a": 3.0})
    assert prepared.train.targets.dtype == dtype
    assert prepared.train.weights is not None
    assert prepared.train.weights[:2].tolist() == [1.5, 0.5]


def test_what_is_not_mapped_has_no_blocks() -> None:
    assert prepare(Dataset("d", np.zeros((9, 1)), np.zeros(9), "regression"), targets="values").block is None
