"""Signals that wait until something is whole.

Python handles a signal between any two instructions, and a handler may raise: Ctrl-C does. What must not be left half
done, such as a step that writes over θ, is done in a block that signals wait for.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["ENDING", "INTERRUPTING", "undivided"]

# What ends a process: SIGTERM comes from schedulers and containers, SIGHUP from a terminal that is closed, SIGUSR1,
# SIGUSR2, SIGALRM and SIGXCPU from batch systems before their time is over. Windows has SIGTERM alone.
_NAMES = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU")
ENDING = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
INTERRUPTING = [signal.SIGINT, *ENDING]


@contextmanager
def undivided(busy: Callable[[], bool] = lambda: True) -> Iterator[Callable[[], None]]:
    """Inside the block, signals that would end the process wait while `busy`; a second Ctrl-C does not.

    Yields what has those answered that have waited; the end of the block does, too. Python handles signals in the main
    thread, and only there is anything done.

    >>> before = signal.signal(signal.SIGTERM, lambda signum, frame: print("answered"))
    >>> with undivided():
    ...     signal.raise_signal(signal.SIGTERM)
    ...     print("whole")
    whole
    answered
    >>> _ = signal.signal(signal.SIGTERM, before)
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before: dict[int, Callable[[int, FrameType | None], Any]] = {}
    came: dict[int, FrameType | None] = {}
    inside = True

    def wait(signum: int, frame: FrameType | None) -> None:
        if inside and busy() and not (signum == signal.SIGINT and signum in came):
            came[signum] = frame
        else:
            before[signum](signum, frame)

    def answer() -> None:
        while came:
            signum, frame = came.popitem()
            before[signum](signum, frame)

    try:
        for signum in INTERRUPTING:
            handler = signal.getsignal(signum)
            if callable(handler):
                before[signum] = handler
                signal.signal(signum, wait)
        yield answer
    finally:
        inside = False  # from here on, one that is still in place passes on
        for signum, handler in before.items():
            if signal.getsignal(signum) is wait:  # else one that was called has put another in its place
                signal.signal(signum, handler)
        answer()
