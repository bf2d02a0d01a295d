"""Processes that are forked from one which has everything loaded: they begin in a fifth of the time."""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import tempfile

__all__ = ["end_with_parent", "preload"]

# What a run imports from its beginning to its end, wherever it goes on from.
_RUN = (
    "trainer.experiment.execution", "trainer.experiment.resuming", "trainer.runs.plots", "trainer.runs.parameters",
    "safetensors.numpy", "threadpoolctl", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "yaml",
    "platformdirs",
)  # fmt: skip
_SET_PARENT_DEATH_SIGNAL = 1


def preload(*modules: str) -> None:
    """Import what a run needs, and these besides, and make a small one in a folder that is taken away again.

    So what is imported, compiled or looked up on first use is there for every process that is forked.
    """
    for name in (*_RUN, *modules):
        importlib.import_module(name)
    from trainer.config.loader import load
    from trainer.experiment.execution import execute
    from trainer.plugins.manager import shared

    config = {
        "dataset": {"name": "moons", "rows": 20}, "network": [{"dense": 2}], "cost": "softmax_cross_entropy",
        "step_size": 0.1, "epochs": 2,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        execute(load(config, (), shared()), folder)


def end_with_parent(number: int, parent: int) -> None:
    """Where the kernel can (Linux), this process is sent a signal when its parent, the process `parent`, dies."""
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_PARENT_DEATH_SIGNAL, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl refuses to tell of the parent's death")
    if os.getppid() != parent:  # it has died in between
        os.kill(os.getpid(), number)
