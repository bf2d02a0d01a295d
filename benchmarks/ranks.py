"""What shards and ranks cost: `python -m benchmarks.ranks [--ranks 1 2 4] [--sizes 256 2048]`.

A step of a dense network on a batch as one, in shards of one process, and in shards of several ranks; CPU seconds of
all ranks together and wall time, of the same steps. Ranks are started with mpiexec, each with a thread of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

import numpy as np

from trainer.data.prepared import Prepared, Rows
from trainer.nn import Dense, Network, OpLayer
from trainer.plugins import shared
from trainer.training import Training
from trainer.training.ranks import world
from trainer.training.threads import pinned
from trainer_ops import mean_squared_error

STEPS = 40


def training(width: int, rows: int, shards: int | None) -> Training:
    """Three dense layers of so many units, on so many rows a step."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4 * rows, 64)).astype(np.float32)
    tanh = OpLayer(shared().get("ops", "tanh").target)
    network = Network([Dense(width), tanh, Dense(width), tanh, Dense(1)], (64,))
    data = Prepared("made up", "regression", (), Rows.numbered(x, x[:, :1]), Rows.numbered(x[:0], x[:0, :1]))
    return Training(network, mean_squared_error, data, 0.01, batch_size=rows, shards=shards)


def measured(width: int, rows: int, shards: int | None) -> None:
    """Take some steps as one of the ranks that there are; rank 0 prints what they took."""
    ranks = world()
    made = training(width, rows, shards)
    with pinned(1):
        if ranks is not None and ranks.rank:
            with ranks:
                made.shard_gradient.follow(ranks, made.state.theta, made.state.layer_state, rows)
            return
        if ranks is not None:
            made.shard_gradient.begin(ranks, made.state.layer_state)
        batches = np.arange(2 * rows).reshape(2, rows)
        made.update(batches)  # records, and warms up
        wall, own = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        for _ in range(STEPS // 2):
            made.update(batches)
        wall = time.perf_counter() - wall
        spent = resource.getrusage(resource.RUSAGE_SELF)
        if ranks is not None:
            made.shard_gradient.end()
            ranks.__exit__(None, None, None)
    cpu = spent.ru_utime + spent.ru_stime - own.ru_utime - own.ru_stime
    print(json.dumps({"wall_ms": wall / STEPS * 1e3, "cpu_ms": cpu / STEPS * 1e3}))


def main() -> None:
    """Every size, as one, in shards, and on ranks; the medians of three processes each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 1024])
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # width and shards, in a process of its own
    given = parser.parse_args()
    if given.one:
        width, shards = map(int, given.one)
        measured(width, given.rows, shards or None)
        return
    environ = {**os.environ, "OMPI_MCA_rmaps_base_oversubscribe": "1", "OPENBLAS_NUM_THREADS": "1"}
    print(f"{given.rows} rows a step; milliseconds a step, medians of 3: wall, and CPU of rank 0")
    for width in given.sizes:
        for shards, ranks in [(0, 1), (1, 1), (8, 1), *((8, n) for n in given.ranks if n > 1)]:
            start = ["mpiexec", "-n", str(ranks)] if ranks > 1 else []
            command = [*start, sys.executable, "-m", "benchmarks.ranks", "--rows", str(given.rows)]
            found = []
            for _ in range(3):
                ended = subprocess.run(
                    [*command, "--one", str(width), str(shards)],
                    env=environ,
                    capture_output=True,
                    text=True,
                    check=True,
                )
                found.append(json.loads(ended.stdout))
            wall, cpu = (float(np.median([each[key] for each in found])) for key in ("wall_ms", "cpu_ms"))
            what = f"{shards} shards on {ranks} ranks" if shards else "the batch as one"
            print(f"{width:>6} units  {what:<22} {wall:8.3f} {cpu:8.3f}")


if __name__ == "__main__":
    main()
