"""A service under load for some minutes: its memory and its file descriptors stay flat.

    python -m tools.service_soak

Runs are submitted, watched, asked for and some cancelled, by several clients at once, and viewers come and go. Every
ten seconds the memory and the descriptors of the server and of its fork server are read: those of the last quarter may
not be more than those of the second, but for a little. Reads /proc, so it runs on Linux.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from itertools import count, islice
from pathlib import Path

from tools.service_kills import RUN, Served, children_of
from trainer.errors import TrainerError
from trainer.service.client import Client, Refused

CLIENTS = 4
EVERY = 10.0  # seconds between two looks
KIB, OPEN = 2048, 4  # that the middle of the last quarter may be above that of the second


def look(pid: int) -> tuple[int, int]:
    """KiB that are a process's own, and how many files it has open."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    return kib, len(os.listdir(f"/proc/{pid}/fd"))


def client(served: Served, over: threading.Event, numbers: count[int], done: list[str], failed: list[str]) -> None:
    """Submit, watch a little, ask for it, cancel every third; until it is over."""
    own = Client(served.client.url, served.client.token)
    while not over.is_set():
        number = next(numbers)
        epochs = 100_000 if number % 3 == 0 else 5
        asked = {"config": RUN.format(seed=number, epochs=epochs), "again": True, "name": "soak"}
        try:
            run = own.ask("POST", "/v1/runs", asked)["id"]
            for _ in islice(own.events(run), 4):
                pass
            own.ask("GET", "/v1/runs?limit=20")
            if number % 3 == 0:
                own.ask("POST", f"/v1/runs/{run}/cancel")
            for _ in own.events(run):
                pass
            state = own.ask("GET", f"/v1/runs/{run}")["state"]
            if state != ("cancelled" if number % 3 == 0 else "finished"):
                failed.append(f"run {run} is {state}")
            done.append(run)
        except (TrainerError, OSError) as error:
            failed.append(str(error))
            print(f"failed: {error}", flush=True)


def ready(client: Client) -> bool:
    """Whether runs are trained."""
    try:
        return bool(client.ask("GET", "/readyz")["ready"])
    except Refused:
        return False


def main() -> int:
    """Print what was read; 1 where it grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", nargs="?", type=float, default=10.0, help="how long (%(default)s)")
    minutes = parser.parse_args().minutes
    over, done, failed = threading.Event(), list[str](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder) / "root")
        while not ready(served.client):
            time.sleep(0.5)
        numbers = count()
        threads = [threading.Thread(target=client, args=(served, over, numbers, done, failed)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        seen: dict[str, list[tuple[int, int]]] = {"server": [], "fork server": []}
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            time.sleep(EVERY)
            pids = [served.process.pid, *children_of(served.process.pid)]
            for rows, pid in zip(seen.values(), pids, strict=True):
                rows.append(look(pid))
            print(
                f"{len(done):>6,} runs",
                *(f"{name}: {r[-1][0]:,} KiB, {r[-1][1]} open" for name, r in seen.items()),
                sep="   ",
                flush=True,
            )
        over.set()
        for thread in threads:
            thread.join()
        served.process.terminate()
        served.process.wait()
    grew = [f"{name}: {what} grew" for name, rows in seen.items() for what in rising(rows)]
    print(f"{len(done):,} runs in {minutes:g} minutes; {len(failed)} failures", *failed[:5], *grew, sep="\n")
    return 1 if grew or failed else 0


def rising(rows: list[tuple[int, int]]) -> list[str]:
    """What is more in the last quarter than in the second, by more than it may."""
    quarter = max(1, len(rows) // 4)
    found = []
    for what, i, most in (("memory", 0, KIB), ("descriptors", 1, OPEN)):
        early, late = (
            statistics.median(row[i] for row in part) for part in (rows[quarter : 2 * quarter], rows[-quarter:])
        )
        if late - early > most:
            found.append(what)
    return found


if __name__ == "__main__":
    sys.exit(main())
