"""The softsign activation (Bergstra et al., 2009), as a plugin."""

import numpy as np

from trainer import hookimpl, op


@op
def softsign(x, *, sharpness: float = 1.0):
    """x / (1 + |x|), a sigmoid with polynomial tails."""
    return sharpness * x / (1 + np.abs(sharpness * x))


@softsign.vjp("x")
def _(dy, x, *, sharpness):
    return dy * sharpness / (1 + np.abs(sharpness * x)) ** 2


@softsign.samples
def _(rng):
    yield rng.normal(size=(3, 4))
    yield rng.normal(size=5), {"sharpness": 2.0}


@hookimpl
def register_ops(register):
    register(softsign)
