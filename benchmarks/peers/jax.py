"""JAX: a whole epoch compiled as one `jit` of a `scan`, its parameters donated.

With convolutions a step is compiled, and called in a loop: inside of a scan XLA convolves some five times slower.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers import Run
from benchmarks.workloads import Data, Parameters, Workload

NEEDS = ("jax",)
KIND = "peer"


def make(workload: Workload, theta: list[Parameters], data: Data, threads: int, variant: str) -> Run:
    import jax
    import jax.numpy as jnp

    inputs, targets, batches = map(jnp.asarray, data)

    def cost(theta: Any, x: Any, y: Any) -> Any:
        predictions = _forward(jax, workload, theta, x)
        if workload.cost == "mean_squared_error":
            return jnp.mean((predictions - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(predictions), y[:, None], axis=1))

    def step(carry: Any, rows: Any) -> Any:
        theta, state, t = carry
        loss, g = jax.value_and_grad(cost)(theta, inputs[rows], targets[rows])
        theta, state = _update(jax, workload, g, theta, state, t + 1)
        return (theta, state, t + 1), loss

    if "conv" in workload.kinds:
        one = jax.jit(step, donate_argnums=0)

        def epoch(carry: Any) -> Any:
            losses = []
            for rows in batches:
                carry, loss = one(carry, rows)
                losses.append(loss)
            return carry, losses

    else:
        epoch = jax.jit(lambda carry: jax.lax.scan(step, carry, batches), donate_argnums=0)
    start = [tuple(map(jnp.asarray, pair)) for pair in theta]
    zeros = jax.tree.map(jnp.zeros_like, (start, start)) if workload.optimizer == "adam" else ()
    carry = (start, zeros, jnp.float32(0))

    def run() -> Any:
        nonlocal carry
        carry, losses = epoch(carry)
        jax.block_until_ready(carry)
        return np.asarray(losses)

    return run


def _update(jax: Any, workload: Workload, g: Any, theta: Any, state: Any, t: Any) -> Any:
    def tree(f: Any, *trees: Any) -> Any:
        return jax.tree.map(f, *trees)

    if workload.optimizer == "sgd":
        return tree(lambda p, g: p - workload.step_size * g, theta, g), state
    m = tree(lambda m, g: m + 0.1 * (g - m), state[0], g)
    v = tree(lambda v, g: v + 0.001 * (g * g - v), state[1], g)
    a, b, sqrt = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t), jax.numpy.sqrt
    return tree(lambda p, m, v: p - workload.step_size * (m * a) / (sqrt(v * b) + 1e-8), theta, m, v), (m, v)


def _forward(jax: Any, workload: Workload, theta: Any, x: Any) -> Any:
    pairs = iter(theta)
    for step in workload.layers:
        if step.kind == "dense":
            weights, bias = next(pairs)
            x = x @ weights + bias
        elif step.kind == "conv":
            weights, bias = next(pairs)
            x = jax.lax.conv_general_dilated(x, weights, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = x + bias
        elif step.kind == "pool":
            n, height, width, channels = len(x), x.shape[1] // step.size, x.shape[2] // step.size, x.shape[3]
            x = x[:, : height * step.size, : width * step.size]  # quicker than XLA's own reduce_window
            x = x.reshape(n, height, step.size, width, step.size, channels).max(axis=(2, 4))
        elif step.kind == "flatten":
            x = x.reshape(len(x), -1)
        else:
            x = {"relu": jax.nn.relu, "tanh": jax.numpy.tanh, "snake": lambda x: x + jax.numpy.sin(x) ** 2}[step.kind](
                x
            )
    return x
