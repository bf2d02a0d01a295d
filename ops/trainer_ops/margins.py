"""Costs of margins and angles: hinges of several kinds, cosine distance, triplets. Per example, (n,).

Conventions as in `trainer_ops.costs`: a mean over outputs, no ½. At a corner the derivative is that of the flat side.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from trainer import Op, op, vjp
from trainer.errors import ShapeError
from trainer.limits import Limits
from trainer_ops._common import Array, shared, total
from trainer_ops._targets import (
    by_position,
    classes_of,
    is_class,
    mean_over_positions,
    or_zero,
    own,
    real_only,
    same_shape,
    share,
    share_of_mean,
)
from trainer_ops.poles import direction

__all__ = ["COSTS", "categorical_hinge", "cosine", "multi_margin", "squared_hinge", "triplet", "triplet_margin"]

Margin = Annotated[float, Limits(gt=0)]

# Hinges.


@op
def squared_hinge(predictions: Array, targets: Array) -> Array:
    """(1/k) Σ max(0, 1 − t·p)² per example, without a ½, for targets t of −1 or +1. Both are (n, k).

    Keras's `SquaredHinge`.

    >>> squared_hinge(np.array([[0.5], [-2.0]]), np.array([[1.0], [-1.0]]))
    array([0.25, 0.  ])
    """
    axes = same_shape("squared_hinge", predictions, targets)
    return np.mean(np.square(np.maximum(1 - targets * predictions, 0)), axis=axes)


squared_hinge.nondifferentiable("targets").defvjp(
    predictions=lambda dy, predictions, targets: (
        -2 * targets * np.maximum(1 - targets * predictions, 0) * share(dy, predictions)
    )
)


@op
def categorical_hinge(predictions: Array, targets: Array, *, margin: Margin = 1.0) -> Array:
    """max(0, margin + the largest score of another class − the class's own score) per example; the mean over positions.

    Crammer & Singer, *Multiclass kernel-based vector machines*, 2001; Keras's `CategoricalHinge`, which takes one-hot
    targets and no score below 0 for the others' largest.

    Args:
        predictions: scores (n, k), or (n, T, k) for T positions.
        targets: the classes' numbers, integers (n,) or (n, T), where a negative number marks a position to leave out.

    >>> categorical_hinge(np.array([[2.0, 1.5, 0.0], [3.0, 0.0, 0.0]]), np.array([0, 0]))
    array([0.5, 0. ])
    """
    classes = classes_of("categorical_hinge", "scores", predictions, targets)
    others = np.where(is_class(classes, predictions.shape[-1]), -np.inf, predictions)
    costs = np.maximum(margin + np.max(others, axis=-1) - own(predictions, classes), 0)
    return mean_over_positions(costs, targets)


@categorical_hinge.vjp("predictions")
def _(dy: Array, predictions: Array, targets: Array, margin: float) -> Array:
    k = predictions.shape[-1]
    classes = or_zero(targets)
    mine = is_class(classes, k)
    rival = np.argmax(np.where(mine, -np.inf, predictions), axis=-1)
    active = margin + own(predictions, rival) - own(predictions, classes) > 0
    slope = np.expand_dims(np.where(active, share_of_mean(dy, targets), 0), -1)
    return np.where(is_class(rival, k), slope, 0) - np.where(mine, slope, 0)


@op
def multi_margin(predictions: Array, targets: Array, *, margin: Margin = 1.0) -> Array:
    """(1/k) Σ max(0, margin + another class's score − the class's own) per example, over the k − 1 other classes; the
    mean over positions.

    Weston & Watkins, 1999; PyTorch's `multi_margin_loss`, divided by k as there.

    Args:
        predictions: scores (n, k), or (n, T, k) for T positions.
        targets: the classes' numbers, integers (n,) or (n, T), where a negative number marks a position to leave out.

    >>> multi_margin(np.array([[2.0, 1.5, 1.25, 0.0]]), np.array([0]))  # (0.5 + 0.25)/4
    array([0.1875])
    """
    classes = classes_of("multi_margin", "scores", predictions, targets)
    over = np.maximum(margin + predictions - np.expand_dims(own(predictions, classes), -1), 0)
    costs = np.mean(np.where(is_class(classes, predictions.shape[-1]), 0, over), axis=-1)
    return mean_over_positions(costs, targets)


@multi_margin.vjp("predictions")
def _(dy: Array, predictions: Array, targets: Array, margin: float) -> Array:
    k = predictions.shape[-1]
    classes = or_zero(targets)
    mine = is_class(classes, k)
    active = (margin + predictions - np.expand_dims(own(predictions, classes), -1) > 0) & ~mine
    pushed = np.where(active, np.expand_dims(shared(share_of_mean(dy, targets), k), -1), 0)
    return pushed - np.where(mine, np.sum(pushed, axis=-1, keepdims=True), 0)


for _cost in (categorical_hinge, multi_margin):
    _cost.nondifferentiable("targets")

# Angles.


@op
def cosine(predictions: Array, targets: Array, *, eps: Annotated[float, Limits(gt=0)] = 1e-8) -> Array:
    """1 − p·t/(‖p‖‖t‖) per example, from 0 for one direction to 2 for opposite ones; the mean over positions.

    1 − PyTorch's `cosine_similarity`: a length below `eps` counts as `eps`, so that a vector of zeros costs 1. Keras's
    `CosineSimilarity` is this less 1. (`cosine_embedding_loss` adds 1e-12 to the squared lengths instead.) Predictions
    and targets are vectors (n, k), or (n, T, k) for T positions.

    >>> cosine(np.array([[1.0, 0.0], [2.0, 2.0]]), np.array([[0.0, 3.0], [1.0, 1.0]])).round(4)
    array([1., 0.])
    """
    same_shape("cosine", predictions, targets)
    if np.ndim(predictions) < 2:
        raise ShapeError(
            f"cosine compares the directions of vectors (n, k), and the predictions are {predictions.shape}"
        )
    costs = 1 - np.sum(_unit(predictions, eps) * _unit(targets, eps), axis=-1)
    return costs if costs.ndim == 1 else np.mean(costs, axis=tuple(range(1, costs.ndim)))


def _unit(v: Array, eps: float) -> Array:
    """v in units of its length, or of eps where that is longer."""
    return v / _sized(v, eps)[1]


def _sized(v: Array, eps: float) -> tuple[Array, Array]:
    """The sum of squares, and its root or eps, whichever is longer."""
    squares = total(np.square(v), -1)
    return squares, np.sqrt(np.maximum(squares, eps * eps)).astype(v.dtype, copy=False)


def _turned(dy: Array, v: Array, other: Array, eps: float) -> Array:
    """With u = v/‖v‖ and w the other's unit vector, δv = −(w − (u·w) u)/‖v‖ δy."""
    real_only("cosine", v, other)
    squares, length = _sized(v, eps)
    u, w = v / length, _unit(other, eps)
    along = np.where(squares > eps * eps, np.sum(u * w, axis=-1, keepdims=True) * u, 0)
    return (along - w) / length * shared(by_position(dy, v), max(1, math.prod(v.shape[1:-1])))


cosine.defvjp(
    predictions=lambda dy, predictions, targets, eps: _turned(dy, predictions, targets, eps),
    targets=lambda dy, predictions, targets, eps: _turned(dy, targets, predictions, eps),
)

# Triplets: an anchor shall be nearer to an example of its own class than to one of another, by a margin.


@op
def triplet(predictions: Array, targets: Array, *, margin: Margin = 1.0) -> Array:
    """max(0, margin + ‖a − p‖ − ‖a − n‖) per example a of a batch, with the farthest p of its class in the batch and
    the nearest n of another.

    Hermans, Beyer & Leibe, *In defense of the triplet loss for person re-identification*, 2017, (5), "batch hard", with
    Euclidean distances, not squared ones. An example whose class has no other member in the batch, or whose batch has
    no other class, costs 0. So the cost of an example depends on its batch, and that of many examples is larger; it
    takes n² distances. In evaluation triplets are formed within pieces of at most 1,024 rows.

    Args:
        predictions: embeddings (n, k); the network ends in as many outputs as the space shall have dimensions.
        targets: the classes' numbers, integers (n,).

    >>> triplet(np.array([[0.0], [1.0], [1.5]]), np.array([0, 0, 1]))  # 1 + 1 - 1.5, 1 + 1 - 0.5, alone
    array([0.5, 1.5, 0. ])
    """
    real_only("triplet", predictions)
    if np.ndim(predictions) != 2:
        raise ShapeError(f"triplet takes embeddings (n, k), and the predictions are {np.shape(predictions)}")
    classes_of("triplet", "embeddings", predictions, targets)
    return _hardest(predictions, targets, margin)


def _hardest(embeddings: Array, targets: Array, margin: float) -> Array:
    squares = np.sum(np.square(embeddings), axis=1)
    squared = np.expand_dims(squares, 1) + squares - 2 * (embeddings @ embeddings.T)  # exact enough to choose by
    same = np.expand_dims(targets, 1) == targets
    others = same & ~np.eye(len(embeddings), dtype=bool)
    farthest = np.argmax(np.where(others, squared, -np.inf), axis=1)
    nearest = np.argmin(np.where(same, np.inf, squared), axis=1)
    counts = np.any(others, axis=1) & ~np.all(same, axis=1)
    positive = _distance(embeddings, np.take(embeddings, farthest, axis=0))
    negative = _distance(embeddings, np.take(embeddings, nearest, axis=0))
    return np.where(counts, np.maximum(margin + positive - negative, 0), 0)


def _distance(a: Array, b: Array) -> Array:
    """‖a − b‖, with derivative 0 where they are equal."""
    return _length(a - b)


@op
def _length(v: Array) -> Array:
    """‖v‖ along the last axis."""
    return np.sqrt(np.sum(np.square(v), axis=-1))


_length.defvjp(v=lambda dy, v, y: np.expand_dims(dy, -1) * direction(v, np.expand_dims(y, -1)))


@triplet.vjp("predictions")
def _(dy: Array, predictions: Array, targets: Array, margin: float) -> Array:
    """The derivative of the definition: it reaches an example as anchor and as the one that others chose."""
    return vjp(lambda p: _hardest(p, targets, margin), predictions)[1](dy)[0]


@op
def triplet_margin(predictions: Array, targets: Array, *, margin: Margin = 1.0) -> Array:
    """max(0, margin + ‖a − p‖ − ‖a − n‖) per example of three embeddings a, p and n: anchor, like it, unlike it.

    PyTorch's `triplet_margin_loss`, which adds `eps` to the differences, with eps=0. For triplets that are made when
    they are needed, from classes, see `triplet`.

    Args:
        predictions: embeddings (n, 3, k), of a network whose inputs are three each: (n, 3, ...).
        targets: any, one row per example; they are not read.

    >>> triplet_margin(np.array([[[0.0], [1.0], [1.5]]]), np.zeros((1, 1)))
    array([0.5])
    """
    real_only("triplet_margin", predictions)
    shape = np.shape(predictions)
    if len(shape) != 3 or shape[1] != 3:
        hint = f"; end the network in `reshape: [3, {shape[1] // 3}]`" if len(shape) == 2 and not shape[1] % 3 else ""
        raise ShapeError(
            f"triplet_margin takes embeddings (n, 3, k) of anchor, positive and negative: predictions are {shape}{hint}"
        )
    return _given(predictions, margin)


def _given(embeddings: Array, margin: float) -> Array:
    anchor = embeddings[:, 0]
    return np.maximum(margin + _distance(anchor, embeddings[:, 1]) - _distance(anchor, embeddings[:, 2]), 0)


@triplet_margin.vjp("predictions")
def _(dy: Array, predictions: Array, margin: float) -> Array:
    return vjp(lambda p: _given(p, margin), predictions)[1](dy)[0]


for _cost in (triplet, triplet_margin):
    _cost.nondifferentiable("targets")

# What the loop wants to know of each cost, and samples.

COSTS: dict[Op, dict[str, Any]] = {
    squared_hinge: {"targets": "signs", "metrics": ("accuracy",)},
    categorical_hinge: {"targets": "classes", "metrics": ("accuracy",)},
    multi_margin: {"targets": "classes", "metrics": ("accuracy",)},
    cosine: {"targets": "values"},
    triplet: {"targets": "classes", "outputs": "embeddings", "metrics": ("nearest_neighbour_accuracy",)},
    triplet_margin: {"targets": "values", "outputs": "embeddings"},
}
for _cost, _each in ((squared_hinge, 5), (categorical_hinge, 4), (multi_margin, 5), (cosine, 8), (triplet_margin, 2)):
    _cost.operations(lambda p, t, y, each=_each: each * math.prod(p))
triplet.operations(lambda p, t, y: p[0] * p[0] * (2 * p[1] + 8))


@squared_hinge.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=(4, k)), rng.integers(0, 2, (4, k)) * 2.0 - 1) for k in (1, 3)]


def _classes(rng: np.random.Generator) -> list[Any]:
    scores, sequences = rng.normal(size=(4, 3)), rng.normal(size=(2, 3, 4))
    classes, padded = np.array([0, 2, 1, 2]), np.array([[3, 0, -1], [1, 1, 2]])
    return [(scores, classes), (scores, classes, {"margin": 0.3}), (sequences, padded)]


categorical_hinge.samples(_classes)
multi_margin.samples(_classes)


@cosine.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=s), rng.normal(size=s)) for s in ((4, 3), (2, 3, 2))]


@triplet.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=(6, 2)), np.array([0, 1, 0, 2, 1, 0])), (rng.normal(size=(4, 3)), np.array([1, 0, 1, 0]))]


@triplet_margin.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=(4, 3, 2)), np.zeros((4, 1))), (rng.normal(size=(4, 3, 2)), np.zeros(4), {"margin": 2.5})]
