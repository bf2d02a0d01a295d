"""Data sets drawn from a generator, each a function of that generator and its options alone.

Moons, circles and blobs follow scikit-learn's definitions (`sklearn/datasets/_samples_generator.py`: `make_moons`,
`make_circles`, `make_blobs`). They are a few lines of NumPy each, and importing scikit-learn for them would take longer
than most networks take to learn them. Rows come class by class; whoever trains on them shuffles anyway.
"""

from __future__ import annotations

import numpy as np

from trainer.data import Dataset
from trainer.errors import DataError
from trainer_datasets._checks import check, shares

__all__ = ["blobs", "circles", "linear", "moons", "spirals"]


def moons(*, rng: np.random.Generator, rows: int = 1000, noise: float = 0.1) -> Dataset:
    """Two half circles that reach into each other: no straight line parts them.

    rows: of both classes together. noise: standard deviation of what is added to both coordinates.

    >>> moons(rng=np.random.default_rng(0), rows=100)
    Dataset 'moons': 100 rows, inputs (2,), classification of 2 classes
    """
    check("moons", rows=rows, classes=2, noise=noise)
    upper, lower = np.linspace(0, np.pi, rows // 2), np.linspace(0, np.pi, rows - rows // 2)
    curves = [_points(np.cos(upper), np.sin(upper)), _points(1 - np.cos(lower), 0.5 - np.sin(lower))]
    return _classes("moons", "Two half circles that reach into each other", ["upper", "lower"], curves, noise, rng)


def circles(*, rng: np.random.Generator, rows: int = 1000, noise: float = 0.05, factor: float = 0.5) -> Dataset:
    """A circle inside a circle of radius 1.

    rows: of both classes together. noise: standard deviation of what is added to both coordinates.
    factor: radius of the inner circle, between 0 and 1.

    >>> circles(rng=np.random.default_rng(0), rows=100)
    Dataset 'circles': 100 rows, inputs (2,), classification of 2 classes
    """
    check("circles", rows=rows, classes=2, noise=noise)
    if not 0 <= factor < 1:
        raise DataError(f"circles: factor, the inner radius, is at least 0 and less than 1, the outer; it is {factor}")
    outer, inner = (np.linspace(0, 2 * np.pi, n, endpoint=False) for n in (rows // 2, rows - rows // 2))
    curves = [_points(np.cos(outer), np.sin(outer)), factor * _points(np.cos(inner), np.sin(inner))]
    return _classes("circles", "A circle inside a circle", ["outer", "inner"], curves, noise, rng)


def blobs(
    *, rng: np.random.Generator, rows: int = 1000, classes: int = 3, features: int = 2, spread: float = 1.0
) -> Dataset:
    """Normal clouds around centres drawn uniformly from a box of −10 to 10 in every direction.

    rows: of all classes together. spread: standard deviation of every cloud.

    >>> blobs(rng=np.random.default_rng(0), classes=4)
    Dataset 'blobs': 1000 rows, inputs (2,), classification of 4 classes
    """
    check("blobs", rows=rows, classes=classes, features=features, spread=spread)
    centres = rng.uniform(-10, 10, size=(classes, features))
    clouds = [np.broadcast_to(centre, (n, features)) for centre, n in zip(centres, shares(rows, classes), strict=True)]
    names = [str(c) for c in range(classes)]
    return _classes("blobs", f"{classes} normal clouds", names, clouds, spread, rng)


def spirals(
    *, rng: np.random.Generator, rows: int = 1000, classes: int = 2, turns: float = 1.5, noise: float = 0.02
) -> Dataset:
    """Arms of a spiral that wind around each other from the centre to radius 1.

    rows: of all arms together. turns: how often an arm goes round. noise: standard deviation of what is added to both
    coordinates.
    Source: K. Lang & M. Witbrock, *Learning to tell two spirals apart* (1988), with the radius growing as the angle.

    >>> spirals(rng=np.random.default_rng(0), classes=3)
    Dataset 'spirals': 1000 rows, inputs (2,), classification of 3 classes
    """
    check("spirals", rows=rows, classes=classes, noise=noise, turns=turns)
    arms = []
    for arm, n in enumerate(shares(rows, classes)):
        radius = np.linspace(0, 1, n + 1)[1:]  # the centre belongs to every arm, so to none
        angle = 2 * np.pi * (turns * radius + arm / classes)
        arms.append(_points(radius * np.cos(angle), radius * np.sin(angle)))
    names = [str(c) for c in range(classes)]
    return _classes("spirals", f"{classes} arms of a spiral", names, arms, noise, rng)


def linear(*, rng: np.random.Generator, rows: int = 1000, features: int = 1, noise: float = 0.1) -> Dataset:
    """Targets that are a linear function of normal inputs, plus noise; the description states the function.

    noise: standard deviation of what is added to the targets.

    >>> linear(rng=np.random.default_rng(0)).description
    'y = 0.126·x0 − 0.132 + noise'
    """
    check("linear", rows=rows, features=features, noise=noise)
    weights, bias = rng.normal(size=features), rng.normal()
    inputs = rng.normal(size=(rows, features))
    targets = inputs @ weights + bias + noise * rng.normal(size=rows)
    terms = "".join(f" {_signed(w)}·x{j}" for j, w in enumerate(weights)).removeprefix(" + ").strip()
    return Dataset("linear", inputs, targets, "regression", description=f"y = {terms} {_signed(bias)} + noise")


def _classes(
    name: str,
    description: str,
    class_names: list[str],
    points: list[np.ndarray],
    noise: float,
    rng: np.random.Generator,
) -> Dataset:
    """One array of points per class, with normal noise, as a data set."""
    inputs = np.concatenate(points)
    inputs = inputs + rng.normal(scale=noise, size=inputs.shape)
    targets = np.repeat(np.arange(len(points)), [len(p) for p in points])
    return Dataset(name, inputs, targets, "classification", tuple(class_names), description=description)


def _points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([x, y], axis=1)


def _signed(number: float) -> str:
    return f"{'−' if number < 0 else '+'} {abs(number):.3g}"
