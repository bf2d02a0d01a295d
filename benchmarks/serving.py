"""What the training service costs beside a server of MLflow: to be ready, to be idle, to take runs from 64 clients.

python -m benchmarks.serving [--mlflow .mlflow/bin/mlflow]

By turns, on the same machine. A submission here is a config that is checked as `trainer validate` does it and is on the
disk before it is answered; there it is the row of a run in SQLite, without a config. Processor seconds and memory are
of all processes of a server together: a busy machine lengthens them less than what a clock says. And, for the service
alone: from a POST to the first point that a viewer sees, beside a process that is started for it, and from a cancel to
the end with its checkpoint. Reads /proc, so it runs on Linux.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer.service.client import Client

CLIENTS, EACH, ROUNDS = 64, 5, 3
CONFIG = Path(__file__).parent.parent / "configs" / "mlp.yaml"
FRESH = """\
import os, sys, trainer
from trainer.experiment.observer import Observer
class First(Observer):
    def step(self, record):
        os._exit(0)
trainer.train(sys.argv[1], ["epochs=1000"], out=sys.argv[2], observers=[First()])
"""
MLFLOW = '{"experiment_id": "0"}'
TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all that it has started, as far as they live."""
    found = [pid]
    for each in found:
        for path in Path(f"/proc/{each}/task").glob("*/children"):
            found += [int(word) for word in path.read_text().split()]
    return found


def busy(pid: int) -> float:
    """Processor seconds of a process and of all that it has started, those that are gone as well."""
    total = 0
    for each in tree(pid):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICKS


def memory(pid: int) -> float:
    """MB that are nobody else's, of all of them."""
    total = 0
    for each in tree(pid):
        lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    return total / 1024


class Peer:
    """A server in a process of its own."""

    def __init__(self, name: str, command: list[str], folder: Path, port: int) -> None:
        self.name, self.port = name, port
        self.began = time.monotonic()
        log = (folder / f"{name}.log").open("w")
        with log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)

    def until(self, path: str) -> float:
        """Seconds from its start until it answers there with 200."""
        while True:
            try:
                if self.ask("GET", path)[0] == 200:
                    return time.monotonic() - self.began
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(f"{self.name} ended: {self.process.returncode}") from None
            time.sleep(0.02)

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            return asked(connection, method, path, body, headers)
        finally:
            connection.close()

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)


def asked(
    connection: http.client.HTTPConnection, method: str, path: str, body: str | None, headers: dict[str, str]
) -> tuple[int, bytes]:
    """A request on a connection that stays open."""
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read()


def flooded(peer: Peer, path: str, body: Callable[[int], str], headers: dict[str, str]) -> dict[str, float]:
    """So many clients at once, each one request after the other: rate, latencies, processor seconds, refusals."""
    seconds, refused, gate = list[float](), list[int](), threading.Barrier(CLIENTS + 1)

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=120)
        gate.wait()
        for i in range(EACH):
            began = time.monotonic()
            try:
                status, _ = asked(connection, "POST", path, body(number * EACH + i), headers)
            except OSError:
                status = 0
                connection.close()
            seconds.append(time.monotonic() - began)
            if status not in (200, 202):
                refused.append(status)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    gate.wait()
    began, before = time.monotonic(), busy(peer.process.pid)
    for thread in threads:
        thread.join()
    taken = time.monotonic() - began
    spent = busy(peer.process.pid) - before
    return {
        "per_second": (len(seconds) - len(refused)) / taken,
        "p99": statistics.quantiles(seconds, n=100)[98],
        "cpu": spent / len(seconds),
        "refused": len(refused),
    }


@contextmanager
def service(folder: Path) -> Iterator[tuple[Peer, Client]]:
    """The training service, and its admin."""
    port = free_port()
    options = ["--root", str(folder / "root"), "--port", str(port), "--slots", "1"]
    command = [sys.executable, "-m", "trainer", "serve", *options]
    os.environ["TRAINER_CONFIG"] = str(folder / "conf")
    peer = Peer("trainer serve", command, folder, port)
    try:
        listening = peer.until("/healthz")
        ready = peer.until("/readyz")
        print(f"trainer serve: listens after {listening:.2f} s, trains after {ready:.2f} s", flush=True)
        yield peer, Client(f"http://127.0.0.1:{port}", (folder / "root" / "token").read_text().strip())
    finally:
        peer.end()


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def first_point(peer: Peer, client: Client, config: str) -> dict[str, float]:
    """From a POST to the first step that a viewer is told, and from a cancel to the end."""
    before, began = busy(peer.process.pid), time.monotonic()
    run = client.ask("POST", "/v1/runs", {"config": config, "again": True, "overrides": ["epochs=100000"]})["id"]
    for told in client.events(run):
        if told.kind == "points" and told.data["step"] > 0:
            break
    wall, cpu = time.monotonic() - began, busy(peer.process.pid) - before
    before, began = busy(peer.process.pid), time.monotonic()
    client.ask("POST", f"/v1/runs/{run}/cancel")
    while client.ask("GET", f"/v1/runs/{run}")["state"] != "cancelled":
        time.sleep(0.01)
    return {
        "first_cpu": cpu, "first_wall": wall,
        "cancel_cpu": busy(peer.process.pid) - before, "cancel_wall": time.monotonic() - began,
    }  # fmt: skip


