"""The BLAS libraries of this process, found once for as long as no module is imported that may bring another."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import LibController, ThreadpoolController

__all__ = ["give", "libraries", "threads"]

_found: tuple[frozenset[str], ThreadpoolController] | None = None  # under the names of the modules then


def libraries() -> ThreadpoolController:
    """What sets the threads of every BLAS library that is loaded. To look for them takes milliseconds."""
    global _found
    import numpy as np  # noqa: F401  the BLAS library must be loaded before it can be found
    from threadpoolctl import ThreadpoolController

    modules = frozenset(sys.modules)
    if _found is None or _found[0] != modules:
        _found = modules, ThreadpoolController().select(user_api="blas")
    return _found[1]


def threads() -> tuple[int, ...]:
    """How many threads each of them has now."""
    return tuple(library.num_threads for library in libraries().lib_controllers)


def give(library: LibController, number: int) -> None:
    """Have a library take so many threads, whichever thread asks: threadpoolctl 3.8 hears the one that asked first, and
    no other one until that is forgotten."""
    forget = getattr(library, "clear_controlling_thread", lambda force: None)
    forget(force=True)
    library.set_num_threads(number)
    forget(force=True)
