"""What a run's files were is known, so that nobody judges by another: of whatever kind the file is."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hints import advised
from trainer.cli import main
from trainer.errors import DataError, StorageError, UsageError
from trainer.runs import RunFolder, load
from trainer.runs.appended import Appended
from trainer.runs.checking import accept, check
from trainer.runs.digests import read, sealed, unsealed
from trainer.runs.listing import Summary
from trainer.runs.lock import locked
from trainer.training import Epoch

PARTS = {
    "status.json": "about",
    "config.yaml": "config_text",
    "resolved.yaml": "config",
    "environment.json": "environment",
    "metrics.csv": "metrics",
    "log.txt": "log",
    "parameters.safetensors": "parameters",
    "parameters.safetensors.sha256": "parameters",
}


def epoch(number: int) -> Epoch:
    return Epoch(number, 5 * number, 0.1, {"loss": 1 / number}, {"loss": 1.1 / number}, 0.5, 100.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    given: dict[str, Any] = {"config_text": "seed: 3\n", "resolved": {"seed": 3}, "environment": {"cpu": "x"}}
    with RunFolder(root, "a", **given) as folder:
        folder.record(epoch(1))
        folder.record(epoch(2))
        folder.save_parameters({"0.bias": np.ones(2)})
        folder.save_table("confusion_matrix", np.eye(2))
    return folder.path


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A finished run."""
    return shutil.copytree(made, tmp_path / "my runs" / made.name)


def flip(path: Path, byte: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("bit", [0, 7])
@pytest.mark.parametrize("name", PARTS)
def test_one_bit_of_any_file_is_noticed_and_hides_no_other_part(name: str, bit: int, place: float, run: Path) -> None:
    flip(run / name, int(place * (run / name).stat().st_size), bit)
    for part in PARTS.values():
        if part == PARTS[name]:
            with pytest.raises(DataError, match=r"is damaged|is not JSON"):
                getattr(load(run), part)
        else:
            assert getattr(load(run), part)


def test_a_table_and_a_list_of_runs_notice_it_too(run: Path) -> None:
    flip(run / "confusion_matrix.csv", 3)
    with pytest.raises(DataError, match=r"confusion_matrix\.csv is damaged: its 25 bytes are not those"):
        read(run / "confusion_matrix.csv")
    assert (Summary(run).status, Summary(run).value("epochs")) == ("finished", 2.0)
    flip(run / "metrics.csv", 60)
    assert (Summary(run).status, Summary(run).lines, Summary(run).last) == ("damaged", [], {})


def test_who_changed_a_file_on_purpose_is_told_what_to_do_and_it_works(run: Path) -> None:
    shutil.copy(run / "resolved.yaml", run.parent / "a copy")
    (run / "resolved.yaml").write_text("seed: 4\n")
    with pytest.raises(DataError) as caught:
        _ = load(run).config
    assert str(caught.value) == (
        f"{run}/resolved.yaml is damaged: its 8 bytes are not those that status.json knows. Put it back from a copy; "
        f"if it was changed on purpose, take it as it is: trainer runs check '{run}' --accept"
    )
    assert [name for name, problem in check(run).items() if problem] == ["resolved.yaml"]
    told = advised(
        caught.value,
        f"Put it back from a copy; if it was changed on purpose, take it as it is: trainer runs check '{run}' --accept",
    )
    shutil.copy(run.parent / "a copy", run / "resolved.yaml")
    assert load(run).config == {"seed": 3}
    (run / "resolved.yaml").write_text("seed: 4\n")
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(told.rpartition("trainer ")[2]))
    assert not ended.value.code
    assert load(run).config == {"seed": 4}
    assert not any(check(run).values())
    assert accept(run) == []


@pytest.mark.parametrize("content", ["{", "[]", '{"status": "finished", "sha256": "0"}'])
def test_a_status_that_is_none_is_written_anew(content: str, run: Path) -> None:
    (run / "status.json").write_text(content)
    with pytest.raises(DataError, match="trainer runs check"):
        _ = load(run).about
    assert accept(run) == ["status.json"]
    assert load(run).status == ("finished" if "finished" in content else "crashed")
    assert load(run).config == {"seed": 3}


