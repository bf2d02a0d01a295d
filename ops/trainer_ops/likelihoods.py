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
from trainer_ops._targets import (
    by_position,
    classes_of,
    is_class,
    mean_over_positions,
    own,
    same_shape,
    share,
    share_of_mean,
)
from trainer_ops.poles import times
from trainer_ops.softmaxes import log_softmax, softmax

__all__ = ["COSTS", "gaussian", "kl_divergence", "negative_log_likelihood", "poisson"]


@op
def negative_log_likelihood(predictions: Array, targets: Array) -> Array:
    """−log p of the class per example; the mean over positions. PyTorch's `nll_loss`.

    Args:
        predictions: log-probabilities (n, k), as of `log_softmax`, or (n, T, k) for T positions.
        targets: the classes' numbers, integers (n,) or (n, T), where a negative number marks a position to leave out.

    >>> negative_log_likelihood(np.log(np.array([[0.5, 0.5], [0.25, 0.75]])), np.array([0, 1])).round(4)
    array([0.6931, 0.2877])
    """
    classes = classes_of("negative_log_likelihood", "log-probabilities", predictions, targets)
    return mean_over_positions(-own(predictions, classes), targets)


negative_log_likelihood.nondifferentiable("targets")


@negative_log_likelihood.vjp("predictions")
def _(dy: Array, targets: Array, predictions_shape: Any) -> Array:
    return -np.expand_dims(share_of_mean(dy, targets), -1) * is_class(targets, predictions_shape[-1])


@op
def kl_divergence(predictions: Array, targets: Array) -> Array:
    """Σ t (log t − predictions) per example, in nats: the sum over the classes, the mean over positions.

    Kullback & Leibler, 1951; PyTorch's `kl_div` with `reduction="batchmean"`. A target of 0 contributes 0.

    Args:
        predictions: log-probabilities (n, k), or (n, T, k) for T positions.
        targets: probabilities, of the same shape.

    >>> kl_divergence(np.log(np.array([[0.5, 0.5]])), np.array([[1.0, 0.0]])).round(4)
    array([0.6931])
    """
    axes = same_shape("kl_divergence", predictions, targets)
    return np.sum(times(targets, _log(targets) - predictions), axis=axes) / _positions(targets)


def _positions(like: Array) -> int:
    shape: tuple[int, ...] = like.shape
    return max(1, math.prod(shape[1:-1]))


def _log(t: Array) -> Array:
    """log t, and 0 for 0."""
    return np.log(np.where(t == 0, 1, t))


kl_divergence.defvjp(
    predictions=lambda dy, targets: -targets * (by_position(dy, targets) / _positions(targets)),
    targets=lambda dy, predictions, targets: (
        np.where(targets == 0, 0, 1 + _log(targets) - predictions) * (by_position(dy, targets) / _positions(targets))
    ),
)


@op
def poisson(predictions: Array, targets: Array) -> Array:
    """(1/k) Σ e^p − t·p per example: −log P(t) of a Poisson distribution of rate e^p, less what does not depend on p.

    Args:
        predictions: logarithms of rates (n, k).
        targets: counts (n, k).

    PyTorch's `poisson_nll_loss` with `log_input=True`; Keras's `Poisson` takes the rates themselves.

    >>> poisson(np.array([[0.0], [0.0]]), np.array([[1.0], [3.0]]))
    array([1., 1.])
    """
    return np.mean(np.exp(predictions) - targets * predictions, axis=same_shape("poisson", predictions, targets))


poisson.defvjp(
    predictions=lambda dy, predictions, targets: (np.exp(predictions) - targets) * share(dy, predictions),
    targets=lambda dy, predictions: -predictions * share(dy, predictions),
)


@op
def gaussian(predictions: Array, targets: Array) -> Array:
    """(1/k) Σ ½(s + (t − m)² e^(−s)) per example: −log of a normal density of mean m and variance e^s, less ½ log 2π.

    Nix & Weigend, *Estimating the mean and variance of the target probability distribution*, 1994. PyTorch's
    `gaussian_nll_loss`, which takes the variances themselves.

    Args:
        predictions: (n, 2k): the k means, then the k logarithms of variances.
        targets: values (n, k).

    >>> gaussian(np.array([[1.0, 0.0]]), np.array([[3.0]]))
    array([2.])
    """
    p, t = np.shape(predictions), np.shape(targets)
    if len(p) != 2 or len(t) != 2 or p != (t[0], 2 * t[1]):
        hint = f"; end the network in `dense: {2 * t[1]}`" if len(p) == len(t) == 2 and p[0] == t[0] else ""
        raise ShapeError(
            f"gaussian takes means and logarithms of variances (n, 2k) of targets (n, k): predictions are {p} and "
            f"targets {t}{hint}"
        )
    r, _, s = _standardized(predictions, targets)
    return np.mean(s + np.square(r), axis=1) / 2


def _standardized(predictions: Array, targets: Array) -> tuple[Array, Array, Array]:
    """(m − t) e^(−s/2), whose square may be in range where e^(−s) is not; e^(−s/2); and s."""
    k = targets.shape[1]
    s = predictions[:, k:]
    precise = np.exp(s / -2)
    return times(predictions[:, :k] - targets, precise), precise, s


@gaussian.vjp("predictions")
def _(dy: Array, predictions: Array, targets: Array) -> Array:
    r, precise, _ = _standardized(predictions, targets)
    return np.concatenate([times(r, precise), (1 - np.square(r)) / 2], axis=1) * share(dy, targets)


@gaussian.vjp("targets")
def _(dy: Array, predictions: Array, targets: Array) -> Array:
    r, precise, _ = _standardized(predictions, targets)
    return times(-r, precise) * share(dy, targets)


# What the loop wants to know of each cost, and samples.

COSTS: dict[Op, dict[str, Any]] = {
    negative_log_likelihood: {"targets": "classes", "metrics": ("accuracy",), "link": "softmax"},
    kl_divergence: {"targets": "values", "link": "softmax"},
    poisson: {"targets": "values", "link": "exp"},
    gaussian: {"targets": "values", "link": "halves"},
}
for _cost in COSTS:
    _cost.operations(lambda p, t, y: 4 * math.prod(p))


@negative_log_likelihood.samples
def _(rng: np.random.Generator) -> list[Any]:
    sequences = log_softmax(rng.normal(size=(2, 3, 4)))
    return [
        (log_softmax(rng.normal(size=(4, 3))), np.array([0, 2, 1, 2])),
        (sequences, np.array([[3, 0, -1], [1, 1, 2]])),
    ]


@kl_divergence.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(log_softmax(rng.normal(size=s)), softmax(rng.normal(size=s))) for s in ((4, 3), (2, 3, 2))]


@poisson.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=(4, 3)), rng.poisson(2.0, (4, 3)) * 1.0), (rng.normal(size=4), rng.poisson(2.0, 4) * 1.0)]


@gaussian.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=(4, 2 * k)), rng.normal(size=(4, k))) for k in (1, 2)]
