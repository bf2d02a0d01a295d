"""What the costs share: shapes that must agree, class numbers, and the mean over outputs or positions.

Class numbers (n,) belong to predictions (n, k), one class per example; (n, T) belong to (n, T, k), a class for each of
T positions, the mean of which is the example's cost. A position whose class number is negative has no class (−1 by
custom; PyTorch's −100 does as well): it costs nothing, and the mean is that of the others; where there are no others it
is 0. The custom holds for positions alone; an example without a class is refused when the data are read.
"""

from __future__ import annotations

import math

import numpy as np

from trainer.errors import OpError, ShapeError
from trainer_ops._common import Array, shared

__all__ = [
    "by_position", "classes_of", "is_class", "mean_over_positions", "or_zero", "own", "real_only", "same_shape",
    "share", "share_of_mean", "where_known",
]  # fmt: skip

# Differences of values, (n, …) against (n, …).


def same_shape(cost: str, predictions: Array, targets: Array) -> tuple[int, ...]:
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


def real_only(cost: str, *arrays: Array) -> None:
    """Refuse complex predictions or targets, of which a cost's forward function or its rule is no cost."""
    for x in arrays:
        if np.result_type(x).kind == "c":
            raise OpError(
                f"{cost} is a cost of real numbers, not of {np.result_type(x)}; "
                "give it real and imaginary parts as outputs of their own"
            )


def by_position(values: Array, like: Array) -> Array:
    """What is per example, (n,), shaped to multiply something of the shape (n, …) of `like`."""
    return np.reshape(values, values.shape + (1,) * (like.ndim - 1))


def share(dy: Array, like: Array) -> Array:
    """δy, which is per example, spread over the outputs and divided by their number, as the mean does."""
    return shared(by_position(dy, like), max(1, math.prod(like.shape[1:])))


# Class numbers.


def classes_of(cost: str, what: str, predictions: Array, targets: Array) -> Array:
    """The class numbers, with 0 for positions that have none; ShapeError for what are no class numbers of these."""
    p, t = np.shape(predictions), np.shape(targets)
    if len(p) < 2 or t != p[:-1]:
        raise ShapeError(
            f"{cost} takes {what} (n, k) and class numbers (n,), or (n, T, k) and (n, T): predictions are {p} and "
            f"targets {t}" + (f"; right would be targets {p[:-1]}" if len(p) > 1 else "")
        )
    if np.result_type(targets).kind not in "iu":
        raise ShapeError(
            f"{cost}: targets of shape {t} are class numbers, which are integers, and these are "
            f"{np.result_type(targets)}; write targets.astype(int)"
        )
    return or_zero(targets)


def or_zero(targets: Array) -> Array:
    """Class numbers, with 0 for positions that have none, so that they can be looked up."""
    return targets if targets.ndim == 1 else np.maximum(targets, 0)


def own(values: Array, classes: Array) -> Array:
    """Of values (…, k) those of the classes (…)."""
    return np.take_along_axis(values, np.expand_dims(classes, -1), -1)[..., 0]


def is_class(classes: Array, count: int) -> Array:
    """Classes (…) as one-hot rows of bools (…, count)."""
    return np.expand_dims(classes, -1) == np.arange(count)


def mean_over_positions(values: Array, targets: Array) -> Array:
    """The costs of the positions (n, …) as one per example (n,), without the positions that have no class."""
    if values.ndim == 1:
        return values
    known = targets >= 0
    return np.sum(np.where(known, values, 0), axis=tuple(range(1, values.ndim))) / _count(known, values)


def where_known(predictions: Array, targets: Array) -> Array:
    """The predictions (n, …, k) for a rule, with 0 at positions that have no class: not even a nan has a part there."""
    return predictions if targets.ndim == 1 else np.where(np.expand_dims(targets >= 0, -1), predictions, 0)


def share_of_mean(dy: Array, targets: Array) -> Array:
    """The cotangents of the positions' costs (n, …) that belong to one of their mean (n,)."""
    if targets.ndim == 1:
        return dy
    known = targets >= 0
    return np.where(known, by_position(dy / _count(known, dy), targets), 0)


def _count(known: Array, like: Array) -> Array:
    """How many positions of each example have a class, at least 1, as floats."""
    return np.astype(np.maximum(np.sum(known, axis=tuple(range(1, known.ndim))), 1), like.dtype)
