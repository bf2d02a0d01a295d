import errno
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from trainer.data import Scaling
from trainer.errors import DataError, DivergedError, StorageError, UsageError
from trainer.runs import RunFolder, load
from trainer.runs.folder import _new_folder
from trainer.runs.lock import held
from trainer.training import Epoch


def fill(folder: RunFolder, epochs: int = 3) -> None:
    for epoch in range(1, epochs + 1):
        folder.record(Epoch(epoch, epoch * 5, 0.1, {"loss": 1 / epoch}, {"loss": 1.1 / epoch}, 0.5, 100.0))


def test_everything_that_was_written_is_read_back(tmp_path: Path) -> None:
    text = "seed: 3   # as given\r\nname: ünï\r\n"
    resolved = {"seed": 3, "name": "ünï", "step_size": 1e-5}
    with RunFolder(tmp_path, "mlp", config_text=text, resolved=resolved, environment={"seed": 3}) as folder:
        fill(folder)
        folder.log("two\nlines")
        folder.save_parameters({"0.bias": np.ones(2, np.float32)}, Scaling(np.zeros(4), np.ones(4)))
        folder.save_loss()
    run = load(folder.path)
    assert (run.status, run.reason) == ("finished", None)
    assert run.about["epochs"] == 3
    assert (folder.path / "config.yaml").read_bytes() == text.encode()
    assert run.config_text == text
    assert run.config == {"seed": 3, "name": "ünï", "step_size": 1e-5}
    assert run.metrics["train_loss"].tolist() == [1.0, 0.5, 1 / 3]
    assert run.parameters["0.bias"].tolist() == [1.0, 1.0]
    assert run.scaling is not None
    assert run.scaling.mean.shape == (4,)
    assert run.environment == {"seed": 3}
    assert re.fullmatch(r"\S+  two\n    lines\n\S+  finished\n", run.log)
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "config.yaml",
        "environment.json",
        "lock",
        "log.txt",
        "loss.png",
        "loss.svg",
        "metrics.csv",
        "parameters.safetensors",
        "parameters.safetensors.sha256",
        "resolved.yaml",
        "status.json",
    ]


def test_a_run_that_goes_on_can_be_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "mlp", resolved={"seed": 0})
    assert load(folder.path).status == "running"
    assert load(folder.path).metrics == {}
    fill(folder, 2)
    assert load(folder.path).metrics["epoch"].tolist() == [1, 2]
    with pytest.raises(DataError, match=r"there is no parameters\.safetensors in"):
        _ = load(folder.path).parameters
    folder.close()
    assert not held(folder.path)


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (KeyboardInterrupt(), "interrupted", "Ctrl-C"),
        (SystemExit(143), "interrupted", "ended by SIGTERM"),
        (SystemExit(3), "interrupted", "SystemExit 3"),
        (DivergedError("training diverged at step 7"), "diverged", "training diverged at step 7"),
        (ZeroDivisionError("division by zero"), "failed", "ZeroDivisionError: division by zero"),
    ],
)
def test_the_status_says_how_it_ended_and_the_error_passes(
    tmp_path: Path, error: BaseException, status: str, reason: str
) -> None:
    with pytest.raises(type(error)), RunFolder(tmp_path, "mlp") as folder:  # noqa: PT012  it fails half-way
        fill(folder, 1)
        raise error
    run = load(folder.path)
    assert (run.status, run.reason, run.about["epochs"]) == (status, reason, 1)
    assert run.log.endswith(f"  {status}: {reason}\n")
    assert run.metrics["epoch"].tolist() == [1]


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    paths = []
    for _ in range(4):
        with RunFolder(tmp_path / "deep" / "runs", "mlp") as folder:
            paths.append(folder.path)
    assert len(set(paths)) == 4
    assert all(re.fullmatch(r"\d{8}-\d{6}-mlp(-\d{3})?", path.name) for path in paths)


@pytest.mark.parametrize(
    ("name", "end"), [("a b/../c", "a-b-..-c"), ("..", "run"), ("", "run"), ("zwölf", "zwölf"), ("x" * 300, "x" * 80)]
)
def test_any_name_makes_one_folder_inside_the_root(tmp_path: Path, name: str, end: str) -> None:
    with RunFolder(tmp_path, name) as folder:
        pass
    assert folder.path.parent == tmp_path
    assert folder.path.name.split("-", 2)[2] == end


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(UsageError) as caught:
        RunFolder(tmp_path / "runs", "mlp")
    assert str(caught.value) == f"{tmp_path}/runs cannot hold run folders: Not a directory"


