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

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from trainer.compiler import blas
from trainer.compiler.processors import processors
from trainer.errors import UsageError

if TYPE_CHECKING:
    from trainer.training.loop import Training

__all__ = ["Threads", "current", "pinned", "threads_for", "threads_worth_trying", "times_as_quick"]

# Multiply-adds of the largest product for each thread. Two threads gain nothing below 0.3 million in all, 1.4 times
# from a million and 1.85 times from four; with less for each, a neighbour on a shared machine costs more than that.
FOR_EACH = 4_000_000


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
