"""environment.json: what else a result depends on besides its config.

The BLAS, its number of threads (one) and its processor decide the last bits of a float32 product; versions and
the revision of the sources decide the rest.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess  # git is asked for the revision, with a fixed command line
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from trainer.training.threads import Threads

__all__ = ["describe_environment", "git_revision", "versions"]

_PACKAGES = ("tape-trainer", "numpy", "scipy", "scikit-learn", "safetensors")


def describe_environment(
    *,
    seed: int | None = None,
    plugins: Mapping[str, str | None] | None = None,
    threads: Threads | None = None,
    folder: str | os.PathLike[str] = ".",
) -> dict[str, Any]:
    """What environment.json holds, as plain values.

    `plugins` maps the name of each plugin used to its package and version ("my-package 1.2"), or to None for a file;
    `threads` is what `trainer.training.threads.pinned` reported; `folder` is where to look for a git revision.

    >>> about = describe_environment(seed=3, plugins={"swish": None})
    >>> about["seed"], about["plugins"], about["numpy"]["version"].count(".") >= 1
    (3, {'swish': None}, True)
    """
    import numpy as np

    return {
        "seed": seed,
        "python": {"version": platform.python_version(), "implementation": platform.python_implementation()},
        "platform": {"system": platform.system(), "release": platform.release(), "machine": platform.machine()},
        "cpu": {"model": _cpu_model(), "cores": os.cpu_count(), "usable_cores": _usable_cores()},
        "numpy": {"version": np.__version__, **_numpy_build()},
        "threads": None if threads is None else {"threads": threads.threads, "pinned": threads.pinned},
        "blas_libraries": [] if threads is None else [_by_name(each) for each in threads.libraries],
        "packages": versions(),
        "plugins": dict(plugins or {}),
        "git": git_revision(folder),
        "command": sys.argv[:1] and [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def _by_name(library: Mapping[str, Any]) -> dict[str, Any]:
    """A library without the folder that it lies in, which decides nothing and tells of a person's computer."""
    return {**library, **({"filepath": Path(library["filepath"]).name} if "filepath" in library else {})}


def git_revision(folder: str | os.PathLike[str]) -> str | None:
    """The commit that `folder` is checked out at, with "-dirty" when tracked files differ; None outside of git."""
    git = shutil.which("git")
    if git is None:
        return None
    # No tag is wanted (`--exclude=*`): what remains of `describe` is the full hash and whether the tree is clean.
    command = [git, "-C", os.fspath(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


@cache
def versions() -> Mapping[str, str | None]:
    """Of this package and of those whose numbers go into a result; None for one that is not installed. They are looked
    up once, since a process keeps what it has imported.

    >>> "numpy" in versions()
    True
    """
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _numpy_build() -> dict[str, Any]:
    """Which BLAS NumPy calls, and which of its vector instructions this processor has; NumPy promises neither key."""
    import numpy as np

    built = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return {
        "blas": " ".join(str(blas[key]) for key in ("name", "version") if key in blas) or None,
        "simd": list(built.get("SIMD Extensions", {}).get("found", [])),
    }


def _cpu_model() -> str | None:
    """The processor's name; `platform.processor()` says nothing on most Linux systems."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.lower().startswith(("model name", "hardware")):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or None


def _usable_cores() -> int | None:
    """Cores this process may run on, which containers and schedulers make fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count()
