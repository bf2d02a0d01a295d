"""Runs as jobs, which submitit starts on this computer as it would have Slurm do: the bytes of a run here."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service.conftest import LONG, SMALL, Served, free_port
from tests.service.test_elsewhere import CHECKED, model, needs_proc, parameters, reaches
from trainer.errors import UsageError
from trainer.service.launchers import Site
from trainer.service.remote.slurm import Slurm, _over
from trainer.service.settings import Settings

pytest.importorskip("submitit", reason="pip install 'tape-trainer[slurm]'")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all computers of a cluster see."""
    return tmp_path_factory.mktemp("shared") / "trainer"


@pytest.fixture(scope="module")
def served(serve: Callable[..., Served], shared: Path) -> Iterator[Served]:
    options = {"folder": str(shared), "cluster": "local", "slots": 2}
    yield serve("--launcher", f"slurm={json.dumps(options)}", "--port", free_port())
    while jobs(shared, b"submitit.local._local"):  # what stands for Slurm looks once in a while whether its job is done
        time.sleep(0.05)


def jobs(shared: Path, word: bytes) -> list[int]:
    """The processes of jobs, which have a word and the folder on their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:  # over by now
            continue
        if word in words and str(shared).encode() in words:
            found.append(int(path.name))
    return found


@needs_proc
def test_a_run_as_a_job_has_the_bytes_of_one_here_and_its_order_is_its_owners_alone(served, shared):
    run = served.submit(CHECKED)
    reaches(served, run, 1)
    (order,) = shared.glob("*.order")
    assert order.stat().st_mode & 0o077 == shared.stat().st_mode & 0o077 == 0
    assert served.until(run, "finished", "failed")["attempt"] == 1
    assert model(served, run) == parameters(CHECKED)


@needs_proc
def test_a_job_that_is_killed_costs_no_step_that_was_taken(served, shared):
    run = served.submit(CHECKED)
    reaches(served, run, 1)
    for pid in jobs(shared, b"submitit.core._submit"):
        os.kill(pid, signal.SIGKILL)
    ended = served.until(run, "finished", "failed")
    assert (ended["state"], ended["attempt"]) == ("finished", 2)
    assert model(served, run) == parameters(CHECKED)


def test_a_cancelled_run_ends_as_a_job_too(served):
    run = served.submit(LONG)
    reaches(served, run, 1)
    assert served.ask("POST", f"/v1/runs/{run}/cancel").status == 202
    assert served.until(run, "cancelled")["reason"] == "cancelled by admin"
    assert model(served, run)


def test_a_service_that_begins_again_finds_its_job_at_work(served):
    run = served.submit(CHECKED)
    reaches(served, run, 1)
    assert served.stop(signal.SIGTERM) == 0
    served.start()
    assert served.until(run, "finished", "failed")["attempt"] == 1
    assert model(served, run) == parameters(CHECKED)
    assert served.until(served.submit(SMALL), "finished")["attempt"] == 1


@pytest.mark.parametrize(
    ("state", "over"),
    [("PENDING", False), ("RUNNING", False), ("UNKNOWN", False), ("COMPLETED", True), ("CANCELLED by 1000", True),
     ("FINISHED", True), ("NODE_FAIL", True), ("NO PROCESS AND NO RESULT", True)],
)  # fmt: skip
def test_what_slurm_says_of_a_job(state, over):
    assert _over(state) is over


def test_without_slurm_a_service_says_so_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    site = Site(Settings(Path(), url="https://train.example.org"), None, None, None)
    with pytest.raises(UsageError, match="--launcher slurm: "):
        Slurm(str(tmp_path / "shared")).launcher(site)
