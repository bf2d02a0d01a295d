"""A service whose processes die by SIGKILL at random instants while runs come in: none is lost, and none trained twice.

The server, the fork server, an attempt or a worker is killed by chance, most of the time while something trains, else
whatever they are at; a server that died is started again. At the end every run that was acknowledged has finished once,
with the bytes of a run that nobody touched and a row for each epoch, and the database is whole.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from trainer.errors import TrainerError, UsageError
from trainer.service.client import Client, Refused

RUN = """\
seed: {seed}
dataset: {{name: moons, rows: 60}}
network: [{{dense: 4}}, tanh, {{dense: 2}}]
cost: softmax_cross_entropy
step_size: 0.1
batch_size: 20
epochs: {epochs}
"""
CONFIG = RUN + "checkpoint: {{epochs: 10}}\n"
EPOCHS = 100
SEEDS = 2  # different runs; the others are the same again
VICTIMS = {"server": 1, "fork server": 1, "attempt": 5, "worker": 1}  # and how often each is chosen


class Served:
    """The service, which is started again by whoever has killed it."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root, self.options = root, options
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "TRAINER_CONFIG": str(self.root.parent / "conf")}
        command = [sys.executable, "-m", "trainer", "serve", "--root", str(self.root), "--port", "0", "--slots", "2"]
        command += self.options
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        assert self.process.stdout is not None
        said = self.process.stdout.readline().decode()
        if " at " not in said:
            raise SystemExit(f"the service did not start again: {self.process.wait()}")
        url = said.split(" at ")[1].strip()
        self.client = Client(url, (self.root / "token").read_text().strip())

    def processes(self) -> dict[str, list[int]]:
        """Who lives now, by what it is."""
        servers = children_of(self.process.pid)
        children = [child for server in servers for child in children_of(server)]
        attempts = [child for child in children if works_in(child, self.root / "runs")]
        workers = [child for child in children if child not in attempts]
        return {"server": [self.process.pid], "fork server": servers, "attempt": attempts, "worker": workers}

    def wait(self, seconds: float) -> None:
        """Until something trains, or so long."""
        until = time.monotonic() + seconds
        while not self.processes()["attempt"] and time.monotonic() < until:
            time.sleep(0.02)

    def kill(self, victim: str, draw: random.Random) -> bool:
        """Whether there was one."""
        found = self.processes()[victim]
        if not found:
            return False
        try:
            os.kill(draw.choice(found), signal.SIGKILL)
        except ProcessLookupError:
            return False
        if victim == "server":
            self.process.wait()
            self.process.stdout.close()  # type: ignore[union-attr]  # it was asked for
            self.start()
        return True

    def submit(self, number: int) -> str:
        """Until it is acknowledged, however often the service dies meanwhile."""
        seed = number % SEEDS
        asked = {"config": CONFIG.format(seed=seed, epochs=EPOCHS), "name": f"seed{seed}", "again": True}
        while True:
            try:
                run = self.client.ask("POST", "/v1/runs", asked, headers={"Idempotency-Key": f"key-{number}"})
                return str(run["id"])
            except UsageError:  # nobody answers
                time.sleep(0.05)
            except Refused as error:
                if error.status not in (429, 503):
                    raise
                time.sleep(0.2)


def children_of(pid: int) -> list[int]:
    """Of a process of Linux."""
    try:
        text = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in text.split()]


