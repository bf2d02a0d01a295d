"""Classes of unequal size: rows that weigh more or less in the loss, or are drawn more or less often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from trainer.data.dataset import Dataset
from trainer.errors import DataError
from trainer.rng import generator
from trainer.types import Array
from trainer.wording import did_you_mean

__all__ = ["ClassWeights", "Resampling", "check_balance", "resampled", "row_weights"]

ClassWeights = Literal["balanced"] | Mapping[str, float]
Resampling = Literal["oversample", "undersample"]


def check_balance(dataset: Dataset, class_weights: ClassWeights | None, resample: Resampling | None) -> None:
    """DataError where the data set has no classes to weigh or draw, or the two would undo each other."""
    wanted = {"class_weights": class_weights is not None, "resample": resample is not None}
    for key in (key for key, value in wanted.items() if value):
        verb = "weighs" if key == "class_weights" else "draws"
        if dataset.task == "regression":
            raise DataError(
                f"{key} {verb} rows by their class, and data set {dataset.name!r} is a regression, without classes: "
                f"leave {key} out",
                key,
            )
        if dataset.targets.ndim > 1:
            raise DataError(
                f"{key} {verb} rows by their class, and data set {dataset.name!r} has a class for each of "
                f"{dataset.targets.shape[1]} positions of a row: leave {key} out",
                key,
            )
    if resample is not None and dataset.mapped:
        raise DataError(
            f"data set {dataset.name!r} is read from disk while it trains, each row once an epoch: leave resample out "
            f"and use class_weights: balanced",
            "resample",
        )
    if resample is not None and resample not in ("oversample", "undersample"):
        raise DataError(f"resample is 'oversample' or 'undersample', not {resample!r}", "resample")
    if resample is not None and class_weights == "balanced":
        raise DataError(
            f"resample: {resample} makes the classes equally large, so class_weights: balanced would change nothing: "
            f"keep one of the two",
            "resample",
        )
    if isinstance(class_weights, str) and class_weights != "balanced":
        raise DataError(
            f"class_weights is 'balanced' or a weight for each class, not {class_weights!r}", "class_weights"
        )


def resampled(classes: Array, how: Resampling, seed: int) -> Array:
    """Positions in `classes`, shape (n,), ascending, among which every class is equally frequent.

    "oversample" repeats rows until each class has as many as the largest: all of its rows equally often, and of those
    left over each at most once more. "undersample" draws from each class as many as the smallest has.

    >>> resampled(np.array([0, 0, 0, 0, 1, 1]), "oversample", seed=0).tolist()
    [0, 1, 2, 3, 4, 4, 5, 5]
    """
    rng = generator(seed, "resample")
    rows_of_class = [np.flatnonzero(classes == c) for c in np.unique(classes)]
    size = (max if how == "oversample" else min)(map(len, rows_of_class))
    drawn = [np.tile(rows, size // len(rows)) for rows in rows_of_class]
    drawn += [rng.permutation(rows)[: size % len(rows)] for rows in rows_of_class]
    return np.sort(np.concatenate(drawn))


def row_weights(dataset: Dataset, rows: Array, class_weights: ClassWeights | None) -> Array | None:
    """The weight of each of these training rows, float64 of mean 1: its own times its class's; None for no weights.

    class_weights: "balanced" weighs each class by 1 / its number of rows (scikit-learn's rule,
        n / (classes · rows of the class)); or weights by the class's name, 1 for those not named.

    Raises DataError for a name that is no class's and for a weight that is not above 0.

    >>> data = Dataset("d", np.zeros((4, 1)), np.array([0, 0, 0, 1]), "classification", ("no", "yes"))
    >>> row_weights(data, np.arange(4), "balanced").round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    if dataset.weights is None and class_weights is None:
        return None
    weights = np.ones(len(rows)) if dataset.weights is None else dataset.weights[rows]
    if class_weights is not None:
        classes = dataset.targets[rows]
        weights = weights * _of_classes(dataset, classes, class_weights)[classes]
    return np.asarray(weights / weights.mean())


def _of_classes(dataset: Dataset, classes: Array, class_weights: ClassWeights) -> Array:
    if isinstance(class_weights, str):
        rows = np.bincount(classes, minlength=len(dataset.class_names))
        return len(classes) / (len(dataset.class_names) * np.maximum(rows, 1))  # of some rows, a class may have none
    names = dataset.class_names
    for name, weight in class_weights.items():
        option = ("class_weights", name)
        if name not in names:
            hint = did_you_mean(name, names, f"its classes are {', '.join(map(repr, names))}")
            raise DataError(f"class_weights: data set {dataset.name!r} has no class {name!r}; {hint}", *option)
        if not 0 < weight < np.inf:
            what = f"class_weights: a weight is a number above 0; that of class {name!r} is {weight}"
            raise DataError(what, *option)
    return np.array([class_weights.get(name, 1.0) for name in names])
