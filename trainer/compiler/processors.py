"""How many processors this process was given, whatever the machine has, and how many ranks it is one of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["LIMIT", "VARIABLES", "most", "processors", "quota", "ranks_started", "said"]

# What OpenMP and the BLAS libraries read the number of threads from that they were given.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LIMIT = "OMP_THREAD_LIMIT"  # more than so many there are not, whoever asks for them
# How many ranks there are, as Open MPI, MPICH and its descendants (Intel MPI), and MVAPICH2 say; and a name that PMIx
# has under Slurm, which does not say how many.
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
_PMIX = "PMIX_RANK"


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


def most(threads: int, environ: Mapping[str, str] | None = None) -> int:
    """So many threads, or as many as OMP_THREAD_LIMIT allows.

    >>> most(8, {"OMP_THREAD_LIMIT": "2"}), most(8, {})
    (2, 8)
    """
    text = (os.environ if environ is None else environ).get(LIMIT, "").strip()
    return min(threads, int(text)) if text.isdecimal() and int(text) > 0 else threads


def ranks_started(environ: Mapping[str, str]) -> int | None:
    """How many ranks this process was started with; 1 by itself, None where only MPI can tell.

    >>> ranks_started({}), ranks_started({"OMPI_COMM_WORLD_SIZE": "4"}), ranks_started({"PMIX_RANK": "0"})
    (1, 4, None)
    """
    said = [int(environ[name]) for name in _SIZES if environ.get(name, "").isdecimal()]
    return said[0] if said else None if _PMIX in environ else 1


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
