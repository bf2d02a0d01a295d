"""Costs C(predictions, targets), each per example: shape (n,) for n examples, the mean of which the loop takes, (1).

Conventions. A cost of several outputs is their mean, so that it does not grow with their number (as scikit-learn's
metrics and PyTorch's losses have it); squares carry no ½, except where Huber's join demands it. Cross-entropies take
logits, not probabilities, and are fused with their softmax or sigmoid: stable for logits of any size, with gradient
"predicted less true probability". Predictions and targets never broadcast against each other: (n, 1) against (n,) would
silently be n² differences.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from trainer import op
from trainer.errors import ShapeError
from trainer.limits import Limits
from trainer_ops._common import Array
from trainer_ops._targets import (
    classes_of,
    is_class,
    mean_over_positions,
    real_only,
    same_shape,
    share,
    share_of_mean,
    where_known,
)
from trainer_ops.activations import sigmoid
from trainer_ops.softmaxes import log_softmax, log_total, softmax

# Differences of values, (n, …) against (n, …).


@op
def mean_squared_error(predictions: Array, targets: Array) -> Array:
    """(1/k) Σ (p − t)² per example, without a ½. Predictions and targets are (n, k).

    >>> mean_squared_error(np.array([[1.0, 3.0]]), np.array([[0.0, 1.0]]))
    array([2.5])
    """
    axes = same_shape("mean_squared_error", predictions, targets)
    return np.mean(np.square(predictions - targets), axis=axes)


def _squared(dy: Array, predictions: Array, targets: Array) -> Array:
    e = predictions - targets
    return 2 * e * share(dy, e)


@op
def mean_absolute_error(predictions: Array, targets: Array) -> Array:
    """(1/k) Σ |p − t| per example; derivative 0 where p = t. Predictions and targets are (n, k).

    >>> mean_absolute_error(np.array([[1.0, 3.0]]), np.array([[0.0, 1.0]]))
    array([1.5])
    """
    axes = same_shape("mean_absolute_error", predictions, targets)
    return np.mean(np.absolute(predictions - targets), axis=axes)


def _absolute(dy: Array, predictions: Array, targets: Array) -> Array:
    e = predictions - targets
    return np.conjugate(np.sign(e)) * share(dy, e)


@op
def huber(predictions: Array, targets: Array, *, delta: float = 1.0) -> Array:
    """(1/k) Σ h(p − t) per example with h(e) = ½e² up to |e| = δ and δ(|e| − ½δ) beyond. Huber, 1964.

    The ½ makes both pieces and their slopes meet at δ. Predictions and targets are (n, k).

    >>> huber(np.array([[0.5, 3.0]]), np.array([[0.0, 0.0]]))  # (0.125 + 2.5)/2
    array([1.3125])
    """
    axes = same_shape("huber", predictions, targets)
    e = np.absolute(predictions - targets)
    near = np.minimum(e, delta)
    return np.mean(near * (e - 0.5 * near), axis=axes)


def _huber(dy: Array, predictions: Array, targets: Array, delta: float) -> Array:
    e = predictions - targets
    real_only("huber", e)
    return np.clip(e, -delta, delta) * share(dy, e)


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
    axes = same_shape("hinge", predictions, targets)
    return np.mean(np.maximum(1 - targets * predictions, 0), axis=axes)


hinge.nondifferentiable("targets")


@hinge.vjp("predictions")
def _(dy: Array, predictions: Array, targets: Array) -> Array:
    return -targets * (targets * predictions < 1) * share(dy, predictions)


# Cross-entropies, fused. With p = softmax(z) and targets that sum to 1, −Σ t log p = logsumexp(z) − Σ t z, so that
# δz = p − t. Smoothing mixes the targets with the uniform distribution: t becomes (1 − s) t + s/k.

Smoothing = Annotated[float, Limits(ge=0, lt=1)]


@op
def softmax_cross_entropy(predictions: Array, targets: Array, *, smoothing: Smoothing = 0.0) -> Array:
    """−Σ t log softmax(predictions) per example, in nats: the sum over the classes, the mean over positions.

    PyTorch's `cross_entropy` (which has the classes on axis 1), Keras's `SparseCategoricalCrossentropy` and
    `CategoricalCrossentropy` with `from_logits=True`.

    Args:
        predictions: logits (n, k), or (n, T, k) for T positions of a sequence.
        targets: the classes' numbers, integers (n,) or (n, T), where a negative number marks a position without a
            class, which is left out of its example's mean; or probabilities, of the predictions' shape.
        smoothing: s, the share of the uniform distribution in the targets, (1 − s) t + s/k. Szegedy et al.,
            *Rethinking the Inception architecture*, 2016. PyTorch's and Keras's `label_smoothing`.

    Of class numbers, a loss next to which 1 has no digits left, 1e-7 in float32, is 0 here as in PyTorch, while its
    gradient has all of them; `log_softmax` before `negative_log_likelihood` keeps those of the loss too.

    >>> softmax_cross_entropy(np.array([[0.0, 0.0], [1000.0, 0.0]]), np.array([1, 0]))
    array([0.69314718, 0.        ])
    >>> softmax_cross_entropy(np.array([[1000.0, 0.0]]), np.array([0]), smoothing=0.1)
    array([50.])
    >>> softmax_cross_entropy(np.zeros((1, 3, 2)), np.array([[1, 0, -1]]))
    array([0.69314718])
    """
    z = predictions - np.max(predictions, axis=-1, keepdims=True)
    e = np.exp(z)
    if _are_probabilities(predictions, targets):
        targets = _smooth(targets, smoothing, predictions.shape[-1])
        costs = np.sum(targets * (log_total(e, -1).astype(z.dtype, copy=False) - z), axis=-1)
        return costs if costs.ndim == 1 else np.mean(costs, axis=tuple(range(1, costs.ndim)))
    classes = classes_of("softmax_cross_entropy", "logits", predictions, targets)
    total = np.log(np.sum(e, axis=-1, keepdims=True))
    costs = (total - np.take_along_axis(z, np.expand_dims(classes, -1), -1))[..., 0]
    if smoothing:
        costs = (1 - smoothing) * costs + smoothing * (total[..., 0] - np.mean(z, axis=-1))
    return mean_over_positions(costs, targets)


def _smooth(targets: Array, smoothing: float, classes: int) -> Array:
    return (1 - smoothing) * targets + smoothing / classes if smoothing else targets


def _are_probabilities(predictions: Array, targets: Array) -> bool:
    """Whether the targets are probabilities, not class numbers; ShapeError where they are neither."""
    p, t = np.shape(predictions), np.shape(targets)
    if len(p) < 2 or t not in (p[:-1], p):
        shown = p if len(p) > 1 else ("n", "k")
        right = [str(s).replace("'", "") for s in (shown[:-1], shown)]
        raise ShapeError(
            "softmax_cross_entropy takes logits (n, k) and targets that are class numbers (n,) or probabilities "
            f"(n, k): predictions are {p} and targets {t}; right would be targets {right[0]} or {right[1]}"
        )
    if t == p:
        return True
    if np.result_type(targets).kind not in "iu":
        raise ShapeError(
            f"softmax_cross_entropy: targets of shape {t} are class numbers, which are integers, and these are "
            f"{np.result_type(targets)}; write targets.astype(int), or give probabilities of shape {p}"
        )
    return False


@softmax_cross_entropy.vjp("predictions")
def _(dy: Array, predictions: Array, targets: Array, smoothing: float) -> Array:
    k = predictions.shape[-1]
    if targets.ndim == predictions.ndim:
        p, t = softmax(predictions, axis=-1), _smooth(targets, smoothing, k)
        return (p * np.sum(t, axis=-1, keepdims=True) - t) * np.expand_dims(_share_of_rows(dy, targets), -1)
    p, t = softmax(where_known(predictions, targets), axis=-1), is_class(targets, k)
    if smoothing:  # in p's precision, which a number times a bool would not keep
        t = np.where(t, np.full_like(p, 1 - smoothing + smoothing / k), smoothing / k)
    return (p - t) * np.expand_dims(share_of_mean(dy, targets), -1)


@softmax_cross_entropy.vjp("targets")
def _(dy: Array, predictions: Array, smoothing: float) -> Array:
    dy = np.expand_dims(_share_of_rows(dy, predictions), -1)
    return -log_softmax(predictions, axis=-1) * (dy * (1 - smoothing) if smoothing else dy)


def _share_of_rows(dy: Array, like: Array) -> Array:
    """δy spread over the rows (n, …) of something (n, …, k)."""
    return dy if like.ndim == 2 else share(dy, like[..., 0])


# With p = σ(z), −t log p − (1 − t) log(1 − p) = log(1 + e^z) − t·z, so δz = σ(z) − t.


@op
def sigmoid_cross_entropy(predictions: Array, targets: Array, *, smoothing: Smoothing = 0.0) -> Array:
    """(1/k) Σ −t log σ(z) − (1 − t) log(1 − σ(z)) per example, in nats: the mean over the outputs.

    Predictions are logits z, targets are t in [0, 1]; both are (n, k). PyTorch's `binary_cross_entropy_with_logits`,
    Keras's `BinaryCrossentropy` with `from_logits=True`, whose `label_smoothing` is `smoothing`: t becomes
    (1 − s) t + s/2.

    >>> sigmoid_cross_entropy(np.array([[0.0], [1000.0]]), np.array([[1.0], [1.0]]))
    array([0.69314718, 0.        ])
    """
    axes = same_shape("sigmoid_cross_entropy", predictions, targets)
    real_only("sigmoid_cross_entropy", predictions, targets)
    z, t = predictions, _smooth(targets, smoothing, 2)
    near = np.maximum(z, 0) - t * z  # exact where z is right and large; log(1 + e^z) − t·z would round the rest away
    return np.mean(near + np.log1p(np.exp(-np.absolute(z))), axis=axes)


sigmoid_cross_entropy.defvjp(
    predictions=lambda dy, predictions, targets, smoothing: (
        (sigmoid(predictions) - _smooth(targets, smoothing, 2)) * share(dy, predictions)
    ),
    targets=lambda dy, predictions, smoothing: -predictions * share((1 - smoothing) * dy, predictions),
)

# Samples, and what the loop wants to know of each cost.

_SOFTMAX = {"applies": ("softmax", "log_softmax"), "link": "softmax"}
_SIGMOID = {"applies": ("sigmoid", "log_sigmoid"), "link": "sigmoid"}

COSTS: dict[Any, dict[str, Any]] = {
    softmax_cross_entropy: {"targets": "classes", "metrics": ("accuracy",), **_SOFTMAX},
    sigmoid_cross_entropy: {"targets": "binary", "metrics": ("accuracy",), **_SIGMOID},
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
    z, sequences = rng.normal(size=(4, 3)), rng.normal(size=(2, 3, 4))
    classes, padded = np.array([0, 2, 1, 2]), np.array([[3, 0, -1], [1, 1, 2]])
    probabilities, smooth = softmax(rng.normal(size=(4, 3))), {"smoothing": 0.2}
    return [
        (z, classes), (z, probabilities), (z, classes, smooth), (z, probabilities, smooth),
        (sequences, padded), (sequences, padded, smooth), (sequences, softmax(rng.normal(size=(2, 3, 4)))),
    ]  # fmt: skip


@sigmoid_cross_entropy.samples
def _(rng: np.random.Generator) -> list[Any]:
    z, t = rng.normal(size=(4, 3)), rng.random((4, 3))
    return [(rng.normal(size=(4, 1)), rng.integers(0, 2, (4, 1)) * 1.0), (z, t), (z, t, {"smoothing": 0.2})]


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
