"""What is kept in a narrow type: the same bits as in double precision, in little more memory than is trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainer.data import Dataset, load, prepare
from trainer.data.given import with_parts
from trainer.data.preprocessing.transformers import StandardScaler
from trainer.types import Array

RNG = np.random.default_rng(0)
OPTIONS = ({}, {"standardize": True}, {"preprocess": [("scaler", StandardScaler())]})


def pictures(folder: Path, images: int = 10, size: tuple[int, int] = (7, 5)) -> Path:
    from PIL import Image

    for i in range(images):
        path = folder / "ab"[i % 2] / f"{i:02}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (*size, 3)).astype(np.uint8)).save(path)
    return folder


def check_same(narrow: Dataset, inputs: Array) -> None:
    wide = replace(narrow, inputs=inputs, narrow=False, divisor=1)
    assert narrow.inputs.dtype.itemsize < wide.inputs.dtype.itemsize == 8
    assert narrow.numbers().tobytes() == wide.numbers().tobytes()
    for options in OPTIONS:
        for dtype in (np.float32, np.float64):
            one, other = (prepare(data, targets="classes", dtype=dtype, **options) for data in (narrow, wide))
            assert one.divided.keys() == other.divided.keys()
            for part, rows in one.divided.items():
                assert rows.inputs.shape == other.divided[part].inputs.shape
                assert rows.inputs.tobytes() == other.divided[part].inputs.tobytes()
            assert one.remarks == other.remarks


@pytest.mark.parametrize("together", [1, 2, 50, 2**16], ids=lambda n: f"{n} together")
def test_pixels_of_8_bits_are_prepared_as_their_values_from_0_to_1(together, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("trainer.data.gathering.TOGETHER", together)
    narrow = load(pictures(tmp_path / "pictures", size=(3, 2)))
    assert narrow.inputs.dtype == np.uint8
    check_same(narrow, narrow.inputs.astype(np.float64) / 255)


LIKES: dict[str, Array] = {
    "counts": np.arange(12) * 1000,
    "halves": np.arange(12) / 2,
    "bytes": np.arange(12).astype(np.uint8),
}


@pytest.mark.parametrize("likes", LIKES)
def test_parts_are_kept_in_the_narrowest_type_that_has_all_their_numbers(likes, tmp_path) -> None:
    picture, beside = RNG.integers(0, 256, (12, 4, 5)).astype(np.uint8), LIKES[likes].reshape(-1, 1)
    np.savez(tmp_path / "d.npz", **{"inputs.picture": picture, "inputs.likes": beside, "targets": np.arange(12) % 2})
    narrow = load(tmp_path / "d.npz")
    check_same(narrow, np.hstack([picture.reshape(12, -1), beside]).astype(np.float64))


@pytest.mark.parametrize("beside", [np.array([0.1]), np.array([2**53 - 1]), np.array([-(2**31)])], ids=str)
def test_numbers_of_parts_that_need_double_precision_have_it(beside, tmp_path) -> None:
    parts = {"inputs.a": np.array([[250], [3]], np.uint8), "inputs.b": np.repeat(beside, 2).reshape(2, 1)}
    np.savez(tmp_path / "d.npz", **parts, targets=np.array([0.5, 1.5]))
    assert load(tmp_path / "d.npz").numbers().tolist() == [[250, beside[0]], [3, beside[0]]]


def test_the_test_rows_of_a_file_of_their_own_are_kept_as_those_of_training(tmp_path) -> None:
    train, test = load(pictures(tmp_path / "train")), pictures(tmp_path / "test", 6)
    whole, _ = with_parts(train, {"test": test}, {})
    assert whole.inputs.dtype == np.uint8
    assert whole.divisor == 255
    assert whole.numbers()[10:].tobytes() == load(test).numbers().tobytes()


def test_test_rows_that_are_no_pixels_of_8_bits_make_all_double_precision(tmp_path) -> None:
    train = load(pictures(tmp_path / "train"))
    values = np.concatenate([train.numbers()[:4], RNG.random((3, 7, 5, 3))])
    np.savez(tmp_path / "test.npz", inputs=values, targets=np.array(["a", "b"] * 3 + ["a"]))
    whole, _ = with_parts(train, {"test": tmp_path / "test.npz"}, {})
    assert whole.inputs.dtype == np.float64
    assert whole.divisor == 1
    assert whole.inputs.tobytes() == np.concatenate([train.numbers(), values]).tobytes()
