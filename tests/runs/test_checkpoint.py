"""A checkpoint is the old one or the new one, whatever becomes of the process, the disk or a bit."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from tests.runs.dying_disk import REFUSALS, Disk, build
from trainer.errors import DataError, StorageError, UsageError
from trainer.runs import checkpoint
from trainer.runs.checkpoint import Checkpoint, Checkpoints


@pytest.fixture(autouse=True)
def _no_waiting_for_a_real_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def arrays(step: int) -> dict[str, np.ndarray]:
    return {
        "theta": np.full(5, step, np.float32),
        "count": np.array(step, np.int64),
        "empty": np.zeros((0, 3)),
        "turned": np.arange(6.0).reshape(2, 3).T + step,
    }


def save(checkpoints: Checkpoints, step: int) -> None:
    checkpoints.save(step, arrays(step), {"epoch": step // 2, "best": 0.1 * step}, {"config": "ab12"})


def is_that_of(found: Checkpoint, step: int) -> bool:
    """Whether it is of that step; its contents must be."""
    expected = arrays(step)
    assert found.values == {"epoch": step // 2, "best": 0.1 * step}
    assert found.facts == {"config": "ab12"}
    assert list(found.arrays) == sorted(expected)
    for name, value in expected.items():
        assert found.arrays[name].dtype == value.dtype
        np.testing.assert_array_equal(found.arrays[name], value)
    return found.step == step


def test_what_was_saved_comes_back_to_the_bit_and_two_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.newest() is None
    for step in range(1, 5):
        save(checkpoints, step)
        assert is_that_of(checkpoints.newest(), step)
    assert checkpoints.steps() == [3, 4]
    assert sorted(p.name for p in checkpoints.folder.iterdir()) == [
        f"{step:012d}.{kind}" for step in (3, 4) for kind in ("json", "safetensors")
    ]


def test_saving_the_same_step_again_replaces_it(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 7)
    checkpoints.save(7, arrays(8), {"epoch": 4, "best": 0.8}, {"config": "ab12"})
    assert checkpoints.steps() == [7]
    assert checkpoints.newest().arrays["theta"][0] == 8


def test_a_runs_folder_that_was_taken_away_is_not_made_anew(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(StorageError, match="checkpoints cannot be written: No such file"):
        save(Checkpoints(run / "checkpoints"), 1)
    assert not run.exists()


SAVED = [1, 2, 2, 3, 3, 3]  # the steps: the last one of a run is saved again once its epoch was told


def saves(disk: Disk) -> None:
    """Save them in the folder of a disk, the arrays of the n-th with n in them."""
    for n, step in enumerate(SAVED, 1):
        Checkpoints(disk.root / "checkpoints").save(
            step, arrays(n), {"epoch": n // 2, "best": 0.1 * n}, {"config": "ab12"}
        )
        disk.label = lambda n=n: n  # type: ignore[misc]


def newest(folder: Path) -> int:
    """Which of them is there; 0 for none."""
    found = Checkpoints(folder / "checkpoints").newest()
    if found is None:
        return 0
    number = int(found.arrays["count"])
    is_that_of(found, number)
    assert found.step == SAVED[number - 1]
    return number


def test_a_crash_at_any_call_leaves_the_old_checkpoint_or_the_new_one(tmp_path):
    disk = Disk(tmp_path / "disk", label=lambda: 0)
    disk.root.mkdir()
    with disk.mounted():
        saves(disk)
    states = {(moment.label, tuple(state.items())): moment for moment in disk.moments for state in moment.states()}
    assert len(states) > disk.calls
    for i, ((done, state), moment) in enumerate(states.items()):
        folder = build(dict(state), tmp_path / str(i))
        assert newest(folder) in {done, done + 1}, (moment.call, dict(state).keys())
        if i % 5 == 0:  # the next process goes on, and sweeps what was left
            checkpoints = Checkpoints(folder / "checkpoints")
            save(checkpoints, 9)
            assert is_that_of(checkpoints.newest(), 9)
            assert not checkpoints.damaged
            names = [entry.name for entry in checkpoints.folder.iterdir()]
            assert len(names) == 2 * len(checkpoints.steps())


@pytest.mark.parametrize("code", REFUSALS, ids=errno.errorcode.get)
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_a_system_that_refuses_any_call_costs_no_older_checkpoint(tmp_path, code, for_good):
    whole = Disk(tmp_path / "whole")
    whole.root.mkdir()
    with whole.mounted():
        saves(whole)
    for refused in range(1, whole.calls + 1):
        disk = Disk(tmp_path / f"run{refused}", lambda: 0, refused, code, for_good)
        disk.root.mkdir()
        with disk.mounted(), pytest.raises(StorageError) as caught:
            saves(disk)
        assert str(caught.value).startswith(f"{disk.root}{os.sep}")
        assert str(caught.value).endswith(f" cannot be written: {os.strerror(code)}")
        done = disk.label()
        assert newest(disk.root) in {done, done + 1}
        checkpoints = Checkpoints(disk.root / "checkpoints")
        save(checkpoints, 9)
        assert is_that_of(checkpoints.newest(), 9)
        assert not checkpoints.damaged


def test_no_flipped_bit_loads_silently_wrong(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    save(checkpoints, 2)
    rng = np.random.default_rng(0)
    paths = sorted(tmp_path.iterdir())
    passed_over = 0
    for _ in range(200):
        path = paths[rng.integers(len(paths))]
        whole = path.read_bytes()
        bit = int(rng.integers(8 * len(whole)))
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        found = checkpoints.newest()
        assert found is not None
        assert is_that_of(found, found.step)
        passed_over += found.step == 1
        assert bool(checkpoints.damaged) == (found.step == 1)
        path.write_bytes(whole)
    assert passed_over > 50


def test_what_is_wrong_with_a_checkpoint_is_said(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    manifest, stored = tmp_path / "000000000001.json", tmp_path / "000000000001.safetensors"
    text, content = manifest.read_text(), stored.read_bytes()

    def problem() -> str:
        with pytest.raises(DataError) as caught:
            checkpoints.load(1)
        return str(caught.value)

    stored.write_bytes(content[:-1])
    about = f"its {len(content) - 1:,} bytes are not those that 000000000001.json describes"
    assert problem() == f"{stored} is damaged: {about}"
    stored.unlink()
    assert problem() == f"{stored} cannot be read: No such file or directory"
    manifest.write_text(text.replace('"epoch": 0', '"epoch": 1'))
    assert problem() == f"{manifest} is damaged: its text is not the one that its SHA-256 belongs to"
    manifest.write_text("[1]")
    assert problem() == f"{manifest} is damaged: it is no manifest of a checkpoint"
    manifest.unlink()
    assert problem() == f"{manifest} cannot be read: No such file or directory"


def test_arrays_of_every_kind_and_layout_come_back(tmp_path):
    """The file is written here, a piece per array, and read by safetensors."""
    rng, checkpoints = np.random.default_rng(0), Checkpoints(tmp_path)
    kinds = ("float64", "float32", "float16", "int64", "int32", "int8", "uint64", "uint8", "bool")
    arrays = {f"{kind}.{n}": rng.integers(0, 2, (n, 3)).astype(kind) for kind in kinds for n in (0, 1, 5)}
    arrays |= {
        "number": np.array(0.1),
        "scalar": np.float32(0.1),
        "columns": np.asfortranarray(rng.normal(size=(4, 3))),
        "backwards": rng.normal(size=7)[::-2],
    }
    checkpoints.save(1, arrays, {}, {})
    read = checkpoints.load(1).arrays
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        assert read[name].tobytes() == array.tobytes()


def test_numbers_that_the_file_has_no_type_for_are_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(UsageError, match=r"'2\.phase' is complex128, which a safetensors file has no type for"):
        checkpoints.save(1, {"2.phase": np.zeros(2, complex)}, {}, {})
    assert not list(tmp_path.iterdir())


def test_what_is_older_goes_manifest_first_so_that_none_is_left_without_its_arrays(tmp_path, monkeypatch):
    gone = []
    monkeypatch.setattr(checkpoint, "remove", lambda path: gone.append(path.name) or os.unlink(path))
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2, 3, 4):
        save(checkpoints, step)
    assert gone == [f"{step:012d}.{kind}" for step in (1, 2) for kind in ("json", "safetensors")]


def test_a_checkpoint_of_another_format_is_told_from_a_damaged_one(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    save(checkpoints, 1)
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"has format 99, and this version reads 1; use the version of tape-trainer"):
        checkpoints.load(1)
    assert checkpoints.newest() is None
    assert len(checkpoints.damaged) == 1
