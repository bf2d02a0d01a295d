"""A plugin in one file: an op with its rule, used as an activation by snake.yaml.

trainer ops show snake --plugin configs/snake.py
"""

import numpy as np

from trainer import hookimpl, op


@op
def snake(x, *, a: float = 1.0):
    """x + sin²(a·x)/a, which can extrapolate what repeats (Ziyin, Hartwig & Ueda 2020, arXiv:2006.08195)."""
    return x + np.sin(a * x) ** 2 / a


@snake.vjp("x")
def _(dy, x, *, a):
    return dy * (1 + np.sin(2 * a * x))


@snake.samples
def _(rng):
    yield rng.normal(size=(3, 4))
    yield rng.normal(size=5), {"a": 2.0}


@hookimpl
def register_ops(register):
    register(snake)
