"""The products alone: the BLAS calls of a step, through `np.matmul` into arrays that are there, and nothing else.

No system that leaves products to NumPy's BLAS can be quicker than this. A convolution's are those of its windows.
"""

from __future__ import annotations

import numpy as np

from benchmarks.peers import Run, only
from benchmarks.workloads import Data, Parameters, Workload
from trainer.types import Array

NEEDS = ("numpy",)
KIND = "floor"


def make(workload: Workload, theta: list[Parameters], data: Data, threads: int, variant: str) -> Run:
    only(workload, "conv", "pool", "flatten", "batch_norm", "dropout")
    calls = [(a, b, np.empty((a.shape[0], b.shape[1]), np.float32)) for a, b in _operands(workload)]

    def run() -> None:
        for _ in range(workload.epoch):
            for a, b, out in calls:
                np.matmul(a, b, out)

    return run


def _operands(workload: Workload) -> list[tuple[Array, Array]]:
    """The pairs that are multiplied: per layer for its output, for its weights' gradient and for its input's."""

    def some(*shape: int) -> Array:
        return np.random.default_rng(0).standard_normal(shape, np.float32)

    forward, backward = [], []
    for layer, before, after in workload.shapes():
        if layer.kind == "dense":
            x, w, dy = some(workload.batch, *before), some(*before, layer.size), some(workload.batch, layer.size)
            forward.append((x, w))
            backward.append([(x.T, dy), (dy, w.T)])
        elif layer.kind == "conv":
            taps, places = 9 * before[-1], after[0] * after[1] * workload.batch
            x, w, dy = some(taps, places), some(taps, layer.size), some(layer.size, places)
            forward.append((w.T, x))
            backward.append([(x, dy.T), (w, dy)])
    backward[0].pop()  # nobody asks for the gradient of the data
    return forward + [pair for pairs in reversed(backward) for pair in pairs]
