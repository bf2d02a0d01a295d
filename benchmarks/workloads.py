"""What is trained: networks, batches, optimizers. The one place where workloads are defined.

Data are random numbers with random labels: nothing can be learned by heart in the time, so losses stay finite,
gradients stay away from zero, and every step costs what the first one did.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from trainer.types import Array

__all__ = ["WORKLOADS", "Data", "Layer", "Parameters", "Workload", "dense_network"]


class Layer(NamedTuple):
    """`dense` has `size` units, `conv` has `size` filters of 3 × 3, `pool` windows of `size` × `size`."""

    kind: str
    size: int = 0


class Parameters(NamedTuple):
    """Of a dense layer weights (inputs, units), of a convolution (3, 3, channels, filters); and the bias."""

    weights: Array
    bias: Array


class Data(NamedTuple):
    """Inputs (rows, *input_shape); classes (rows,) or values (rows, 1); and the row numbers of an epoch's batches."""

    inputs: Array
    targets: Array
    batches: Array


@dataclass(frozen=True)
class Workload:
    """A network and how it is trained.

    Args:
        name: for the command line.
        layers, input_shape: the network; images are (height, width, channels).
        batch: rows of a step.
        epoch: batches of an epoch.
        cost: `softmax_cross_entropy` of logits, or `mean_squared_error`.
        optimizer: `sgd`, or `adam` with β 0.9 and 0.999 and ε 1e-8.
    """

    name: str
    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...]
    batch: int
    epoch: int
    cost: str = "softmax_cross_entropy"
    optimizer: str = "sgd"
    step_size: float = 0.01

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Workload:
        """The workload that `dataclasses.asdict` and JSON took apart."""
        layers = tuple(Layer(*layer) for layer in fields["layers"])
        return cls(**{**fields, "layers": layers, "input_shape": tuple(fields["input_shape"])})

    @property
    def kinds(self) -> set[str]:
        """The kinds of layers in it."""
        return {layer.kind for layer in self.layers}

    @property
    def title(self) -> str:
        """`64-128-10, batch 32, sgd`."""
        sizes = [layer.size for layer in self.layers if layer.kind in ("dense", "conv")]
        network = "-".join(map(str, [math.prod(self.input_shape), *sizes]))
        if len(sizes) > 8:
            network = f"{sizes[0]} wide, {len(sizes)} layers"
        if "conv" in self.kinds:
            steps = [f"{layer.kind} {layer.size}" for layer in self.layers if layer.size]
            network = f"{' × '.join(map(str, self.input_shape[:2]))}: {', '.join(steps)}"
        plugin = ", plugin op" if "snake" in self.kinds else ""
        return f"{network}{plugin}, batch {self.batch}, {self.optimizer}"

    def shapes(self) -> list[tuple[Layer, tuple[int, ...], tuple[int, ...]]]:
        """Each layer with the shape of an example before and after it."""
        table, shape = [], self.input_shape
        for layer in self.layers:
            before = shape
            if layer.kind == "dense":
                shape = (layer.size,)
            elif layer.kind == "conv":
                shape = (shape[0] - 2, shape[1] - 2, layer.size)
            elif layer.kind == "pool":
                shape = (shape[0] // layer.size, shape[1] // layer.size, shape[2])
            elif layer.kind == "flatten":
                shape = (math.prod(shape),)
            table.append((layer, before, shape))
        return table

    def parameters(self, dtype: Any = np.float32) -> list[Parameters]:
        """The start: weights uniform with variance 1 / inputs (twice that before a relu), biases zero."""
        rng = np.random.default_rng(1)
        gain = 6.0 if "relu" in self.kinds else 3.0
        start = []
        for layer, before, after in self.shapes():
            if layer.kind in ("dense", "conv"):
                shape = (*before, layer.size) if layer.kind == "dense" else (3, 3, before[-1], layer.size)
                limit = math.sqrt(gain / math.prod(shape[:-1]))
                weights = rng.uniform(-limit, limit, shape)
                start.append(Parameters(weights.astype(dtype), np.zeros(after[-1], dtype)))
        return start

    def data(self, dtype: Any = np.float32) -> Data:
        """The rows of one epoch and the order in which they are taken."""
        rng = np.random.default_rng(2)
        rows = self.batch * self.epoch
        inputs = rng.standard_normal((rows, *self.input_shape), np.float32).astype(dtype)
        outputs = self.layers[-1].size
        if self.cost == "mean_squared_error":
            targets: Array = rng.standard_normal((rows, outputs), np.float32).astype(dtype)
        else:
            targets = rng.integers(0, outputs, rows)
        return Data(inputs, targets, rng.permutation(rows).reshape(self.epoch, self.batch))


def dense_network(inputs: int, *units: int, activation: str = "relu") -> dict[str, Any]:
    """Dense layers with an activation between them, as the arguments of a Workload."""
    layers = [step for size in units for step in (Layer("dense", size), Layer(activation))]
    return {"layers": tuple(layers[:-1]), "input_shape": (inputs,)}


_CONVOLUTIONAL = (
    Layer("conv", 8), Layer("relu"), Layer("pool", 2), Layer("conv", 16), Layer("relu"), Layer("pool", 2),
    Layer("flatten"), Layer("dense", 10),
)  # fmt: skip

WORKLOADS = {
    w.name: w
    for w in (
        Workload("tiny", **dense_network(2, 16, 16, 2, activation="tanh"), batch=16, epoch=500),
        Workload("small", **dense_network(64, 128, 10), batch=32, epoch=500),
        Workload("medium", **dense_network(784, 256, 10), batch=128, epoch=20),
        Workload("wide", **dense_network(1024, 1024, 1024, 10), batch=256, epoch=20),
        Workload("deep", **dense_network(32, *[32] * 19, 10, activation="tanh"), batch=64, epoch=50),
        Workload(
            "adam", **dense_network(784, 512, 512, 10), batch=64, epoch=20, optimizer="adam", step_size=1e-4
        ),
        Workload("conv", _CONVOLUTIONAL, (28, 28, 1), batch=64, epoch=20),
        Workload(
            "regression",
            **dense_network(16, 64, 64, 1, activation="tanh"),
            batch=1024,
            epoch=20,
            cost="mean_squared_error",
        ),
        Workload("plugin", **dense_network(64, 128, 10, activation="snake"), batch=32, epoch=500),
    )
}  # fmt: skip
