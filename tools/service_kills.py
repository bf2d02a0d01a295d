"""A service whose processes die by SIGKILL at random instants while runs come in: none is lost, and none trained twice.

The server, the fork server and whatever was forked from it are killed in turn by chance, and a server that died is
started again. At the end every run that was acknowledged has finished once, with the bytes of a run that nobody
touched, and the database is whole.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from trainer.errors import TrainerError, UsageError
from trainer.service.client import Client, Refused

CONFIG = """\
seed: {seed}
dataset: {{name: moons, rows: 60}}
network: [{{dense: 4}}, tanh, {{dense: 2}}]
cost: softmax_cross_entropy
step_size: 0.1
batch_size: 20
epochs: 1000
checkpoint: {{epochs: 100}}
"""
SEEDS = 2  # different runs; the others are the same again
VICTIMS = ("server", "fork server", "child")


class Served:
    """The service, which is started again by whoever has killed it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "TRAINER_CONFIG": str(self.root.parent / "conf")}
        command = [sys.executable, "-m", "trainer", "serve", "--root", str(self.root), "--port", "0", "--slots", "2"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        assert self.process.stdout is not None
        said = self.process.stdout.readline().decode()
        if " at " not in said:
            raise SystemExit(f"the service did not start again: {self.process.wait()}")
        url = said.split(" at ")[1].strip()
        self.client = Client(url, (self.root / "token").read_text().strip())

    def kill(self, victim: str, draw: random.Random) -> bool:
        """Whether there was one."""
        servers = children_of(self.process.pid)
        found = {
            "server": [self.process.pid],
            "fork server": servers,
            "child": [c for s in servers for c in children_of(s)],
        }
        if not found[victim]:
            return False
        try:
            os.kill(draw.choice(found[victim]), signal.SIGKILL)
        except ProcessLookupError:
            return False
        if victim == "server":
            self.process.wait()
            self.process.stdout.close()  # type: ignore[union-attr]  # it was asked for
            self.start()
        return True

    def submit(self, number: int) -> str:
        """Until it is acknowledged, however often the service dies meanwhile."""
        asked = {"config": CONFIG.format(seed=number % SEEDS), "name": f"seed{number % SEEDS}", "again": True}
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


def campaign(served: Served, runs: int, kills: int, draw: random.Random) -> tuple[list[str], Counter[str]]:
    """Submit so many runs while so many processes are killed; gives the runs' ids and who was killed how often."""
    killed: Counter[str] = Counter()
    with ThreadPoolExecutor(1) as thread:
        submitted = thread.submit(lambda: [served.submit(number) for number in range(runs)])
        while sum(killed.values()) < kills:
            time.sleep(draw.uniform(0.05, 0.8))
            victim = draw.choice(VICTIMS)
            killed[victim] += served.kill(victim, draw)
        return submitted.result(), killed


def settle(served: Served, ids: list[str]) -> int:
    """Wait until all have finished; gives how many had to be resumed, since a child of theirs was killed thrice."""
    resumed = 0
    for run in ids:
        while (state := served.client.ask("GET", f"/v1/runs/{run}")["state"]) != "finished":
            if state == "failed":
                served.client.ask("POST", f"/v1/runs/{run}/resume", {})
                resumed += 1
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
    config.write_text(CONFIG.format(seed=seed))
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
            found, killed, resumed = [f"the service is not there any more: {error}"], Counter(), 0
        finally:
            served.process.terminate()
            served.process.wait()
    said = ", ".join(f"{killed[victim]} × {victim}" for victim in VICTIMS)
    print(f"{asked.runs} runs, killed {said}; {resumed} resumed by hand; {len(found)} mistakes", *found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
