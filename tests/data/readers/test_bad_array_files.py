# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""Files of arrays that are no data set, and the message for each."""

from __future__ import annotations

import io
import pickle
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from tests.hints import ways
from trainer.data import Dataset, load
from trainer.errors import DataError


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def mat(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, arrays)
    return buffer.getvalue()


GOOD = npz(x=np.ones((3, 2)), y=np.arange(3.0))

BAD: list[tuple[str, bytes, dict[str, Any], str]] = [
    ("garbage.npz", b"hello", {}, "garbage.npz is no file that np.save or np.savez wrote"),
    ("empty.npz", b"", {}, "empty.npz is empty, not a file that np.save or np.savez wrote"),
    ("cut.npz", GOOD[:200], {}, "cut.npz is damaged: File is not a zip file"),
    (
        "flipped.npz",
        GOOD[:150] + bytes([GOOD[150] ^ 1]) + GOOD[151:],
        {},
        "flipped.npz is damaged: Bad CRC-32 for file 'x.npy'",
    ),
    (
        "pickled.npz",
        npz(x=np.array([[{}]], dtype=object), y=np.ones(1)),
        {},
        "pickled.npz holds Python objects, which only pickle can read, and a pickle can run any code; save plain arrays of numbers",
    ),
    (
        "pickle.npy",
        pickle.dumps([1, 2]),
        {},
        "pickle.npy holds Python objects, which only pickle can read, and a pickle can run any code; save plain arrays of numbers",
    ),
    (
        "names.npz",
        npz(inputs=np.ones((3, 2)), label=np.arange(3)),
        {},
        "names.npz has no array 'targets' or 'y' for the targets; its arrays are 'inputs', 'label'",
    ),
    (
        "near.npz",
        npz(input=np.ones((3, 2)), y=np.arange(3.0)),
        {},
        "near.npz has no array 'inputs' or 'x' for the inputs; rename 'input'",
    ),
    (
        "both.npz",
        npz(x=np.ones((3, 2)), inputs=np.ones((3, 2)), y=np.arange(3.0)),
        {},
        "both.npz has two arrays of inputs, 'inputs' and 'x'; keep one",
    ),
    (
        "lengths.npz",
        npz(x=np.ones((3, 2)), y=np.arange(4.0)),
        {},
        "data set 'lengths.npz' has 3 rows of inputs and targets of shape (4,): every row needs its target",
    ),
    (
        "flat.npz",
        npz(x=np.ones(3), y=np.arange(3.0)),
        {},
        "inputs of data set 'flat.npz' have shape (3,): the first axis counts the rows and at least one more the features, as in inputs.reshape(-1, 1)",
    ),
    (
        "nan.npz",
        npz(x=np.array([[1, 2], [3, np.nan]]), y=np.arange(2.0)),
        {},
        "inputs of data set 'nan.npz': nan at [1, 1] is not a finite number (1 of them in all); fill it in, remove the row, or have it filled in by missing: allow and preprocess: [simple_imputer], or [simple_imputer, standard_scaler] in place of standardize; nothing is dropped silently",
    ),
    (
        "nan_target.npz",
        npz(x=np.ones((2, 2)), y=np.array([1.0, np.inf])),
        {},
        "targets of data set 'nan_target.npz': inf at [1] is not a finite number (1 of them in all); fill in the missing values or remove their rows; nothing is dropped silently",
    ),
    (
        "complex.npz",
        npz(x=np.ones((2, 2)) * 1j, y=np.arange(2.0)),
        {},
        "inputs of data set 'complex.npz': values of type complex128 are not real numbers",
    ),
    (
        "texts.npz",
        npz(x=np.array([["a"], ["b"]]), y=np.arange(2.0)),
        {},
        "inputs of data set 'texts.npz': values of type <U1 are not real numbers",
    ),
    (
        "norows.npz",
        npz(x=np.ones((0, 2)), y=np.ones(0)),
        {},
        "inputs of data set 'norows.npz' have shape (0, 2): there is nothing to learn from",
    ),
    (
        "one_class.npz",
        npz(x=np.ones((3, 2)), y=np.zeros(3, int)),
        {},
        "data set 'one_class.npz' has one class only, '0': a classification needs at least two classes",
    ),
    (
        "halves.npz",
        npz(x=np.ones((2, 2)), y=np.array([0, 0.5])),
        {"task": "classification"},
        "halves.npz: 0.5 in row 1 of the targets is no class; classes are whole numbers or text, and numbers to predict are task: regression",
    ),
    (
        "bytes.npz",
        npz(x=np.ones((2, 2)), y=np.array([b"u", b"v"])),
        {},
        "bytes.npz: targets of type |S1 are no classes; use whole numbers, booleans or text",
    ),
    (
        "onehot.npz",
        npz(x=np.ones((2, 2)), y=np.eye(2, dtype=int)),
        {},
        "onehot.npz: targets of shape (2, 2) have one 1 among zeros in each row; save the class itself, targets.argmax(axis=1)",
    ),
    (
        "several.npz",
        npz(x=np.ones((2, 2)), y=np.array([[0, 1], [1, 1]])),
        {},
        "several.npz: targets of shape (2, 2) are whole numbers, and so might be several numbers per row or a class per position; say task: regression or task: classification",
    ),
    (
        "class_names.npz",
        npz(x=np.ones((2, 2)), y=np.array([0, 2]), class_names=["a", "b"]),
        {},
        "data set 'class_names.npz': class index 2 is outside 0 to 1, the indices of its 2 class names",
    ),
    (
        "text_names.npz",
        npz(x=np.ones((2, 2)), y=np.array(["u", "v"]), class_names=["a", "b"]),
        {},
        "text_names.npz: class_names name whole numbers, and the targets are <U1; leave class_names out",
    ),
    (
        "features.npz",
        npz(x=np.ones((2, 2)), y=np.array([0, 1]), feature_names=["a"]),
        {},
        "data set 'features.npz' has inputs of shape (2, 2), and its feature names are 1 in number: give one per column, or none",
    ),
    ("intname.npz", GOOD, {"target": 1}, "intname.npz: the option target is text, not 1"),
    (
        "words.npz",
        npz(x=np.ones((2, 2)), y=np.array(["u", "v"])),
        {"task": "regression"},
        "targets of data set 'words.npz': values of type <U1 are not real numbers",
    ),
    (
        "vector.npy",
        npy(np.ones(3)),
        {},
        "vector.npy holds an array of shape (3,); a table has shape (rows, columns) with at least two columns, and inputs of another shape go into an .npz file beside their targets",
    ),
    (
        "column.npy",
        npy(np.ones((3, 1))),
        {},
        "column.npy holds an array of shape (3, 1); a table has shape (rows, columns) with at least two columns, and inputs of another shape go into an .npz file beside their targets",
    ),
    ("target.npy", npy(np.ones((3, 2))), {"target": 2}, "target.npy has columns 0 to 1, and no target column 2"),
    ("name.npy", npy(np.ones((3, 2))), {"target": "kind"}, "name.npy: the option target is a whole number, not 'kind'"),
    (
        "nan.npy",
        npy(np.array([[1, 2, 3], [4, 5, np.nan]])),
        {"target": 0},
        "nan.npy: nan at [1, 2] is not a finite number (1 of them in all); fill it in, remove the row, or have it filled in by missing: allow and preprocess: [simple_imputer], or [simple_imputer, standard_scaler] in place of standardize; nothing is dropped silently",
    ),
    (
        "records.npy",
        npy(np.zeros(3, dtype=[("a", float), ("b", float)])),
        {},
        "records.npy holds records with the fields a, b; save a plain array of numbers",
    ),
    ("archive.npy", GOOD, {}, "archive.npy holds several arrays, as np.savez writes them; name it .npz"),
    (
        "array.npz",
        npy(np.ones((3, 2))),
        {},
        "array.npz is a single array, as np.save writes it; name it .npy, or write it with np.savez",
    ),
    (
        "both_inputs.npz",
        npz(**{"inputs": np.ones((3, 2)), "inputs.a": np.ones((3, 2)), "y": np.arange(3.0)}),
        {},
        "both_inputs.npz has inputs 'inputs' and 'inputs.a'; give each a name, inputs.NAME",
    ),
    (
        "part_flat.npz",
        npz(**{"inputs.a": np.ones((3, 2)), "inputs.b": np.ones(3), "y": np.arange(3.0)}),
        {},
        "part_flat.npz: array 'inputs.b' has shape (3,); the first axis counts the rows and at least one more the features, as in b.reshape(-1, 1)",
    ),
    (
        "part_rows.npz",
        npz(**{"inputs.a": np.ones((3, 2)), "inputs.b": np.ones((4, 1)), "y": np.arange(3.0)}),
        {},
        "part_rows.npz: array 'inputs.b' has 4 rows, and 'inputs.a' has 3; each row needs every part",
    ),
    (
        "part_text.npz",
        npz(**{"inputs.a": np.array([["x"], ["y"]]), "y": np.arange(2.0)}),
        {},
        "part_text.npz: array 'inputs.a': values of type <U1 are not real numbers",
    ),
    (
        "part_nameless.npz",
        npz(**{"inputs.": np.ones((3, 2)), "y": np.arange(3.0)}),
        {},
        "part_nameless.npz has an array 'inputs.'; after the dot comes the name of the part",
    ),
    (
        "part_nan.npz",
        npz(**{"inputs.a": np.array([[1.0], [np.nan]]), "y": np.arange(2.0)}),
        {},
        "inputs of data set 'part_nan.npz': nan at [1, 0] is not a finite number (1 of them in all); fill it in, remove the row, or have it filled in by missing: allow and preprocess: [simple_imputer], or [simple_imputer, standard_scaler] in place of standardize; nothing is dropped silently",
    ),
    (
        "weight.npz",
        npz(x=np.ones((3, 2)), y=np.arange(3.0), weight=np.ones(3)),
        {},
        "weight.npz has an array 'weight'; rename it 'weights' if that is what it is",
    ),
    (
        "positions.npz",
        npz(x=np.ones((3, 2)), y=np.zeros((3, 1, 1), dtype=int)),
        {},
        "positions.npz: classes are one label per row, targets of shape (rows,), or per position, (rows, positions), not (3, 1, 1)",
    ),
    (
        "signs.npz",
        npz(x=np.ones((2, 2)), y=np.array([[1, -1], [-1, 1]])),
        {"task": "classification"},
        "signs.npz: a negative class number marks a position without a class, which leaves 1 class; number the classes from 0",
    ),
    (
        "no_class.npz",
        npz(x=np.ones((2, 2)), y=np.array([[-1, -1], [-1, -100]])),
        {"task": "classification"},
        "no_class.npz: a negative class number marks a position without a class, which leaves no classes; number the classes from 0",
    ),
    (
        "target_list.npz",
        npz(x=np.ones((3, 2)), y=np.arange(3.0)),
        {"target": ["y"]},
        "target_list.npz: the option target is text, not ['y']",
    ),
    ("missing.npz", GOOD, {"missing": "zero"}, "missing.npz: the option missing is 'error' or 'allow', not 'zero'"),
    (
        "target_and_targets.npy",
        npy(np.ones((3, 2))),
        {"target": 1, "targets": "y.npy"},
        "target_and_targets.npy: target names a column and targets a file; keep one of the two",
    ),
    (
        "table_mapped.npy",
        npy(np.ones((3, 2))),
        {"mapped": True},
        "table_mapped.npy: a table is not mapped, because its target column lies between the inputs; save inputs and targets each in a file, and say targets: FILE.npy",
    ),
    (
        "allow_mapped.npy",
        npy(np.ones((3, 2))),
        {"targets": "y.npy", "missing": "allow"},
        "allow_mapped.npy: missing values are filled in in memory; say mapped: false, or fill them in first",
    ),
    (
        "doubles.mat",
        mat(inputs=np.ones((3, 2)), targets=np.array([[1.0], [2.0], [2.0]])),
        {},
        "doubles.mat: the targets are whole numbers that MATLAB keeps as doubles, and so might be classes or numbers to predict; say task: classification or task: regression",
    ),
    (
        "no_zero.svm",
        b"1 1:2\n-1 2:1\n",
        {"task": "classification"},
        "no_zero.svm has no feature 0, so its features may be counted from 1 or from 0; say first_index: 1, as LIBSVM counts, or first_index: 0",
    ),
    (
        "zero.svm",
        b"0.5 0:2\n1 3:1\n",
        {"first_index": 1},
        "zero.svm has a feature 0, so its features are counted from 0: say first_index: 0",
    ),
    (
        "whole.svm",
        b"1 1:2\n2 2:1\n",
        {"first_index": 1},
        "whole.svm: the labels are whole numbers, and so might be classes or numbers to predict; say task: classification or task: regression",
    ),
    (
        "no_targets.npy",
        npy(np.ones((3, 2))),
        {"targets": "y.npy"},
        "y.npy cannot be read: No such file or directory",
    ),
    (
        "mapped_pickle.npy",
        npy(np.array([{}], dtype=object)),
        {"targets": "y.npy"},
        "mapped_pickle.npy holds Python objects, which only pickle can read, and a pickle can run any code; save plain arrays of numbers",
    ),
]


