"""This project: an epoch is one `Training.update`, with each of its executors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import Run, Unsupported
from benchmarks.workloads import Data, Parameters, Workload

NEEDS = ("trainer",)
KIND = "ours"
CONFIGS = Path(__file__).parent.parent.parent / "configs"


def variants() -> tuple[str, ...]:
    """The executors that ship: eager, NumPy's calls, and the machine where it was compiled."""
    from trainer.compiler.executors import native_available

    return ("eager", "numpy", "native") if native_available() else ("eager", "numpy")


def make(workload: Workload, theta: list[Parameters], data: Data, threads: int, variant: str) -> Run:
    from trainer.training import Training

    start = np.concatenate([array.ravel() for pair in theta for array in pair])
    training: Any = Training(**arguments(workload, data), executor=variant, dtype=start.dtype)
    training.resume(replace(training.state, theta=start))
    return lambda: np.array([step.loss for step in training.update(data.batches)])


def arguments(workload: Workload, data: Data) -> dict[str, Any]:
    """What a Training of this workload takes."""
    from trainer.data.prepared import Prepared, Rows
    from trainer.nn import Network
    from trainer.plugins import Plugins

    plugins = Plugins(["snake.py"], folder=CONFIGS)
    rows = Rows.numbered(data.inputs, data.targets)
    if workload.optimizer not in plugins.names("optimizers"):
        raise Unsupported(f"there is no optimizer '{workload.optimizer}' yet")
    return {
        "network": Network([_layer(plugins, step) for step in workload.layers], workload.input_shape),
        "cost": plugins.get("costs", workload.cost).build(),
        "data": Prepared(workload.name, "classification", (), rows, rows[:0]),
        "step_size": workload.step_size,
        "batch_size": workload.batch,
        "optimizer": plugins.get("optimizers", workload.optimizer).build(),
    }  # fmt: skip


def _layer(plugins: Any, step: Any) -> Any:
    from trainer.nn import Dense, Flatten, OpLayer

    if step.kind == "dense":
        return Dense(step.size)
    if step.kind == "conv":
        return _Convolution(plugins.get("ops", "conv2d").target, step.size)
    if step.kind == "pool":
        return OpLayer(plugins.get("ops", "max_pool").target, window=step.size)
    return Flatten() if step.kind == "flatten" else OpLayer(plugins.get("ops", step.kind).target)


@dataclass(frozen=True)
class _Convolution:
    """Filters of 3 × 3 with a bias."""

    op: Any
    filters: int

    def init(self, rng: Any, input_shape: tuple[int, ...]) -> tuple[dict[str, Any], tuple[int, ...]]:
        height, width, channels = input_shape
        parameters = {"weights": np.zeros((3, 3, channels, self.filters)), "bias": np.zeros(self.filters)}
        return parameters, (height - 2, width - 2, self.filters)

    def apply(self, parameters: Any, x: Any) -> Any:
        return self.op(x, parameters["weights"], parameters["bias"])
