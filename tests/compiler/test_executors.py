"""Every executor trains every config to the same bits."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.made_up import EXECUTORS
from trainer.config import load
from trainer.experiment import build
from trainer.training import Step
from trainer.training.threads import pinned

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


class Remembering:
    """An optimizer whose state is the θ of the step before: the new state lies where θ is."""

    def init(self, theta):
        return {"previous": theta}

    def update(self, g, state, theta, step_size, step):
        return theta - step_size * g + 0.5 * (theta - state["previous"]), {"previous": theta}


def test_a_state_that_is_the_theta_of_the_step_before():
    results = []
    for executor in EXECUTORS:
        training = build(load(CONFIGS[0], [f"compute.executor={executor}", "epochs=2"]))
        training = dataclasses.replace(training, optimizer=Remembering())
        list(training.records())
        results.append((training.theta.tobytes(), training.state.optimizer["previous"].tobytes()))
    assert len(set(results)) == 1
