"""Metrics: numbers that a person reads, of (predictions, targets) as plain arrays.

Targets come as the cost wants them: class indices (n,), or (n, T) for T positions; one column of 0/1 or ±1 (n, 1);
one-hot rows or plain values (n, k). Predictions are the network's outputs, before any softmax or sigmoid.

Those of scikit-learn are scikit-learn's, imported when they are first used, which takes over a second; what is a line
of NumPy is written here. A metric that the rows do not define, such as a ROC curve of rows of a single class, is nan.
"""

from __future__ import annotations

from trainer.metrics.agreement import (
    accuracy,
    balanced_accuracy,
    binary_accuracy,
    confusion_matrix,
    exact_match,
    f1,
    nearest_neighbour_accuracy,
    precision,
    recall,
    top_k_accuracy,
)
from trainer.metrics.certainty import average_precision, log_loss, perplexity, roc_auc
from trainer.metrics.values import (
    max_error,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    r2,
    root_mean_squared_error,
)

__all__ = [
    "CLASSIFICATION", "LABELS", "REGRESSION", "REPORTS", "accuracy", "average_precision", "balanced_accuracy",
    "binary_accuracy", "confusion_matrix", "exact_match", "f1", "log_loss", "max_error", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "nearest_neighbour_accuracy", "perplexity", "precision",
    "r2", "recall", "roc_auc", "root_mean_squared_error", "top_k_accuracy",
]  # fmt: skip

CLASSIFICATION = (
    accuracy, top_k_accuracy, balanced_accuracy, precision, recall, f1, roc_auc, average_precision, log_loss,
    perplexity, nearest_neighbour_accuracy,
)  # fmt: skip
LABELS = (binary_accuracy, exact_match)  # of rows with several targets of 0 and 1
REGRESSION = (
    r2, mean_absolute_error, mean_squared_error, root_mean_squared_error, max_error, mean_absolute_percentage_error,
)  # fmt: skip
REPORTS = (confusion_matrix,)  # not a number but a table, for the end of a run