def works_in(pid: int, folder: Path) -> bool:
    """Whether a process of Linux has its working directory below a folder."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")).is_relative_to(folder)
    except OSError:
        return False


def campaign(served: Served, runs: int, kills: int, draw: random.Random) -> tuple[list[str], Counter[str]]:
    """Submit runs, as many as are asked for and on until so many processes were killed, and kill these meanwhile.

    How long one takes that is left alone is measured first: a kill comes at any instant of that.
    Gives the runs' ids and who was killed how often.
    """
    killed, over = Counter[str](), threading.Event()
    first = served.submit(0)
    served.wait(60)
    began = time.monotonic()
    settle(served, [first])
    pace = time.monotonic() - began

    def submitted() -> list[str]:
        ids = [first]
        while len(ids) < runs or not over.wait(1.0):
            ids.append(served.submit(len(ids)))
        return ids

    with ThreadPoolExecutor(1) as thread:
        ids = thread.submit(submitted)
        while (count := sum(killed.values())) < kills and not ids.done():
            if draw.random() < 0.8:
                served.wait(10)
            time.sleep(draw.uniform(0, pace))
            (victim,) = draw.choices([*VICTIMS], [*VICTIMS.values()])
            killed[victim] += served.kill(victim, draw)
            if count % 50 == 49 and sum(killed.values()) > count:
                print(f"{count + 1} kills", flush=True)
        over.set()
        return ids.result(), killed


def settle(served: Served, ids: list[str]) -> Counter[str]:
    """Wait until all have finished; gives why some had to be resumed: their attempts were killed thrice in a row."""
    resumed = Counter[str]()
    for run in ids:
        while (about := served.client.ask("GET", f"/v1/runs/{run}"))["state"] != "finished":
            if about["state"] == "failed":
                served.client.ask("POST", f"/v1/runs/{run}/resume", {})
                resumed[about["reason"]] += 1
            time.sleep(0.05)
    return resumed


def mistakes(served: Served, ids: list[str]) -> list[str]:
    """What is not as it should be."""
    found = [] if len(set(ids)) == len(ids) else ["two submissions have one run"]
    digests: dict[int, set[str]] = {}
    for number, run in enumerate(ids):
        told = served.client.ask("GET", f"/v1/runs/{run}/history?limit=1000")["data"]
        ends = [each for each in told if each["type"] == "state" and each["data"]["state"] == "finished"]
        if len(ends) != 1:
            found.append(f"run {run} has finished {len(ends)} times")
        rows = csv.reader(served.client.ask("GET", f"/v1/runs/{run}/files/metrics.csv").decode().splitlines())
        if [row[0] for row in rows][1:] != [str(epoch) for epoch in range(1, EPOCHS + 1)]:
            found.append(f"run {run} has not one row for each epoch")
        model = served.client.ask("GET", f"/v1/runs/{run}/model")
        digests.setdefault(number % SEEDS, set()).add(hashlib.sha256(model).hexdigest())
    for seed, there in digests.items():
        if there != {undisturbed(served.root.parent, seed)}:
            found.append(f"runs with seed {seed} end in {len(there)} models, or not in that of trainer run")
    known = {row["id"] for row in listed(served.client)}
    if known != set(ids):
        found.append(f"{len(set(ids) - known)} runs are lost, and {len(known - set(ids))} are nobody's")
    with sqlite3.connect(served.root / "service.sqlite") as db:
        found += [f"the database: {row[0]}" for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
    db.close()
    return found


def listed(client: Client) -> list[dict[str, str]]:
    """All runs that there are."""
    rows: list[dict[str, str]] = []
    after = ""
    while True:
        page = client.ask("GET", f"/v1/runs?limit=200{after}")
        rows += page["data"]
        if not page["has_more"]:
            return rows
        after = f"&after={page['last_id']}"


def undisturbed(folder: Path, seed: int) -> str:
    """The SHA-256 of what `trainer run` makes of a config."""
    config, out = folder / f"seed{seed}.yaml", folder / f"out{seed}"
    config.write_text(CONFIG.format(seed=seed, epochs=EPOCHS))
    command = [sys.executable, "-m", "trainer", "run", str(config), "--out", str(out), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (run,) = out.iterdir()
    return hashlib.sha256((run / "parameters.safetensors").read_bytes()).hexdigest()


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder) / "root")
        try:
            ids, killed = campaign(served, asked.runs, asked.kills, random.Random(asked.seed))  # noqa: S311  instants, no secrets
            resumed = settle(served, ids)
            found = mistakes(served, ids)
        except TrainerError as error:
            found, killed, resumed, ids = [f"the service is not there any more: {error}"], Counter(), Counter(), []
        finally:
            served.process.terminate()
            served.process.wait()
    said = ", ".join(f"{killed[victim]} × {victim}" for victim in VICTIMS)
    by_hand = "".join(f"\n{count} resumed by hand: {reason}" for reason, count in resumed.items())
    print(f"{len(ids)} runs, killed {said}; {len(found)} mistakes{by_hand}", *found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
