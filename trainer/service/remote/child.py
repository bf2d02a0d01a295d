"""The process of an attempt elsewhere, started by its carrier: `python -m trainer.service.remote.child < a socket`."""

from __future__ import annotations

import os
import socket
import sys

from trainer.service.forkserver import live

if __name__ == "__main__":
    sys.exit(live("attempt", socket.socket(fileno=os.dup(0)), os.getppid()))
