"""The native executor: a small machine in C that walks a table of instructions and calls NumPy's own inner loops."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from trainer.errors import UsageError

__all__ = ["check_sources"]


def check_sources(compiled_from: str, folder: Path = Path(__file__).parent) -> None:
    """Raise UsageError where the sources have changed since the machine was compiled, as after `git pull`."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.[ch]")):
        digest.update(path.read_bytes())
    if compiled_from and digest.hexdigest() != compiled_from:
        raise UsageError(
            f"the native executor was compiled from other sources than those in {folder}; install the package again, "
            "as you did before: pip install -e ."
        )


if find_spec(f"{__name__}._machine") is not None:
    from trainer.compiler.machine import _machine

    check_sources(_machine.SOURCES)
