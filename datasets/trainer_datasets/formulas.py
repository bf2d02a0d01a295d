"""Data sets of scikit-learn's that are a formula on random numbers, drawn here with NumPy alone.

Definitions: `sklearn/datasets/_samples_generator.py`, whose functions are `make_` and the name. Without noise the
numbers are those that scikit-learn draws from the same generator of bits.
"""

from __future__ import annotations

import numpy as np

from trainer.data import Dataset
from trainer.errors import DataError
from trainer_datasets._checks import check, shares

__all__ = [
    "friedman1",
    "friedman2",
    "friedman3",
    "gaussian_quantiles",
    "hastie_10_2",
    "s_curve",
    "sparse_uncorrelated",
    "swiss_roll",
]


def friedman1(*, rng: np.random.Generator, rows: int = 1000, features: int = 10, noise: float = 1.0) -> Dataset:
    """A regression on five features of ten: y = 10 sin(π x0 x1) + 20 (x2 − ½)² + 10 x3 + 5 x4 + noise.

    Features are uniform in [0, 1). features: at least 5. noise: standard deviation of what is added to the targets.
    Source: J. Friedman, *Multivariate adaptive regression splines* (1991).

    >>> friedman1(rng=np.random.default_rng(0))
    Dataset 'friedman1': 1000 rows, inputs (10,), regression
    """
    check("friedman1", rows=rows, noise=noise)
    _check_features("friedman1", features, 5)
    x = rng.uniform(size=(rows, features))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return _regression("friedman1", x, y, noise, rng, "y = 10 sin(π x0 x1) + 20 (x2 − ½)² + 10 x3 + 5 x4 + noise")


def friedman2(*, rng: np.random.Generator, rows: int = 1000, noise: float = 0.0) -> Dataset:
    """A regression on four features of very different size: y = √(x0² + (x1 x2 − 1 / (x1 x3))²) + noise.

    Features are uniform: x0 in [0, 100), x1 in [40π, 560π), x2 in [0, 1), x3 in [1, 11). noise: standard deviation of
    what is added to the targets.
    Source: L. Breiman, *Bagging predictors* (1996), after J. Friedman.

    >>> friedman2(rng=np.random.default_rng(0))
    Dataset 'friedman2': 1000 rows, inputs (4,), regression
    """
    check("friedman2", rows=rows, noise=noise)
    x = _impedance(rng, rows)
    y = (x[:, 0] ** 2 + (x[:, 1] * x[:, 2] - 1 / (x[:, 1] * x[:, 3])) ** 2) ** 0.5
    return _regression("friedman2", x, y, noise, rng, "y = √(x0² + (x1 x2 − 1 / (x1 x3))²) + noise")


def friedman3(*, rng: np.random.Generator, rows: int = 1000, noise: float = 0.0) -> Dataset:
    """A regression on the features of friedman2: y = arctan((x1 x2 − 1 / (x1 x3)) / x0) + noise.

    noise: standard deviation of what is added to the targets.
    Source: L. Breiman, *Bagging predictors* (1996), after J. Friedman.

    >>> friedman3(rng=np.random.default_rng(0))
    Dataset 'friedman3': 1000 rows, inputs (4,), regression
    """
    check("friedman3", rows=rows, noise=noise)
    x = _impedance(rng, rows)
    y = np.arctan((x[:, 1] * x[:, 2] - 1 / (x[:, 1] * x[:, 3])) / x[:, 0])
    return _regression("friedman3", x, y, noise, rng, "y = arctan((x1 x2 − 1 / (x1 x3)) / x0) + noise")


def sparse_uncorrelated(*, rng: np.random.Generator, rows: int = 1000, features: int = 10) -> Dataset:
    """A regression on four normal features of ten: y = x0 + 2 x1 − 2 x2 − 1.5 x3 + noise of deviation 1.

    features: at least 4.
    Source: G. Celeux, M. El Anbari, J.-M. Marin & C. Robert, *Regularization in regression* (2009).

    >>> sparse_uncorrelated(rng=np.random.default_rng(0))
    Dataset 'sparse_uncorrelated': 1000 rows, inputs (10,), regression
    """
    check("sparse_uncorrelated", rows=rows)
    _check_features("sparse_uncorrelated", features, 4)
    x = rng.normal(size=(rows, features))
    y = x[:, 0] + 2 * x[:, 1] - 2 * x[:, 2] - 1.5 * x[:, 3]
    return _regression("sparse_uncorrelated", x, y, 1.0, rng, "y = x0 + 2 x1 − 2 x2 − 1.5 x3 + noise")


