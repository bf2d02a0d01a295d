"""Processes, turns and statistics: how a workload is measured in several systems at once.

Every system gets a process of its own for each number of threads. A process is restricted to as many cores as it may
use threads, so that what one library calls a thread and another a pool comes to the same. All get ready (two at a time,
untimed) and warm up one after the other, then they take turns: while one runs, the others wait for their input.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from benchmarks.peers import System, Unsupported, plain, trainer
from benchmarks.workloads import Workload

__all__ = ["TOLERANCE", "Measurement", "Spread", "cores", "measure", "reference", "spread", "tuning"]

# How far a loss may be from the reference, relatively. In float32, sums in another order make some 1e-6 after 50 steps;
# a wrong factor anywhere, a batch that differs or another ε in Adam is far beyond this.
TOLERANCE = 1e-4

# What tells one library and not the others which kernels to use (some workplaces pin NumPy's BLAS to an older processor
# than the one that is there, so that bits agree between machines). All are free to choose here, unless told otherwise.
TUNING = ("OPENBLAS_", "MKL_", "BLIS_", "NPY_", "ONEDNN_", "DNNL_", "ATEN_CPU_", "XLA_FLAGS", "JAX_")

ROOT = Path(__file__).parent.parent

WARM_UP = 3  # times as long as it is timed in its turn
REST = 0.3  # seconds before a turn: threads of OpenMP go on waiting in a loop for some 0.2 s after the last one


class Spread(NamedTuple):
    """The median and the quartiles."""

    median: float
    low: float
    high: float


def spread(numbers: Sequence[float]) -> Spread:
    """Median and quartiles of at least one number.

    >>> spread([1.0, 2.0, 3.0, 4.0, 5.0])
    Spread(median=3.0, low=2.0, high=4.0)
    """
    low, middle, high = (float(q) for q in np.quantile(numbers, [0.25, 0.5, 0.75]))
    return Spread(middle, low, high)


Clock = Literal["microseconds", "busy"]


@dataclass
class Measurement:
    """One system on one workload with one number of threads.

    Attributes:
        microseconds: that pass per step, or per whole epoch, one a round; empty where the system cannot do it, and then
            `note` says why.
        busy: those of processors, of all threads.
        evaluating: of a whole epoch the share of what follows its steps, in time of processors.
        deviation: of its losses from the reference, the largest relative one; None where it computes none.
        memory: bytes that it took, beyond the library and the data.
    """

    system: str
    kind: str
    threads: int
    microseconds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    evaluating: list[float] = field(default_factory=list)
    deviation: float | None = None
    memory: int | None = None
    note: str = ""

    @property
    def ranked(self) -> bool:
        """Whether it ran and computed the same as the others."""
        return bool(self.microseconds) and (self.deviation is None or self.deviation <= TOLERANCE)

    def ratios(self, other: Measurement, by: Clock = "microseconds") -> list[float]:
        """Time over the other's time, round by round."""
        return [a / b for a, b in zip(getattr(self, by), getattr(other, by), strict=True)]


def cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def tuning() -> dict[str, str]:
    """The environment variables that favour one library or hold one back."""
    return {name: value for name, value in os.environ.items() if name.startswith(TUNING)}


def reference(workload: Workload) -> np.ndarray[Any, Any]:
    """The losses of the first steps, in float64: by hand, or where that would be long, by the tape."""
    first = workload.to_check()
    theta, data = first.parameters(), first.data()
    exact = [tuple(array.astype(np.float64) for array in arrays) for arrays in theta]
    targets = data.targets if data.targets.dtype.kind == "i" else data.targets.astype(np.float64)
    wide = data._replace(inputs=data.inputs.astype(np.float64), targets=targets)
    try:
        run = plain.make(first, exact, wide, 1, "")
    except Unsupported:
        run = trainer.make(first, exact, wide, 1, "eager")
    return np.asarray(run())


def deviation(losses: Sequence[float] | None, expected: np.ndarray[Any, Any]) -> float | None:
    """The largest relative difference; of the means, where only the mean is known.

    >>> deviation([1.0, 2.2], np.array([1.0, 2.0])), deviation([1.5], np.array([1.0, 2.0]))
    (0.10000000000000009, 0.0)
    """
    if losses is None:
        return None
    if len(losses) == 1:
        expected = expected.mean(keepdims=True)
    return float(np.max(np.abs(np.asarray(losses) - expected) / np.abs(expected)))


