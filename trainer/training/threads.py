"""BLAS threads: pinned while a network trains, and reported.

A float32 product changes in its last bits with the number of BLAS threads, and libraries that start workers (joblib)
silently change that number. So a run pins it, writes down what it got, and puts back what it found.

"auto" is one thread. More are quicker where the processors are free: two gain 1.85 times from products of four million
multiply-adds. Where they are not, two threads of one product wait for each other in a busy loop: two runs of a small
network on two processors took 30 to 60 times as long as with a thread each. To keep what a measurement favours would
give one config other bits on a busy day, and the same config and seed have the same bits. So a run tries more threads
on a few steps whose results it throws away, and says what they would bring; `threads: N` is somebody's decision.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainer.compiler import blas
from trainer.errors import UsageError

if TYPE_CHECKING:
    from trainer.training.loop import Training

__all__ = ["Threads", "current", "pinned", "processors", "threads_for", "threads_worth_trying", "times_as_quick"]

# Multiply-adds of the largest product for each thread. Two threads gain nothing below 0.3 million in all, 1.4 times
# from a million and 1.85 times from four; with less for each, a neighbour on a shared machine costs more than that.
FOR_EACH = 4_000_000

# What OpenMP and the BLAS libraries read the number of threads from that they were given.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Threads:
    """What `pinned` did: the number it set, and every BLAS library it set it in.

    `libraries` is empty where threadpoolctl knows no way to talk to the BLAS that NumPy was built with (Apple's
    Accelerate); the number of threads is then that library's own affair, and `pinned` is False.
    """

    threads: int
    libraries: tuple[dict[str, Any], ...]

    @property
    def pinned(self) -> bool:
        """Whether every BLAS library in this process runs with exactly `threads` threads."""
        return bool(self.libraries) and all(library["num_threads"] == self.threads for library in self.libraries)


@contextmanager
def pinned(threads: int | Literal["auto"] = "auto") -> Iterator[Threads]:
    """Run the block with this many BLAS threads; yields what was set, and restores the former numbers afterwards.

    "auto" is one thread. The setting belongs to the process, so nested or concurrent blocks overrule one another.

    Raises UsageError unless `threads` is "auto" or a whole number of at least 1.

    >>> with pinned(1) as used:
    ...     used.threads
    1
    """
    threads = threads_for(threads)
    if type(threads) is not int or threads < 1:  # True is an int to isinstance
        raise UsageError(f'threads must be "auto" or a whole number of at least 1, not {threads!r}')

    controller = blas.libraries()
    with controller.limit(limits=threads):
        yield Threads(threads, tuple(controller.info()))


def current() -> int:
    """How many threads a product has now."""
    return max(blas.threads(), default=processors())


def threads_for(asked: int | Literal["auto"] = "auto") -> int:
    """How many threads a training gets: what is asked for, else one."""
    return 1 if asked == "auto" else asked


def threads_worth_trying(training: Training) -> int:
    """As many threads as the largest product of a step can use, one for each four million multiply-adds.

    No more than this process was given: see `processors`.
    """
    return max(1, min(processors(), training.network.largest_product * training.batch_size // FOR_EACH))


def times_as_quick(training: Training, threads: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """How many times as quick a step is with so many threads as with those that are set now.

    A runner gives back what its steps lead to and changes nothing, so these leave no trace.
    """
    best = {}
    for number in (None, threads):
        times = []
        with pinned(threads) if number is not None else _as_it_is():
            for _ in range(3):
                began = clock()
                training.try_step()
                times.append(clock() - began)
        best[number] = min(times[1:])  # the first compiles, and wakes the threads
    return best[None] / max(best[threads], 1e-9)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


def processors(environ: Mapping[str, str] | None = None, root: Path = Path("/")) -> int:
    """How many processors this process was given: the least of what its affinity, its cgroup and its variables say.

    Args:
        environ: the environment; by default this process's.
        root: where `proc` and `sys` lie.
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [own, quota(root), said(os.environ if environ is None else environ)]
    return max(1, min(limit for limit in limits if limit is not None))


def said(environ: Mapping[str, str]) -> int | None:
    """The least number of threads that these variables name; None where none does.

    OpenMP takes a list, of which the first number is for the outermost loop.

    >>> said({"OMP_NUM_THREADS": "4,2", "MKL_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": ""})
    3
    """
    first = (environ.get(name, "").split(",")[0].strip() for name in VARIABLES)
    return min((int(text) for text in first if text.isdecimal() and int(text) > 0), default=None)


def quota(root: Path = Path("/")) -> int | None:
    """The processors that the cgroup's quota comes to, rounded up; None where there is no quota.

    Every group above this process's own limits it as well. Inside a container its own group is mounted as the root.
    """
    found = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        group = Path(path.lstrip("/"))
        for place in (group, *group.parents):
            if not controllers:  # version 2
                limit, _, period = _text(root / "sys/fs/cgroup" / place / "cpu.max").strip().partition(" ")
                found.append(_share(limit, period))
            elif "cpu" in controllers.split(","):
                folder = root / "sys/fs/cgroup" / controllers / place
                folder = folder if folder.is_dir() else root / "sys/fs/cgroup/cpu" / place
                found.append(_share(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")))
    return min((share for share in found if share is not None), default=None)


def _share(limit: str, period: str) -> int | None:
    """Microseconds of processors in a period of microseconds; `max` and −1 are no limit."""
    limit, period = limit.strip(), period.strip()
    if not (limit.isdecimal() and period.isdecimal() and int(limit) and int(period)):
        return None
    return -(-int(limit) // int(period))


def _text(path: Path) -> str:
    """What a file says; nothing where there is none, as on other systems."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
