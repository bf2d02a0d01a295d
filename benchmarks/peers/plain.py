"""Plain NumPy: forward and backward written by hand, as one would without a library. In float64 it is the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers import Run, only
from benchmarks.workloads import Data, Parameters, Workload
from trainer.types import Array

NEEDS = ("numpy",)
KIND = "plain"

Backward = Callable[[Array], Array]


def make(workload: Workload, theta: list[Parameters], data: Data, threads: int, variant: str) -> Run:
    only(workload, "conv", "pool", "flatten")
    flat = [array.copy() for pair in theta for array in pair]
    update = _sgd(workload) if workload.optimizer == "sgd" else _adam(workload, flat)

    def step(rows: Array) -> Any:
        loss, gradients = _gradient(workload, flat, data.inputs[rows], data.targets[rows])
        update(flat, gradients)
        return loss

    return lambda: np.array([step(rows) for rows in data.batches])


def _sgd(workload: Workload) -> Callable[[list[Array], list[Array]], None]:
    def update(theta: list[Array], gradients: list[Array]) -> None:
        for p, g in zip(theta, gradients, strict=True):
            p -= workload.step_size * g

    return update


def _adam(workload: Workload, theta: list[Array]) -> Callable[[list[Array], list[Array]], None]:
    """Kingma & Ba 2015, algorithm 1."""
    t, first, second = 0, [np.zeros_like(p) for p in theta], [np.zeros_like(p) for p in theta]

    def update(theta: list[Array], gradients: list[Array]) -> None:
        nonlocal t
        t += 1
        for p, g, m, v in zip(theta, gradients, first, second, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            p -= workload.step_size * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)

    return update


def _gradient(workload: Workload, theta: list[Array], x: Array, y: Array) -> tuple[Any, list[Array]]:
    """The loss, and the gradients in the order of θ."""
    backward: list[tuple[int, Callable[[Array, bool], tuple[Any, ...]]]] = []
    at = 0
    for layer in workload.layers:
        if layer.kind in _LINEAR:
            x, back = _LINEAR[layer.kind](x, theta[at], theta[at + 1])
            backward.append((at, back))
            at += 2
        else:
            x, back = _OTHER[layer.kind](x, layer.size)
            backward.append((-1, back))
    loss, d = _cross_entropy(x, y) if workload.cost == "softmax_cross_entropy" else _squared_error(x, y)
    gradients = list(theta)
    for place, back in reversed(backward):
        if place < 0:
            d = back(d)
        else:
            d, gradients[place], gradients[place + 1] = back(d, place > 0)
    return loss, gradients


def _cross_entropy(x: Array, y: Array) -> tuple[Any, Array]:
    rows = np.arange(len(x))
    z = x - x.max(axis=1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=1, keepdims=True)
    loss = (np.log(total[:, 0]) - z[rows, y]).mean()
    d = e / total
    d[rows, y] -= 1
    d /= len(x)
    return loss, d


def _squared_error(x: Array, y: Array) -> tuple[Any, Array]:
    e = x - y
    return (e * e).mean(), e * (2 / e.size)


def _dense(x: Array, w: Array, b: Array) -> Any:
    return x @ w + b, lambda d, wanted: (d @ w.T if wanted else None, x.T @ d, d.sum(axis=0))


def _conv(x: Array, w: Array, b: Array) -> Any:
    height, width = x.shape[1] - 2, x.shape[2] - 2
    places = [np.s_[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    columns = np.stack([x[p] for p in places], axis=3).reshape(-1, 9 * x.shape[3])
    matrix = w.reshape(-1, w.shape[3])

    def back(d: Array, wanted: bool) -> Any:
        rows = d.reshape(-1, w.shape[3])
        dx = None
        if wanted:
            dx = np.zeros_like(x)
            windows = (rows @ matrix.T).reshape(len(x), height, width, 9, x.shape[3])
            for k, p in enumerate(places):
                dx[p] += windows[:, :, :, k]
        return dx, (columns.T @ rows).reshape(w.shape), rows.sum(axis=0)

    return (columns @ matrix + b).reshape(len(x), height, width, -1), back


def _relu(x: Array, _: int) -> Any:
    return np.maximum(x, 0), lambda d: d * (x > 0)


def _tanh(x: Array, _: int) -> Any:
    y = np.tanh(x)
    return y, lambda d: d * (1 - y * y)


def _snake(x: Array, _: int) -> Any:
    return x + np.sin(x) ** 2, lambda d: d * (1 + np.sin(2 * x))


def _flatten(x: Array, _: int) -> Any:
    return x.reshape(len(x), -1), lambda d: d.reshape(x.shape)


def _pool(x: Array, size: int) -> Any:
    height, width = x.shape[1] // size, x.shape[2] // size
    taps = [np.s_[:, i : height * size : size, j : width * size : size] for i in range(size) for j in range(size)]
    y = x[taps[0]]
    for tap in taps[1:]:
        y = np.maximum(y, x[tap])

    def back(d: Array) -> Array:
        dx = np.zeros_like(x)
        for tap in taps:  # equal elements all get it: after a relu they are zeros, and pass nothing on
            dx[tap] = d * (x[tap] == y)
        return dx

    return y, back


_LINEAR: dict[str, Callable[[Array, Array, Array], Any]] = {"dense": _dense, "conv": _conv}
_OTHER: dict[str, Callable[[Array, int], Any]] = {
    "relu": _relu, "tanh": _tanh, "snake": _snake, "flatten": _flatten, "pool": _pool,
}  # fmt: skip
