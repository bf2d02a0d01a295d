"""The process in which one system runs one workload. Started by `benchmarks.measure`, which see.

    python -m benchmarks.worker ORDER

ORDER is JSON with peer, variant, workload, threads, cores and check. The process answers in lines of JSON: once when it
is ready, with the losses of the first steps (if it was told to check them) and the memory that it took, or with the
reason why it cannot; then, to every number of seconds on its input, with the microseconds that it measured for at least
so long, of the clock and of processors (`busy`), per step; or per whole epoch, and then with the share of what follows
its steps.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.peers import Run, Unsupported, load
from benchmarks.workloads import WORKLOADS, Workload


def main() -> None:
    """Restrict the process, get ready, and take orders until the input ends."""
    order = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    warnings.simplefilter("ignore")
    if order["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, order["cores"])

    def answer(**fields: Any) -> None:
        print(json.dumps(fields), file=answers, flush=True)

    with getattr(load(order["peer"]), "held", nullcontext)(order["threads"]):
        _work(order, answer)


def _work(order: dict[str, Any], answer: Callable[..., None]) -> None:
    workload = Workload.from_json(order["workload"])
    try:
        losses = _losses(order, workload) if order["check"] else None
        run, taken = _ready(order, workload)
    except Unsupported as reason:
        answer(unsupported=str(reason))
        return
    except Exception as error:  # a system that fails is reported beside those that do not
        traceback.print_exc()
        answer(failed=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
        return
    answer(losses=losses, memory=taken)
    steps_alone = _make(order, dataclasses.replace(workload, test=0)) if workload.in_epochs else None
    for line in sys.stdin:
        clock, busy = microseconds(run, 1 if workload.in_epochs else workload.epoch, float(line))
        share = None if steps_alone is None else 1 - microseconds(steps_alone, 1, float(line))[1] / busy
        answer(microseconds=clock, busy=busy, evaluating=share)


def _losses(order: dict[str, Any], workload: Workload) -> list[float] | None:
    """Those of the first steps (or their mean, where a system tells no more); None for what is no training."""
    losses = _make(order, workload.to_check())()
    return None if losses is None else [float(loss) for loss in losses]


def _make(order: dict[str, Any], workload: Workload, data: Any = None) -> Run:
    module = load(order["peer"])
    run: Run = module.make(workload, workload.parameters(), data or workload.data(), order["threads"], order["variant"])
    return run


def _ready(order: dict[str, Any], workload: Workload) -> tuple[Run, int | None]:
    """What runs an epoch, after one, and the bytes that it took beyond the library, its start-up and the data."""
    if not order["check"]:
        _make(order, WORKLOADS["tiny"])()
    data = workload.data()
    with open_if_there("/proc/self/clear_refs", "w") as file:
        print(5, file=file)  # forget the peak so far
    before = _memory("VmRSS")
    run = _make(order, workload, data)
    run()
    peak = _memory("VmHWM")
    return run, None if peak is None or before is None else max(0, peak - before)


def open_if_there(path: str, mode: str) -> Any:
    """The file, or one that takes everything and tells nothing."""
    return Path(path if Path(path).exists() else os.devnull).open(mode)


def _memory(what: str) -> int | None:
    """Bytes in memory now (`VmRSS`) or at the most (`VmHWM`), where the system is Linux."""
    with open_if_there("/proc/self/status", "r") as file:
        found = [int(line.split()[1]) * 1024 for line in file if line.startswith(what)]
    return found[0] if found else None


def microseconds(run: Run, steps: int, seconds: float) -> tuple[float, float]:
    """Run epochs for at least so long, after one that is not timed: time that passed, and of processors, by so many."""
    run()
    start, busy, done, elapsed = time.perf_counter(), time.process_time(), 0, 0.0
    while elapsed < seconds or not done:
        run()
        done += steps
        elapsed = time.perf_counter() - start
    return elapsed / done * 1e6, (time.process_time() - busy) / done * 1e6


if __name__ == "__main__":
    main()
