"""Metrics of predicted classes: how many are right, and which are taken for which.

A row whose scores hold a nan predicts no class. It is never right, and where a share is taken of what was predicted
there is none: nan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np

from trainer.errors import ShapeError, UsageError
from trainer.limits import Limits
from trainer.metrics.decoding import chosen, decoded, mean, true_classes
from trainer.types import Array

__all__ = [
    "accuracy", "balanced_accuracy", "binary_accuracy", "confusion_matrix", "exact_match", "f1",
    "nearest_neighbour_accuracy", "precision", "recall", "top_k_accuracy",
]  # fmt: skip

Average = Literal["binary", "macro", "micro", "weighted"] | None


def accuracy(predictions: Array, targets: Array) -> float:
    """The share of examples whose class is the one predicted: the largest output, or the sign of a single one.

    >>> accuracy(np.array([[0.1, 2.0], [3.0, 0.2]]), np.array([1, 1]))
    0.5
    >>> accuracy(np.array([[0.3], [-2.0]]), np.array([[1.0], [0.0]]))
    1.0
    """
    scores, classes = decoded("accuracy", predictions, targets)
    return mean(chosen(scores) == classes)


def top_k_accuracy(predictions: Array, targets: Array, *, k: Annotated[int, Limits(ge=1)] = 5) -> float:
    """The share of examples whose class is among the k of largest score; of equal scores the first class leads.

    Raises UsageError for a k that is not less than the number of classes, with which it were always 1.

    >>> top_k_accuracy(np.array([[0.1, 2.0, 1.0], [3.0, 0.2, 0.1]]), np.array([2, 2]), k=2)
    0.5
    """
    scores, classes = decoded("top_k_accuracy", predictions, targets)
    count = max(2, scores.shape[1])
    if k >= count:
        raise UsageError(f"top_k_accuracy of k={k} among {count} classes is always 1; choose a k below {count}")
    if scores.shape[1] == 1:
        return mean(chosen(scores) == classes)
    own = np.take_along_axis(scores, classes[:, None], 1)
    before = np.arange(count) < classes[:, None]
    among = np.sum((scores > own) | ((scores == own) & before), axis=1) < k
    return mean(among & ~np.isnan(scores).any(axis=1))


def balanced_accuracy(predictions: Array, targets: Array) -> float:
    """The mean of the classes' recalls, over the classes that occur; scikit-learn's `balanced_accuracy_score`.

    >>> balanced_accuracy(np.array([[-1.0], [-1.0], [-1.0], [1.0]]), np.array([[0.0], [0.0], [1.0], [1.0]]))
    0.75
    """
    scores, classes = decoded("balanced_accuracy", predictions, targets)
    members = np.bincount(classes)
    right = np.bincount(classes[chosen(scores) == classes], minlength=len(members))
    return mean(right[members > 0] / members[members > 0])


def precision(predictions: Array, targets: Array, *, average: Average = None) -> float:
    """The share of right ones among the examples that are predicted to be of a class; 0 where none are.

    scikit-learn's `precision_score` with `zero_division=0`.

    Args:
        average: "binary", of the second of two classes alone, which a data set's `positive` names, the default for two;
            "macro", the mean over classes that occur among targets or predictions, the default for more; "weighted",
            their mean by the number of their members; "micro", over all examples together.

    >>> precision(np.array([[1.0], [2.0], [-1.0]]), np.array([[1.0], [0.0], [1.0]]))
    0.5
    """
    from sklearn.metrics import precision_score

    return _score("precision", precision_score, predictions, targets, average)


def recall(predictions: Array, targets: Array, *, average: Average = None) -> float:
    """The share of the examples of a class that are predicted to be of it; 0 where there are none.

    scikit-learn's `recall_score` with `zero_division=0`; `average` is that of `precision`.

    >>> recall(np.array([[1.0], [2.0], [-1.0]]), np.array([[1.0], [0.0], [1.0]]))
    0.5
    """
    from sklearn.metrics import recall_score

    return _score("recall", recall_score, predictions, targets, average)


def f1(predictions: Array, targets: Array, *, average: Average = None) -> float:
    """The harmonic mean of precision and recall; 0 where no example is, or is predicted to be, of the class.

    scikit-learn's `f1_score` with `zero_division=0`; `average` is that of `precision`.

    >>> f1(np.array([[1.0], [2.0], [1.0]]), np.array([[1.0], [1.0], [0.0]])).__round__(4)
    0.8
    """
    from sklearn.metrics import f1_score

    return _score("f1", f1_score, predictions, targets, average)


def _score(name: str, function: Callable[..., Any], predictions: Array, targets: Array, average: Average) -> float:
    scores, classes = decoded(name, predictions, targets)
    k = scores.shape[1]
    if average == "binary" and k > 2:
        raise UsageError(
            f"{name} with average: binary is of two classes, and there are {k}; say macro, micro or weighted"
        )
    predicted = chosen(scores)
    if not len(classes) or np.min(predicted) < 0:
        return float("nan")
    average = average or ("binary" if k <= 2 else "macro")
    return float(function(classes, predicted, average=average, zero_division=0))


def confusion_matrix(predictions: Array, targets: Array) -> Array:
    """How many examples of each class (row) were predicted to be of each (column), shape (k, k); those without a
    prediction stand in none.

    As scikit-learn's `confusion_matrix`, with a row for every class that the network knows. A table, not a number: for
    the end of a run.

    >>> confusion_matrix(np.array([[0.1, 2.0], [3.0, 0.2], [0.0, 1.0]]), np.array([1, 1, 0])).tolist()
    [[0, 1], [1, 1]]
    """
    scores, classes = decoded("confusion_matrix", predictions, targets)
    k, predicted = max(2, scores.shape[1]), chosen(scores)
    known = predicted >= 0
    return np.bincount(classes[known] * k + predicted[known], minlength=k * k).reshape(k, k)


def binary_accuracy(predictions: Array, targets: Array) -> float:
    """The share of labels that are right, where a row has several, each yes or no: by the sign of the label's score.

    Keras's `binary_accuracy` of logits, and 1 − scikit-learn's `hamming_loss`.

    >>> binary_accuracy(np.array([[2.0, -1.0], [3.0, 0.2]]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.75
    """
    return mean(_right_labels("binary_accuracy", predictions, targets))


def exact_match(predictions: Array, targets: Array) -> float:
    """The share of rows of which every label is right; see `binary_accuracy`.

    What scikit-learn's `accuracy_score` is of several labels.

    >>> exact_match(np.array([[2.0, -1.0], [3.0, 0.2]]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.5
    """
    return mean(np.asarray(_right_labels("exact_match", predictions, targets).all(axis=1)))


def _right_labels(metric: str, predictions: Array, targets: Array) -> Array:
    """Which labels are predicted, (rows, labels), of targets of 0 and 1 or of −1 and 1."""
    if predictions.ndim != 2 or predictions.shape != targets.shape:
        raise ShapeError(
            f"{metric} takes a score and a target of 0 or 1 for each label, both (n, labels): predictions are "
            f"{predictions.shape} and targets {targets.shape}"
        )
    right: Array = ((predictions > 0) == (targets > 0)) & ~np.isnan(predictions)
    return right


def nearest_neighbour_accuracy(predictions: Array, targets: Array) -> float:
    """The share of examples whose nearest other example is of their class: for embeddings, as of the cost `triplet`.

    Predictions are embeddings (n, k) of any length k; distances are Euclidean. nan of a single example.

    >>> nearest_neighbour_accuracy(np.array([[0.0], [0.1], [1.0], [1.1], [5.0]]), np.array([0, 0, 1, 1, 0]))
    0.8
    """
    p, t = np.asarray(predictions, np.float64), np.asarray(targets)
    if p.ndim != 2 or t.shape[:1] != p.shape[:1] or t.ndim > 2:
        raise ShapeError(
            f"nearest_neighbour_accuracy takes embeddings (n, k) and a class for each: predictions are {p.shape} and "
            f"targets {t.shape}"
        )
    classes = true_classes(t)
    if len(p) < 2:
        return float("nan")
    p = p - np.mean(p, axis=0)  # distances stay, and their products are of smaller numbers
    squares, nearest = np.sum(p * p, axis=1), np.empty(len(p), np.int64)
    for start in range(0, len(p), 1024):
        block = slice(start, start + 1024)
        distances = squares - 2 * (p[block] @ p.T)  # less each row's own square, which does not change the order
        distances[np.arange(len(distances)), np.arange(start, start + len(distances))] = np.inf
        nearest[block] = np.argmin(distances, axis=1)
    return mean(classes[nearest] == classes)
