"""A step on one thread and on several, beside one another.

python -m benchmarks.threads                     every network, one thread and as many as there are processors
python -m benchmarks.threads --only lstm,gru --turns 40
python -m benchmarks.threads --beside bursts     with a process beside it that burns a processor now and then

Every network has a process of its own. It takes turns with one thread and with several on the same program, so that
both meet what else runs, and starts with the other one every time. Told are the quickest turn of each, wall time, and
their ratio, which is what two quiet processors give; the median of the ratios of turns that follow one another, which
is what they gave now; and the processor time of the quickest turns on several threads over that on one. What a load
takes from a turn it takes from both threads at once: on a busy machine ask for more turns, and shorter ones.

With `--beside` another process burns a processor meanwhile: always, where the scheduler has it (`steady`), or on the
last of them (`pinned`), or for 20 to 200 ms, with pauses alike (`bursts`). Told is then what all turns took, too, which
is what somebody loses who waits; exit code 1 where that is more than a tenth, on any network.

θ is held against that of the same steps on the other number of threads, to the bit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure import tuning
from benchmarks.report import environment, grid, write_json

ROOT = Path(__file__).parent.parent


class Network(NamedTuple):
    """A config's network, the shape of an example, and how many a batch has."""

    layers: list[Any]
    shape: tuple[int, ...]
    batch: int
    optimizer: str = "adam"


_BLOCK = {"transformer_block": {"heads": 4, "hidden": 128}}

NETWORKS = {
    "transformer": Network(["learned_positions", _BLOCK, _BLOCK, "layer_norm", "flatten", {"dense": 10}], (64, 64), 32),
    "conv": Network(
        [
            {"conv2d": {"filters": 32}}, "relu", {"max_pool": 2}, {"conv2d": {"filters": 64}}, "relu", {"max_pool": 2},
            "flatten", {"dense": 10},
        ],
        (32, 32, 3),
        64,
    ),
    "wide": Network([{"dense": 2048}, "relu", {"dense": 2048}, "relu", {"dense": 10}], (784,), 256),
    "mlp": Network([{"dense": 256}, "relu", {"dense": 10}], (784,), 128, "sgd"),
    "batch norm": Network(
        [
            {"dense": 512}, "batch_norm", "relu", {"dropout": 0.2}, {"dense": 512}, "batch_norm", "relu",
            {"dropout": 0.2}, {"dense": 10},
        ],
        (784,),
        128,
    ),
    "lstm": Network([{"lstm": 64}, {"dense": 10}], (64, 8), 32),
    "gru": Network([{"gru": 64}, {"dense": 10}], (64, 8), 32),
}  # fmt: skip

MOST = 1.1  # times as long on several threads as on one, where somebody burns a processor
BURNERS = {
    "steady": "while True: pass",
    "pinned": "import os; os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\nwhile True: pass",
    "bursts": """
import random, time
draw = random.Random(0)
while True:
    until = time.monotonic() + draw.uniform(0.02, 0.2)
    while time.monotonic() < until: pass
    time.sleep(draw.uniform(0.02, 0.2))
""",
}


@contextmanager
def burning(kind: str | None) -> Iterator[None]:
    """A process that keeps a processor busy, where there is to be one."""
    burner = subprocess.Popen([sys.executable, "-c", BURNERS[kind]]) if kind else None
    try:
        yield
    finally:
        if burner is not None:
            burner.kill()
            burner.wait()


class Turns(NamedTuple):
    """Seconds of a step, one a turn: wall time and processor time."""

    wall: list[float]
    processor: list[float]


def training_of(network: Network, folder: Path) -> Any:
    """A Training of it on random rows."""
    from trainer.config import load
    from trainer.experiment import build

    rng = np.random.default_rng(0)
    rows = 2 * network.batch
    np.savez(
        folder / "rows.npz",
        inputs=rng.standard_normal((rows, *network.shape), np.float32),
        targets=np.arange(rows) % 10,
    )
    config = {
        "dataset": {"path": str(folder / "rows.npz"), "test_fraction": 0}, "network": network.layers,
        "cost": "softmax_cross_entropy", "optimizer": network.optimizer, "batch_size": network.batch,
        "step_size": 1e-4,
    }  # fmt: skip
    return build(load(config))


