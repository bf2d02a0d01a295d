"""JAX: a whole epoch compiled as one `jit` of a `scan`, its parameters donated.

With convolutions a step is compiled, and called in a loop: inside of a scan XLA convolves some five times slower.
Moving averages of batch normalization, which others keep, are left out. Dropout's numbers are of XLA's own generator,
which is quicker than JAX's default.
"""

from __future__ import annotations

from collections.abc import Callable
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
    if "embedding" in workload.kinds:
        inputs = inputs.astype(int)

    def of_predictions(predictions: Any, y: Any) -> Any:
        if workload.cost == "mean_squared_error":
            return jnp.mean((predictions - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(predictions), y[..., None], axis=-1))

    def cost(theta: Any, x: Any, y: Any, t: Any) -> Any:
        return of_predictions(_forward(jax, workload, theta, x, t), y)

    def step(carry: Any, rows: Any) -> Any:
        theta, state, t = carry
        loss, g = jax.value_and_grad(cost)(theta, inputs[rows], targets[rows], t)
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

    def evaluate(theta: Any) -> Any:
        """The losses on the training and the test rows, and accuracies."""
        found = []
        for part in (slice(batches.size), slice(batches.size, None)):
            predictions, y = _forward(jax, workload, theta, inputs[part], 0), targets[part]
            right = predictions.argmax(1) == y if workload.cost == "softmax_cross_entropy" else predictions
            found.append((of_predictions(predictions, y), right.mean()))
        return found

    evaluate = jax.jit(evaluate)
    start = [tuple(map(jnp.asarray, arrays)) for arrays in theta]
    zeros = jax.tree.map(jnp.zeros_like, (start, start)) if workload.optimizer == "adam" else ()
    carry = (start, zeros, jnp.float32(0))

    def run() -> Any:
        nonlocal carry
        carry, losses = epoch(carry)
        jax.block_until_ready(carry)
        if not workload.in_epochs:
            return np.asarray(losses)
        return np.array([*losses, *(loss for loss, _ in jax.block_until_ready(evaluate(carry[0])))])

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


def _forward(jax: Any, workload: Workload, theta: Any, x: Any, t: Any) -> Any:
    start = iter(theta)
    for place, step in enumerate(workload.layers):
        if step.kind == "dropout":
            key = jax.random.fold_in(jax.random.key(place, impl="rbg"), t.astype(int))
            x = x * jax.random.bernoulli(key, 1 - step.size / 100, x.shape) / (1 - step.size / 100)
        elif step.kind in _PLAIN:
            x = _PLAIN[step.kind](jax, x, step.size)
        else:
            x = _LEARNED[step.kind](jax, x, step.size, *next(start))
    return x


def _conv(jax: Any, x: Any, size: int, weights: Any, bias: Any) -> Any:
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, weights, (1, 1), "VALID", dimension_numbers=numbers) + bias


def _pool(jax: Any, x: Any, size: int) -> Any:
    n, height, width, channels = len(x), x.shape[1] // size, x.shape[2] // size, x.shape[3]
    x = x[:, : height * size, : width * size]  # quicker than XLA's own reduce_window
    return x.reshape(n, height, size, width, size, channels).max(axis=(2, 4))


def _normed(jax: Any, x: Any, axis: int, scale: Any, shift: Any) -> Any:
    mean, variance = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift


def _lstm(jax: Any, x: Any, size: int, weights: Any, recurrent: Any, bias: Any) -> Any:
    def position(carry: Any, z: Any) -> Any:
        h, c = carry
        i, f, o, g = jax.numpy.split(z + h @ recurrent, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
        return (jax.nn.sigmoid(o) * jax.numpy.tanh(c), c), None

    zeros = jax.numpy.zeros((len(x), size))
    return jax.lax.scan(position, (zeros, zeros), x.swapaxes(0, 1) @ weights + bias)[0][0]


def _gru(jax: Any, x: Any, size: int, weights: Any, recurrent: Any, bias: Any, candidate: Any) -> Any:
    def position(h: Any, z: Any) -> Any:
        p = h @ recurrent
        r, u = jax.numpy.split(jax.nn.sigmoid(z[:, : 2 * size] + p[:, : 2 * size]), 2, axis=-1)
        n = jax.numpy.tanh(z[:, 2 * size :] + r * (p[:, 2 * size :] + candidate))
        return n + u * (h - n), None

    return jax.lax.scan(position, jax.numpy.zeros((len(x), size)), x.swapaxes(0, 1) @ weights + bias)[0]


def _block(jax: Any, x: Any, heads: int, *arrays: Any) -> Any:
    """A transformer's block, causal, normed before."""
    weights, bias, taken, taken_bias, scale1, shift1, hidden, hidden_bias, output, output_bias, *norm2 = arrays
    h = _normed(jax, x, -1, scale1, shift1) @ weights + bias
    q, k, v = jax.numpy.moveaxis(h.reshape(*x.shape[:2], 3, heads, -1), 2, 0)
    attended = jax.nn.dot_product_attention(q, k, v, is_causal=True)
    x = x + attended.reshape(x.shape) @ taken + taken_bias
    between = jax.nn.gelu(_normed(jax, x, -1, *norm2) @ hidden + hidden_bias, approximate=True)
    return x + between @ output + output_bias


_PLAIN: dict[str, Callable[[Any, Any, int], Any]] = {
    "relu": lambda jax, x, _: jax.nn.relu(x),
    "tanh": lambda jax, x, _: jax.numpy.tanh(x),
    "snake": lambda jax, x, _: x + jax.numpy.sin(x) ** 2,
    "flatten": lambda jax, x, _: x.reshape(len(x), -1),
    "pool": _pool,
}
_LEARNED: dict[str, Callable[..., Any]] = {
    "dense": lambda jax, x, _, weights, bias: x @ weights + bias,
    "conv": _conv,
    "lstm": _lstm,
    "gru": _gru,
    "batch_norm": lambda jax, x, _, scale, shift: _normed(jax, x, 0, scale, shift),
    "layer_norm": lambda jax, x, _, scale, shift: _normed(jax, x, -1, scale, shift),
    "embedding": lambda jax, x, _, table: table[x],
    "positions": lambda jax, x, _, table: x + table,
    "block": _block,
}
