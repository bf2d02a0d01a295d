"""`mpiexec -n N trainer …`: rank 0 is the command, and the others work for it without a word."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

from trainer.engine.uncollected import beginning

if TYPE_CHECKING:
    from trainer.training.ranks import World

__all__ = ["ranks"]


@contextmanager
def ranks() -> Iterator[World | None]:
    """The ranks that a command was started in; None where it is alone. What fails in another one, rank 0 tells."""
    with beginning():
        from trainer.training.ranks import world

    together = world()
    with together or nullcontext():
        if together is None or together.rank == 0:
            yield together
        else:
            with open(os.devnull, "w", encoding="utf-8") as null, redirect_stdout(null), redirect_stderr(null):
                yield together
