"""MATLAB's files and HDF5 are the data sets that an .npz file of the same arrays is, and what they mean otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import io, sparse

from trainer.data import load
from trainer.data.rows import open_rows
from trainer.data.rows.targets import read_targets
from trainer.data.spec import InputSpec, TargetSpec
from trainer.errors import DataError, UsageError

h5py = pytest.importorskip("h5py", reason="reads HDF5")

X = np.arange(12.0).reshape(4, 3) / 7
Y = np.array([1, 0, 1, 1])
ARRAYS = {"inputs": X, "targets": Y, "feature_names": ["a", "b", "é"], "weights": np.array([1.0, 2, 3, 4])}


def matlab_hdf5(path: Path, arrays: dict[str, Any]) -> None:
    """As MATLAB saves with -v7.3: 512 bytes of its own, axes the other way round, what an array is as an attribute."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in arrays.items():
            if isinstance(value, list):
                cells = []
                for i, text in enumerate(value):
                    codes = np.frombuffer(text.encode("utf-16-le"), "<u2").reshape(-1, 1)
                    cells.append(file.create_dataset(f"#refs#/{name}{i}", data=codes))
                    cells[-1].attrs["MATLAB_class"] = np.bytes_("char")
                stored = file.create_dataset(name, (len(cells), 1), h5py.ref_dtype)
                stored[:, 0] = [cell.ref for cell in cells]
                kind = "cell"
            else:
                array = np.atleast_2d(np.asarray(value))
                kind = (
                    "logical" if array.dtype == bool else {"float64": "double"}.get(array.dtype.name, array.dtype.name)
                )
                stored = file.create_dataset(
                    name.replace(".", "/"), data=(array.view(np.uint8) if array.dtype == bool else array).T
                )
            stored.attrs["MATLAB_class"] = np.bytes_(kind)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def write(path: Path, arrays: dict[str, Any]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".mat" and "73" in path.name:
        matlab_hdf5(path, arrays)
    elif path.suffix == ".mat":
        plain = {k: np.array(v, dtype=object) if isinstance(v, list) else v for k, v in arrays.items() if "." not in k}
        fields = {k.partition(".")[2]: v for k, v in arrays.items() if "." in k}
        io.savemat(path, {**({"inputs": fields} if fields else {}), **plain})
    else:
        with h5py.File(path, "w") as file:
            for name, value in arrays.items():
                file[name.replace("inputs.", "inputs/")] = value
    return path


def same(one: Any, other: Any) -> None:
    for name in ("inputs", "targets"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
        assert getattr(one, name).dtype == getattr(other, name).dtype
    for name in ("task", "class_names", "feature_names", "parts"):
        assert getattr(one, name) == getattr(other, name), name
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.groups, other.groups)


NAMES = ("d.mat", "d73.mat", "d.h5", "d.hdf5")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "arrays",
    [
        ARRAYS,
        {**ARRAYS, "targets": Y.astype(bool)},
        {**ARRAYS, "targets": np.array([0.5, 1, 2, 3]), "groups": np.array([7, 7, 9, 9])},
        {**ARRAYS, "targets": X[:, :2]},
        {"inputs": np.arange(48, dtype=np.uint8).reshape(4, 4, 3), "y": Y.astype(np.int8)},
        {"x": X.astype(np.float32), "targets": ["no", "yes", "no", "yes"]},
        {"inputs.p": X.reshape(4, 3, 1), "inputs.q": X[:, :1], "targets": Y},
    ],
    ids=["classes", "truth", "numbers", "several numbers", "pixels", "texts", "parts"],
)  # fmt: skip
def test_it_is_the_data_set_that_the_npz_file_is(name, arrays, tmp_path):
    path = write(tmp_path / name, arrays)
    data, expected = load(path), load(write(tmp_path / "d.npz", arrays))
    same(data, expected)
    assert data.name == name
    rows = open_rows(path, InputSpec.of(data), {})
    np.testing.assert_array_equal(np.concatenate([block.values for block in rows.blocks]), expected.inputs)
    targets = read_targets(path, TargetSpec.of(data), {})
    np.testing.assert_array_equal(targets.reshape(expected.targets.shape), expected.targets)


@pytest.mark.parametrize("name", ["d.mat", "d73.mat"])
def test_whole_doubles_of_matlab_are_what_somebody_says(name, tmp_path):
    path = write(tmp_path / name, {"inputs": X, "targets": np.array([[1.0, 2, 2, 9]])})
    with pytest.raises(DataError) as raised:
        load(path)
    assert str(raised.value) == (
        f"{path}: the targets are whole numbers that MATLAB keeps as doubles, and so might be classes or numbers to "
        f"predict; say task: classification or task: regression"
    )
    assert load(path, {"task": "classification"}).class_names == ("1", "2", "9")
    assert load(path, {"task": "regression"}).targets.tolist() == [1, 2, 2, 9]


