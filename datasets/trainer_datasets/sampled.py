"""Data sets that scikit-learn draws, under its own names. Their numbers depend on the seed and the options alone, so
the cache keeps them and a second load imports no scikit-learn.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

import numpy as np

from trainer.data import Dataset, cached
from trainer.data.dataset import Task
from trainer.errors import DataError
from trainer_datasets._checks import check

__all__ = ["classification", "low_rank", "multilabel_classification", "regression"]


def classification(
    *,
    rng: np.random.Generator,
    rows: int = 1000,
    features: int = 20,
    informative: int = 2,
    redundant: int = 2,
    classes: int = 2,
    clusters_per_class: int = 2,
    flipped: float = 0.01,
    separation: float = 1.0,
) -> Dataset:
    """Normal clusters at the corners of a hypercube, among features that say nothing: `make_classification`.

    informative: dimensions of the hypercube. redundant: features that are linear combinations of those. The others are
    noise. flipped: share of the rows whose class is drawn at random. separation: half the side of the hypercube.
    Source: I. Guyon, *Design of experiments for the NIPS 2003 variable selection benchmark* (2003).
    """
    check("classification", rows=rows, classes=classes, features=features, flipped=flipped, separation=separation)
    options = {
        "n_samples": rows,
        "n_features": features,
        "n_informative": informative,
        "n_redundant": redundant,
        "n_classes": classes,
        "n_clusters_per_class": clusters_per_class,
        "flip_y": flipped,
        "class_sep": separation,
    }
    names = tuple(str(c) for c in range(classes))
    what = "Clusters at the corners of a hypercube"
    return _drawn("classification", "make_classification", rng, options, what, names)


def regression(
    *,
    rng: np.random.Generator,
    rows: int = 1000,
    features: int = 100,
    informative: int = 10,
    targets: int = 1,
    noise: float = 0.0,
) -> Dataset:
    """Targets that are a random linear function of a few among many normal features: `make_regression`.

    informative: features that the targets depend on. targets: how many numbers there are to predict.
    noise: standard deviation of what is added to the targets.
    """
    check("regression", rows=rows, features=features, noise=noise)
    if informative > features:
        raise DataError(f"regression: {informative} informative features are more than the {features} that there are")
    options = {
        "n_samples": rows,
        "n_features": features,
        "n_informative": informative,
        "n_targets": targets,
        "noise": noise,
    }
    what = f"A linear function of {informative} among {features} features"
    return _drawn("regression", "make_regression", rng, options, what)


def low_rank(*, rng: np.random.Generator, rows: int = 1000, features: int = 100, rank: int = 10) -> Dataset:
    """Rows near a plane of few dimensions, to be rebuilt from fewer numbers: `make_low_rank_matrix`, targets = inputs.

    rank: about how many dimensions the plane has.
    """

    check("low_rank", rows=rows, features=features, rank=rank)
    options = {"n_samples": rows, "n_features": features, "effective_rank": rank}
    return _drawn("low_rank", "make_low_rank_matrix", rng, options, f"Rows near a plane of {rank} dimensions")


def multilabel_classification(
    *, rng: np.random.Generator, rows: int = 1000, features: int = 20, classes: int = 5, labels: int = 2
) -> Dataset:
    """Documents that are about several subjects at once, 0 or 1 for each: `make_multilabel_classification`.

    Inputs count words, `features` of them; targets are 0 or 1 for each of the `classes` subjects, shape (n, classes).
    labels: of how many subjects a document is on average.
    """

    check("multilabel_classification", rows=rows, features=features, classes=classes, labels=labels)
    options = {"n_samples": rows, "n_features": features, "n_classes": classes, "n_labels": labels}
    what = f"Documents about some of {classes} subjects, by their words"
    return _drawn("multilabel_classification", "make_multilabel_classification", rng, options, what)


def _drawn(
    name: str,
    function: str,
    rng: np.random.Generator,
    options: dict[str, Any],
    description: str,
    class_names: tuple[str, ...] = (),
) -> Dataset:
    """What a function of scikit-learn's draws for a seed of the generator's; a matrix alone is its own targets."""
    seed = int(rng.integers(2**31))

    def draw() -> Dataset:
        import sklearn.datasets

        try:
            drawn = getattr(sklearn.datasets, function)(**options, random_state=seed)
        except ValueError as error:
            raise DataError(f"{name}: {function} of scikit-learn refuses these options: {error}") from None
        inputs, targets = drawn if isinstance(drawn, tuple) else (drawn, drawn)
        task: Task = "classification" if class_names else "regression"
        return Dataset(name, inputs, targets, task, class_names, description=description)

    digest = hashlib.sha256(json.dumps([seed, options], sort_keys=True).encode()).hexdigest()[:16]
    return cached(f"{name}-{digest}-scikit-learn-{version('scikit-learn')}", draw)