def s_curve(*, rng: np.random.Generator, rows: int = 1000, noise: float = 0.0) -> Dataset:
    """A sheet bent into an S in three dimensions; the target is where along the S a point lies, −3π/2 to 3π/2.

    noise: standard deviation of what is added to the inputs.

    >>> s_curve(rng=np.random.default_rng(0))
    Dataset 's_curve': 1000 rows, inputs (3,), regression
    """
    check("s_curve", rows=rows, noise=noise)
    t = 3 * np.pi * (rng.uniform(size=rows) - 0.5)
    x = np.stack([np.sin(t), 2 * rng.uniform(size=rows), np.sign(t) * (np.cos(t) - 1)], axis=1)
    x += noise * rng.normal(size=x.shape)
    return Dataset("s_curve", x, t, "regression", description="A sheet bent into an S, and where along it a point lies")


def swiss_roll(*, rng: np.random.Generator, rows: int = 1000, noise: float = 0.0) -> Dataset:
    """A sheet rolled up in three dimensions; the target is the angle at which a point lies, 3π/2 to 9π/2.

    noise: standard deviation of what is added to the inputs.
    Source: S. Marsland, *Machine learning: an algorithmic perspective* (2nd edition, 2014), chapter 6.

    >>> swiss_roll(rng=np.random.default_rng(0))
    Dataset 'swiss_roll': 1000 rows, inputs (3,), regression
    """
    check("swiss_roll", rows=rows, noise=noise)
    t = 1.5 * np.pi * (1 + 2 * rng.uniform(size=rows))
    x = np.stack([t * np.cos(t), 21 * rng.uniform(size=rows), t * np.sin(t)], axis=1)
    x += noise * rng.normal(size=x.shape)
    return Dataset("swiss_roll", x, t, "regression", description="A rolled sheet, and the angle at which a point lies")


def hastie_10_2(*, rng: np.random.Generator, rows: int = 12_000) -> Dataset:
    """Ten normal features; is the sum of their squares above 9.34, the median of that sum?

    Source: T. Hastie, R. Tibshirani & J. Friedman, *The elements of statistical learning* (2nd edition, 2009), (10.2).

    >>> hastie_10_2(rng=np.random.default_rng(0))
    Dataset 'hastie_10_2': 12000 rows, inputs (10,), classification of 2 classes
    """
    check("hastie_10_2", rows=rows, classes=2)
    x = rng.normal(size=(rows, 10))
    y = ((x**2).sum(axis=1) > 9.34).astype(np.int64)
    what = "Is the sum of ten squares above its median?"
    return Dataset("hastie_10_2", x, y, "classification", ("inside", "outside"), description=what)


def gaussian_quantiles(
    *, rng: np.random.Generator, rows: int = 1000, features: int = 2, classes: int = 3, spread: float = 1.0
) -> Dataset:
    """One normal cloud cut into shells of equal size by the distance from its centre.

    rows: of all classes together. spread: standard deviation of the cloud.

    >>> gaussian_quantiles(rng=np.random.default_rng(0))
    Dataset 'gaussian_quantiles': 1000 rows, inputs (2,), classification of 3 classes
    """
    check("gaussian_quantiles", rows=rows, classes=classes, features=features, spread=spread)
    x = spread * rng.normal(size=(rows, features))
    x = x[np.argsort((x**2).sum(axis=1), kind="stable")]
    y = np.repeat(np.arange(classes), shares(rows, classes))
    names = tuple(str(c) for c in range(classes))
    what = f"A normal cloud cut into {classes} shells"
    return Dataset("gaussian_quantiles", x, y, "classification", names, description=what)


def _impedance(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Features of an alternating-current circuit, from which Friedman computes its impedance and phase."""
    return rng.uniform(size=(rows, 4)) * [100, 520 * np.pi, 1, 10] + [0, 40 * np.pi, 0, 1]


def _regression(
    name: str, x: np.ndarray, y: np.ndarray, noise: float, rng: np.random.Generator, description: str
) -> Dataset:
    return Dataset(name, x, y + noise * rng.normal(size=len(y)), "regression", description=description)


def _check_features(name: str, features: int, least: int) -> None:
    if features < least:
        raise DataError(f"{name}: the targets depend on {least} features, so {features} are too few")