# What is said of the file once it is read as the message says, where that is wrong of it too.
THEN = {("allow_mapped.npy", "mapped: False"): "y.npy cannot be read"}
TOLD = [case for case in BAD if any(set(way) - {"class_names"} for way in ways(case[3]))]


@pytest.mark.parametrize(("name", "content", "options", "message"), TOLD, ids=[case[0] for case in TOLD])
def test_a_file_is_read_when_what_its_message_says_is_set(
    name: str, content: bytes, options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    for way in ways(message):
        told = {key: value for key, value in {**options, **way}.items() if value is not None}
        then = THEN.get((name, "{}: {}".format(*next(iter(way.items())))))
        with pytest.raises(DataError, match=then) if then else nullcontext():
            assert load(name, told).rows


@pytest.mark.parametrize(("name", "content", "options", "message"), BAD, ids=[case[0] for case in BAD])
def test_a_bad_file_is_refused_with_its_exact_message(
    name: str, content: bytes, options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(name, options)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["good.npz", "good.npy"])
def test_no_damaged_byte_ends_in_anything_but_a_data_error(name: str, tmp_path: Path) -> None:
    content = GOOD if name.endswith(".npz") else npy(np.arange(6.0).reshape(3, 2))
    path = tmp_path / name
    intact = load_bytes(path, content)
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 0x11
        try:
            dataset = load_bytes(path, bytes(damaged))
        except DataError:
            continue
        if name.endswith(".npz"):  # it has checksums of its own; an .npy file has none
            assert np.array_equal(dataset.inputs, intact.inputs)
            assert np.array_equal(dataset.targets, intact.targets)


def load_bytes(path: Path, content: bytes) -> Dataset:
    path.write_bytes(content)
    return load(path)
