"""No search for garbage while a program is prepared, or modules are imported, and no threads that nobody needs.

That makes tens of thousands of objects, and nearly all of them live on: Python's collector goes through them again and
again, takes a quarter of the time, and finds nothing.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["beginning", "uncollected"]

THREADS = "OPENBLAS_NUM_THREADS"


@contextmanager
def uncollected() -> Iterator[None]:
    """Inside the block, what is in no cycle is freed as ever, and cycles wait. Decorates functions as well."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@contextmanager
def beginning() -> Iterator[None]:
    """The same, and what there is at its end is taken for what the process has to its own: it is never gone through.

    OpenBLAS, where it is loaded inside, starts no threads: commands have one of it at work, see
    `trainer.training.threads`, and others would wait for work in a loop at first, on the processor that something else
    could have. For the beginning of a command; whoever only calls this package decides all that himself.
    """
    said = THREADS in os.environ
    os.environ.setdefault(THREADS, "1")
    try:
        with uncollected():
            yield
            gc.freeze()
    finally:
        if not said:  # it is nobody's wish, which `trainer.compiler.processors` would take it for
            del os.environ[THREADS]
