"""Memory that goes back page by page: what is made of a data set has the same bits, and is hardly ever there twice."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.test_narrow import RNG, pictures
from trainer.data import Dataset, Split, prepare
from trainer.data.pages import give_back, joined, pages
from trainer.errors import DataError
from trainer.types import Array

needs_pages = pytest.mark.skipif(type(pages((2**20,), np.float64).base) is np.ndarray, reason="the system has no way")
linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")

LARGE = (3000, 500)  # float64 of several large pages


def large() -> Array:
    array = pages(LARGE, np.float64)
    array[...] = np.arange(array.size).reshape(LARGE)
    return array


def test_memory_is_zeros_of_any_shape_and_type() -> None:
    for shape in ((0, 3), (2, 3), (1,), LARGE):
        for dtype in (np.uint8, ">f4", np.float64):
            array = pages(shape, dtype)
            assert array.shape == shape
            assert array.dtype == dtype
            assert array.flags.writeable
            assert array.flags.c_contiguous
            assert not array.any()


@needs_pages
def test_rows_that_were_given_back_are_zeros_and_the_others_are_there() -> None:
    array, whole = large(), np.arange(LARGE[0] * LARGE[1]).reshape(LARGE)
    for rows in (0, 1, 700, 1400, 1000):
        give_back(array, rows)
        np.testing.assert_array_equal(
            array[max(rows, 1400 * (rows == 1000)) :], whole[max(rows, 1400 * (rows == 1000)) :]
        )
    assert not array[:1000].any()
    give_back(array, len(array))
    assert not array[:-1].any()


@needs_pages
def test_what_follows_a_part_of_a_table_stays() -> None:
    table = large()
    give_back(table[:2001], 2001)
    np.testing.assert_array_equal(table[2001:], np.arange(table.size).reshape(LARGE)[2001:])
    give_back(table[2500:], 400)
    np.testing.assert_array_equal(table[2001:2500], np.arange(table.size).reshape(LARGE)[2001:2500])
    np.testing.assert_array_equal(table[2900:], np.arange(table.size).reshape(LARGE)[2900:])


@pytest.mark.parametrize("of", [lambda a: a.copy(), lambda a: a.T, lambda a: a[:0], lambda a: a[::-1]], ids="ctzr")
def test_arrays_of_other_memory_or_another_order_stay(of: Any) -> None:
    array = of(large())
    before = array.copy()
    give_back(array, len(array))
    np.testing.assert_array_equal(array, before)


def test_arrays_are_joined_in_order() -> None:
    one, other = large(), np.ones((3, 500))
    expected = np.concatenate([one, other])
    np.testing.assert_array_equal(joined([one, other]), expected)
    assert other.all()  # which is no such memory


def table(kind: str) -> Dataset:
    """A new one of the same numbers at every call."""
    rng = np.random.default_rng(1)
    inputs = pages((6000, 300), {"narrow": np.uint8, "single": np.float32}.get(kind, np.float64))
    inputs[...] = rng.integers(0, 256, inputs.shape) if kind == "narrow" else rng.standard_normal(inputs.shape)
    if kind == "columns":
        inputs = inputs[:, 1:-1]
    if kind == "large rows":
        inputs = inputs.reshape(20, 300, 300)
    return Dataset("d", inputs, np.arange(len(inputs)) % 3, "classification", ("a", "b", "c"), narrow=True)


OPTIONS: dict[str, dict[str, Any]] = {
    "as they are": {},
    "standardised": {"standardize": True},
    "three parts": {"split": Split(test_fraction=0.4, validation_fraction=0.3)},
    "ordered folds, which leave rows out": {"split": Split(by="ordered", folds=4, fold=1), "standardize": True},
    "repeated rows": {"resample": "oversample"},
    "an autoencoder": {"reconstruct": True, "targets": "values"},
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["narrow", "single", "double", "columns", "large rows"])
@pytest.mark.parametrize("options", OPTIONS)
def test_a_data_set_that_is_consumed_gives_the_same_bits(options, kind, dtype) -> None:
    kept, gone = table(kind), table(kind)
    arguments = {"targets": "classes", "dtype": dtype, **OPTIONS[options]}
    one, other = prepare(kept, **arguments), prepare(gone, consumed=True, **arguments)
    np.testing.assert_array_equal(kept.inputs, table(kind).inputs)
    assert one.divided.keys() == other.divided.keys()
    for part, rows in one.divided.items():
        for array, same in zip(rows.arrays, other.divided[part].arrays, strict=True):
            assert array.dtype == same.dtype
            assert array.tobytes() == same.tobytes()
    assert (one.takes, one.gives, one.remarks) == (other.takes, other.gives, other.remarks)


@pytest.mark.parametrize("standardize", [False, True])
def test_numbers_that_are_too_large_are_told_alike(standardize) -> None:
    told = []
    for consumed in (False, True):
        data = table("double")
        data.inputs[4500:, 7] = 1e39 * (np.arange(1500) % 7 - 3)
        data.inputs[:4500, 7] = 0 if standardize else 5e38
        if standardize:
            data = replace(data, inputs=np.where(np.abs(data.inputs) > 1e38, data.inputs * 1e30, data.inputs))
        with pytest.raises(DataError) as caught:
            prepare(data, targets="classes", standardize=False, consumed=consumed)
        told.append((str(caught.value), caught.value.hints))
    assert told[0] == told[1]
    assert "-3e+" in told[0][0]


MEASURE = """
import sys
from trainer.data import load, prepare
def most():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024
few, path, consumed, *options = sys.argv[1:]
prepare(load(few), targets="classes", **dict.fromkeys(options, True))  # whatever is imported for it
before = most()
data = prepare(load(path), targets="classes", consumed=consumed == "True", **dict.fromkeys(options, True))
arrays = sum(rows.inputs.nbytes for rows in data.divided.values())
print((most() - before) / arrays)
"""


def held(few: Path, path: Path, consumed: bool, *options: str) -> float:
    """The most memory that reading and preparing take in a process, as a share of what is trained on."""
    command = [sys.executable, "-c", MEASURE, str(few), str(path), str(consumed), *options]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


KINDS = (
    "images", "npz", "npz of floats", "packed npz", "parts", "parts with doubles", "hdf5 parts with doubles",
    "parquet with a category",
)  # fmt: skip


def written(folder: Path, kind: str, rows: int) -> Path:
    x = RNG.integers(0, 256, (rows, 900)).astype(np.uint8)
    y, path = np.arange(rows) % 3, folder / f"{rows}.npz"
    if kind == "images":
        return pictures(folder / str(rows), rows // 10, (95, 95))
    if kind == "parts with doubles":
        np.savez(path, **{"inputs.picture": x, "inputs.likes": np.repeat(x[:, :2] / 3, 2, axis=1), "targets": y})
    elif kind == "hdf5 parts with doubles":
        h5py = pytest.importorskip("h5py")
        path = path.with_suffix(".h5")
        with h5py.File(path, "w") as file:
            file["inputs/speeds"], file["inputs/likes"], file["targets"] = x.astype(np.float32), x[:, :2] / 3, y
    elif kind == "parquet with a category":
        pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        path = path.with_suffix(".parquet")
        numbers = {f"x{j}": x[:, j].astype(np.float32) for j in range(x.shape[1])}
        parquet.write_table(pa.table({"size": y, "on": (y == 1).tolist(), **numbers, "y": np.array([*"abc"])[y]}), path)
    elif kind == "parts":
        np.savez(path, **{"inputs.picture": x.reshape(-1, 30, 30), "inputs.flags": x[:, :2] > 100, "targets": y})
    elif kind == "packed npz":
        np.savez_compressed(path, inputs=x.astype(np.float32), targets=y)
    else:
        np.savez(path, inputs=x.astype({"npz": np.uint8, "npz of floats": np.float32}[kind]), targets=y)
    return path


@linux
@needs_pages
@pytest.mark.parametrize("options", [(), ("standardize",)], ids=["as they are", "standardised"])
@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_at_most_1_3_of_what_is_trained_on(kind, options, tmp_path) -> None:
    few, path = written(tmp_path, kind, 300), written(tmp_path, kind, 8000)
    assert held(few, path, True, *options) < 1.3


@linux
@needs_pages
def test_what_is_not_consumed_is_there_beside_what_is_made_of_it(tmp_path) -> None:
    few, path = written(tmp_path, "npz of floats", 300), written(tmp_path, "npz of floats", 8000)
    assert held(few, path, False) > 1.7
