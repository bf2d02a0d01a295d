"""Attempts on other computers, for which processes stand here that know no more than an order on their input."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

import trainer
from tests.hints import advised
from tests.service.conftest import LONG, SMALL, Served, free_port
from tests.service.processes import below, told
from trainer.cli import main
from trainer.runs.lock import holder
from trainer.service import mark

COMMAND = f"command={sys.executable} -m trainer attempt"
CHECKED = SMALL.replace("epochs: 3", "epochs: 1500") + "checkpoint: {epochs: 100}\n"
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="asks /proc whose children there are")


@pytest.fixture(scope="module")
def elsewhere(serve: Callable[..., Served]) -> Served:
    """A service at an address that it keeps, where runs train on one that is another, unless they ask for local."""
    return serve("--launcher", COMMAND, "--launcher", "local", "--port", free_port())


def test_an_attempt_that_somebody_starts_says_what_starts_them(elsewhere, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(SystemExit) as ended:
        main(["attempt"])
    assert ended.value.code == 2
    said = advised(
        capsys.readouterr().err, "is started by a service: trainer serve --launcher 'command=ssh HOST trainer attempt'"
    )
    here = said.replace("ssh HOST trainer", f"{sys.executable} -m trainer")  # as a host of which one knows the way
    assert tuple(shlex.split(here.partition("trainer serve ")[2])) == elsewhere.options[:2]  # what all below run by


@cache
def parameters(config: str) -> bytes:
    """Of the same run, trained here by the library."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_text(config)
        outcome = trainer.train(path, out=folder)
        return (outcome.folder / "parameters.safetensors").read_bytes()


def model(served: Served, run: str) -> bytes:
    return served.ask("GET", f"/v1/runs/{run}/model").content


def processes(served: Served, word: bytes) -> list[int]:
    """Those of a service whose command has a word."""
    return [pid for pid in below(served.process.pid) if word in told(pid, "cmdline")]


def reaches(served: Served, run: str, attempt: int, checkpoints: int = 0, beyond: int = 0) -> None:
    """Until an attempt of that number has told of a step beyond that, and so many checkpoints of the run are here."""
    for event in served.client.events(run):
        there = len([*(served.root / "runs" / run / "checkpoints").glob("*.json")])
        told = event.data["step"] if event.kind == "points" and event.data["attempt"] == attempt else None
        if told is not None and told > beyond and there >= checkpoints:
            return
    raise AssertionError(f"{run} has ended before: {served.run(run)}")


def test_a_run_elsewhere_leaves_the_folder_that_it_would_leave_here(elsewhere):
    run = elsewhere.submit()
    ended = elsewhere.until(run, "finished", "failed")
    assert (ended["state"], ended["reason"], ended["attempt"]) == ("finished", "after 3 epochs", 1)
    assert ended["launcher"] == "command"
    for path, says in (("/", "on command</span>"), (f"/runs/{run}", "attempt 1 on command:")):
        assert says in elsewhere.ask("GET", path, Accept="text/html").content.decode()
    assert model(elsewhere, run) == parameters(SMALL)
    folder = elsewhere.root / "runs" / run
    assert {path.name for path in folder.iterdir()} >= {"loss.svg", "log.txt", "metrics.csv", "status.json"}
    known = mark.read(folder)
    assert (known.attempt, known.began, known.row["owner"]) == (1, 1, "admin")
    assert trainer.run(folder).status == "finished"
    assert list((elsewhere.root / "incoming").iterdir()) == []
    events = [*elsewhere.client.events(run)]
    assert sum(len(each.data["points"]) for each in events if each.kind == "points") == 3


