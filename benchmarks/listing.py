"""How long it takes to list many runs: python -m benchmarks.listing [RUNS]

A folder of so many runs, 5,000 by default, of a hundred epochs each, is asked for its last runs, for those of some
accuracy, for the best. Wall-clock and processor seconds of the whole command, the median of five.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from trainer.runs.folder import RunFolder
from trainer.training import Epoch

TIMES, EPOCHS = 5, 100
ASKED = {
    "the last": [],
    "those above an accuracy": ["--where", "test_accuracy>=0.95"],
    "the best": ["--sort", "test_accuracy"],
    "all of them, the best last": ["--sort", "test_accuracy", "--limit", "0"],
}


def _made(root: Path, runs: int) -> None:
    """Run folders as training leaves them, without their parameters and pictures, which no list reads."""
    setattr(os, "fsync", lambda descriptor: None)  # noqa: B010  nobody waits for the disk
    for i in range(runs):
        path = root / f"20260101-{i // 3600:02}{i // 60 % 60:02}{i % 60:02}-listed"
        path.mkdir()
        with RunFolder.at(path, "listed", config_text="", resolved={"seed": i}) as run:
            for epoch in range(1, EPOCHS + 1):
                numbers = {"loss": 1 / (epoch + i % 7), "accuracy": 1 - 0.5 / (epoch + i % 13)}
                run.record(Epoch(epoch, 45 * epoch, 0.1, numbers, numbers, 0.01, 1e5))


def _seconds(root: Path, arguments: list[str]) -> tuple[float, float]:
    began, used = time.perf_counter(), _used()
    command = [sys.executable, "-m", "trainer", "runs", "--in", str(root), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began, _used() - used


def _used() -> float:
    of = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of.ru_utime + of.ru_stime


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as name:
        _made(Path(name), runs)
        for what, arguments in ASKED.items():
            wall, used = zip(*(_seconds(Path(name), arguments) for _ in range(TIMES)), strict=True)
            print(f"{what} of {runs:,}: {statistics.median(wall):.2f} s, {statistics.median(used):.2f} s of processors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
