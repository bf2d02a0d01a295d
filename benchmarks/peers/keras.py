"""Keras: `fit` on the rows in their order, on JAX where that is installed, else on PyTorch."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.peers import Run, only
from benchmarks.workloads import Data, Parameters, Workload

NEEDS = ("keras",)
KIND = "peer"


def make(workload: Workload, theta: list[Parameters], data: Data, threads: int, variant: str) -> Run:
    only(workload, "conv", "pool", "flatten")
    os.environ.setdefault("KERAS_BACKEND", "jax" if find_spec("jax") else "torch")
    import keras

    def snake(x: Any) -> Any:
        return x + keras.ops.sin(x) ** 2

    make_layer = {
        "dense": lambda size: keras.layers.Dense(size),
        "conv": lambda size: keras.layers.Conv2D(size, 3),
        "pool": lambda size: keras.layers.MaxPooling2D(size),
        "flatten": lambda size: keras.layers.Flatten(),
        "snake": lambda size: keras.layers.Activation(snake),
    }
    model = keras.Sequential([keras.Input(workload.input_shape)])
    for step in workload.layers:
        model.add(make_layer[step.kind](step.size) if step.kind in make_layer else keras.layers.Activation(step.kind))
    model.set_weights([array for pair in theta for array in pair])
    optimizer = (
        keras.optimizers.SGD(workload.step_size)
        if workload.optimizer == "sgd"
        else keras.optimizers.Adam(workload.step_size, epsilon=1e-8)
    )
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss="mse" if workload.cost == "mean_squared_error" else classes)
    order = data.batches.ravel()

    def run() -> Any:
        fitted = model.fit(
            data.inputs[order], data.targets[order], batch_size=workload.batch, epochs=1, shuffle=False, verbose=0
        )
        return np.array(fitted.history["loss"])

    return run