def test_data_and_parameters_to_begin_with_go_along(elsewhere):
    """Of a run elsewhere and of one here, whose configs name the same uploads and runs."""
    table = "a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'xy'[i % 2]}\n" for i in range(60))
    upload = elsewhere.ask("POST", "/v1/datasets?name=flowers.csv", table).json["config"]
    rest = SMALL.partition("\n")[2]
    first = elsewhere.submit(f"dataset: {{path: '{upload}', target: kind}}\n{rest}", "?again=1&launcher=local")
    elsewhere.until(first, "finished")
    config = f"dataset: {{path: '{upload}', target: kind}}\nstart_from: 'run:{first}'\n{rest}"
    runs = [elsewhere.submit(config, f"?again=1&launcher={name}") for name in ("command", "local")]
    assert [elsewhere.until(run, "finished", "failed")["state"] for run in runs] == ["finished", "finished"]
    assert model(elsewhere, runs[0]) == model(elsewhere, runs[1]) != model(elsewhere, first)
    resolved = [elsewhere.ask("GET", f"/v1/runs/{run}/resolved").content for run in runs]
    assert resolved[0] == resolved[1]
    assert b"path: upload:" in resolved[0]
    assert f"path: run:{first}".encode() in resolved[0]
    assert str(elsewhere.root).encode() not in resolved[0]
    more = json.dumps({"overrides": ["epochs=5"]})
    for run in runs:  # and goes on, from the folder that came back
        elsewhere.ask("POST", f"/v1/runs/{run}/resume", more, Content_Type="application/json")
        assert elsewhere.until(run, "finished", "failed")["progress"]["epoch"] == 5
    assert model(elsewhere, runs[0]) == model(elsewhere, runs[1])


def test_a_cancelled_run_elsewhere_keeps_its_checkpoint_and_goes_on(elsewhere):
    run = elsewhere.submit(LONG)
    reaches(elsewhere, run, 1)
    assert elsewhere.ask("POST", f"/v1/runs/{run}/cancel").status == 202
    assert elsewhere.until(run, "cancelled")["reason"] == "cancelled by admin"
    step = elsewhere.run(run)["progress"]["step"]
    assert model(elsewhere, run)
    assert elsewhere.ask("POST", f"/v1/runs/{run}/resume").status == 202
    reaches(elsewhere, run, 2, beyond=step)
    elsewhere.ask("POST", f"/v1/runs/{run}/cancel")
    elsewhere.until(run, "cancelled")


@needs_proc
def test_what_dies_elsewhere_goes_on_from_its_newest_checkpoint_to_the_same_bytes(elsewhere):
    run = elsewhere.submit(CHECKED)
    reaches(elsewhere, run, 1, checkpoints=2)
    (pid,) = processes(elsewhere, b"remote.child")
    os.kill(pid, signal.SIGKILL)
    reaches(elsewhere, run, 2)
    said = [each.data for each in elsewhere.client.events(run) if each.kind in ("state", "log")]
    assert any("SIGKILL" in each.get("reason", "") for each in said), said
    assert any("resumed from step" in each.get("text", "") for each in said)
    assert elsewhere.until(run, "finished")["attempt"] == 2
    assert model(elsewhere, run) == parameters(CHECKED)


@needs_proc
def test_a_service_that_is_killed_finds_again_what_it_had_begun(elsewhere):
    """Its end closes the input of what it had started, which hands in a checkpoint, to the next service."""
    run = elsewhere.submit(CHECKED)
    reaches(elsewhere, run, 1)
    elsewhere.stop(signal.SIGKILL)
    elsewhere.start()
    assert elsewhere.until(run, "finished", "failed")["state"] == "finished"
    assert model(elsewhere, run) == parameters(CHECKED)
    rows = elsewhere.ask("GET", f"/v1/runs/{run}/history?limit=1000").json["data"]
    assert not [each for each in rows if "nothing was heard" in each["data"].get("reason", "")]


@needs_proc
def test_no_token_of_an_attempt_is_on_a_command_line_or_in_an_environment_and_none_is_stored(elsewhere):
    run = elsewhere.submit(LONG)
    reaches(elsewhere, run, 1)
    assert processes(elsewhere, b"remote.child")
    for pid in below(elsewhere.process.pid):
        for name in ("cmdline", "environ"):
            assert b"tra_" not in told(pid, name)
    elsewhere.ask("POST", f"/v1/runs/{run}/cancel")
    elsewhere.until(run, "cancelled")
    for name in ("service.sqlite", "service.sqlite-wal"):
        assert b"tra_" not in (elsewhere.root / name).read_bytes()
    assert "tra_" not in elsewhere.root.with_suffix(".log").read_text()
    assert holder(elsewhere.root / "runs" / run, mark.CLAIM) is None
