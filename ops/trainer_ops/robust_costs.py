"""Costs of values beside the square: quantiles, and a square that turns into a line. Per example, (n,).

Conventions as in `trainer_ops.costs`: a mean over outputs, no ½.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from trainer import Op, op
from trainer.errors import ShapeError
from trainer.limits import Limits
from trainer_ops._common import Array
from trainer_ops._targets import real_only, same_shape, share

__all__ = ["COSTS", "log_cosh", "pinball"]

Level = Annotated[float, Limits(gt=0, lt=1)]


@op
def log_cosh(predictions: Array, targets: Array) -> Array:
    """(1/k) Σ log cosh(p − t) per example: ½e² for small errors e, |e| − log 2 for large ones. Both are (n, k).

    Keras's `LogCosh`. No error overflows it. The gradient is tanh e.

    >>> log_cosh(np.array([[0.0], [1000.0]]), np.zeros((2, 1))).round(4)
    array([  0.    , 999.3069])
    """
    axes = same_shape("log_cosh", predictions, targets)
    e = np.absolute(predictions - targets)
    return np.mean(e + np.log1p(np.expm1(-2 * e) / 2), axis=axes)  # cosh e = e^|e| (1 + e^(−2|e|))/2


def _tanh(dy: Array, predictions: Array, targets: Array) -> Array:
    e = predictions - targets
    real_only("log_cosh", e)
    return np.tanh(e) * share(dy, e)


log_cosh.defvjp(predictions=_tanh, targets=lambda dy, predictions, targets: _tanh(dy, targets, predictions))


@op
def pinball(predictions: Array, targets: Array, *, levels: Level | list[Level] = 0.5) -> Array:
    """The mean of max(τ e, (τ − 1) e) per example, for e = t − p and levels τ: least where p is the τ-quantile of t.

    Koenker & Bassett, *Regression quantiles*, 1978: the quantile loss, scikit-learn's `mean_pinball_loss`. With τ = ½
    it is half the absolute error. The derivative is 0 where p = t.

    Args:
        predictions: (n, k·q) for q levels: the q quantiles of the first target, then those of the second.
        targets: (n, k).
        levels: τ, a number, or a list of q; each between 0 and 1.

    >>> pinball(np.array([[1.0, 3.0]]), np.array([[2.0]]), levels=[0.1, 0.9])  # (0.1 + 0.1)/2
    array([0.1])
    """
    return np.mean(_tilted(predictions, targets, levels), axis=tuple(range(1, predictions.ndim + _several(levels))))


def _several(levels: Any) -> bool:
    return not isinstance(levels, int | float)


def _errors(predictions: Array, targets: Array, levels: Any) -> tuple[Array, Any]:
    """t − p and τ: (n, k) and a number, or (n, k, q) and (q,)."""
    if not _several(levels):
        same_shape("pinball", predictions, targets)
        return targets - predictions, levels
    p, t, q = np.shape(predictions), np.shape(targets), len(levels)
    if not q:
        raise ShapeError("pinball: levels is an empty list; give at least one number between 0 and 1")
    if len(p) != 2 or len(t) != 2 or p != (t[0], q * t[1]):
        hint = f"; end the network in `dense: {q * t[1]}`" if len(p) == len(t) == 2 and p[0] == t[0] else ""
        raise ShapeError(
            f"pinball with {q} levels takes predictions (n, {q}k) of targets (n, k): predictions are {p} and targets "
            f"{t}{hint}"
        )
    e = np.expand_dims(targets, 2) - np.reshape(predictions, (*t, q))
    return e, np.asarray(levels, e.dtype)


def _tilted(predictions: Array, targets: Array, levels: Any) -> Array:
    e, tau = _errors(predictions, targets, levels)
    return np.maximum(tau * e, (tau - 1) * e)


def _slopes(dy: Array, predictions: Array, targets: Array, levels: Any) -> Array:
    """∂/∂t, of the shape of the errors: τ where t > p, τ − 1 where t < p."""
    e, tau = _errors(predictions, targets, levels)
    g = share(dy, e)
    return np.where(e > 0, tau * g, np.where(e < 0, (tau - 1) * g, 0))


@pinball.vjp("predictions")
def _(dy: Array, predictions: Array, targets: Array, levels: Any) -> Array:
    return np.reshape(-_slopes(dy, predictions, targets, levels), predictions.shape)


@pinball.vjp("targets")
def _(dy: Array, predictions: Array, targets: Array, levels: Any) -> Array:
    slopes = _slopes(dy, predictions, targets, levels)
    return np.sum(slopes, axis=2) if _several(levels) else slopes


COSTS: dict[Op, dict[str, Any]] = {
    log_cosh: {"targets": "values", "metrics": ("r2",)},
    pinball: {"targets": "values"},
}
for _cost, _each in ((log_cosh, 6), (pinball, 5)):
    _cost.operations(lambda p, t, y, each=_each: each * math.prod(p))


@log_cosh.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=s), rng.normal(size=s)) for s in ((4, 3), (4, 1), (4,), (2, 3, 2))]


@pinball.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [
        (rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), {"levels": 0.8}),
        (rng.normal(size=4), rng.normal(size=4)),
        (rng.normal(size=(4, 3)), rng.normal(size=(4, 1)), {"levels": [0.1, 0.5, 0.9]}),
        (rng.normal(size=(4, 4)), rng.normal(size=(4, 2)), {"levels": [0.25, 0.75]}),
    ]
