"""A service in a process of its own, asked over HTTP as anybody would ask it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from trainer.cli import main
from trainer.service.client import Client
from trainer.service.trust import trusting

SMALL = """\
dataset: {name: moons, rows: 60}
network: [{dense: 4}, tanh, {dense: 2}]
cost: softmax_cross_entropy
step_size: 0.1
batch_size: 20
epochs: 3
"""
LONG = SMALL.replace("epochs: 3", "epochs: 1000000")


Start = Callable[..., subprocess.Popen[str]]


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return str(bound.getsockname()[1])


class Served:
    """A service: its process, its folder, its address and its admin's token."""

    def __init__(self, start: Start, root: Path, *options: str, certificate: Path | None = None) -> None:
        self._start, self.root, self.options = start, root, options
        self.certificate = certificate and certificate.read_text()
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "TRAINER_CONFIG": str(self.root.parent / "conf")}
        command = [sys.executable, "-m", "trainer", "serve", "--root", str(self.root), "--port", "0", *self.options]
        log = self.root.with_suffix(".log").open("a")
        with log:
            self.process = self._start(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
        assert self.process.stdout is not None
        self.said = [self.process.stdout.readline() for _ in range(3)]
        assert self.said[0], self.root.with_suffix(".log").read_text()
        self.url = self.said[0].split(" at ")[1].strip()
        self.token = (self.root / "token").read_text().strip()
        self.client = Client(self.url, self.token, self.certificate)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        self.process.stdout.close()
        return code

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc

    def ask(
        self, method: str, path: str, body: str | bytes | None = None, *, token: str | None = "", **headers: str
    ) -> Answer:
        """An answer as it comes; of the admin, where no other token is given."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            given.setdefault("Authorization", f"Bearer {token or self.token}")
        host, _, port = self.address.rpartition(":")
        connection = (
            HTTPConnection(host, int(port), timeout=30)
            if self.certificate is None
            else HTTPSConnection(host, int(port), timeout=30, context=trusting(self.certificate))
        )
        try:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, config: str = SMALL, query: str = "", **more: Any) -> Answer:
        more.setdefault("Content_Type", "application/yaml")
        return self.ask("POST", f"/v1/runs{query}", config, **more)

    def submit(self, config: str = SMALL, query: str = "?again=1") -> str:
        answer = self.post(config, query)
        assert answer.status == 202, answer
        return str(answer.json["id"])

    def run(self, run: str) -> Any:
        return self.ask("GET", f"/v1/runs/{run}").json

    def until(self, run: str, *states: str) -> Any:
        """Watch until the run is in one of these states; gives what it is then."""
        if self.run(run)["state"] in states:
            return self.run(run)
        for told in self.client.events(run):
            if told.kind == "state" and self.run(run)["state"] in states:
                return self.run(run)
        assert self.run(run)["state"] in states, self.run(run)
        return self.run(run)

    def trains(self, run: str) -> None:
        """Until its first step has been told."""
        for told in self.client.events(run):
            if told.kind == "points" and told.data["step"] > 0:
                return


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory, start_once: Start) -> Iterator[Callable[..., Served]]:
    """Begins services, which end with the module."""
    begun: list[Served] = []

    def serve(*options: str, certificate: Path | None = None) -> Served:
        root = tmp_path_factory.mktemp("served") / "root"
        begun.append(Served(start_once, root, *options, certificate=certificate))
        return begun[-1]

    yield serve
    for each in begun:
        each.stop()


@pytest.fixture(scope="module")
def served(serve: Callable[..., Served]) -> Served:
    """One service for a whole module, with two slots."""
    return serve("--slots", "2")


@pytest.fixture
def stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str]]:
    """The command of somebody who knows no service yet, with small.yaml beside, and with what is typed when a token is
    asked for; gives its code and what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINER_CONFIG", str(tmp_path / "conf"))
    Path("small.yaml").write_text(SMALL)

    def run(line: str, token: str = "") -> tuple[object, str]:
        monkeypatch.setattr("typer.prompt", lambda text, **how: token)
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(line))
        return ended.value.code, "".join(capsys.readouterr())

    return run
