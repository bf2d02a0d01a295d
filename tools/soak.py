"""A hundred thousand steps on every executor, with flat memory; and on the machine's threads, none of which gets stuck.

Prints the resident memory after 2 %, 10 %, 60 % and all of the steps, and fails where it grew by more than a megabyte.
On several threads the network is large enough for its instructions to be divided, which its time of processors shows; a
step that takes a minute ends everything, with where it stood, and threads that are at work when nobody trains are a
failure.
Reads /proc, so it runs on Linux.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
from pathlib import Path

from trainer.compiler.executors import native_available
from trainer.config import load
from trainer.experiment import build
from trainer.training.threads import pinned

CONFIGS = Path(__file__).parent.parent / "configs"
SMALL: tuple[str, list[str]] = ("moons.yaml", [])
DIVIDED = ("mlp.yaml", ["network.0.dense=512", "batch_size=128"])
STUCK = 60  # seconds


def resident_kib() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4


def soaked(executor: str, threads: int, steps: int) -> list[int]:
    """Resident memory at the marks, in KiB."""
    name, overrides = SMALL if threads == 1 else DIVIDED
    marks = [steps * share // 100 for share in (2, 10, 60, 100)]
    seen = []
    with pinned(threads):
        training = build(load(CONFIGS / name, [*overrides, f"compute.executor={executor}", f"epochs={steps}"]))
        for count, _ in enumerate(training.records(), start=1):
            faulthandler.dump_traceback_later(STUCK, exit=True)
            if count in marks:
                seen.append(resident_kib())
            if count == steps:
                break
        faulthandler.cancel_dump_traceback_later()
    return seen


def at_work(seconds: float = 1.0) -> float:
    """The share of that time for which threads of this process are at work though nobody asked for anything."""
    busy, start = time.process_time(), time.perf_counter()
    time.sleep(seconds)
    return (time.process_time() - busy) / (time.perf_counter() - start)


def main() -> int:
    """Run and print; 1 where memory grew, or a thread went on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", metavar="STEPS", nargs="?", type=int, default=100_000, help="how many (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the machine's, in the last row (%(default)s)")
    arguments = parser.parse_args()
    rows = [("native", 1), ("numpy", 1), ("eager", 1), ("native", arguments.threads)]
    failed = False
    for executor, threads in rows if native_available() else rows[1:3]:
        start, busy = time.perf_counter(), time.process_time()
        seen = soaked(executor, threads, arguments.steps)
        wall, busy = time.perf_counter() - start, time.process_time() - busy
        idle = at_work()
        failed |= seen[-1] - seen[1] > 1024 or idle > 0.05
        name = executor + (f", {threads} threads" if threads > 1 else "")
        told = f"{wall:8.1f} s, of processors {busy:.1f} s; then {idle:.1%} of one"
        print(f"{name:<20}" + "".join(f"{kib:>12,} KiB" for kib in seen) + told, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
