"""What draws beside a run gives the bytes that the run would, and costs no run that it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.runs import painter as module
from trainer.runs.metrics import read_metrics
from trainer.runs.painter import Painter
from trainer.runs.plots import loss_pictures


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr("trainer.runs.painter.processors", lambda: 2)


@pytest.fixture
def metrics(tmp_path) -> Path:
    path: Path = tmp_path / "metrics.csv"
    path.write_text("epoch,train_loss,test_loss\n1,2.0,2.1\n2,1.0,1.5\n3,nan,1.4\n")
    return path


def test_it_draws_the_bytes_that_the_run_would(metrics):
    with Painter() as painter:
        assert painter.pictures(metrics, "mlp", []) == loss_pictures(read_metrics(metrics), "mlp")
    with Painter() as painter:
        missing = metrics.with_name("none.csv")
        assert painter.pictures(missing, "字", [4.0, 3.0]) == loss_pictures({}, "字", [4.0, 3.0])


def test_one_block_draws_for_several_runs(metrics):
    with Painter() as painter:
        first = painter._process
        painter.ready()
        assert painter._process is first, "who waits to be asked already"
        drawn = painter.pictures(metrics, "mlp", [])
        assert painter.pictures(metrics, "mlp", []) is None
        painter.ready()
        assert painter._process is not None
        assert painter.pictures(metrics, "mlp", []) == drawn == loss_pictures(read_metrics(metrics), "mlp")


def test_on_one_processor_the_run_draws(metrics, monkeypatch):
    monkeypatch.setattr("trainer.runs.painter.processors", lambda: 1)
    monkeypatch.setattr(subprocess, "Popen", None)
    with Painter() as painter:
        assert painter.pictures(metrics, "mlp", []) is None


def test_where_it_cannot_be_started_or_is_killed_the_run_draws(metrics, monkeypatch):
    with Painter() as painter:
        painter._process.kill()
        assert painter.pictures(metrics, "mlp", []) is None
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with Painter() as painter:
        assert painter.pictures(metrics, "mlp", []) is None


def test_an_answer_that_is_cut_off_or_too_long_on_its_way_is_none(metrics, monkeypatch):
    assert module._parts(b'{"loss.svg": 2, "loss.png": 1}\nabc') == {"loss.svg": b"ab", "loss.png": b"c"}
    assert module._parts(b'{"loss.svg": 2, "loss.png": 1}\nab') is None
    assert module._parts(b"") is None
    monkeypatch.setattr(module, "ANSWERED_WITHIN", 0.001)
    with Painter() as painter:
        assert painter.pictures(metrics, "mlp", []) is None


def test_metrics_that_cannot_be_read_are_for_the_run_to_tell(tmp_path):
    (tmp_path / "metrics.csv").write_bytes(b"\xff\n")
    with Painter() as painter:
        assert painter.pictures(tmp_path / "metrics.csv", "mlp", []) is None


def test_leaving_the_block_leaves_no_process():
    with Painter() as painter:
        process = painter._process
    assert process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="there no process inherits a pipe in this way")
def test_it_answers_although_a_process_that_the_run_forked_holds_its_pipe_open(metrics, start):
    with Painter() as painter:
        pipe = painter._process.stdin.fileno()
        start([sys.executable, "-c", "import time; time.sleep(600)"], pass_fds=[pipe])
        assert painter.pictures(metrics, "mlp", []) == loss_pictures(read_metrics(metrics), "mlp")


def test_it_ends_when_its_run_is_gone(start):
    command = [sys.executable, "-P", "-m", "trainer.runs.painter"]
    alone = start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert alone.communicate(timeout=60)[0] == b""
    assert alone.returncode == 0


def test_a_run_that_takes_long_is_not_waited_for(start):
    code = "import trainer.runs.painter as p; p.ASKED_WITHIN = 0.05; p.main()"
    waiting = start([sys.executable, "-c", code], stdin=subprocess.PIPE)  # which stays open
    assert waiting.wait(timeout=60) == 1
