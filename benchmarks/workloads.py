"""What is trained: networks, batches, optimizers. The one place where workloads are defined.

Data are random numbers with random labels: nothing can be learned by heart in the time, so losses stay finite,
gradients stay away from zero, and every step costs what the first one did.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from trainer.types import Array

__all__ = ["WORKLOADS", "Data", "Layer", "Parameters", "Workload", "dense_network"]


class Layer(NamedTuple):
    """What `size` is: of `dense`, `lstm` and `gru` units, of `conv` filters of 3 × 3, of `pool` windows of `size` ×
    `size`, of `embedding` the numbers of an entry, of `block` (a transformer's, causal) heads, of `dropout` per cent.
    """

    kind: str
    size: int = 0


# The arrays of a layer in the order, and in the shapes, that this project has them in; see `_start`.
Parameters = tuple[Array, ...]


class Data(NamedTuple):
    """Inputs (rows, *input_shape); classes (rows,), one for each position where the network keeps positions, or values
    (rows, 1); and the row numbers of an epoch's batches. Rows behind those of the batches are the test rows."""

    inputs: Array
    targets: Array
    batches: Array


@dataclass(frozen=True)
class Workload:
    """A network and how it is trained.

    Args:
        name: for the command line.
        layers, input_shape: the network; images are (height, width, channels), sequences (positions, features), and
            what is embedded (positions,).
        batch: rows of a step.
        epoch: batches of an epoch.
        cost: `softmax_cross_entropy` of logits, or `mean_squared_error`.
        optimizer: `sgd`, or `adam` with β 0.9 and 0.999 and ε 1e-8.
        test: rows that are not trained on. Where there are any, a whole epoch is timed, with the loss and the accuracy
            on all rows, training and test, after it.
        checked: steps whose losses are held against the reference.
        called: how a person calls it, where the sizes of its layers do not say it all.
    """

    name: str
    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...]
    batch: int
    epoch: int
    cost: str = "softmax_cross_entropy"
    optimizer: str = "sgd"
    step_size: float = 0.01
    test: int = 0
    checked: int = 50
    called: str = ""

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
    def in_epochs(self) -> bool:
        """Whether whole epochs with what is measured after them are timed, and not steps."""
        return self.test > 0

    @property
    def by_position(self) -> bool:
        """Whether it says something of every position of a sequence."""
        return "block" in self.kinds

    def to_check(self) -> Workload:
        """Its first steps, on which all systems must agree: nothing of it left to chance."""
        layers = tuple(layer for layer in self.layers if layer.kind != "dropout")
        return replace(self, layers=layers, epoch=self.checked)

    @property
    def title(self) -> str:
        """`64-128-10, batch 32, sgd`."""
        rows = f", {self.batch * self.epoch + self.test:,} rows" if self.in_epochs else ""
        return f"{self.called or self._network}, batch {self.batch}, {self.optimizer}{rows}"

    @property
    def _network(self) -> str:
        sizes = [layer.size for layer in self.layers if layer.kind in ("dense", "conv")]
        network = "-".join(map(str, [math.prod(self.input_shape), *sizes]))
        if len(sizes) > 8:
            network = f"{sizes[0]} wide, {len(sizes)} layers"
        if "conv" in self.kinds:
            steps = [f"{layer.kind} {layer.size}" for layer in self.layers if layer.size]
            network = f"{' × '.join(map(str, self.input_shape[:2]))}: {', '.join(steps)}"
        plugin = ", plugin op" if "snake" in self.kinds else ""
        return network + plugin

    def shapes(self) -> list[tuple[Layer, tuple[int, ...], tuple[int, ...]]]:
        """Each layer with the shape of an example before and after it."""
        table, shape = [], self.input_shape
        for layer in self.layers:
            before = shape
            if layer.kind == "dense":
                shape = (*shape[:-1], layer.size)
            elif layer.kind == "conv":
                shape = (shape[0] - 2, shape[1] - 2, layer.size)
            elif layer.kind == "pool":
                shape = (shape[0] // layer.size, shape[1] // layer.size, shape[2])
            elif layer.kind == "flatten":
                shape = (math.prod(shape),)
            elif layer.kind in ("lstm", "gru"):
                shape = (layer.size,)
            elif layer.kind == "embedding":
                shape = (*shape, layer.size)
            table.append((layer, before, shape))
        return table

    def parameters(self, dtype: Any = np.float32) -> list[Parameters]:
        """The start, a tuple for each layer that has any. What is drawn is uniform with variance 1 / inputs, twice that
        before a relu."""
        rng = np.random.default_rng(1)
        gain = 6.0 if "relu" in self.kinds else 3.0

        def drawn(*shape: int) -> Array:
            limit = math.sqrt(gain / math.prod(shape[:-1]))
            return rng.uniform(-limit, limit, shape)

        start = (_start(layer, before, self.layers[-1].size, drawn) for layer, before, _ in self.shapes())
        return [tuple(array.astype(dtype) for array in arrays) for arrays in start if arrays]

    def data(self, dtype: Any = np.float32) -> Data:
        """The rows of one epoch and the order in which they are taken; and the test rows."""
        rng = np.random.default_rng(2)
        rows, outputs = self.batch * self.epoch, self.layers[-1].size
        shape = (rows + self.test, *self.input_shape)
        inputs: Array = rng.standard_normal(shape, np.float32).astype(dtype)
        if "embedding" in self.kinds:
            inputs = rng.integers(0, outputs, shape).astype(dtype)
        if self.cost == "mean_squared_error":
            targets: Array = rng.standard_normal((len(inputs), outputs), np.float32).astype(dtype)
        else:
            targets = rng.integers(0, outputs, shape if self.by_position else len(inputs))
        return Data(inputs, targets, rng.permutation(rows).reshape(self.epoch, self.batch))


def _start(layer: Layer, before: tuple[int, ...], entries: int, drawn: Callable[..., Array]) -> Parameters:
    """The arrays of a layer: what it multiplies with is drawn, biases and shifts are zeros, and scales ones."""
    n, size, zeros = before[-1], layer.size, np.zeros
    affine = (np.ones(n), zeros(n))
    match layer.kind:
        case "dense":
            return drawn(n, size), zeros(size)
        case "conv":
            return drawn(3, 3, n, size), zeros(size)
        case "lstm":  # by columns the input, forget and output gate and the candidate
            return drawn(n, 4 * size), drawn(size, 4 * size), zeros(4 * size)
        case "gru":  # the reset gate, the update gate and the candidate; the last is what the reset gate reaches
            return drawn(n, 3 * size), drawn(size, 3 * size), zeros(3 * size), zeros(size)
        case "embedding":
            return (drawn(entries, size),)
        case "positions":
            return (drawn(*before),)
        case "batch_norm" | "layer_norm":
            return affine
        case "block":  # queries, keys and values, what is made of them, and two dense layers; a norm before either
            attention = (drawn(n, 3 * n), zeros(3 * n), drawn(n, n), zeros(n))
            return (*attention, *affine, drawn(n, 4 * n), zeros(4 * n), drawn(4 * n, n), zeros(n), *affine)
    return ()


def dense_network(inputs: int, *units: int, activation: str = "relu") -> dict[str, Any]:
    """Dense layers with an activation between them, as the arguments of a Workload."""
    layers = [step for size in units for step in (Layer("dense", size), Layer(activation))]
    return {"layers": tuple(layers[:-1]), "input_shape": (inputs,)}


def _layers(text: str) -> tuple[Layer, ...]:
    """Layers of a line such as `conv 8, relu, flatten`."""
    return tuple(Layer(kind, int(size[0]) if size else 0) for kind, *size in map(str.split, text.split(", ")))


_SMALL_IMAGES = _layers("conv 8, relu, pool 2, conv 16, relu, pool 2, flatten, dense 10")
_IMAGES = _layers("conv 32, relu, pool 2, conv 64, relu, pool 2, flatten, dense 10")
_DIGITS = _layers("conv 16, relu, conv 32, relu, pool 2, flatten, dense 10")
_NORMED = _layers("dense 512, batch_norm, relu, dropout 50, dense 512, batch_norm, relu, dropout 50, dense 10")
_TRANSFORMER = _layers("embedding 64, positions, block 4, block 4, layer_norm, dense 64")

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
        Workload("conv", _SMALL_IMAGES, (28, 28, 1), batch=64, epoch=20),
        Workload(
            "regression",
            **dense_network(16, 64, 64, 1, activation="tanh"),
            batch=1024,
            epoch=20,
            cost="mean_squared_error",
        ),
        Workload("plugin", **dense_network(64, 128, 10, activation="snake"), batch=32, epoch=500),
        Workload(
            "transformer", _TRANSFORMER, (64,), batch=32, epoch=5, optimizer="adam", step_size=1e-4, checked=5,
            called="transformer: 2 blocks of 4 heads, 64 numbers, 64 positions",
        ),
        Workload("images", _IMAGES, (32, 32, 3), batch=64, epoch=5, checked=5),
        Workload(
            "lstm", _layers("lstm 64, dense 10"), (64, 8), batch=32, epoch=20, checked=20,
            called="LSTM 64, 64 positions × 8",
        ),
        Workload(
            "gru", _layers("gru 64, dense 10"), (64, 8), batch=32, epoch=20, checked=20,
            called="GRU 64, 64 positions × 8",
        ),
        Workload(
            "batch_norm", _NORMED, (784,), batch=128, epoch=20, optimizer="adam", step_size=1e-4, checked=10,
            called="784-512-512-10, batch norm and dropout",
        ),
        Workload(
            "wider", **dense_network(784, 2048, 2048, 10), batch=256, epoch=5, optimizer="adam", step_size=1e-4,
            checked=5,
        ),
        Workload("digits", **dense_network(64, 64, 10), batch=32, epoch=45, test=360),
        Workload(
            "digits_conv", _DIGITS, (8, 8, 1), batch=32, epoch=45, test=360, optimizer="adam", step_size=1e-4
        ),
        Workload(
            "sequences", _layers("lstm 32, dense 1"), (30, 2), batch=50, epoch=64, test=800, checked=20,
            cost="mean_squared_error", optimizer="adam", step_size=1e-3, called="LSTM 32, 30 positions × 2",
        ),
        Workload("images_dense", **dense_network(784, 256, 10), batch=128, epoch=63, test=2000, checked=20),
    )
}  # fmt: skip
