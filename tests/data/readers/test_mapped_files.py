# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""Inputs that stay on disk."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.data import dataset as dataset_module
from trainer.data import load
from trainer.errors import DataError

X = np.arange(12, dtype=np.float32).reshape(3, 2, 2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "big"
    folder.mkdir()
    np.save(folder / "inputs.npy", X)
    np.save(folder / "targets.npy", np.array([0.5, 1, 2], dtype=np.float32))
    return folder


@pytest.mark.parametrize(("path", "options"), [("big", {}), ("big/inputs.npy", {"targets": "targets.npy"})])
def test_a_folder_or_a_pair_of_files_is_mapped_in_its_own_type(
    folder: Path, path: str, options: dict[str, Any]
) -> None:
    dataset = load(path, options)
    assert dataset.mapped
    assert isinstance(dataset.inputs, np.memmap)
    assert isinstance(dataset.targets, np.memmap)
    assert dataset.inputs.dtype == np.float32
    assert not dataset.inputs.flags.writeable
    assert dataset.task == "regression"
    np.testing.assert_array_equal(dataset.inputs, X)


def test_the_folder_names_the_data_set(folder: Path) -> None:
    assert load("big").name == "big"


@pytest.mark.parametrize(("path", "options"), [("big", {}), ("big/inputs.npy", {"targets": "targets.npy"})])
def test_mapped_false_reads_into_memory(folder: Path, path: str, options: dict[str, Any]) -> None:
    dataset = load(path, {**options, "mapped": False})
    assert not dataset.mapped
    assert dataset.inputs.flags.writeable
    assert dataset.inputs.dtype == np.float32  # as it was saved, in half of the memory
    np.testing.assert_array_equal(dataset.inputs, X)


def test_whole_numbers_are_classes_held_in_memory(folder: Path) -> None:
    np.save(folder / "targets.npy", np.array([7, -1, 7], dtype=np.int8))
    dataset = load("big")
    assert dataset.class_names == ("-1", "7")
    assert dataset.targets.tolist() == [1, 0, 1]
    np.save(folder / "targets.npy", np.array([1, 0, 1], dtype=np.int8))
    np.save(folder / "class_names.npy", np.array(["cat", "dog"]))
    dataset = load("big")
    assert dataset.class_names == ("cat", "dog")
    assert dataset.targets.tolist() == [1, 0, 1]


def test_whole_numbers_are_values_where_it_is_said(folder: Path) -> None:
    np.save(folder / "targets.npy", np.array([7, -1, 7], dtype=np.int8))
    assert load("big", {"task": "regression"}).targets.tolist() == [7, -1, 7]


def test_numbers_are_looked_through_in_bounded_memory(folder: Path) -> None:
    np.save(folder / "inputs.npy", np.zeros((4000, 1000), dtype=np.float32))
    np.save(folder / "targets.npy", np.zeros(4000, dtype=np.float32))
    tracemalloc.start()
    load("big")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * dataset_module.BLOCK


def test_a_nan_is_found_in_any_block(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_module, "BLOCK", 5)
    broken = X.copy()
    broken[2, 0, 1] = np.nan
    np.save(folder / "inputs.npy", broken)
    with pytest.raises(DataError) as caught:
        load("big")
    assert str(caught.value) == (
        "inputs of data set 'big': nan at [2, 0, 1] is not a finite number; fill in the missing values or remove their rows; nothing is dropped silently"
    )


def _save(name: str, array: Any) -> Any:
    return lambda folder: np.save(folder / name, array)


BAD: list[tuple[Any, str, dict[str, Any], str]] = [
    (lambda folder: (folder / "targets.npy").unlink(), "big", {}, "big has no targets.npy beside inputs.npy"),
    (lambda folder: (folder / "inputs.npy").unlink(), "big", {}, "big has no inputs.npy beside targets.npy"),
    (
        _save("zzz.npy", X),
        "big",
        {},
        "big has a file zzz.npy, which is no part of a data set; beside inputs.npy and targets.npy there may be class_names.npy, feature_names.npy",
    ),
    (
        _save("class_name.npy", X),
        "big",
        {},
        "big has a file class_name.npy, which is no part of a data set; did you mean 'class_names.npy'?",
    ),
    (
        _save("inputs.npy", X.astype(np.uint8)),
        "big",
        {},
        "inputs of data set 'big': a mapped array is read as it lies on disk, float32 or float64, not uint8; save it with .astype(np.float32)",
    ),
    (
        _save("inputs.npy", X.astype(">f4")),
        "big",
        {},
        "inputs of data set 'big': a mapped array is read as it lies on disk, float32 or float64, not >f4; save it with .astype(np.float32)",
    ),
    (
        _save("inputs.npy", np.asfortranarray(X)),
        "big",
        {},
        "inputs of data set 'big': a mapped array lies on disk row after row, and this one column after column; save np.ascontiguousarray(array)",
    ),
    (
        _save("targets.npy", np.zeros(4)),
        "big",
        {},
        "data set 'big' has 3 rows of inputs and targets of shape (4,): every row needs its target",
    ),
    (
        _save("targets.npy", np.array([0.0, np.inf, 1.0])),
        "big",
        {},
        "targets of data set 'big': inf at [1] is not a finite number; fill in the missing values or remove their rows; nothing is dropped silently",
    ),
    (
        lambda folder: None,
        "big",
        {"size": [2, 2]},
        "big has no option 'size'; 'size' is an option of images, such as animals/",
    ),
    (
        lambda folder: (folder / "inputs.npy").write_bytes(b""),
        "big",
        {},
        "big/inputs.npy is empty, not a file that np.save or np.savez wrote",
    ),
    (
        lambda folder: [np.savez(folder / "x", X), (folder / "x.npz").rename(folder / "inputs.npy")],
        "big",
        {},
        "big/inputs.npy holds several arrays, as np.savez writes them; save each with np.save",
    ),
    (
        lambda folder: (folder / "inputs.npy").write_bytes((folder / "inputs.npy").read_bytes()[:-8]),
        "big",
        {},
        "big/inputs.npy is damaged: mmap length is greater than file size",
    ),
]


@pytest.mark.parametrize(("spoil", "path", "options", "message"), BAD, ids=[case[-1][:50] for case in BAD])
def test_a_bad_folder_is_refused_with_its_exact_message(
    spoil: Any, path: str, options: dict[str, Any], message: str, folder: Path
) -> None:
    spoil(folder)
    with pytest.raises(DataError) as caught:
        load(path, options)
    assert str(caught.value) == message
