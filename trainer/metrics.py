"""Metrics: numbers that a person reads, of (predictions, targets) as plain arrays.

Targets come as the cost wants them: class indices (n,), one column of 0/1 or ±1 (n, 1), one-hot rows or plain values
(n, k). Predictions are the network's outputs, before any softmax or sigmoid.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["accuracy", "mean_absolute_error", "r2"]

Array = np.ndarray[Any, Any]


def accuracy(predictions: Array, targets: Array) -> float:
    """The share of examples whose class is the one predicted: the largest output, or the sign of a single one.

    >>> accuracy(np.array([[0.1, 2.0], [3.0, 0.2]]), np.array([1, 1]))
    0.5
    >>> accuracy(np.array([[0.3], [-2.0]]), np.array([[1.0], [0.0]]))
    1.0
    """
    if targets.ndim == 2 and targets.shape[1] == 1:
        return float(np.mean((predictions > 0) == (targets > 0)))
    truth = targets if targets.ndim == 1 else np.argmax(targets, axis=1)
    return float(np.mean(np.argmax(predictions, axis=1) == truth))


def mean_absolute_error(predictions: Array, targets: Array) -> float:
    """The mean of |prediction − target|, in the targets' unit.

    >>> mean_absolute_error(np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]]))
    1.5
    """
    return float(np.mean(np.abs(predictions - targets)))


def r2(predictions: Array, targets: Array) -> float:
    """The coefficient of determination: 1 − (squared error) / (squared error of the mean), averaged over outputs.

    1 is perfect, 0 is no better than the mean. An output whose targets are all equal counts as 0, or as 1 when it is
    predicted exactly, as in scikit-learn's `r2_score`.

    >>> r2(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [2.0], [4.0]])).__round__(4)
    0.7857
    """
    error = np.sum((targets - predictions) ** 2, axis=0, dtype=np.float64)
    spread = np.sum((targets - np.mean(targets, axis=0)) ** 2, axis=0, dtype=np.float64)
    score = np.where(spread > 0, 1 - error / np.where(spread > 0, spread, 1), np.where(error > 0, 0.0, 1.0))
    return float(np.mean(score))
