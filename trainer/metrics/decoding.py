"""What the metrics of classes share: scores and true classes, however the targets are encoded."""

from __future__ import annotations

import numpy as np

from trainer.errors import ShapeError
from trainer.types import Array

__all__ = ["chosen", "decoded", "mean", "true_classes"]


def decoded(metric: str, predictions: Array, targets: Array) -> tuple[Array, Array]:
    """Scores (rows, k) in float64 and true classes (rows,); one score per row stands for two classes.

    Every position of a sequence is a row, except those with a negative class number, which have no class.

    >>> scores, classes = decoded("accuracy", np.zeros((2, 3, 4)), np.array([[3, 0, -1], [1, 2, 2]]))
    >>> scores.shape, classes.tolist()
    ((5, 4), [3, 0, 1, 2, 2])
    """
    p, t = np.asarray(predictions), np.asarray(targets)
    if p.shape == t.shape and p.ndim:
        p, t = (p[:, None], t[:, None]) if p.ndim == 1 else (p, t)
    elif t.ndim < 1 or t.shape != p.shape[:-1] or t.dtype.kind not in "iu":
        raise ShapeError(
            f"{metric} takes predictions (n, k) with class numbers (n,), which are integers, or predictions and "
            f"targets of one shape: predictions are {p.shape} and targets {t.shape} of {t.dtype}"
        )
    scores = p.reshape(-1, p.shape[-1]).astype(np.float64, copy=False)
    classes = true_classes(t, p.shape[-1]) if p.shape == t.shape or p.shape[-1] == 1 else t.reshape(-1)
    if t.ndim > 1 and p.shape != t.shape:
        known = t.reshape(-1) >= 0
        return scores[known], classes[known]
    return scores, classes


def true_classes(targets: Array, k: int | None = None) -> Array:
    """The classes (rows,) of one-hot rows, of a column of 0/1 or ±1, or of class numbers."""
    if targets.ndim == 1 and k is None and targets.dtype.kind in "iu":
        return targets
    if targets.ndim == 1 or targets.shape[-1] == 1 or k == 1:
        return (targets.reshape(-1) > 0).astype(np.int64)
    return np.asarray(np.argmax(targets, axis=-1).reshape(-1))


def chosen(scores: Array) -> Array:
    """The predicted classes: those of the largest score, or of a single score's sign; −1 for a row with a nan, which
    predicts nothing.

    >>> chosen(np.array([[0.1, 2.0], [np.nan, 1.0]])).tolist(), chosen(np.array([[0.3], [np.nan]])).tolist()
    ([1, -1], [1, -1])
    """
    classes = (scores[:, 0] > 0).astype(np.int64) if scores.shape[1] == 1 else np.argmax(scores, axis=1)
    return np.where(np.isnan(scores).any(axis=1), -1, classes)


def mean(values: Array) -> float:
    """The mean, and nan of nothing, without NumPy's warning."""
    return float(np.mean(values)) if values.size else float("nan")
