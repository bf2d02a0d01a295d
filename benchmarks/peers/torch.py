"""PyTorch: eager, with its fused optimizers; `torch-compile` hands the forward and backward pass to the compiler.

The latter is run on request only: a first compilation takes 20 s a process, and on these sizes it gains little.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers import Run
from benchmarks.workloads import Data, Layer, Parameters, Workload
from trainer.types import Array

NEEDS = ("torch",)
KIND = "peer"
ON_REQUEST = ("compile",)


def variants() -> tuple[str, ...]:
    return ("", "compile")


def make(workload: Workload, theta: list[Parameters], data: Data, threads: int, variant: str) -> Run:
    import torch

    torch.set_num_threads(threads)
    network = torch.nn.Sequential(*_layers(torch, workload, theta))
    optimizers = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    learned = [p for p in network.parameters() if p.requires_grad]
    optimizer = optimizers[workload.optimizer](learned, lr=workload.step_size, fused=True)
    functional = torch.nn.functional
    cost = functional.cross_entropy if workload.cost == "softmax_cross_entropy" else functional.mse_loss
    inputs, targets, batches = map(torch.from_numpy, data)
    if "embedding" in workload.kinds:
        inputs = inputs.long()
    if len(workload.input_shape) == 3:
        inputs = inputs.permute(0, 3, 1, 2).contiguous()

    def loss_of(x: Any, y: Any) -> Any:
        predictions = network(x)
        return cost(predictions.flatten(0, 1), y.flatten()) if workload.by_position else cost(predictions, y)

    if variant == "compile":
        loss_of = torch.compile(loss_of)

    def run() -> Any:
        losses = []
        for rows in batches:
            optimizer.zero_grad()
            loss = loss_of(inputs[rows], targets[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        if workload.in_epochs:
            losses += evaluated()
        return torch.stack(losses).numpy()

    def evaluated() -> list[Any]:
        """The losses on the training and the test rows; accuracies are taken and left."""
        network.train(False)
        losses = []
        with torch.no_grad():
            for part in (slice(batches.numel()), slice(batches.numel(), None)):
                predictions = network(inputs[part])
                losses.append(cost(predictions, targets[part]))
                if workload.cost == "softmax_cross_entropy":
                    (predictions.argmax(1) == targets[part]).float().mean().item()
        network.train(True)
        return losses

    return run


def _layers(torch: Any, workload: Workload, theta: list[Parameters]) -> list[Any]:
    class Snake(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x + torch.sin(x) ** 2

    simple: dict[str, Callable[[int], Any]] = {
        "relu": lambda _: torch.nn.ReLU(),
        "tanh": lambda _: torch.nn.Tanh(),
        "snake": lambda _: Snake(),
        "flatten": lambda _: torch.nn.Flatten(),
        "pool": torch.nn.MaxPool2d,
        "dropout": lambda size: torch.nn.Dropout(size / 100),
    }
    layers, start = [], iter(theta)
    image: tuple[int, ...] = ()
    for step, before, _ in workload.shapes():
        if step.kind in simple:
            image = before if step.kind == "flatten" else image
            layers.append(simple[step.kind](step.size))
            continue
        arrays = next(start)
        if step.kind == "dense" and image:  # channels came last where the weights were drawn, and come first here
            weights = arrays[0].reshape(*image, step.size).transpose(2, 0, 1, 3).reshape(-1, step.size)
            arrays, image = (weights, *arrays[1:]), ()
        layers.append(_layer(torch, step, before, arrays))
    return layers


def _layer(torch: Any, step: Layer, before: tuple[int, ...], arrays: Parameters) -> Any:
    """One with parameters, which are put into it."""
    nn, n = torch.nn, before[-1]
    match step.kind:
        case "dense":
            return _filled(torch, nn.Linear(n, step.size), arrays[0].T, arrays[1])
        case "conv":
            return _filled(torch, nn.Conv2d(n, step.size, 3), arrays[0].transpose(3, 2, 0, 1), arrays[1])
        case "batch_norm":
            return _filled(torch, nn.BatchNorm1d(n), *arrays)
        case "layer_norm":
            return _filled(torch, nn.LayerNorm(n), *arrays)
        case "embedding":
            return _filled(torch, nn.Embedding(*arrays[0].shape), *arrays)
        case "positions":
            return _positions(torch, arrays[0])
        case "block":
            return _block(torch, step.size, n, arrays)
    return _recurrent(torch, step, n, arrays)


def _filled(torch: Any, layer: Any, *arrays: Array) -> Any:
    with torch.no_grad():
        for parameter, array in zip(layer.parameters(), arrays, strict=True):
            parameter.copy_(torch.from_numpy(array.copy()))
    return layer


def _recurrent(torch: Any, step: Layer, n: int, arrays: Parameters) -> Any:
    """The state after the last position. PyTorch has two biases where others have their sum: one of them stays zero."""
    weights, recurrent, bias, *candidate = arrays
    second = np.zeros_like(bias)
    if step.kind == "lstm":  # i, f, o, g here, and i, f, g, o there
        order = np.r_[: 2 * step.size, 3 * step.size : 4 * step.size, 2 * step.size : 3 * step.size]
        weights, recurrent, bias = weights[:, order], recurrent[:, order], bias[order]
    else:
        second[2 * step.size :] = candidate[0]
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[step.kind]

    class Last(kind):  # type: ignore[misc, valid-type]
        def forward(self, x: Any) -> Any:
            return super().forward(x)[0][:, -1]

    layer = _filled(torch, Last(n, step.size, batch_first=True), weights.T, recurrent.T, bias, second)
    if step.kind == "lstm":
        layer.bias_hh_l0.requires_grad_(False)
    else:
        learned = torch.arange(3 * step.size) >= 2 * step.size
        layer.bias_hh_l0.register_hook(lambda g: g * learned)
    return layer


def _positions(torch: Any, table: Array) -> Any:
    class Positions(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Parameter(torch.from_numpy(table.copy()))

        def forward(self, x: Any) -> Any:
            return x + self.table

    return Positions()


def _block(torch: Any, heads: int, n: int, arrays: Parameters) -> Any:
    """A transformer's block, causal, normed before; its attention is PyTorch's fused one."""
    functional = torch.nn.functional

    class Block(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.attention = _filled(torch, torch.nn.Linear(n, 3 * n), arrays[0].T, arrays[1])
            self.taken = _filled(torch, torch.nn.Linear(n, n), arrays[2].T, arrays[3])
            self.norm1 = _filled(torch, torch.nn.LayerNorm(n), *arrays[4:6])
            self.hidden = _filled(torch, torch.nn.Linear(n, 4 * n), arrays[6].T, arrays[7])
            self.output = _filled(torch, torch.nn.Linear(4 * n, n), arrays[8].T, arrays[9])
            self.norm2 = _filled(torch, torch.nn.LayerNorm(n), *arrays[10:12])

        def forward(self, x: Any) -> Any:
            h = self.attention(self.norm1(x)).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
            y = functional.scaled_dot_product_attention(*h, is_causal=True)
            x = x + self.taken(y.transpose(1, 2).flatten(2))
            return x + self.output(functional.gelu(self.hidden(self.norm2(x)), approximate="tanh"))

    return Block()
