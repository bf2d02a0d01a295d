"""This project: an epoch is one `Training.update`, with each of its executors."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import Run, Unsupported
from benchmarks.workloads import Data, Layer, Parameters, Workload

NEEDS = ("trainer",)
KIND = "ours"
CONFIGS = Path(__file__).parent.parent.parent / "configs"

# How a config says a layer; others are ops, by the same name.
_OPTIONS: Mapping[str, Any] = {
    "dense": lambda size: {"units": size},
    "conv": lambda size: {"filters": size},
    "pool": lambda size: {"window": size},
    "lstm": lambda size: {"units": size},
    "gru": lambda size: {"units": size},
    "embedding": lambda size: {"size": size},
    "positions": lambda _: {},
    "block": lambda size: {"heads": size, "causal": True},
    "layer_norm": lambda _: {},
    "batch_norm": lambda _: {},
    "dropout": lambda size: {"rate": size / 100},
    "flatten": lambda _: {},
}
_NAMES = {"conv": "conv2d", "pool": "max_pool", "positions": "learned_positions", "block": "transformer_block"}


def variants() -> tuple[str, ...]:
    """The executors that ship: eager, NumPy's calls, and the machine where it was compiled."""
    from trainer.compiler.executors import native_available

    return ("eager", "numpy", "native") if native_available() else ("eager", "numpy")


def held(threads: int) -> AbstractContextManager[Any]:
    from trainer.training.threads import pinned

    return pinned(threads)


def make(workload: Workload, theta: list[Parameters], data: Data, threads: int, variant: str) -> Run:
    from trainer.training import Training

    start = np.concatenate([array.ravel() for arrays in theta for array in arrays])
    training: Any = Training(**arguments(workload, data), executor=variant, dtype=start.dtype)
    training.resume(replace(training.state, theta=start))

    def run() -> Any:
        losses = [step.loss for step in training.update(data.batches)]
        if workload.in_epochs:
            losses += [training.evaluate(part)["loss"] for part in ("train", "test")]
        return np.array(losses)

    return run


def arguments(workload: Workload, data: Data) -> dict[str, Any]:
    """What a Training of this workload takes."""
    from trainer.data.prepared import Prepared, Rows
    from trainer.nn import Network
    from trainer.plugins import Plugins

    plugins = Plugins(["snake.py"], folder=CONFIGS)
    rows = Rows.numbered(data.inputs, data.targets)
    if workload.optimizer not in plugins.names("optimizers"):
        raise Unsupported(f"there is no optimizer '{workload.optimizer}' yet")
    classes, trained = workload.cost == "softmax_cross_entropy", data.batches.size
    entries = workload.layers[-1].size
    return {
        "network": Network([_layer(plugins, step, entries) for step in workload.layers], workload.input_shape),
        "cost": plugins.get("costs", workload.cost).build(),
        "data": Prepared(
            workload.name, "classification" if classes else "regression", (), rows[:trained], rows[trained:]
        ),
        "step_size": workload.step_size,
        "batch_size": workload.batch,
        "optimizer": plugins.get("optimizers", workload.optimizer).build(),
        "metrics": {"accuracy": plugins.get("metrics", "accuracy").build()} if classes and workload.in_epochs else {},
    }  # fmt: skip


def _layer(plugins: Any, step: Layer, entries: int) -> Any:
    from trainer.nn import OpLayer

    name = _NAMES.get(step.kind, step.kind)
    if step.kind not in _OPTIONS:
        return OpLayer(plugins.get("ops", name).target)
    options = _OPTIONS[step.kind](step.size)
    return plugins.get("layers", name).build(**options, **({"entries": entries} if name == "embedding" else {}))
