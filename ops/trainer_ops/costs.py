"""Costs C(predictions, targets), each per example: shape (n,) for n examples, the mean of which the loop takes, (1).

Conventions. A cost of several outputs is their mean, so that it does not grow with their number (as scikit-learn's
metrics and PyTorch's losses have it); squares carry no ½, except where Huber's join demands it. Cross-entropies take
logits, not probabilities, and are fused with their softmax or sigmoid: stable for logits of any size, with gradient
"predicted less true probability". Predictions and targets never broadcast against each other: (n, 1) against (n,) would
silently be n² differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer import op
from trainer.errors import ShapeError
from trainer_ops._common import Array
from trainer_ops.activations import sigmoid
from trainer_ops.softmaxes import log_softmax, softmax

# Differences of values, (n, …) against (n, …).


def _same(cost: str, predictions: Array, targets: Array) -> tuple[int, ...]:
    """The axes of the outputs, after refusing shapes that differ."""
    p, t = np.shape(predictions), np.shape(targets)
    if p != t or not p:
        raise ShapeError(f"{cost} compares element by element: predictions are {p} and targets {t}{_hint(p, t)}")
    return tuple(range(1, len(p)))


def _hint(p: tuple[int, ...], t: tuple[int, ...]) -> str:
    """What would be right."""
    if not p or not t:
        return "; both need an axis of examples, (n, ...)"
    if p[0] != t[0]:
        return f"; one of them has {p[0]} examples, the other {t[0]}"
    if len(p) == 2 and t == p[:1]:
        if p[1] == 1:
            return f"; reshape the targets to {p}: targets[:, None]"
        return f"; the network has {p[1]} outputs where the targets have one per example: end it in `dense: 1`"
    if len(p) == 2 and len(t) == 2:
        return f"; the network has {p[1]} outputs where the targets have {t[1]}: end it in `dense: {t[1]}`"
    return "; give both the same shape"


def _each(dy: Array, difference: Array) -> Array:
    """δy, which is per example, spread over the outputs and divided by their number, as the mean does."""
    k = max(1, int(np.prod(difference.shape[1:])))
    return np.reshape(dy, dy.shape + (1,) * (difference.ndim - 1)) / k


@op
def mean_squared_error(predictions: Array, targets: Array) -> Array:
    """(1/k) Σ (p − t)² per example, without a ½. Predictions and targets are (n, k).

    >>> mean_squared_error(np.array([[1.0, 3.0]]), np.array([[0.0, 1.0]]))
    array([2.5])
    """
    axes = _same("mean_squared_error", predictions, targets)
    return np.mean(np.square(predictions - targets), axis=axes)


def _squared(dy: Array, predictions: Array, targets: Array) -> Array:
    e = predictions - targets
    return 2 * e * _each(dy, e)


@op
def mean_absolute_error(predictions: Array, targets: Array) -> Array:
    """(1/k) Σ |p − t| per example; derivative 0 where p = t. Predictions and targets are (n, k).

    >>> mean_absolute_error(np.array([[1.0, 3.0]]), np.array([[0.0, 1.0]]))
    array([1.5])
    """
    axes = _same("mean_absolute_error", predictions, targets)
    return np.mean(np.absolute(predictions - targets), axis=axes)


def _absolute(dy: Array, predictions: Array, targets: Array) -> Array:
    e = predictions - targets
    return np.sign(e) * _each(dy, e)


@op
def huber(predictions: Array, targets: Array, *, delta: float = 1.0) -> Array:
    """(1/k) Σ h(p − t) per example with h(e) = ½e² up to |e| = δ and δ(|e| − ½δ) beyond. Huber, 1964.

    The ½ makes both pieces and their slopes meet at δ. Predictions and targets are (n, k).

    >>> huber(np.array([[0.5, 3.0]]), np.array([[0.0, 0.0]]))  # (0.125 + 2.5)/2
    array([1.3125])
    """
    axes = _same("huber", predictions, targets)
    e = np.absolute(predictions - targets)
    near = np.minimum(e, delta)
    return np.mean(near * (e - 0.5 * near), axis=axes)


def _huber(dy: Array, predictions: Array, targets: Array, delta: float) -> Array:
    e = predictions - targets
    return np.clip(e, -delta, delta) * _each(dy, e)


mean_squared_error.defvjp(
    predictions=_squared, targets=lambda dy, predictions, targets: _squared(dy, targets, predictions)
)
mean_absolute_error.defvjp(
    predictions=_absolute, targets=lambda dy, predictions, targets: _absolute(dy, targets, predictions)
)
huber.defvjp(
    predictions=_huber, targets=lambda dy, predictions, targets, delta: _huber(dy, targets, predictions, delta)
)


@op
def hinge(predictions: Array, targets: Array) -> Array:
    """(1/k) Σ max(0, 1 − t·p) per example, for targets t of −1 or +1; derivative 0 at the corner. Both are (n, k).

    >>> hinge(np.array([[0.5], [-2.0]]), np.array([[1.0], [-1.0]]))
    array([0.5, 0. ])
    """
    axes = _same("hinge", predictions, targets)
    return np.mean(np.maximum(1 - targets * predictions, 0), axis=axes)


hinge.nondifferentiable("targets")


@hinge.vjp("predictions")
def _(dy: Array, predictions: Array, targets: Array) -> Array:
    return -targets * (targets * predictions < 1) * _each(dy, predictions)


# Cross-entropies, fused. With p = softmax(z) and targets that sum to 1, −Σ t log p = logsumexp(z) − Σ t z, so that
# δz = p − t.


@op
def softmax_cross_entropy(predictions: Array, targets: Array) -> Array:
    """−Σ t log softmax(predictions) per example, in nats.

    Args:
        predictions: logits (n, k).
        targets: the classes' numbers, integers (n,), or probabilities (n, k).

    >>> softmax_cross_entropy(np.array([[0.0, 0.0], [1000.0, 0.0]]), np.array([1, 0]))
    array([0.69314718, 0.        ])
    """
    _logits(predictions, targets)
    z = predictions - np.max(predictions, axis=-1, keepdims=True)
    total = np.log(np.sum(np.exp(z), axis=-1, keepdims=True))
    if np.ndim(targets) == 1:
        return (total - np.take_along_axis(z, np.expand_dims(targets, 1), 1))[:, 0]
    return np.sum(targets * (total - z), axis=-1)


def _logits(predictions: Array, targets: Array) -> None:
    p, t = np.shape(predictions), np.shape(targets)
    if len(p) != 2 or t not in (p[:1], p):
        n, k = p if len(p) == 2 else ("n", "k")
        raise ShapeError(
            "softmax_cross_entropy takes logits (n, k) and targets that are class numbers (n,) or probabilities "
            f"(n, k): predictions are {p} and targets {t}; right would be targets ({n},) or ({n}, {k})"
        )
    if len(t) == 1 and np.result_type(targets).kind not in "iu":
        raise ShapeError(
            f"softmax_cross_entropy: targets of shape {t} are class numbers, which are integers, and these are "
            f"{np.result_type(targets)}; write targets.astype(int), or give probabilities of shape {p}"
        )


@softmax_cross_entropy.vjp("predictions")
def _(dy: Array, predictions: Array, targets: Array) -> Array:
    p = softmax(predictions, axis=-1)
    if np.ndim(targets) == 1:
        t = np.expand_dims(targets, 1) == np.arange(predictions.shape[1])
        return (p - t) * np.expand_dims(dy, 1)
    return (p * np.sum(targets, axis=-1, keepdims=True) - targets) * np.expand_dims(dy, 1)


@softmax_cross_entropy.vjp("targets")
def _(dy: Array, predictions: Array) -> Array:
    return -log_softmax(predictions, axis=-1) * np.expand_dims(dy, 1)


# With p = σ(z), −t log p − (1 − t) log(1 − p) = log(1 + e^z) − t·z, so δz = σ(z) − t.


@op
def sigmoid_cross_entropy(predictions: Array, targets: Array) -> Array:
    """(1/k) Σ −t log σ(z) − (1 − t) log(1 − σ(z)) per example, in nats.

    Predictions are logits z, targets are t in [0, 1]; both are (n, k).

    >>> sigmoid_cross_entropy(np.array([[0.0], [1000.0]]), np.array([[1.0], [1.0]]))
    array([0.69314718, 0.        ])
    """
    axes = _same("sigmoid_cross_entropy", predictions, targets)
    return np.mean(np.logaddexp(0, predictions) - targets * predictions, axis=axes)


sigmoid_cross_entropy.defvjp(
    predictions=lambda dy, predictions, targets: (sigmoid(predictions) - targets) * _each(dy, predictions),
    targets=lambda dy, predictions: -predictions * _each(dy, predictions),
)

# Samples, and what the loop wants to know of each cost.

COSTS = {
    softmax_cross_entropy: {"targets": "classes", "metrics": ("accuracy",)},
    sigmoid_cross_entropy: {"targets": "binary", "metrics": ("accuracy",)},
    hinge: {"targets": "signs", "metrics": ("accuracy",)},
    mean_squared_error: {"targets": "values", "metrics": ("r2",)},
    mean_absolute_error: {"targets": "values", "metrics": ("r2",)},
    huber: {"targets": "values", "metrics": ("r2",)},
}
for _cost, _operations in ((softmax_cross_entropy, 6), (sigmoid_cross_entropy, 5), (hinge, 4), (huber, 6)):
    _cost.operations(lambda p, t, y, each=_operations: each * int(np.prod(p)))
for _cost in (mean_squared_error, mean_absolute_error):
    _cost.operations(lambda p, t, y: 3 * int(np.prod(p)))


@softmax_cross_entropy.samples
def _(rng: np.random.Generator) -> list[Any]:
    z = rng.normal(size=(4, 3))
    return [(z, np.array([0, 2, 1, 2])), (z, softmax(rng.normal(size=(4, 3))))]


@sigmoid_cross_entropy.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=(4, 1)), rng.integers(0, 2, (4, 1)) * 1.0), (rng.normal(size=(4, 3)), rng.random((4, 3)))]


@hinge.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=(4, k)), rng.integers(0, 2, (4, k)) * 2.0 - 1) for k in (1, 3)]


def _values(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=s), rng.normal(size=s)) for s in ((4, 3), (4, 1), (4,), (2, 3, 2))]


for _cost in (mean_squared_error, mean_absolute_error, huber):
    _cost.samples(_values)


@huber.samples
def _(rng: np.random.Generator) -> list[Any]:
    p, t = rng.normal(size=(2, 4, 3)) * 2
    return [(p, t), (p, t, {"delta": 0.5}), (p[:, 0], t[:, 0])]
