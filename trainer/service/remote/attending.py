"""What an engine's own process does there: keep a carrier's input open until it ends, or is not wanted any more.

Attempts are processes of their own, for in a worker's thread no signal ends one and BLAS is the whole worker's. Where
the worker dies, the input is closed with it, and the attempt ends with a checkpoint.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from trainer.service.children import environment
from trainer.service.remote.launcher import Order

__all__ = ["attended"]

WAIT, ASK = 0.1, 0.5  # seconds between two looks at the process, and between two questions


def attended(order: Order, unwanted: Callable[[], bool]) -> int:
    """Start a carrier, and wait for its end, which closing its input brings about; gives its exit code."""
    if unwanted():
        return 0
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "trainer.service.remote.carrier"],  # trainer attempt, without the command line
        stdin=subprocess.PIPE,
        env=environment(None),
        start_new_session=True,
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin:  # it has ended, which its exit code is of
        process.stdin.write(order.text.encode())
        process.stdin.flush()
        due = time.monotonic() + ASK
        while process.poll() is None:
            time.sleep(WAIT)
            if time.monotonic() >= due:
                if unwanted():
                    break
                due = time.monotonic() + ASK
    return process.wait()
