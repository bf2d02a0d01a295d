"""PyTorch: eager, with its fused optimizers; `torch-compile` hands the forward and backward pass to the compiler.

The latter is run on request only: a first compilation takes 20 s a process, and on these sizes it gains little.
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers import Run
from benchmarks.workloads import Data, Parameters, Workload

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
    optimizer = optimizers[workload.optimizer](network.parameters(), lr=workload.step_size, fused=True)
    functional = torch.nn.functional
    cost = functional.cross_entropy if workload.cost == "softmax_cross_entropy" else functional.mse_loss
    inputs, targets, batches = map(torch.from_numpy, data)
    if len(workload.input_shape) == 3:
        inputs = inputs.permute(0, 3, 1, 2).contiguous()

    def loss_of(x: Any, y: Any) -> Any:
        return cost(network(x), y)

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
        return torch.stack(losses).numpy()

    return run


def _layers(torch: Any, workload: Workload, theta: list[Parameters]) -> list[Any]:
    class Snake(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x + torch.sin(x) ** 2

    layers, start = [], iter(theta)
    image: tuple[int, ...] = ()
    for step, before, _ in workload.shapes():
        if step.kind == "dense":
            weights, bias = next(start)
            if image:  # channels came last where the weights were drawn, and come first here
                weights = weights.reshape(*image, step.size).transpose(2, 0, 1, 3).reshape(-1, step.size)
                image = ()
            layers.append(_filled(torch, torch.nn.Linear(*before, step.size), weights.T, bias))
        elif step.kind == "conv":
            weights, bias = next(start)
            layer = torch.nn.Conv2d(before[-1], step.size, 3)
            layers.append(_filled(torch, layer, weights.transpose(3, 2, 0, 1), bias))
        elif step.kind == "flatten":
            image = before
            layers.append(torch.nn.Flatten())
        else:
            other = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "snake": Snake}
            layers.append(torch.nn.MaxPool2d(step.size) if step.kind == "pool" else other[step.kind]())
    return layers


def _filled(torch: Any, layer: Any, weights: Any, bias: Any) -> Any:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights.copy()))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer
