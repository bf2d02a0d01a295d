"""Runs on a Dask cluster over TLS: the bytes of a run here, whatever is killed meanwhile, and nothing that listens."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from tests.service.certificates import certified
from tests.service.conftest import LONG, SMALL, Served, free_port
from tests.service.processes import below
from tests.service.test_elsewhere import CHECKED, model, needs_proc, parameters, reaches
from tests.service.test_threats import listening_of
from trainer.errors import UsageError
from trainer.service.launchers import Site
from trainer.service.remote.dask import Dask
from trainer.service.settings import Settings

pytest.importorskip("distributed", reason="pip install 'tape-trainer[dask]'")
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


# Without a dashboard there is a port for HTTP all the same, of which this says where.
QUIET = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


class Cluster:
    """A scheduler at an address that it keeps, and a worker; each may be killed, and begun again."""

    def __init__(self, folder: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
        self._start, self.folder, self.port = start, folder, free_port()
        self.tls = certified(folder)
        self.begin()

    @property
    def address(self) -> str:
        return f"tls://127.0.0.1:{self.port}"

    def begin(self) -> None:
        self.scheduler = self._process("scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", self.port)
        self.begin_worker()

    def begin_worker(self) -> None:
        more = ("--nthreads", "1", "--no-nanny", "--host", "tls://127.0.0.1", "--local-directory", str(self.folder))
        self.worker = self._process("worker", self.address, *more)

    def _process(self, name: str, *more: str) -> subprocess.Popen[str]:
        tls = ("--tls-ca-file", self.tls.authority, "--tls-cert", self.tls.certificate, "--tls-key", self.tls.key)
        command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *more, *map(str, tls), *QUIET]
        with (self.folder / f"{name}.log").open("a") as log:
            return self._start(command, stdout=log, stderr=log, cwd=self.folder)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, start_once: Callable[..., subprocess.Popen[str]]) -> Cluster:
    return Cluster(tmp_path_factory.mktemp("cluster"), start_once)


@pytest.fixture(scope="module")
def served(cluster: Cluster, serve: Callable[..., Served]) -> Served:
    files = {"ca": cluster.tls.authority, "certificate": cluster.tls.certificate, "key": cluster.tls.key}
    options = {"scheduler": cluster.address, **{name: str(path) for name, path in files.items()}}
    return serve("--launcher", f"dask={json.dumps(options)}", "--port", free_port())


def answers_with_a_page(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/status")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):  # it speaks TLS
        return False
    finally:
        connection.close()


def reasons(served: Served, run: str) -> str:
    rows = served.ask("GET", f"/v1/runs/{run}/history?limit=1000").json["data"]
    return "\n".join(each["data"]["reason"] for each in rows if each["type"] == "state")


@needs_proc
def test_a_run_on_a_cluster_has_the_bytes_of_one_here_and_nothing_listens_but_tls_on_loopback(served, cluster):
    run = served.submit()
    assert served.until(run, "finished", "failed")["state"] == "finished", reasons(served, run)
    assert model(served, run) == parameters(SMALL)
    (told,) = served.ask("GET", "/v1/launchers").json["data"]
    assert {name: told[name] for name in ("name", "free", "threads", "outlives", "trouble")} == {
        "name": "dask", "free": 1, "threads": 1, "outlives": True, "trouble": None,
    }  # fmt: skip
    places = listening_of(cluster.scheduler.pid, cluster.worker.pid)
    assert all(place.startswith("0100007F:") for place in places), places
    for place in places:  # two speak TLS, and two HTTP, in which there is no dashboard
        assert not answers_with_a_page(int(place.partition(":")[2], 16))
    assert listening_of(served.process.pid) == [f"0100007F:{int(served.address.rpartition(':')[2]):04X}"]


@needs_proc
def test_a_cancelled_run_ends_on_the_cluster_too(served, cluster):
    run = served.submit(LONG)
    reaches(served, run, 1)
    assert served.ask("POST", f"/v1/runs/{run}/cancel").status == 202
    assert served.until(run, "cancelled")["reason"] == "cancelled by admin"
    assert model(served, run)
    assert served.until(served.submit(), "finished")["attempt"] == 1  # the only thread is free again


@pytest.mark.parametrize("killed", ["worker", "scheduler"])
def test_what_is_killed_of_a_cluster_costs_no_step_that_was_taken(served, cluster, killed):
    """A scheduler's workers end with it."""
    run = served.submit(CHECKED)
    reaches(served, run, 1)
    getattr(cluster, killed).kill()
    {"worker": cluster.begin_worker, "scheduler": cluster.begin}[killed]()
    assert served.until(run, "finished", "failed")["state"] == "finished", reasons(served, run)
    assert "nothing was heard" not in reasons(served, run)
    assert model(served, run) == parameters(CHECKED)


def test_a_service_that_begins_again_finds_its_attempt_at_work(served, cluster):
    run = served.submit(CHECKED)
    reaches(served, run, 1)
    served.stop(signal.SIGKILL)
    served.start()
    assert served.until(run, "finished", "failed")["attempt"] == 1, reasons(served, run)
    assert model(served, run) == parameters(CHECKED)


@needs_proc
def test_nothing_is_left_on_the_cluster(served, cluster):
    served.until(served.submit(), "finished")
    while below(cluster.worker.pid):  # what has handed in its last word ends behind it
        time.sleep(0.05)


def test_other_computers_are_reached_by_tls_alone():
    site = Site(Settings(Path(), url="https://train.example.org"), None, None, None)
    with pytest.raises(UsageError, match=r"whoever reaches tcp://10\.0\.0\.1:8786 can run code there"):
        Dask("tcp://10.0.0.1:8786").launcher(site)