def test_loading_what_is_no_run_says_what_is_there(tmp_path: Path) -> None:
    with RunFolder(tmp_path, "mlp") as folder:
        pass
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is not a run folder: there is no status.json in it; it holds the runs {folder.path.name}"
    )
    with pytest.raises(DataError) as caught:
        load(f"{folder.path}x")
    assert str(caught.value) == f"there is no run folder {folder.path}x; did you mean {folder.path}?"


def test_a_damaged_part_hides_no_other(tmp_path: Path) -> None:
    with RunFolder(tmp_path, "mlp", resolved={"seed": 1}) as folder:
        pass
    (folder.path / "environment.json").write_text("{")
    run = load(folder.path)
    assert run.config == {"seed": 1}
    with pytest.raises(DataError, match=r"environment\.json is damaged: its 1 bytes are not those that status"):
        _ = run.environment


def test_the_status_is_json_with_times_in_utc(tmp_path: Path) -> None:
    with RunFolder(tmp_path, "mlp") as folder:
        pass
    status = json.loads((folder.path / "status.json").read_text())
    assert status["started"].endswith("+00:00")
    assert status["ended"] >= status["started"]


def test_of_many_runs_of_one_second_the_last_has_the_greatest_name(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    made = [_new_folder(tmp_path, "mlp", moment) for _ in range(12)]
    assert max(tmp_path.iterdir()) == made[-1]
    assert made == sorted(made)


@pytest.mark.parametrize("character", ["a", "é", "深", "𝕏"])
def test_a_long_name_is_cut_by_its_bytes(character: str, tmp_path: Path) -> None:
    made = [_new_folder(tmp_path, character * 300, datetime(2026, 1, 31, tzinfo=UTC)) for _ in range(2)]
    assert all(len(path.name.encode()) <= 255 and character * 40 in path.name for path in made)


def test_a_run_that_goes_on_counts_the_seconds_before(tmp_path: Path) -> None:
    with RunFolder(tmp_path, "mlp") as folder:
        fill(folder)
    before = json.loads((folder.path / "status.json").read_text())
    lengths = {"metrics.csv": (folder.path / "metrics.csv").stat().st_size}
    for seconds in (100.0, 250.5):
        with RunFolder.reopen(folder.path, "mlp", resolved={}, lengths=lengths, seconds=seconds):
            pass
        status = json.loads((folder.path / "status.json").read_text())
        assert seconds <= status["seconds"] < seconds + 60
        assert status["started"] == before["started"]


def test_a_run_that_begins_again_in_its_folder_leaves_no_checkpoint_of_the_attempt_before(tmp_path):
    with RunFolder(tmp_path, "a", resolved={"seed": 1}) as folder:
        pass
    checkpoints = folder.path / "checkpoints"
    for name in ("000000000004.safetensors", ".000000000004.json.77-ab.tmp"):
        checkpoints.mkdir(exist_ok=True)
        (checkpoints / name).write_bytes(b"cut short")
    RunFolder.at(folder.path, "a", config_text="", resolved={"seed": 1}).close()
    assert not checkpoints.exists()
    checkpoints.mkdir()
    (checkpoints / "notes.txt").write_text("a person's")
    RunFolder.at(folder.path, "a", config_text="", resolved={"seed": 1}).close()
    assert [path.name for path in checkpoints.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_the_last_status_takes_the_place_of_the_old_one_where_there_is_no_room_for_another(code, tmp_path, monkeypatch):
    folder = RunFolder(tmp_path, "a")
    before = (folder.path / "status.json").read_bytes()

    def full(path, content):
        raise StorageError(path, OSError(code, os.strerror(code)))

    monkeypatch.setattr("trainer.runs.folder.atomic_write", full)
    with pytest.raises(StorageError, match=os.strerror(code)):  # while it goes on a status is whole or the one before
        folder._set_status("running")
    assert (folder.path / "status.json").read_bytes() == before
    if code == errno.EIO:
        with pytest.raises(StorageError):
            folder.close("failed", "no room")
        assert (folder.path / "status.json").read_bytes() == before
    else:
        folder.close("failed", "no room")
        assert (load(folder.path).status, load(folder.path).reason) == ("failed", "no room")
