"""What configs/mlp.yaml declares, in JAX: a compiled step per batch, as its tutorials have it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(1)
data = dict(np.load("digits.npz"))
x, y = data["train_inputs"], data["train_targets"]
theta = [
    (jnp.asarray(rng.normal(0, np.sqrt(2 / n), (n, m)), jnp.float32), jnp.zeros(m)) for n, m in ((64, 256), (256, 10))
]


def predict(theta: Any, x: Any) -> Any:
    (w1, b1), (w2, b2) = theta
    return jax.nn.relu(x @ w1 + b1) @ w2 + b2


def cost(theta: Any, x: Any, y: Any) -> Any:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(predict(theta, x)), y[:, None], axis=1))


def step(theta: Any, x: Any, y: Any) -> Any:
    return jax.tree.map(lambda p, g: p - 0.03 * g, theta, jax.grad(cost)(theta, x, y))


def evaluate(theta: Any) -> Any:
    right = jnp.argmax(predict(theta, data["test_inputs"]), axis=1) == data["test_targets"]
    return cost(theta, x, y), jnp.mean(right)


step, evaluate = jax.jit(step), jax.jit(evaluate)
told = False
for epoch in range(20):
    order = rng.permutation(len(x))
    for start in range(0, len(x), 32):
        rows = order[start : start + 32]
        theta = step(theta, x[rows], y[rows])
        if not told:
            told = True
            jax.block_until_ready(theta)
            print("first step", flush=True)
    print(epoch + 1, *map(float, evaluate(theta)))
