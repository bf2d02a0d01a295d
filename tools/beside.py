"""What several threads lose to one where somebody else burns a processor.

While a process of Python's does nothing but count, epochs of three networks are trained with one thread of the machine
and with several, in turns, and the time that passes is told as a ratio. Exit code 1 where several threads take more
than 1.1 times as long on any of them. The burner goes where the scheduler has it; what else runs meets both alike.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer.compiler.processors import processors
from trainer.config import load
from trainer.experiment import build
from trainer.training import Training
from trainer.training.threads import pinned

CONFIGS = Path(__file__).parent.parent / "configs"
MOST = 1.1
NETWORKS = {
    "dense": ("mlp.yaml", ["network.0.dense=2048", "batch_size=256"]),
    "convolution": ("convolution.yaml", ["batch_size=256"]),
    "transformer": ("characters.yaml", ["batch_size=64"]),
}


@contextmanager
def burning() -> Iterator[None]:
    """A process that keeps one processor busy."""
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        burner.kill()
        burner.wait()


def seconds(training: Training, threads: int) -> float:
    """That pass while an epoch's full batches are trained."""
    batches = [rows for rows in training.batches(0) if len(rows) == training.batch_size]
    with pinned(threads):
        start = time.perf_counter()
        for rows in batches:
            training.update(rows[None])
        return time.perf_counter() - start


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=15, help="how often each is trained (%(default)s)")
    parser.add_argument("--threads", type=int, default=max(2, processors()), help="that are several (%(default)s)")
    arguments = parser.parse_args()
    lost = []
    print(f"load before {os.getloadavg()[0]:.1f}")
    with burning():
        for name, (config, overrides) in NETWORKS.items():
            training = build(load(CONFIGS / config, overrides))
            counts = (1, arguments.threads)
            times: dict[int, list[float]] = {threads: [] for threads in counts}
            for turn in range(arguments.turns + 1):
                for threads in counts if turn % 2 else counts[::-1]:
                    taken = seconds(training, threads)
                    if turn:  # the first records the program, and wakes the threads
                        times[threads].append(taken)
            one, several = times.values()
            ratio = statistics.median(b / a for a, b in zip(one, several, strict=True))
            lost.append(ratio)
            print(
                f"{name:<12} one thread {statistics.median(one) * 1000:8.1f} ms, {arguments.threads} threads "
                f"{statistics.median(several) * 1000:8.1f} ms an epoch: {ratio:.2f} × as long",
                flush=True,
            )
    return int(max(lost) > MOST)


if __name__ == "__main__":
    sys.exit(main())
