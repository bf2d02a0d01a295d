"""Focal costs: cross-entropies in which examples that are right already count for little. Per example, (n,).

Lin, Goyal, Girshick, He & Dollár, *Focal loss for dense object detection*, 2017, (4) and (5): −α (1 − p)^γ log p, where
p is the probability of what is true. With γ = 0 and no α they are the cross-entropies of `trainer_ops.costs`.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from trainer import Op, op
from trainer.errors import ShapeError
from trainer.limits import Limits
from trainer_ops._common import Array
from trainer_ops._targets import (
    classes_of,
    is_class,
    mean_over_positions,
    or_zero,
    own,
    same_shape,
    share,
    share_of_mean,
    where_known,
)
from trainer_ops.activations import sigmoid
from trainer_ops.indexing import take
from trainer_ops.softmaxes import log_softmax

__all__ = ["COSTS", "sigmoid_focal", "softmax_focal"]

Gamma = Annotated[float, Limits(ge=0)]
Share = Annotated[float, Limits(ge=0, le=1)]
Weight = Annotated[float, Limits(ge=0)]


@op
def softmax_focal(
    predictions: Array, targets: Array, *, gamma: Gamma = 2.0, alpha: Weight | list[Weight] | None = None
) -> Array:
    """−α (1 − p)^γ log p per example, in nats, for the class's probability p = softmax(predictions): no ½, no mean over
    classes; the mean over positions.

    Keras's `CategoricalFocalCrossentropy` with `from_logits=True`, whose α is 0.25 unless told otherwise.

    Args:
        predictions: logits (n, k), or (n, T, k) for T positions.
        targets: the classes' numbers, integers (n,) or (n, T), where a negative number marks a position to leave out.
        gamma: γ.
        alpha: α, a factor of every class or a list of one per class; 1 by default. The mean is not divided by them.

    >>> softmax_focal(np.zeros((1, 2)), np.array([1])).round(4)  # 0.25 log 2
    array([0.1733])
    """
    classes = classes_of("softmax_focal", "logits", predictions, targets)
    log_p = own(log_softmax(predictions, axis=-1), classes)
    costs = -log_p if gamma == 0 else -log_p * np.power(-np.expm1(log_p), gamma)
    if alpha is not None:
        costs = costs * _of_class(alpha, classes, predictions)
    return mean_over_positions(costs, targets)


def _of_class(alpha: float | list[float], classes: Array, predictions: Array) -> Any:
    """Each position's α."""
    if isinstance(alpha, int | float):
        return alpha
    k = predictions.shape[-1]
    if len(alpha) != k:
        raise ShapeError(f"softmax_focal: alpha lists {len(alpha)} numbers for {k} classes; give one per class")
    return take(np.asarray(alpha, predictions.dtype), classes)


# With l = log p and q = 1 − p = −expm1(l): f = −α q^γ l, so ∂f/∂l = α q^γ (γ p l/q − 1), and l/q → −1 as p → 1;
# ∂l/∂z = t − softmax(z).


@softmax_focal.vjp("predictions")
def _(dy: Array, predictions: Array, targets: Array, gamma: float, alpha: Any) -> Array:
    classes = or_zero(targets)
    every = log_softmax(where_known(predictions, targets), axis=-1)
    log_p = own(every, classes)
    slope = share_of_mean(dy, targets)
    if gamma:
        q = -np.expm1(log_p)
        certain = q == 0
        ratio = np.where(certain, -1, log_p / np.where(certain, 1, q))
        slope = slope * np.power(q, gamma) * (1 - gamma * np.exp(log_p) * ratio)
    if alpha is not None:
        slope = slope * _of_class(alpha, classes, predictions)
    return (np.exp(every) - is_class(classes, predictions.shape[-1])) * np.expand_dims(slope, -1)


softmax_focal.nondifferentiable("targets")


