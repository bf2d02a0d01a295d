"""Metrics of scores and probabilities: how well they rank the examples, and how sure they are of what is true."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from trainer.metrics.decoding import decoded, mean
from trainer.types import Array

__all__ = ["average_precision", "log_loss", "perplexity", "roc_auc"]

NAN = float("nan")
Average = Literal["macro", "weighted"]


def roc_auc(predictions: Array, targets: Array, *, average: Average = "macro") -> float:
    """The area under the ROC curve: how often an example of a class has a larger score for it than one of another.

    scikit-learn's `roc_auc_score`, of class 1 for two classes, and for more that of each class's probability against
    the rest, `multi_class="ovr"`. nan where a class is missing among the targets, for then its curve does not exist,
    and where a score is nan.

    Args:
        average: over more than two classes, "macro", or "weighted" by the number of members.

    >>> roc_auc(np.array([[2.0], [0.5], [1.0], [-1.0]]), np.array([[1.0], [1.0], [0.0], [0.0]]))
    0.75
    """
    from sklearn.metrics import roc_auc_score

    scores, classes = decoded("roc_auc", predictions, targets)
    if not _ranks(scores, classes):
        return NAN
    if scores.shape[1] <= 2:
        return float(roc_auc_score(classes, _score_of_1(scores)))
    one_hot = classes[:, None] == np.arange(scores.shape[1])
    return float(roc_auc_score(one_hot, _log_odds(scores), average=average))


def average_precision(predictions: Array, targets: Array, *, average: Average = "macro") -> float:
    """The mean precision over the recalls that lowering the threshold passes: the area under their curve, by steps.

    scikit-learn's `average_precision_score`, of class 1 for two classes, and for more the mean of each class's against
    the rest. nan where a class is missing among the targets or a score is nan.

    Args:
        average: over more than two classes, "macro", or "weighted" by the number of members.

    >>> average_precision(np.array([[2.0], [0.5], [1.0], [-1.0]]), np.array([[1.0], [1.0], [0.0], [0.0]])).__round__(4)
    0.8333
    """
    from sklearn.metrics import average_precision_score

    scores, classes = decoded("average_precision", predictions, targets)
    if not _ranks(scores, classes):
        return NAN
    if scores.shape[1] <= 2:
        return float(average_precision_score(classes, _score_of_1(scores)))
    one_hot = classes[:, None] == np.arange(scores.shape[1])
    return float(average_precision_score(one_hot, _log_odds(scores), average=average))


def _ranks(scores: Array, classes: Array) -> bool:
    """Whether there is something to rank: every class occurs, and every score is a number."""
    return not np.isnan(scores).any() and bool(np.all(np.bincount(classes, minlength=max(2, scores.shape[1])) > 0))


def _log_odds(scores: Array) -> Array:
    """z_k − log Σ e^z_j over the others: ranks as the probabilities do, also where they round to 1."""
    k = scores.shape[1]
    others = np.where(np.eye(k, dtype=bool), -np.inf, scores[:, None, :])  # (rows, k, k)
    top = np.max(others, axis=2)
    return np.asarray(scores - top - np.log(np.sum(np.exp(others - top[:, :, None]), axis=2)))


def _score_of_1(scores: Array) -> Array:
    """What grows with the probability of class 1 of two."""
    return scores[:, 0] if scores.shape[1] == 1 else scores[:, 1] - scores[:, 0]


def log_loss(predictions: Array, targets: Array) -> float:
    """The mean of −log p of the true classes, in nats, for p = softmax(predictions), or σ of a single output.

    Predictions are logits or logarithms of probabilities. Over the positions of all sequences together, whatever their
    lengths.

    >>> log_loss(np.array([[0.0, 0.0]]), np.array([1])).__round__(4)
    0.6931
    """
    scores, classes = decoded("log_loss", predictions, targets)
    with np.errstate(invalid="ignore"):  # logaddexp of a nan
        return mean(_surprise(scores, classes))


def _surprise(scores: Array, classes: Array) -> Any:
    if scores.shape[1] == 1:
        return np.logaddexp(0, np.where(classes == 1, -scores[:, 0], scores[:, 0]))
    z = scores - np.max(scores, axis=1, keepdims=True)
    own = np.take_along_axis(z, classes[:, None], 1)[:, 0]
    return np.log(np.sum(np.exp(z), axis=1)) - own


def perplexity(predictions: Array, targets: Array) -> float:
    """e to the mean of −log p of the true classes: among how many equally likely ones the network is in doubt.

    1 is certainty, the number of classes is ignorance. Predictions as for `log_loss`.

    >>> perplexity(np.zeros((1, 2, 5)), np.array([[3, -1]])).__round__(4)
    5.0
    """
    scores, classes = decoded("perplexity", predictions, targets)
    with np.errstate(over="ignore", invalid="ignore"):  # of a network that is sure and wrong; of a nan
        return float(np.exp(mean(_surprise(scores, classes))))
