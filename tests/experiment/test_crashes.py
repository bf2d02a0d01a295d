"""A run whose machine dies, or whose disk refuses, at any call from its first folder to its last status."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import trainer
from tests.runs.dying_disk import REFUSALS, Disk, Moment, State, build
from trainer.errors import DataError, StorageError
from trainer.experiment import Observer, resume
from trainer.runs import load as load_run
from trainer.runs.checkpoint import Checkpoints

TINY: dict[str, Any] = {
    "name": "tiny",
    "dataset": {"name": "linear", "rows": 30, "noise": 0.1},
    "network": [{"dense": 1}],
    "cost": "mean_squared_error",
    "optimizer": "momentum",
    "step_size": 0.1,
    "batch_size": 8,
    "metrics": [],
    "epochs": 2,
    "checkpoint": {"steps": 2, "epochs": 1},
    "compute": {"executor": "eager"},
}
# Of what takes longest, each so manieth; TRAINER_CRASHES=1 tries every state, and every refusal of every call.
SHARE = int(os.environ.get("TRAINER_CRASHES", "37"))
TIMES = re.compile(r"seconds|rows_per_second")


class Interrupted(Observer):
    """Ctrl-C in the first epoch."""

    def step(self, record: Any) -> None:
        if record.step == 3:
            raise KeyboardInterrupt


class Saves:
    """The states that were saved in this process, in order, and how many of them surely."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.states: list[tuple[Any, ...]] = []
        self.done = 0
        real = Checkpoints.save

        def save(checkpoints: Checkpoints, step: int, arrays: Any, values: Any, facts: Any) -> Path:
            self.states.append(of(step, arrays, values))
            path = real(checkpoints, step, arrays, values, facts)
            self.done += 1
            return path

        patch.setattr(Checkpoints, "save", save)


def of(step: int, arrays: Any, values: Any) -> tuple[Any, ...]:
    """A state as a value; how long it took is not part of it."""
    return step, {name: array.tobytes() for name, array in arrays.items() if not TIMES.search(name)}, values


def newest(folder: Path) -> tuple[Any, ...] | None:
    found = Checkpoints(folder / "checkpoints").newest()
    return None if found is None else of(found.step, found.arrays, found.values)


def remains(folder: Path) -> tuple[Any, ...]:
    """What a run left, times aside."""
    metrics = {name: column.tobytes() for name, column in load_run(folder).metrics.items() if not TIMES.search(name)}
    return newest(folder), metrics, (folder / "parameters.safetensors").read_bytes(), load_run(folder).status


