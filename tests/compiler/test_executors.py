"""Every executor trains every config to the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.compiler.runners import native_available
from trainer.config import load
from trainer.experiment import build
from trainer.threads import pinned
from trainer.train import Step

EXECUTORS = ("eager", "numpy", "native") if native_available() else ("eager", "numpy")
CONFIGS = sorted((Path(__file__).parent.parent.parent / "configs").glob("*.yaml"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_the_same_bits(path, dtype):
    runs = {}
    for executor in EXECUTORS:
        loaded = load(path, [f"compute.dtype={dtype}", f"compute.executor={executor}", "epochs=2"])
        with pinned(1):
            training = build(loaded)
            losses = [r.loss for r in training.records() if isinstance(r, Step)]
        runs[executor] = losses, training.theta
    for losses, theta in runs.values():
        assert losses == runs["eager"][0]
        np.testing.assert_array_equal(theta, runs["eager"][1])
