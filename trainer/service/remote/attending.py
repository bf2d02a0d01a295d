"""What an engine's own process does there: keep a carrier's input open until it ends, or is not wanted any more.

Attempts are processes of their own, for in a worker's thread no signal ends one and BLAS is the whole worker's. Where
the worker dies, the input is closed with it, and the attempt ends with a checkpoint.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from trainer.service.children import environment
from trainer.service.remote.launcher import Order

__all__ = ["attended"]

ASK = 1.0  # seconds for which the question is left open whether the process is wanted still


def attended(order: Order, unwanted: Callable[[float], bool]) -> int:
    """Start a carrier, and wait for its end, which closing its input brings about; gives its exit code.

    unwanted: whether it is to end; it waits for that as many seconds as it is given.
    """
    if unwanted(0.0):
        return 0
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "trainer.service.remote.carrier"],  # trainer attempt, without the command line
        stdin=subprocess.PIPE,
        env=environment(None),
        start_new_session=True,
    )
    assert process.stdin is not None
    closing = process.stdin
    with suppress(BrokenPipeError):  # it has ended, which its exit code is of
        closing.write(order.text.encode())
        closing.flush()

    def close_in_time() -> None:
        try:
            while process.returncode is None and not unwanted(ASK):
                pass
        finally:
            with suppress(BrokenPipeError):
                closing.close()

    threading.Thread(target=close_in_time, daemon=True).start()
    return process.wait()
