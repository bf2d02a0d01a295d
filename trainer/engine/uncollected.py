"""No search for garbage while a program is prepared, or modules are imported.

That makes tens of thousands of objects, and nearly all of them live on: Python's collector goes through them again and
again, takes a quarter of the time, and finds nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["beginning", "uncollected"]


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

    For the beginning of a command; whoever only calls this package decides that himself.
    """
    with uncollected():
        yield
        gc.freeze()