@op
def sigmoid_focal(predictions: Array, targets: Array, *, gamma: Gamma = 2.0, alpha: Share | None = None) -> Array:
    """(1/k) Σ −t α (1 − p)^γ log p − (1 − t)(1 − α) p^γ log(1 − p) per example, for p = σ(predictions), in nats: the
    mean over the outputs.

    Without α neither term has a factor. Predictions are logits, targets are t in [0, 1], both (n, k). For targets of 0
    and 1 torchvision's `sigmoid_focal_loss`, whose α is 0.25 unless told otherwise, and Keras's
    `BinaryFocalCrossentropy` with `from_logits=True`; for targets in between those interpolate p and α instead.

    >>> sigmoid_focal(np.array([[0.0], [1000.0]]), np.array([[1.0], [1.0]])).round(4)  # 0.25 log 2
    array([0.1733, 0.    ])
    """
    axes = same_shape("sigmoid_focal", predictions, targets)
    on, off = _factors(alpha)
    return np.mean(
        on * targets * _focal(predictions, gamma) + off * (1 - targets) * _focal(-predictions, gamma), axis=axes
    )


def _factors(alpha: float | None) -> tuple[float, float]:
    return (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)


# f(z) = −(1 − σ(z))^γ log σ(z), with 1 − σ(z) = e^(−softplus(z)) and −log σ(z) = softplus(−z), which no z overflows.
# f'(z) = −(1 − σ(z))^γ (γ σ(z) softplus(−z) + σ(−z)).


def _focal(z: Array, gamma: float) -> Array:
    return np.exp(-gamma * np.logaddexp(0, z)) * np.logaddexp(0, -z)


def _slope(z: Array, gamma: float) -> Array:
    return -np.exp(-gamma * np.logaddexp(0, z)) * (gamma * sigmoid(z) * np.logaddexp(0, -z) + sigmoid(-z))


@sigmoid_focal.vjp("predictions")
def _(dy: Array, predictions: Array, targets: Array, gamma: float, alpha: float | None) -> Array:
    on, off = _factors(alpha)
    slopes = on * targets * _slope(predictions, gamma) - off * (1 - targets) * _slope(-predictions, gamma)
    return slopes * share(dy, predictions)


@sigmoid_focal.vjp("targets")
def _(dy: Array, predictions: Array, gamma: float, alpha: float | None) -> Array:
    on, off = _factors(alpha)
    return (on * _focal(predictions, gamma) - off * _focal(-predictions, gamma)) * share(dy, predictions)


# What the loop wants to know of each cost, and samples.

_SOFTMAX = {"applies": ("softmax", "log_softmax"), "link": "softmax"}
_SIGMOID = {"applies": ("sigmoid", "log_sigmoid"), "link": "sigmoid"}

COSTS: dict[Op, dict[str, Any]] = {
    softmax_focal: {"targets": "classes", "metrics": ("accuracy",), **_SOFTMAX},
    sigmoid_focal: {"targets": "binary", "metrics": ("accuracy",), **_SIGMOID},
}
for _cost in COSTS:
    _cost.operations(lambda p, t, y: 12 * math.prod(p))


@softmax_focal.samples
def _(rng: np.random.Generator) -> list[Any]:
    z, classes = rng.normal(size=(4, 3)), np.array([0, 2, 1, 2])
    sequences, padded = rng.normal(size=(2, 3, 3)), np.array([[2, 0, -1], [1, 1, 2]])
    return [
        (z, classes), (z, classes, {"gamma": 0.0, "alpha": 0.5}), (sequences, padded, {"alpha": [0.2, 1.0, 3.0]}),
        (z, classes, {"gamma": 1.5, "alpha": [0.2, 1.0, 3.0]}),
    ]  # fmt: skip


@sigmoid_focal.samples
def _(rng: np.random.Generator) -> list[Any]:
    z, t = rng.normal(size=(4, 3)), rng.random((4, 3))
    one = rng.normal(size=(4, 1)), rng.integers(0, 2, (4, 1)) * 1.0
    return [one, (z, t, {"alpha": 0.25}), (z, t, {"gamma": 0.0}), (z, t, {"gamma": 1.5})]
