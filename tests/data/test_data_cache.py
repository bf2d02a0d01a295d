"""Data sets on disk: whole, or made again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainer.data import Dataset, cache_folder, cached


class Maker:
    """Makes one data set, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Dataset:
        self.calls += 1
        return Dataset(
            "d", np.arange(6.0).reshape(3, 2), np.array([0, 1, 0]), "classification", ("α", "b"), ("x", "y"), "Two"
        )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAINER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_second_time_it_comes_from_disk_equal_in_everything(folder: Path) -> None:
    make = Maker()
    first, second = cached("d-1", make), cached("d-1", make)
    assert make.calls == 1
    for field in ("name", "task", "class_names", "feature_names", "description"):
        assert getattr(first, field) == getattr(second, field)
    for field in ("inputs", "targets"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field), strict=True)
    assert [path.name for path in folder.iterdir()] == ["d-1.v2.dataset"]


def test_every_field_comes_back(folder: Path) -> None:
    def make() -> Dataset:
        return Dataset(
            "d",
            np.array([[0.0, 1.0], [np.nan, 3.0]]),
            np.array([0, 1]),
            "classification",
            ("a\0", "b"),
            parts={"left": (1,), "right": (1, 1)},
            groups=np.array([4, 4]),
            weights=np.array([0.5, 2.0]),
            categories={"city": ("Ōsaka", "Rome")},
            has_missing=True,
        )

    cached("d-1", make)
    again = cached("d-1", lambda: pytest.fail("made twice"))
    for field in ("class_names", "parts", "categories", "has_missing", "mapped"):
        assert getattr(again, field) == getattr(make(), field)
    for field in ("inputs", "groups", "weights"):
        np.testing.assert_array_equal(getattr(again, field), getattr(make(), field), strict=True)


def test_what_is_mapped_is_not_copied_to_the_cache(folder: Path) -> None:
    cached("d-1", lambda: Dataset("d", np.ones((2, 1)), np.ones(2), "regression", mapped=True))
    assert not folder.exists()


def test_another_key_is_another_entry(folder: Path) -> None:
    make = Maker()
    cached("d-1", make)
    cached("d-2", make)
    assert make.calls == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:],
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: b"something else",
    ],
    ids=["empty", "digest cut", "cut", "longer", "one bit of the data", "one bit of the digest", "foreign"],
)
def test_a_damaged_entry_is_made_again(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    make = Maker()
    cached("d-1", make)
    (entry,) = folder.iterdir()
    intact = entry.read_bytes()
    entry.write_bytes(damage(intact))
    assert cached("d-1", make).rows == 3
    assert make.calls == 2
    assert entry.read_bytes() == intact


def test_an_entry_that_cannot_be_read_is_no_obstacle(folder: Path) -> None:
    make = Maker()
    (folder / "d-1.v2.dataset").mkdir(parents=True)
    assert cached("d-1", make).rows == 3
    assert [path.name for path in folder.iterdir()] == ["d-1.v2.dataset"]


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TRAINER_CACHE", str(tmp_path / "file"))
    make = Maker()
    assert cached("d-1", make).rows == 3
    assert cached("d-1", make).rows == 3
    assert make.calls == 2


def test_a_full_disk_is_no_obstacle_and_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert cached("d-1", Maker()).rows == 3
    assert list(folder.iterdir()) == []


def test_the_folder_is_this_systems_unless_the_environment_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs

    monkeypatch.setenv("TRAINER_CACHE", "")
    assert cache_folder() == Path(platformdirs.user_cache_dir("tape-trainer", appauthor=False))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TRAINER_CACHE", "~/mine")
    assert cache_folder() == Path(os.path.expanduser("~/mine"))


def test_a_user_without_a_home_has_no_cache_and_all_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("TRAINER_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def nobody(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    maker = Maker()
    assert [cached("d-1", maker).rows, cached("d-1", maker).rows] == [3, 3]
    assert maker.calls == 2
