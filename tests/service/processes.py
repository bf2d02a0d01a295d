"""What the kernel tells of processes: nothing, of one that has ended since it was listed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

ENDED = (FileNotFoundError, ProcessLookupError)


def told(pid: int, name: str) -> bytes:
    """A file of /proc/PID: `cmdline`, `environ`."""
    with suppress(*ENDED):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def listed(pid: int, name: str) -> list[str]:
    """A folder of /proc/PID: `task`, `fd`."""
    with suppress(*ENDED):
        return os.listdir(f"/proc/{pid}/{name}")
    return []


def children(pid: int) -> list[int]:
    """A process's children, whichever of its threads has started them."""
    return [int(child) for thread in listed(pid, "task") for child in told(pid, f"task/{thread}/children").split()]


def below(pid: int) -> list[int]:
    """A process's children, and theirs."""
    found = children(pid)
    return [*found, *(each for child in found for each in below(child))]


def opened(pid: int) -> list[str]:
    """What a process has open: paths, and `socket:[inode]`."""
    links = []
    for number in listed(pid, "fd"):
        with suppress(*ENDED):
            links.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    return links