@pytest.mark.parametrize("name", ["d.mat", "d73.mat"])
def test_class_names_of_matlab_are_counted_from_one(name, tmp_path):
    arrays = {"inputs": X, "targets": np.array([1.0, 2, 2, 3]), "class_names": ["low", "mid", "high"]}
    data = load(write(tmp_path / name, arrays))
    assert (data.task, data.class_names, data.targets.tolist()) == (
        "classification",
        ("low", "mid", "high"),
        [0, 1, 1, 2],
    )
    some = write(tmp_path / f"some{name}", {**arrays, "targets": np.array([2.0, 3, 3, 2])})
    assert read_targets(some, TargetSpec.of(data), {}).tolist() == [1, 2, 2, 1]
    for wrong in ([0.0, 1, 2, 3], [1, 2, 3, 4], [1, 2, 2.5, 3]):
        path = write(tmp_path / f"bad{name}", {**arrays, "targets": np.array(wrong)})
        with pytest.raises(DataError, match=r"is none of the 3 class_names, which a \.mat file counts from 1"):
            load(path)


def test_what_matlab_alone_has_is_read_or_refused_by_name(tmp_path):
    letters = np.array(["red  ", "green", "red  ", "green"])
    path = write(tmp_path / "d.mat", {"x": sparse.csc_array(X), "y": letters})
    data = load(path)
    np.testing.assert_array_equal(data.inputs, X)
    assert data.class_names == ("green", "red")
    for value, what in (
        (np.array([{"a": 1}, {"a": 2}]), "a cell array of something else than texts"),
        (np.array([(1,), (2,)], [("a", object)]), "an array of structs, or an object"),
        (np.array([X, "b"], dtype=object), "a cell array of something else than texts"),
    ):
        write(path, {"x": X, "y": value})
        with pytest.raises(DataError, match=rf"d\.mat: 'y' is {what}"):
            load(path)
    write(path, {"X": X, "labels": Y})
    with pytest.raises(DataError, match="has no array 'inputs' or 'x' for the inputs; its arrays are 'X', 'labels'"):
        load(path)


def test_texts_of_a_fixed_length_and_of_any_are_texts(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["inputs"], file["targets"] = X, np.array([b"no", b"yes", b"no", b"yes"])
        file["feature_names"] = ["a", "ß", "c"]
    data = load(tmp_path / "d.h5")
    assert (data.class_names, data.feature_names) == (("no", "yes"), ("a", "ß", "c"))


def test_nothing_outside_an_hdf5_file_is_opened(tmp_path):
    write(tmp_path / "other.h5", {"x": X})
    (tmp_path / "raw").write_bytes(X.tobytes())
    layout = h5py.VirtualLayout(X.shape, X.dtype)
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", X.shape)
    for make, message in (
        (lambda f: f.__setitem__("x", h5py.ExternalLink("other.h5", "x")), "'x' is a link to another file"),
        (lambda f: f.create_virtual_dataset("x", layout), "'x' has its numbers in other files"),
        (lambda f: f.create_dataset("x", X.shape, "f8", external=[(str(tmp_path / "raw"), 0, X.nbytes)]),
         "'x' has its numbers in other files"),
    ):  # fmt: skip
        path = write(tmp_path / "d.h5", {"y": Y})
        with h5py.File(path, "a") as file:
            make(file)
        with pytest.raises(DataError, match=f"{message}; store the array itself"):
            load(path)


def test_other_things_in_an_hdf5_file_are_named(tmp_path):
    for value, message in (
        (np.zeros(4, [("a", "f8"), ("b", "f8")]), "holds records with the fields a, b"),
        (h5py.Empty("f8"), "holds nothing"),
    ):
        path = write(tmp_path / "d.h5", {"x": X, "y": value})
        with pytest.raises(DataError, match=f"'y' {message}"):
            load(path)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset("y", (4,), h5py.ref_dtype)
    with pytest.raises(DataError, match="'y' holds references or lists"):
        load(tmp_path / "d.h5")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_cut_or_is_another_is_refused_in_a_line(name, tmp_path):
    path = write(tmp_path / name, ARRAYS)
    content = path.read_bytes()
    for wrong in (b"", b"a,b\n1,2\n", content[:40], content[:130], content[: len(content) // 2], content[:-9]):
        path.write_bytes(wrong)
        with pytest.raises(DataError) as raised:
            load(path)
        assert str(raised.value).startswith(f"{path} cannot be read as ")
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["d.h5", "d73.mat"])
def test_without_h5py_it_is_named(name, tmp_path, monkeypatch):
    path = write(tmp_path / name, ARRAYS)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(UsageError, match=r"read by h5py, which is not installed: pip install 'tape-trainer\[tables\]'"):
        load(path)
