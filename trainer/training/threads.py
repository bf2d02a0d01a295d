"""Threads: those of the machine, which change no bit, and BLAS's, of which there is one.

A float32 product of BLAS's changes in its last bits with the number of its threads, libraries that start workers
(joblib) silently change that number, and on a busy machine two threads of one product wait for each other in a busy
loop: 30 to 60 times as long as with a thread each. So a run pins it at one, writes down what it got, and puts back what
it found. What is divided among processors is the machine's instructions, by what they write: no sum is divided, so that
with every number of threads the bits are the same, and where dividing is not quicker, or somebody else is at work on a
processor, it does not divide (trainer/compiler/machine/ways.c).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from trainer.compiler import blas
from trainer.compiler.executors import spread_over
from trainer.compiler.processors import most, processors
from trainer.errors import UsageError

if TYPE_CHECKING:
    from threadpoolctl import LibController

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


class _Setting:
    """The process's numbers of threads, while somebody is in a block: several may be, who come and go in any order.

    The first finds the numbers that the last puts back; in between every library has one thread, and the machine as
    many as the one wants who came last of those that are still there.
    """

    def __init__(self) -> None:
        self._inside: dict[object, int] = {}
        self._found: dict[str, tuple[LibController, int]] = {}  # by its file, a library and the threads that it had
        self._before = 1
        self.renew()

    def renew(self) -> None:
        """Have a lock that nobody holds: in a process that was forked, who held the old one may not be there."""
        self._lock = threading.Lock()

    def enter(self, who: object, number: int) -> None:
        """Whoever this is wants so many threads of the machine's."""
        with self._lock:
            for library in blas.libraries().lib_controllers:
                self._found.setdefault(library.filepath, (library, library.num_threads))
                blas.give(library, 1)
            before = spread_over(number)
            self._before = self._before if self._inside else before
            self._inside[who] = number

    def leave(self, who: object) -> None:
        """Whoever this is wants nothing any more."""
        with self._lock:
            del self._inside[who]
            spread_over(next(reversed(self._inside.values()), self._before))
            if not self._inside:
                for library, number in self._found.values():
                    blas.give(library, number)
                self._found.clear()


_setting = _Setting()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_setting.renew)


@contextmanager
def pinned(threads: int | Literal["auto"] = "auto") -> Iterator[Threads]:
    """Run the block with so many threads of the machine's, and one of BLAS's; restores the former numbers afterwards.

    "auto" is as many as there are processors, see `processors`; OMP_THREAD_LIMIT in the environment is the most that
    anybody gets. The setting belongs to the process: as long as anybody is in a block, in whatever thread, BLAS has one
    thread, and the machine as many as the block wants that was entered last.

    Raises UsageError unless `threads` is "auto" or a whole number of at least 1.

    >>> with pinned(1) as used:
    ...     used.threads
    1
    """
    number = processors() if threads == "auto" else threads
    if type(number) is not int or number < 1:  # True is an int to isinstance
        raise UsageError(f'threads must be "auto" or a whole number of at least 1, not {threads!r}')
    who = object()
    # Of a library that counts the threads of each thread of ours by itself, each puts back its own.
    with blas.libraries().select(threading_layer="openmp").limit(limits=1):
        _setting.enter(who, most(number))
        try:
            yield Threads(spread_over(), tuple(blas.libraries().info()))
        finally:
            _setting.leave(who)
