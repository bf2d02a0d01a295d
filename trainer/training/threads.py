"""Threads: those of the machine, which change no bit, and BLAS's, of which there is one.

A float32 product of BLAS's changes in its last bits with the number of its threads, libraries that start workers
(joblib) silently change that number, and on a busy machine two threads of one product wait for each other in a busy
loop: 30 to 60 times as long as with a thread each. So a run pins it at one, writes down what it got, and puts back what
it found. What is divided among processors is the machine's instructions, by what they write: no sum is divided, so that
with every number of threads the bits are the same, and where dividing is not quicker, or somebody else is at work on a
processor, it does not divide (trainer/compiler/machine/ways.c).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from trainer.compiler import blas
from trainer.compiler.executors import spread_over
from trainer.compiler.processors import most, processors
from trainer.errors import UsageError

__all__ = ["Threads", "pinned"]


@dataclass(frozen=True)
class Threads:
    """What `pinned` did: the machine's threads, and every BLAS library that has one now.

    `libraries` is empty where threadpoolctl knows no way to talk to the BLAS that NumPy was built with (Apple's
    Accelerate); the number of threads is then that library's own affair, and `pinned` is False.
    """

    threads: int
    libraries: tuple[dict[str, Any], ...]

    @property
    def pinned(self) -> bool:
        """Whether every BLAS library in this process runs with one thread."""
        return bool(self.libraries) and all(library["num_threads"] == 1 for library in self.libraries)


@contextmanager
def pinned(threads: int | Literal["auto"] = "auto") -> Iterator[Threads]:
    """Run the block with so many threads of the machine's, and one of BLAS's; restores the former numbers afterwards.

    "auto" is as many as there are processors, see `processors`; OMP_THREAD_LIMIT in the environment is the most that
    anybody gets. The setting belongs to the process, so nested or concurrent blocks overrule one another.

    Raises UsageError unless `threads` is "auto" or a whole number of at least 1.

    >>> with pinned(1) as used:
    ...     used.threads
    1
    """
    number = processors() if threads == "auto" else threads
    if type(number) is not int or number < 1:  # True is an int to isinstance
        raise UsageError(f'threads must be "auto" or a whole number of at least 1, not {threads!r}')
    controller = blas.libraries()
    before = spread_over(most(number))
    try:
        with controller.limit(limits=1):
            yield Threads(spread_over(), tuple(controller.info()))
    finally:
        spread_over(before)