def measure(network: Network, threads: int, turns: int, seconds: float) -> dict[int, Turns]:
    """Turns on one thread and on so many. Raises SystemExit where their bits differ."""
    from trainer.training.threads import pinned

    with tempfile.TemporaryDirectory() as folder, pinned(1):
        training = training_of(network, Path(folder))
    batch = np.arange(network.batch)
    found = {1: Turns([], []), threads: Turns([], [])}

    def steps(number: int, count: int) -> None:
        with pinned(number):
            wall, processor = time.perf_counter(), time.process_time()
            training.update(np.broadcast_to(batch, (count, len(batch))))
            found[number].wall.append((time.perf_counter() - wall) / count)
            found[number].processor.append((time.process_time() - processor) / count)

    start, ends = training.state.kept(), set()
    for number in found:
        training.resume(start)
        steps(number, 12)  # in the first of which the machine tries what is quicker, whole or in pieces
        ends.add(training.theta.tobytes())
    if len(ends) > 1:
        raise SystemExit("the bits depend on the number of threads")
    steps(1, 3)
    count = max(1, round(seconds / found[1].wall[-1]))
    found.update({number: Turns([], []) for number in found})
    for turn in range(turns):
        for number in sorted(found, reverse=turn % 2 == 1):
            steps(number, count)
    return found


def gain(found: dict[int, Turns]) -> float:
    """What all turns took on one thread, over that on several."""
    one, several = found.values()
    return sum(one.wall) / sum(several.wall)


def _row(name: str, found: dict[int, Turns]) -> list[str]:
    one, several = found.values()
    ratios = [a / b for a, b in zip(one.wall, several.wall, strict=True)]
    return [
        name, f"{min(one.wall) * 1e3:.2f}", f"{min(several.wall) * 1e3:.2f}",
        f"{min(one.wall) / min(several.wall):.2f}", f"{statistics.median(ratios):.2f}", f"{gain(found):.2f}",
        f"{min(several.processor) / min(one.processor):.2f}",
    ]  # fmt: skip


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", metavar="NAMES", default=",".join(NETWORKS), help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--threads", type=int, default=0, help="the other number of threads (the processors there are)")
    parser.add_argument("--turns", type=int, default=30, help="of each number of threads (30)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of a turn (0.1)")
    parser.add_argument("--beside", choices=list(BURNERS), help="what another process burns meanwhile")
    parser.add_argument("--as-is", action="store_true", help="keep variables like OPENBLAS_CORETYPE")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), help="folder for threads.json")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    for name in names:
        if name not in NETWORKS:
            parser.error(f"there is no network '{name}' here; there are {', '.join(NETWORKS)}")
    from trainer.compiler.processors import processors

    threads = arguments.threads or processors()
    if threads < 2:
        parser.error("this process was given one processor; --threads 2 divides among two threads all the same")
    if arguments.in_process:
        json.dump(measure(NETWORKS[names[0]], threads, arguments.turns, arguments.seconds), sys.stdout)
        return 0
    kept = os.environ if arguments.as_is else {k: v for k, v in os.environ.items() if k not in tuning()}
    about = {"environment": environment(), "threads": threads, "beside": arguments.beside}
    document: dict[str, Any] = {**about, "networks": {}}
    gains = ["best ÷ best", "median of turns", "all turns"]
    head = ["network", "1 thread, ms", f"{threads}, ms", *gains, "processor time"]
    rows = [head]
    for name in names:
        command = [sys.executable, "-m", "benchmarks.threads", "--in-process", "--only", name]
        command += ["--threads", str(threads), "--turns", str(arguments.turns), "--seconds", str(arguments.seconds)]
        with burning(arguments.beside):
            run = subprocess.run(command, cwd=ROOT, env=kept, stdout=subprocess.PIPE, check=True)
        found = {int(number): Turns(*turns) for number, turns in json.loads(run.stdout).items()}
        document["networks"][name] = found
        rows.append([*_row(name, found)])
        print(grid([head, rows[-1]]), flush=True)
    print(f"\n{grid(rows)}\n\nload {document['environment']['load']} before, {environment()['load']} after")
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_json(arguments.out / "threads.json", document)
    return int(bool(arguments.beside) and any(gain(found) < 1 / MOST for found in document["networks"].values()))


if __name__ == "__main__":
    sys.exit(main())
