"""Dropout as a pure function: the random numbers are an argument, so any step can be redone (see `trainer.rng`)."""

from __future__ import annotations

import numpy as np

from trainer import op
from trainer.errors import ShapeError
from trainer_ops._common import Array, draw

__all__ = ["dropout"]


@op
def dropout(x: Array, uniform: Array, *, rate: float = 0.5) -> Array:
    """x with a part `rate` of its elements set to 0 and the others divided by 1 − rate. Srivastava et al., 2014.

    Args:
        x: of any shape.
        uniform: numbers from [0, 1) that broadcast to x's shape; an element is kept where its number is at least
            `rate`. One of shape (n, 1, 1, channels) drops whole channels of images.
        rate: from 0 to 1. At 1 everything is dropped.

    >>> dropout(np.array([1.0, 2.0]), np.array([0.3, 0.9]), rate=0.5)
    array([0., 4.])
    """
    if not 0 <= rate <= 1:
        raise ShapeError(f"dropout: rate={rate} must lie between 0 and 1")
    kept = _kept(uniform, rate, x.dtype)
    if kept.shape != x.shape and _broadcast(kept.shape, x.shape) != x.shape:
        raise ShapeError(f"dropout: uniform is {kept.shape}, which does not broadcast to the shape of x, {x.shape}")
    return x * kept


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _kept(uniform: Array, rate: float, dtype: object) -> Array:
    return np.greater_equal(uniform, rate).astype(dtype) * (1 / (1 - rate) if rate < 1 else 0.0)


dropout.nondifferentiable("uniform").defvjp(x=lambda dy, uniform, rate: dy * _kept(uniform, rate, dy.dtype))

_UNIFORM = np.array([[0.1, 0.6, 0.9, 0.4], [0.5, 0.2, 0.7, 0.8], [0.0, 0.3, 0.95, 0.55]])
draw(dropout, [(3, 4), _UNIFORM], [(3, 4), _UNIFORM[:, :1], {"rate": 0.25}], [(3, 4), _UNIFORM, {"rate": 1.0}])
