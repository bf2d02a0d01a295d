"""Which rows are for training and which for the test."""

from __future__ import annotations

import numpy as np

from trainer.data.dataset import Array, Dataset
from trainer.errors import DataError
from trainer.rng import generator

__all__ = ["split"]


def split(
    dataset: Dataset, *, test_fraction: float, stratify: bool | None = None, seed: int = 0
) -> tuple[Array, Array]:
    """Indices of the training rows and of the test rows, each ascending; a function of its arguments alone.

    The test gets round(test_fraction · rows) rows, at least one unless `test_fraction` is 0. `stratify` draws each
    class's share of them from that class (None: yes for a classification), and keeps a training row of every class.

    Raises DataError when `test_fraction` is not in [0, 1), or when training would be left without rows or a class.

    >>> data = Dataset("sign", np.array([[-2], [-1], [1], [2]]), np.array([0, 0, 1, 1]), "classification", ("-", "+"))
    >>> train, test = split(data, test_fraction=0.5)
    >>> data.targets[test].tolist()
    [0, 1]
    """
    stratify = _checked_stratify(dataset, stratify)
    n_test = _number_of_test_rows(dataset, test_fraction)
    rng = generator(seed, "split")
    test = _draw_from_each_class(dataset, n_test, rng) if stratify else rng.permutation(dataset.rows)[:n_test]
    is_test = np.zeros(dataset.rows, dtype=bool)
    is_test[test] = True
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    if dataset.task == "classification":
        _check_every_class_is_trained(dataset, train)
    return train, test


def _checked_stratify(dataset: Dataset, stratify: bool | None) -> bool:
    if stratify and dataset.task == "regression":
        raise DataError(
            f"stratify keeps the share of every class, and data set {dataset.name!r} is a regression, without classes: "
            f"leave stratify out"
        )
    return dataset.task == "classification" if stratify is None else stratify


def _number_of_test_rows(dataset: Dataset, test_fraction: float) -> int:
    if not 0 <= test_fraction < 1:
        raise DataError(f"test_fraction is at least 0 and less than 1, such as 0.2; it is {test_fraction}")
    if test_fraction == 0:
        return 0
    n_test = max(1, round(test_fraction * dataset.rows))
    if n_test == dataset.rows:
        raise DataError(
            f"data set {dataset.name!r} has {_count(dataset.rows, 'row')}: test_fraction {test_fraction} leaves none "
            f"to train on; add rows, or use test_fraction: 0"
        )
    return n_test


def _draw_from_each_class(dataset: Dataset, n_test: int, rng: np.random.Generator) -> Array:
    rows_of_class = np.bincount(dataset.targets)
    if n_test > dataset.rows - len(rows_of_class):
        raise DataError(
            f"data set {dataset.name!r}: {n_test} of {dataset.rows} rows for the test leave "
            f"{_count(dataset.rows - n_test, 'row')} to train {len(rows_of_class)} classes, and every class needs one; "
            f"use a smaller test_fraction"
        )
    quotas = _test_rows_per_class(rows_of_class, n_test)
    drawn = [rng.permutation(np.flatnonzero(dataset.targets == c))[:quota] for c, quota in enumerate(quotas)]
    return np.concatenate(drawn)


def _test_rows_per_class(rows_of_class: Array, n_test: int) -> Array:
    """`n_test` shared out in proportion by the largest remainder, with a row of every class kept for training."""
    shares = n_test * rows_of_class / rows_of_class.sum()
    quotas: Array = np.minimum(np.floor(shares).astype(np.int64), rows_of_class - 1)
    for _ in range(n_test - int(quotas.sum())):
        remainders = np.where(quotas < rows_of_class - 1, shares - quotas, -np.inf)
        quotas[remainders.argmax()] += 1
    return quotas


def _check_every_class_is_trained(dataset: Dataset, train: Array) -> None:
    trained = np.bincount(dataset.targets[train], minlength=len(dataset.class_names))
    if not trained.all():
        missing = dataset.class_names[int(trained.argmin())]
        raise DataError(
            f"data set {dataset.name!r}: with stratify: false no training row is of class {missing!r}, which could not "
            f"be learnt; use stratify: true, another seed, or a smaller test_fraction"
        )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
