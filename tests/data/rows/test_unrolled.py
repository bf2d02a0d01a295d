"""Arrays in files go through some rows at a time: the same numbers as whole, and memory that does not grow."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tests.hints import advised
from trainer.data.readers.unrolled import array_of, arrays_in
from trainer.data.rows import open_rows
from trainer.data.spec import InputSpec
from trainer.errors import DataError
from trainer.types import Array

RNG = np.random.default_rng(0)
KINDS = ("uint8", "bool", "<i8", ">i4", "float16", ">f4", "float32", "float64")


def read(path: Path, spec: InputSpec) -> list[Array]:
    return [block.values for block in open_rows(path, spec, {}).blocks]


def refused(path: Path, spec: InputSpec) -> str:
    with pytest.raises(DataError) as caught:
        read(path, spec)
    return str(caught.value).replace(str(path), path.name)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("saved", ["npy", "stored", "deflated"])
def test_rows_are_those_of_the_array_whole(saved, kind, order, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.data.rows.arrays.AT_ONCE", 7)
    array = np.asarray(RNG.integers(0, 100, (31, 3, 2)), dtype=kind, order=order)
    path = tmp_path / ("a.npy" if saved == "npy" else "a.npz")
    if saved == "npy":
        np.save(path, array)
    else:
        save = np.savez if saved == "stored" else np.savez_compressed
        save(path, beside=np.arange(5), x=array, y=np.arange(31))
    blocks = read(path, InputSpec((3, 2)))
    assert [len(block) for block in blocks] == [7, 7, 7, 7, 3]
    assert np.concatenate(blocks).tobytes() == array.astype(np.float64).tobytes()


def test_parts_go_side_by_side_and_columns_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.data.rows.arrays.AT_ONCE", 4)
    a, b = RNG.integers(0, 9, (10, 2, 2)).astype(np.uint8), RNG.normal(size=(10, 1))
    np.savez(tmp_path / "parts.npz", **{"inputs.b": b, "inputs.a": a})
    parts = read(tmp_path / "parts.npz", InputSpec((5,), parts={"a": (2, 2), "b": (1,)}))
    assert np.array_equal(np.concatenate(parts), np.hstack([a.reshape(10, 4), b]))
    np.savez(tmp_path / "named.npz", x=a.reshape(10, 4), feature_names=np.array(["z", "v", "u", "w"]))
    named = read(tmp_path / "named.npz", InputSpec((2,), ("u", "v")))
    assert np.array_equal(np.concatenate(named), a.reshape(10, 4)[:, [2, 1]])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_is_cut_off_or_changed_in_an_archive_is_refused(save, tmp_path):
    path, spec = tmp_path / "a.npz", InputSpec((50,))
    save(path, x=RNG.normal(size=(90, 50)))
    content = bytearray(path.read_bytes())
    assert len(np.concatenate(read(path, spec))) == 90
    path.write_bytes(content[:-9000])
    assert refused(path, spec) == "a.npz is damaged: File is not a zip file"
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert refused(path, spec).startswith("a.npz is damaged: ")


def test_an_array_that_is_shorter_than_it_says_is_refused_before_its_first_row(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((20, 3)))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"a\.npy is damaged: it is cut off$"):
        open_rows(path, InputSpec((3,)), {})


BAD = {
    "texts as a part": (
        {"inputs.a": np.array([["x"]]), "inputs.b": np.zeros((1, 1))}, "a.npz: values of type <U1 are not real numbers",
    ),
    "parts without rows": (
        {"inputs.a": np.zeros((0, 1)), "inputs.b": np.zeros((0, 1))}, "a.npz has no rows; there is no row to predict",
    ),
    "parts of several lengths": (
        {"inputs.a": np.zeros((2, 1)), "inputs.b": np.zeros((1, 1))},
        "a.npz: its parts have 2, 1 rows; each row needs every part",
    ),
    "a number that is not finite": (
        {"inputs.a": np.zeros((3, 1)), "inputs.b": np.array([[0], [0], [np.inf]])},
        "a.npz: inf at [2, 1] is not a finite number; put one there",
    ),
    "records": (
        {"inputs.a": np.zeros(1, [("k", float)])},
        "a.npz holds records with the fields k; save a plain array of numbers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_arrays_that_are_no_rows_are_refused(bad, tmp_path):
    arrays, message = BAD[bad]
    np.savez(tmp_path / "a.npz", **arrays)
    assert refused(tmp_path / "a.npz", InputSpec((2,), parts={"a": (1,), "b": (1,)})) == message


def test_a_name_that_says_another_kind_of_file_is_told(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros((1, 1)))
    np.savez(tmp_path / "many.npz", x=np.zeros((1, 1)))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    with pytest.raises(
        DataError,
        match=r"one\.npz is a single array, as np\.save writes it; name it \.npy, or write it with np\.savez$",
    ):
        arrays_in(str(tmp_path / "one.npz"))
    with pytest.raises(DataError) as caught:
        array_of(str(tmp_path / "many.npy"))
    advised(caught.value, "many.npy holds several arrays, as np.savez writes them; save each with np.save")
    with np.load(tmp_path / "many.npy") as several:
        np.save(tmp_path / "many.npy", several["x"])
    assert array_of(str(tmp_path / "many.npy")).shape == (1, 1)


@pytest.mark.parametrize("saved", ["npy", "stored", "deflated"])
def test_memory_does_not_grow_with_the_rows(saved, tmp_path):
    def most(rows: int) -> int:
        array, path = np.zeros((rows, 40)), tmp_path / ("a.npy" if saved == "npy" else "a.npz")
        if saved == "npy":
            np.save(path, array)
        else:
            (np.savez if saved == "stored" else np.savez_compressed)(path, x=array)
        del array
        tracemalloc.start()
        try:
            assert sum(len(block.values) for block in open_rows(path, InputSpec((40,)), {}).blocks) == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert most(80_000) < 1.1 * most(20_000)
