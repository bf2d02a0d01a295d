"""BLAS threads: pinned while a network trains, and reported.

A float32 product changes in its last bits with the number of BLAS threads, and libraries that start workers (joblib)
silently change that number. So a run pins it, writes down what it got, and puts back what it found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from trainer.errors import UsageError

__all__ = ["Threads", "pinned"]


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

    "auto" is one thread: the products of small and medium networks lose from more, most of all on a shared machine,
    and one thread gives the same bits everywhere. Large products (a thousand rows and columns and more) gain from an
    explicit number. The setting belongs to the process, so nested or concurrent blocks overrule one another.

    Raises UsageError unless `threads` is "auto" or a whole number of at least 1.

    >>> with pinned(1) as used:
    ...     used.threads
    1
    """
    if threads == "auto":
        threads = 1
    if type(threads) is not int or threads < 1:  # True is an int to isinstance
        raise UsageError(f'threads must be "auto" or a whole number of at least 1, not {threads!r}')

    import numpy as np  # noqa: F401  the BLAS library must be loaded before it can be found
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController().select(user_api="blas")
    with controller.limit(limits=threads):
        yield Threads(threads, tuple(controller.info()))
