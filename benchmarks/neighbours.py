"""What the default number of threads costs where two runs share two processors.

python -m benchmarks.neighbours

Two runs at once of 784-256-128-10 with dropout, in batches of 64, with the settings as they are by default, then two at
once with `threads: 1`, in turns; the processor time of both, and the time until the second has ended, as ratios. What
else runs meets both alike. Exit code 1 where the median of the turns takes more than 1.3 times the processor time, or
more than 1.5 times as long.

On two processors that others used as well (a load of 8 to 10), turns gave 0.94 to 1.05 times the processor time, and
0.56 to 1.12 times as long: where somebody else is at work on a processor, the machine does not divide its instructions.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from trainer.compiler.processors import VARIABLES

CONFIG = """\
dataset: {path: rows.npz}
network: [dense: 256, relu, dropout: 0.2, dense: 128, relu, dense: 10]
cost: softmax_cross_entropy
optimizer: adam
step_size: 0.001
batch_size: 64
epochs: 8
"""
MOST_PROCESSOR, MOST_TIME = 1.3, 1.5


def two_at_once(folder: Path, *overrides: str) -> tuple[float, float]:
    """Seconds of processor time of both, and seconds until both have ended."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "trainer", "run", "c.yaml", "--quiet", *overrides]
    runs = [subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) for _ in range(2)]
    for run in runs:
        if run.wait():
            raise SystemExit(f"a run ended with {run.returncode}")
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="how often both are run (5)")
    parser.add_argument("--rows", type=int, default=20_000, help="of random numbers (20,000)")
    arguments = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        inputs = rng.random((arguments.rows, 784), dtype=np.float32)
        np.savez(folder / "rows.npz", inputs=inputs, targets=rng.integers(0, 10, arguments.rows))
        (folder / "c.yaml").write_text(CONFIG)
        two_at_once(folder, "epochs=1")  # what is cached once
        for _ in range(arguments.turns):
            default, one = two_at_once(folder), two_at_once(folder, "compute.threads=1")
            ratios.append((default[0] / one[0], default[1] / one[1]))
            print(
                f"load {os.getloadavg()[0]:4.1f}   default {default[0]:5.1f} s of processors in {default[1]:5.1f} s   "
                f"threads: 1 {one[0]:5.1f} s in {one[1]:5.1f} s   {ratios[-1][0]:.2f} × and {ratios[-1][1]:.2f} ×"
            )
    processor, wall = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"median {processor:.2f} × the processor time, {wall:.2f} × as long")
    return int(processor > MOST_PROCESSOR or wall > MOST_TIME)


if __name__ == "__main__":
    sys.exit(main())