def fresh(folder: Path) -> float:
    """Processor seconds of a process that is started for one run, until its first step."""
    before = os.times()
    subprocess.run([sys.executable, "-c", FRESH, str(CONFIG), str(folder / "fresh")], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def submissions(peer: Peer, client: Client, config: str) -> Callable[[], dict[str, float]]:
    """Rounds of submissions, while one run that is stopped holds the only slot."""
    client.ask("PUT", "/v1/users/admin", {"queued": 1_000_000})
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    rounds = iter(range(1000))

    def once() -> dict[str, float]:
        number = next(rounds) * CLIENTS * EACH

        def body(i: int) -> str:
            return json.dumps({"config": config, "again": True, "overrides": [f"seed={number + i}"]})

        return flooded(peer, "/v1/runs", body, headers)

    return once


def alone(peer: Peer, client: Client, folder: Path, config: str) -> None:
    """Print what the service takes with one run, or none."""
    time.sleep(3)
    before = busy(peer.process.pid)
    time.sleep(5)
    used = memory(peer.process.pid)
    print(f"idle: {used:.0f} MB, {20 * (busy(peer.process.pid) - before):.1f} % of a processor", flush=True)
    rows = [{**first_point(peer, client, config), "fresh": fresh(folder)} for _ in range(ROUNDS + 2)][1:]
    found = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    print(
        f"from a POST to the first point: {found['first_cpu']:.2f} s of processors, {found['first_wall']:.2f} s; "
        f"a new process: {found['fresh']:.2f} s of processors; {found['first_cpu'] / found['fresh']:.2f} ×"
    )
    print(
        f"from a cancel to the end: {found['cancel_wall']:.2f} s, {found['cancel_cpu']:.2f} s of processors", flush=True
    )


def side_by_side(
    peer: Peer, client: Client, folder: Path, config: str, other: Peer | None
) -> dict[str, list[dict[str, float]]]:
    """Rounds of submissions to the one and the other by turns; a run that is stopped meanwhile holds the only slot."""
    asked_for = {"config": config, "again": True, "overrides": ["epochs=1000000"]}
    lock = folder / "root" / "runs" / client.ask("POST", "/v1/runs", asked_for)["id"] / "attempt.lock"
    while not lock.exists() or not lock.read_bytes():
        time.sleep(0.05)
    holder, once = json.loads(lock.read_bytes())["pid"], submissions(peer, client, config)
    found: dict[str, list[dict[str, float]]] = {"trainer serve": [], "mlflow server": []}
    for _ in range(ROUNDS):
        os.kill(holder, signal.SIGSTOP)
        found["trainer serve"].append(once())
        os.kill(holder, signal.SIGCONT)
        time.sleep(6)  # the service looks for what is stopped
        if other is not None:
            row = flooded(other, "/api/2.0/mlflow/runs/create", lambda i: MLFLOW, {"Content-Type": "application/json"})
            found["mlflow server"].append(row)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mlflow", type=Path, help="the command of an MLflow that has an environment of its own")
    command = parser.parse_args().mlflow
    config = CONFIG.read_text()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with service(folder) as (peer, client):
            alone(peer, client, folder, config)
            other = mlflow(command, folder) if command else None
            try:
                found = side_by_side(peer, client, folder, config, other)
            finally:
                if other is not None:
                    other.end()
    for name, rows in found.items():
        if rows:
            middle = {each: statistics.median(row[each] for row in rows) for each in rows[0]}
            refused = sum(row["refused"] for row in rows)
            print(
                f"{name}: {middle['per_second']:.1f} submissions a second of {CLIENTS} clients, p99 "
                f"{middle['p99']:.2f} s, {1000 * middle['cpu']:.2f} ms of processors each, {refused:.0f} refused"
            )
    if all(found.values()):
        pairs = [*zip(*found.values(), strict=True)]
        shares = {each: statistics.median(a[each] / b[each] for a, b in pairs) for each in ("per_second", "cpu", "p99")}
        print("of MLflow's: " + ", ".join(f"{each} {share:.3f} ×" for each, share in shares.items()))


def mlflow(command: Path, folder: Path) -> Peer:
    """An MLflow server on SQLite, as it comes."""
    port = free_port()
    store = f"sqlite:///{folder}/mlflow.db"
    arguments = [str(command.absolute()), "server", "--port", str(port), "--backend-store-uri", store]
    peer = Peer("mlflow server", arguments, folder, port)
    ready = peer.until("/health")
    time.sleep(5)
    used, count = memory(peer.process.pid), len(tree(peer.process.pid))
    print(f"mlflow server: answers after {ready:.2f} s; idle {used:.0f} MB in {count} processes", flush=True)
    return peer


if __name__ == "__main__":
    main()