def stop_and_go(root: Path) -> None:
    """A run that is interrupted, and goes on to its end."""
    with pytest.raises(KeyboardInterrupt):
        trainer.train(TINY, out=root / "runs", observers=[Interrupted()])
    (folder,) = (root / "runs").iterdir()
    resume(folder)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The curve is a function of metrics.csv, and takes longer to draw than these runs to train."""
    monkeypatch.setattr("trainer.runs.folder.RunFolder.save_loss", lambda run: None)


@dataclass(frozen=True)
class Journal:
    """What a disk went through while a run was stopped and went on, and the states that were saved."""

    moments: list[Moment]
    saved: list[tuple[Any, ...]]

    def allowed(self, moment: Moment) -> list[tuple[Any, ...] | None]:
        """What a crash then may leave: the last state that was saved for sure, or the next one."""
        return [None, *self.saved][moment.label : moment.label + 2]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.runs.folder.RunFolder.save_loss", lambda run: None)
        saves = Saves(patch)
        disk = Disk(tmp_path_factory.mktemp("disk"), label=lambda: saves.done)
        with disk.mounted():
            stop_and_go(disk.root)
    return Journal(disk.moments, saves.states)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    folder = trainer.train(TINY, out=tmp_path_factory.mktemp("untouched")).folder
    assert folder is not None
    return remains(folder)


def test_a_power_cut_at_any_call_leaves_the_old_checkpoint_or_the_new_one(journal: Journal, tmp_path: Path) -> None:
    seen = set()
    for moment in journal.moments:
        for state in moment.states():
            relevant = {name: each for name, each in state.items() if each is None or "/checkpoints/" in name}
            key = moment.label, tuple(relevant.items())
            if key not in seen:
                seen.add(key)
                found = found_in(relevant, tmp_path / str(len(seen)))
                assert found in journal.allowed(moment), (moment.call, state.keys())
    assert len(seen) > 150


def found_in(state: State, path: Path) -> Any:
    """The newest checkpoint of what is left, None where there is none."""
    root = build(state, path)
    found = [newest(folder) for folder in root.glob("runs/*")]
    return found[0] if found else None


def test_after_a_power_cut_at_any_call_a_run_comes_to_the_same_end(
    journal: Journal, untouched: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    states = {tuple(state.items()): moment for moment in journal.moments for state in moment.states(few=True)}
    for i, (state, moment) in enumerate(states.items()):
        if i % SHARE == 0:
            root = build(dict(state), tmp_path / str(i))
            assert moment.label == 0 or runs_below(root), moment.call
            for folder in runs_below(root):
                assert load_run(folder).status != "running"
                goes_on(folder, untouched)


def runs_below(root: Path) -> list[Path]:
    return [path.parent for path in root.glob("runs/*/status.json")]


def goes_on(folder: Path, untouched: tuple[Any, ...]) -> None:
    """To its end, or it has not begun."""
    if not (folder / "resolved.yaml").exists():
        with pytest.raises(DataError, match=r"was stopped before .*: there is no resolved\.yaml in it\. Begin again: "):
            resume(folder)
        return
    if load_run(folder).status != "finished":
        resume(folder)
    assert remains(folder) == untouched


def calls_of(journal: Journal) -> list[int]:
    """The calls that are refused: the first and the last of each kind, or every one."""
    if SHARE == 1:
        return list(range(1, len(journal.moments)))
    kinds: dict[str, list[int]] = {}
    for number, moment in enumerate(journal.moments[:-1], 1):
        kinds.setdefault(re.sub(r"\d+|\.[\da-f-]+\.tmp", "", moment.call), []).append(number)
    return sorted({number for numbers in kinds.values() for number in (numbers[0], numbers[-1])})


@pytest.mark.parametrize("code", REFUSALS, ids=errno.errorcode.get)
def test_a_disk_that_refuses_at_any_call_names_the_file_and_costs_no_older_checkpoint(
    code: int, journal: Journal, untouched: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for refused in calls_of(journal):
        if SHARE > 1 and refused % len(REFUSALS) != REFUSALS.index(code):
            continue
        disk = Disk(tmp_path / str(refused), refuses=refused, refusal=code, for_good=refused % 2 == 0)
        disk.root.mkdir()
        with monkeypatch.context() as patch:
            saves = Saves(patch)
            with disk.mounted():
                told = refusal_of(lambda: stop_and_go(disk.root))  # noqa: B023  called at once
        if told is None:  # a last status that had no room beside the one before took its place
            assert code == errno.ENOSPC
            assert not disk.for_good
            assert [remains(folder) for folder in runs_below(disk.root)] == [untouched]
            continue
        assert told.exit_code == 1
        assert re.fullmatch(rf"{re.escape(str(disk.root))}.* cannot be written: {os.strerror(code)}", str(told))
        for folder in runs_below(disk.root):
            assert load_run(folder).status != "running"
            assert newest(folder) in [None, *saves.states][saves.done : saves.done + 2]
            if refused % 4 == 0:
                goes_on(folder, untouched)


def refusal_of(work: Callable[[], None]) -> StorageError | None:
    try:
        work()
    except StorageError as error:
        return error
    return None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of one megabyte."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting a tmpfs takes root")
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this root may not mount a tmpfs: {mounted.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", path], check=True)


def fill(path: Path) -> None:
    """Write until there is no room, to the last byte."""
    with path.open("wb", buffering=0) as file:
        while shutil.disk_usage(path).free:
            file.write(bytes(4096))


def test_a_disk_that_is_really_full_ends_a_run_with_its_name_and_the_run_goes_on_once_there_is_room(
    small_disk: Path, untouched: tuple[Any, ...]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        trainer.train(TINY, out=small_disk / "runs", observers=[Interrupted()])
    (folder,) = (small_disk / "runs").iterdir()
    before = newest(folder)
    fill(small_disk / "ballast")
    command = [sys.executable, "-m", "trainer", "resume", folder, "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.fullmatch(rf"error: {re.escape(str(folder))}/\S+ cannot be written: {os.strerror(errno.ENOSPC)}", last)
    assert newest(folder) == before
    assert load_run(folder).status == "interrupted"
    (small_disk / "ballast").unlink()
    resume(folder)
    assert remains(folder) == untouched


class Filling(Observer):
    """Something else fills the disk while the run goes on."""

    def __init__(self, disk: Path) -> None:
        self.disk = disk

    def epoch(self, record: Any) -> None:
        fill(self.disk / "ballast")


def test_a_run_on_whose_disk_nothing_has_room_any_more_says_so_in_its_status(small_disk: Path) -> None:
    with pytest.raises(StorageError, match=os.strerror(errno.ENOSPC)) as told:
        trainer.train(TINY, out=small_disk / "runs", observers=[Filling(small_disk)])
    (folder,) = (small_disk / "runs").iterdir()
    run = load_run(folder)
    assert (run.status, run.about["status"]) == ("failed", "failed")
    assert run.reason == f"StorageError: {told.value}"
    assert newest(folder) is None or newest(folder)[0] > 0
