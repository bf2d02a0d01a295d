"""What a sweep promises: the bytes of runs made alone, whatever kills it; both processors; a small price per trial.

A sweep of 24 trials is killed at random instants, its workers with it or without, and begun again, until it has come to
its end. What each trial left is compared, byte for byte and times aside, with the run that `trainer.train` makes alone.
Then one and two workers train the same trials, in turn, and a trial of some 50 ms is weighed against the same training
alone: the processor time of a sweep, all of its processes together, for each trial.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # whoever imports this keeps the threads of their own
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import trainer
from tools.kills import remains
from trainer.sweeps.sweeping import Plan, Watcher, planned, train

CONFIG: dict[str, Any] = {
    "name": "swept",
    "dataset": {"name": "digits", "standardize": True},
    "network": [{"dense": 32}, "tanh", {"dropout": 0.2}, {"dense": 10}],
    "cost": "softmax_cross_entropy",
    "optimizer": "adam",
    "step_size": 0.01,
    "epochs": 12,
    "checkpoint": {"seconds": 0.1},
}
PARAMETERS = {"step_size": [0.003, 0.01, 0.03], "network.0.dense": [16, 32], "seed": range(4)}
SMALL: dict[str, Any] = {
    "name": "small",
    "dataset": {"name": "iris", "standardize": True},
    "network": [{"dense": 16}, "relu", {"dense": 3}],
    "cost": "softmax_cross_entropy",
    "step_size": 0.1,
    "epochs": 20,
}
COMMAND = "import sys; from pathlib import Path; from tools.sweeps import again; again(Path(sys.argv[1]))"


def again(out: Path) -> None:
    """The sweep, from wherever it is."""
    train(planned(CONFIG, PARAMETERS), out)


def kills(times: int, chance: random.Random) -> bool:
    """Kill a sweep so often; whether it left the bytes of runs alone."""
    with tempfile.TemporaryDirectory() as name:
        out, alone = Path(name, "swept"), Path(name, "alone")
        began = time.monotonic()
        for trial in planned(CONFIG, PARAMETERS).trials:
            trainer.train(trial.members[0].loaded, out=alone)
        longest = time.monotonic() - began
        for i in range(times):
            sent = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[i % 3]
            process = subprocess.Popen([sys.executable, "-c", COMMAND, str(out)], start_new_session=True)
            time.sleep(chance.uniform(2.0, 2.0 + longest / times))
            if i % 2:
                os.killpg(process.pid, sent)
            else:
                process.send_signal(sent)
            process.wait()
            done = sum(trainer.Run(path.parent).status == "finished" for path in out.glob("*/status.json"))
            print(f"{signal.Signals(sent).name} to {'all' if i % 2 else 'the parent'}: {done} of 24 done", flush=True)
        subprocess.run([sys.executable, "-c", COMMAND, str(out)], check=True)
        left = {_key(path): remains(path) for path in out.iterdir() if (path / "parameters.safetensors").exists()}
        wanted = {_key(path): remains(path) for path in alone.iterdir()}
        print(f"{len(left)} trials, {sum(left[key] == wanted[key] for key in wanted)} with the bytes of the run alone")
        return left == wanted


def _key(path: Path) -> str:
    return (path / "resolved.yaml").read_text()


class _Each(Watcher):
    """Counts what was done."""

    def __init__(self) -> None:
        self.over = 0

    def done(self, trial: object, member: object, *, there: bool) -> None:
        self.over += 1


def _swept(plan: Plan, jobs: int) -> tuple[float, float]:
    """Seconds, and processor seconds of all processes, that the trials took."""
    before, began = _cpu(), time.monotonic()
    with tempfile.TemporaryDirectory() as out:
        train(plan, out, jobs)
    return time.monotonic() - began, _cpu() - before


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def two_workers(pairs: int) -> float:
    """How much quicker two workers are than one, the median of so many pairs."""
    ratios = []
    for _ in range(pairs):
        one, _ = _swept(planned(CONFIG, PARAMETERS), 1)
        two, _ = _swept(planned(CONFIG, PARAMETERS), 2)
        ratios.append(one / two)
        load = os.getloadavg()[0]
        print(f"one worker {one:.1f} s, two {two:.1f} s: {one / two:.2f} times as fast (load {load:.1f})", flush=True)
    return statistics.median(ratios)


def overhead(trials: int) -> float:
    """Processor seconds of a trial beyond those of its training, in memory and alone."""
    trainer.train(SMALL)
    before = _cpu()
    for seed in range(trials):
        trainer.train(SMALL, [f"seed={seed}"])
    training = (_cpu() - before) / trials
    before = _cpu()
    plan = planned(SMALL, {"seed": range(trials)})
    planning = (_cpu() - before) / trials
    _, cpu = _swept(plan, 1)
    spent = planning + cpu / trials
    print(f"a training of {1e3 * training:.0f} ms costs {1e3 * spent:.0f} ms as a trial, {1e3 * planning:.0f} of them "
          f"to plan it: {1e3 * (spent - training):.0f} ms more (load {os.getloadavg()[0]:.1f})")  # fmt: skip
    return spent - training


def main() -> int:
    """Try all three; 1 where a byte differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="of kills, workers and overhead (all)")
    parser.add_argument("--times", type=int, default=4, help="how often a sweep is killed (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the instants (%(default)s)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # behind a shell's & it is ignored, by children as well
    what = arguments.what or ["kills", "workers", "overhead"]
    if "overhead" in what:
        overhead(24)
    if "workers" in what:
        print(f"median {two_workers(3):.2f}")
    same = "kills" not in what or kills(arguments.times, random.Random(arguments.seed))  # noqa: S311  instants
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
