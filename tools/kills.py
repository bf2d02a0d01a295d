"""A thousand kills: runs that die by SIGKILL at random instants, again and again, until they have come to their end.

Each optimizer trains with augmentation, batch norm, dropout, a plateau schedule, early stopping, accumulation and an
average of θ, on one executor after the other, and with clipping, validation rows or a running loss in turn. What such a
run leaves at its end is compared, byte for byte and times aside, with a run that nobody touched: every array of the
last checkpoint, its counters, metrics.csv, metrics.jsonl, the parameters.
Every attempt is a fork of this process, so it costs no imports.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # whoever imports this keeps the threads of their own
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a fork takes no threads along

import trainer
from trainer.compiler.executors import native_available
from trainer.experiment import resume
from trainer.plugins import Plugins
from trainer.runs import load
from trainer.runs.checkpoint import Checkpoints
from trainer.runs.folder import RunFolder

CONFIG: dict[str, Any] = {
    "name": "killed",
    "dataset": {"name": "digits", "standardize": True},
    "network": [
        {"reshape": [8, 8, 1]}, "random_shift", "flatten", {"dense": 8}, "batch_norm", "tanh", {"dropout": 0.2},
        {"dense": 10},
    ],
    "cost": "softmax_cross_entropy",
    "step_size": {"plateau": {"start": 0.01, "patience": 0}},
    "stop": {"patience": 4},
    "accumulate": 2,
    "average": 0.9,
    "batch_size": 64,
    "epochs": 8,
    "checkpoint": {"seconds": 0.01},
    "log": {"steps": 1},
}  # fmt: skip
# What else is carried from step to step, or from epoch to epoch, one after the other.
VARIATIONS: tuple[dict[str, Any], ...] = (
    {},
    {"evaluate": {"train": "running", "every": 2}},
    {"stop": {"patience": 3, "best": False}, "clip": {"norm": 1.0}},
    {"dataset": {**CONFIG["dataset"], "validation_fraction": 0.2, "resample": "oversample"}},
    {"batch_size": 100, "accumulate": 3, "penalty": {"l2": 1e-3}},
)
QUICK: dict[str, Any] = {"dataset": {**CONFIG["dataset"], "test_fraction": 0.8}, "epochs": 5}
ASKED = 143  # the exit code of an attempt that went when it was asked to
TIMES = re.compile(r"seconds|rows_per_second")


def cases() -> Iterator[dict[str, Any]]:
    """Every optimizer with every executor, for ever, both others than the time before, each time with another seed."""
    executors = ["eager", "numpy", *(["native"] if native_available() else [])]
    optimizers = list(Plugins().names("optimizers"))
    for seed in count():
        optimizer = optimizers[seed % len(optimizers)]
        executor = executors[(seed + seed // len(optimizers)) % len(executors)]
        varied = CONFIG | VARIATIONS[seed % len(VARIATIONS)]
        yield {**varied, "seed": seed, "optimizer": optimizer, "compute": {"executor": executor}}


def remains(folder: Path) -> tuple[Any, ...]:
    """What a run left, times aside."""
    checkpoint = Checkpoints(folder / "checkpoints").newest()
    assert checkpoint is not None
    arrays = {name: array.tobytes() for name, array in checkpoint.arrays.items() if not TIMES.search(name)}
    run = load(folder)
    columns = [*run.metrics.items(), *((f"steps.{name}", column) for name, column in run.steps.items())]
    rows = {name: column.tobytes() for name, column in columns if not TIMES.search(name)}
    return arrays, checkpoint.values, rows, (folder / "parameters.safetensors").read_bytes()


def attempt(work: Callable[[], object], seconds: float | None = None, sent: int = signal.SIGKILL) -> bool:
    """Do it in a process of its own that is sent a signal after so long; whether it came to its end before."""
    child = os.fork()
    if not child:
        try:
            work()
        except (KeyboardInterrupt, SystemExit):
            os._exit(ASKED)
        except BaseException as error:  # whatever it is, the parent has to hear of it, and no other code may run
            print(f"{type(error).__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, sent)
    _, status = os.waitpid(child, 0)
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else ASKED
    if code not in (0, ASKED):
        sys.exit("an attempt failed; see above")
    return code == 0


def killed(
    config: dict[str, Any], out: Path, longest: float, most: int, chance: random.Random, sent: int
) -> tuple[Path, int]:
    """A run that is killed `most` times, or until it is done before it is."""
    kills = 0
    while True:
        runs = [path for path in out.glob("*") if (path / "resolved.yaml").exists()]  # else it had not begun

        def work(runs: list[Path] = runs) -> object:
            return resume(runs[0]) if runs else trainer.train(config, out=out)

        done = attempt(work, None if kills == most else chance.uniform(0, longest), sent)
        # One that had said that it is done may have been killed before its process had gone.
        if done or any(trainer.Run(path.parent).status == "finished" for path in out.glob("*/status.json")):
            return next(path for path in out.iterdir() if (path / "parameters.safetensors").exists()), kills
        kills += 1


def main() -> int:
    """Kill and compare; 1 where a byte differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", metavar="KILLS", nargs="?", type=int, default=1000, help="how many (%(default)s)")
    parser.add_argument("--each", metavar="N", type=int, default=24, help="of a run, at most (%(default)s)")
    parser.add_argument(
        "--signal", metavar="NAME", default="KILL", help="KILL, or TERM or INT, which ask (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rows and epochs")
    parser.add_argument("--minutes", type=float, default=30.0, help="at most (%(default)s)")
    arguments = parser.parse_args()
    setattr(RunFolder, "save_loss", lambda run: None)  # noqa: B010  a function of metrics.csv, and slow to draw
    os.nice(5)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # behind a shell's & it is ignored, by children as well
    sent = signal.Signals[f"SIG{arguments.signal}"]
    done, runs, until = 0, 0, time.monotonic() + 60 * arguments.minutes
    chance = random.Random(0)  # noqa: S311  instants, no secrets
    for case in cases():
        config = {**case, **QUICK} if arguments.quick else case
        if done >= arguments.kills or time.monotonic() > until:
            break
        with tempfile.TemporaryDirectory() as name:
            whole, cut = Path(name, "whole"), Path(name, "cut")
            began = time.monotonic()
            attempt(lambda config=config, whole=whole: trainer.train(config, out=whole))  # type: ignore[misc]
            (folder,) = whole.iterdir()
            most = min(arguments.each, arguments.kills - done)
            other, kills = killed(config, cut, 0.6 * (time.monotonic() - began), most, chance, sent)
            done, runs = done + kills, runs + 1
            if remains(other) != remains(folder):
                print(f"{config['optimizer']}, {config['compute']['executor']}, seed {config['seed']}: other bytes")
                return 1
            what = f"{config['optimizer']}, {config['compute']['executor']}"
            print(f"{what}: stopped {kills} times, the same bytes; {done:,} stops of {runs} runs", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
