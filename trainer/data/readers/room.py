"""What a file says that it becomes in memory, held against what there is, before any of it is allocated.

A few bytes can claim any length, and a packed file can become a thousand times itself; who reads files of others must
not find out by running out.
"""

from __future__ import annotations

import os
import sys

from trainer.errors import DataError
from trainer.wording import count

__all__ = ["check_room", "room"]

UNKNOWN = 1 << 40  # where the system does not say


def room() -> int:
    """Bytes that this process may have: its limit of address space, or the memory of this computer."""
    found = [UNKNOWN]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if sys.platform != "win32":
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        found += [] if limit == resource.RLIM_INFINITY else [limit]
    return min(found)


def check_room(path: str, size: int, what: str = "it") -> None:
    """Raise DataError for a file of which `what` takes more bytes of memory than there are."""
    if size > (most := room()):
        raise DataError(
            f"{path} says that {what} takes {count(size, 'byte')} in memory, and there are {most:,}; use fewer rows, "
            f"or a narrower type"
        )
