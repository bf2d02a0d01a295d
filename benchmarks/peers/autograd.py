"""HIPS/autograd: NumPy recorded anew at every step; the update written out."""

from __future__ import annotations

from typing import Any

import numpy

from benchmarks.peers import Run, only
from benchmarks.peers.plain import _adam, _sgd
from benchmarks.workloads import Data, Parameters, Workload

NEEDS = ("autograd",)
KIND = "peer"


def make(workload: Workload, theta: list[Parameters], data: Data, threads: int, variant: str) -> Run:
    only(workload)

    import autograd.numpy as np
    from autograd import value_and_grad

    activations = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "snake": lambda x: x + np.sin(x) ** 2}
    flat = [array.copy() for pair in theta for array in pair]
    update = _sgd(workload) if workload.optimizer == "sgd" else _adam(workload, flat)

    def cost(theta: Any, x: Any, y: Any) -> Any:
        parameters = iter(theta)
        for step in workload.layers:
            dense = step.kind == "dense"
            x = np.dot(x, next(parameters)) + next(parameters) if dense else activations[step.kind](x)
        if workload.cost == "mean_squared_error":
            return np.mean((x - y) ** 2)
        z = x - np.max(x, axis=1, keepdims=True)
        return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[numpy.arange(len(y)), y])

    with_gradient = value_and_grad(cost)

    def step(rows: Any) -> Any:
        loss, gradients = with_gradient(flat, data.inputs[rows], data.targets[rows])
        update(flat, gradients)
        return loss

    return lambda: numpy.array([step(rows) for rows in data.batches])
