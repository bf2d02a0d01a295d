"""Costs of predictions that are logarithms of probabilities or rates already, per example, (n,).

`softmax_cross_entropy` is `negative_log_likelihood` of `log_softmax`, in one. Conventions as in `trainer_ops.costs`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer import Op, op
from trainer.errors import ShapeError
from trainer_ops._common import Array
from trainer_ops.softmaxes import log_softmax, softmax

__all__ = ["COSTS", "kl_divergence", "negative_log_likelihood", "poisson"]


@op
def negative_log_likelihood(predictions: Array, targets: Array) -> Array:
    """−predictions[i, targets[i]] per example i.

    Args:
        predictions: log-probabilities (n, k), as of `log_softmax`.
        targets: the classes' numbers, integers (n,).

    >>> negative_log_likelihood(np.log(np.array([[0.5, 0.5], [0.25, 0.75]])), np.array([0, 1])).round(4)
    array([0.6931, 0.2877])
    """
    p, t = np.shape(predictions), np.shape(targets)
    if len(p) != 2 or t != p[:1] or np.result_type(targets).kind not in "iu":
        raise ShapeError(
            "negative_log_likelihood takes log-probabilities (n, k) and class numbers (n,), which are integers: "
            f"predictions are {p} and targets {t} of {np.result_type(targets)}"
        )
    return -np.take_along_axis(predictions, np.expand_dims(targets, 1), 1)[:, 0]


negative_log_likelihood.nondifferentiable("targets")


@negative_log_likelihood.vjp("predictions")
def _(dy: Array, targets: Array, predictions_shape: Any) -> Array:
    chosen = np.expand_dims(targets, 1) == np.arange(predictions_shape[1])
    return -np.expand_dims(dy, 1) * chosen


def _same(cost: str, predictions: Array, targets: Array) -> tuple[int, ...]:
    """The axes of the outputs, after refusing shapes that differ."""
    p, t = np.shape(predictions), np.shape(targets)
    if p != t or not p:
        raise ShapeError(
            f"{cost} compares element by element: predictions are {p} and targets {t}; give both one shape"
        )
    return tuple(range(1, len(p)))


def _each(dy: Array, like: Array) -> Array:
    """δy, which is per example, shaped to multiply the outputs."""
    return np.reshape(dy, (*dy.shape, *(1,) * (like.ndim - 1)))


@op
def kl_divergence(predictions: Array, targets: Array) -> Array:
    """Σ t (log t − predictions) per example, in nats; a target of 0 contributes 0. Kullback & Leibler, 1951.

    Args:
        predictions: log-probabilities (n, k).
        targets: probabilities (n, k).

    >>> kl_divergence(np.log(np.array([[0.5, 0.5]])), np.array([[1.0, 0.0]])).round(4)
    array([0.6931])
    """
    axes = _same("kl_divergence", predictions, targets)
    return np.sum(targets * (_log(targets) - predictions), axis=axes)


def _log(t: Array) -> Array:
    """log t, and 0 for 0."""
    return np.log(np.where(t == 0, 1, t))


kl_divergence.defvjp(
    predictions=lambda dy, targets: -targets * _each(dy, targets),
    targets=lambda dy, predictions, targets: (
        np.where(targets == 0, 0, 1 + _log(targets) - predictions) * _each(dy, targets)
    ),
)


@op
def poisson(predictions: Array, targets: Array) -> Array:
    """(1/k) Σ e^p − t·p per example: −log P(t) of a Poisson distribution of rate e^p, less what does not depend on p.

    Args:
        predictions: logarithms of rates (n, k).
        targets: counts (n, k).

    >>> poisson(np.array([[0.0], [0.0]]), np.array([[1.0], [3.0]]))
    array([1., 1.])
    """
    return np.mean(np.exp(predictions) - targets * predictions, axis=_same("poisson", predictions, targets))


def _share(dy: Array, like: Array) -> Array:
    return _each(dy, like) / max(1, math.prod(like.shape[1:]))


poisson.defvjp(
    predictions=lambda dy, predictions, targets: (np.exp(predictions) - targets) * _share(dy, predictions),
    targets=lambda dy, predictions: -predictions * _share(dy, predictions),
)

# What the loop wants to know of each cost, and samples.

COSTS: dict[Op, dict[str, Any]] = {
    negative_log_likelihood: {"targets": "classes", "metrics": ("accuracy",)},
    kl_divergence: {"targets": "values"},
    poisson: {"targets": "values"},
}
for _cost in COSTS:
    _cost.operations(lambda p, t, y: 4 * math.prod(p))


@negative_log_likelihood.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(log_softmax(rng.normal(size=(4, 3))), np.array([0, 2, 1, 2]))]


@kl_divergence.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(log_softmax(rng.normal(size=(4, 3))), softmax(rng.normal(size=(4, 3))))]


@poisson.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=(4, 3)), rng.poisson(2.0, (4, 3)) * 1.0), (rng.normal(size=4), rng.poisson(2.0, 4) * 1.0)]
