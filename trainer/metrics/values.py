"""Metrics of values: how far the predictions are off, in the targets' unit or relative to something."""

from __future__ import annotations

import numpy as np

from trainer.errors import ShapeError
from trainer.types import Array

__all__ = [
    "max_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error", "r2",
    "root_mean_squared_error",
]  # fmt: skip


def _errors(metric: str, predictions: Array, targets: Array) -> Array:
    """Prediction less target, in float64; shapes that differ would silently be all differences of all."""
    if predictions.shape != targets.shape:
        raise ShapeError(
            f"{metric} compares element by element: predictions are {predictions.shape} and targets {targets.shape}"
        )
    return np.subtract(predictions, targets, dtype=np.float64)


def mean_absolute_error(predictions: Array, targets: Array) -> float:
    """The mean of |prediction − target|, in the targets' unit.

    >>> mean_absolute_error(np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]]))
    1.5
    """
    return float(np.mean(np.abs(_errors("mean_absolute_error", predictions, targets))))


def mean_squared_error(predictions: Array, targets: Array) -> float:
    """The mean of (prediction − target)², in the square of the targets' unit.

    >>> mean_squared_error(np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]]))
    2.5
    """
    return float(np.mean(np.square(_errors("mean_squared_error", predictions, targets))))


def root_mean_squared_error(predictions: Array, targets: Array) -> float:
    """The root of the mean of (prediction − target)², in the targets' unit; of several outputs the mean of their roots,
    as scikit-learn's `root_mean_squared_error`.

    >>> root_mean_squared_error(np.array([[3.0], [4.0]]), np.array([[0.0], [0.0]])).__round__(4)
    3.5355
    """
    squares = np.square(_errors("root_mean_squared_error", predictions, targets))
    return float(np.mean(np.sqrt(np.mean(squares, axis=0))))


def max_error(predictions: Array, targets: Array) -> float:
    """The largest |prediction − target|, over all outputs.

    >>> max_error(np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]]))
    2.0
    """
    return float(np.max(np.abs(_errors("max_error", predictions, targets))))


def mean_absolute_percentage_error(predictions: Array, targets: Array) -> float:
    """The mean of |prediction − target|/|target|: 0.1 is ten percent. A target of 0 counts as 2.2e-16.

    As scikit-learn's `mean_absolute_percentage_error`, which is a share and no percentage either.

    >>> mean_absolute_percentage_error(np.array([[1.0], [3.0]]), np.array([[2.0], [4.0]]))
    0.375
    """
    errors = np.abs(_errors("mean_absolute_percentage_error", predictions, targets))
    return float(np.mean(errors / np.maximum(np.abs(targets, dtype=np.float64), np.finfo(np.float64).eps)))


def r2(predictions: Array, targets: Array) -> float:
    """The coefficient of determination: 1 − (squared error) / (squared error of the mean), averaged over outputs.

    1 is perfect, 0 is no better than the mean. An output whose targets are all equal counts as 0, or as 1 when it is
    predicted exactly, as in scikit-learn's `r2_score`. nan of a single row, whose mean leaves no error to compare with.

    >>> r2(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [2.0], [4.0]])).__round__(4)
    0.7857
    """
    error = np.sum(np.square(_errors("r2", predictions, targets)), axis=0)
    if len(targets) < 2:
        return float("nan")
    spread = np.sum((targets - np.mean(targets, axis=0, dtype=np.float64)) ** 2, axis=0, dtype=np.float64)
    score = np.where(spread > 0, 1 - error / np.where(spread > 0, spread, 1), np.where(error > 0, 0.0, 1.0))
    return float(np.mean(score))