def test_nobody_takes_the_files_of_a_run_that_is_trained(run: Path) -> None:
    with locked(run), pytest.raises(UsageError, match="is being trained, and writes its files itself; stop it first"):
        accept(run)


def test_a_run_that_says_nothing_of_its_files_is_read_as_it_is(run: Path) -> None:
    (run / "status.json").write_text('{"status": "finished"}')
    (run / "resolved.yaml").write_text("seed: 5\n")
    assert load(run).config == {"seed": 5}
    assert "resolved.yaml" not in check(run)


def test_of_a_run_that_goes_on_the_rows_that_are_vouched_for_count(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "a")
    folder.record(epoch(1))
    folder._next = 0.0
    folder.beat()
    folder.record(epoch(2))
    known = unsealed((folder.path / "status.json").read_bytes())["files"]["metrics.csv"]["bytes"]
    assert known < (folder.path / "metrics.csv").stat().st_size
    assert load(folder.path).metrics["epoch"].tolist() == [1, 2]
    flip(folder.path / "metrics.csv", known - 3)
    with pytest.raises(DataError, match=r"metrics\.csv is damaged"):
        _ = load(folder.path).metrics
    folder.close()


def test_the_status_says_who_trains_and_when_it_was_last_seen(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "a")
    first = load(folder.path).about
    assert (first["status"], first["pid"], first["ended"]) == ("running", os.getpid(), None)
    folder.record(epoch(1))
    folder.beat()  # too early: nothing is written
    assert load(folder.path).about == first
    folder._next = 0.0
    folder.beat()
    assert load(folder.path).about["seen"] >= first["seen"]
    assert load(folder.path).about["epochs"] == 1
    folder.close()


def test_a_run_that_is_opened_again_can_be_cut_short_between_any_two_calls(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows, its config and its status are never all written at once; what stands there is whole all the same."""
    first = {"metrics.csv": (run / "metrics.csv").read_bytes().index(b"2,10")}
    for allowed in range(8):
        calls = 0

        def dying(real: Any, allowed: int = allowed) -> Any:
            def call(*given: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls > allowed:
                    raise OSError(5, "Input/output error")
                return real(*given)

            return call

        with monkeypatch.context() as patched:
            patched.setattr("trainer.files.os.replace", dying(os.replace))
            patched.setattr("trainer.runs.folder.os.truncate", dying(os.truncate))
            try:
                RunFolder.reopen(run, "a", resolved={"seed": 3 + allowed}, lengths=first).close()
            except StorageError:
                pass
            else:
                break
        assert not any(check(run).values())
        assert load(run).config["seed"] <= 3 + allowed
    assert allowed == 5
    assert load(run).metrics["epoch"].tolist() == [1]


def test_what_is_appended_is_known_after_any_interruption(tmp_path: Path) -> None:
    file = Appended(tmp_path / "a.txt")
    file.append(b"one\n")
    assert file._file is not None
    file._file.write(b"two\n")  # Ctrl-C, before the digest
    assert file.mark.facts == Appended(tmp_path / "a.txt").mark.facts
    file.append(b"three\n")
    assert file.mark.length == 14
    assert file.mark.facts == Appended(tmp_path / "a.txt").mark.facts
    file.close()


def test_a_seal_is_about_values_and_not_about_their_spelling() -> None:
    text = sealed({"b": 1.5, "a": [True, None, "ü"]})
    again = json.dumps(json.loads(text), sort_keys=True)
    assert unsealed(again.encode()) == unsealed(text.encode()) == {"b": 1.5, "a": [True, None, "ü"]}
    with pytest.raises(DataError, match="its SHA-256 is not that of what it says"):
        unsealed(text.replace("1.5", "1.6").encode())