class _Worker:
    """A process that runs a system; see `benchmarks.worker`."""

    def __init__(self, workload: Workload, system: System, threads: int, *, check: bool) -> None:
        self.measured = Measurement(system.name, system.kind, threads)
        order = {
            "peer": system.peer, "variant": system.variant, "workload": dataclasses.asdict(workload),
            "threads": threads, "cores": cores()[:threads], "check": check,
        }  # fmt: skip
        number = str(threads)
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), number)
        processors_only = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(order)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, **limits, **processors_only},
        )  # fmt: skip

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def answer(self) -> dict[str, Any]:
        """The next line; what stood on stderr if there is none."""
        line = self.process.stdout.readline() if self.process.stdout else ""
        if line:
            fields: dict[str, Any] = json.loads(line)
            return fields
        last = (self.process.stderr.read() if self.process.stderr else "").strip().splitlines()[-1:]
        return {"failed": f"the process ended: {last[0] if last else f'exit {self.process.wait()}'}"}

    def warm_up(self, seconds: float) -> None:
        """Have it run alone, untimed: what it found out while others were getting ready is found out again."""
        kept = len(self.measured.microseconds)
        self.time(seconds)
        for numbers in (self.measured.microseconds, self.measured.busy, self.measured.evaluating):
            del numbers[kept:]

    def time(self, seconds: float) -> None:
        """Have it measure, and keep what it answers; a note if the process is gone."""
        assert self.process.stdin is not None
        print(seconds, file=self.process.stdin, flush=True)
        answer = self.answer()
        self.measured.note = answer.get("failed", "")
        if not self.measured.note:
            self.measured.microseconds.append(answer["microseconds"])
            self.measured.busy.append(answer["busy"])
            if answer["evaluating"] is not None:
                self.measured.evaluating.append(answer["evaluating"])


def measure(
    workload: Workload,
    systems: Sequence[System],
    threads: Sequence[int],
    *,
    rounds: int = 7,
    seconds: float = 0.3,
    check: bool = True,
    report: Callable[[str], None] = lambda line: None,
) -> list[Measurement]:
    """Every system on a workload with each number of threads, in turns.

    Args:
        rounds: how often each is timed.
        seconds: for how long at least each time.
        check: compare the losses of the first steps with the reference.
        report: gets a line on what goes on.
    """
    with ExitStack() as stack:
        workers, starts = [], [(system, n) for n in threads for system in systems]
        expected = reference(workload) if check else np.empty(0)

        def start(which: tuple[System, int]) -> tuple[_Worker, dict[str, Any]]:
            worker = _Worker(workload, *which, check=check)
            stack.push(worker)
            return worker, worker.answer()

        with ThreadPoolExecutor(max_workers=max(1, len(cores()))) as pool:
            for worker, answer in pool.map(start, starts):
                measured = worker.measured
                measured.note = answer.get("unsupported") or answer.get("failed") or ""
                measured.deviation = deviation(answer.get("losses"), expected)
                measured.memory = answer.get("memory")
                workers.append(worker)
                report(f"{workload.name}: {measured.system} on {measured.threads} is {measured.note or 'ready'}")
        for worker in (w for w in workers if not w.measured.note):
            worker.warm_up(WARM_UP * seconds)
        for worker in _turns([w for w in workers if not w.measured.note], rounds):
            if not worker.measured.note:
                time.sleep(REST)
                worker.time(seconds)
        for worker in workers:
            if len(worker.measured.microseconds) < rounds:
                worker.measured.microseconds.clear()  # ratios need every round
                worker.measured.busy.clear()
        return [worker.measured for worker in workers]


def _turns(workers: Sequence[_Worker], rounds: int) -> Iterator[_Worker]:
    """Each worker once a round, in an order that changes from round to round and is the same in every run."""
    shuffle = random.Random(0).shuffle  # noqa: S311  no secret
    for _ in range(rounds):
        order = list(workers)
        shuffle(order)
        yield from order
