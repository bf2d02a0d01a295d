"""The process of an attempt elsewhere, started by its carrier: `python -m trainer.service.remote.child < a socket`.

It is there before anybody knows what it is to do, and has loaded what it will need to the end: an attempt that is to
stop does not load first what draws its curves.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

from trainer.plugins.manager import share
from trainer.service import attempt
from trainer.service.forkserver import live, load_everything


def main(file: BinaryIO, work: Mapping[str, Any]) -> int:
    """An attempt, with the plugins that the service allows."""
    if work["policy"]["plugins"]:
        share(work["policy"]["plugins"])
    return attempt.main(file, work)


if __name__ == "__main__":
    parent = os.getppid()
    load_everything(())
    code = live(main, socket.socket(fileno=os.dup(0)), parent)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # as whoever is forked: somebody waits for its end
