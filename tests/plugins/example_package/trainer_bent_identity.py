"""The bent identity, an activation that never saturates, as a plugin."""

import numpy as np

from trainer import hookimpl, op


@op
def bent_identity(x, *, bend: float = 1.0):
    """x + bend·(√(x² + 1) − 1) / 2: steeper to the right of 0 than to the left."""
    return x + bend * (np.sqrt(x**2 + 1) - 1) / 2


@bent_identity.vjp("x")
def _(dy, x, *, bend):
    return dy * (1 + bend * x / (2 * np.sqrt(x**2 + 1)))


@bent_identity.samples
def _(rng):
    yield rng.normal(size=(3, 4))
    yield rng.normal(size=5), {"bend": 0.5}


@hookimpl
def register_ops(register):
    register(bent_identity)
