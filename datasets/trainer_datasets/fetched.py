"""Data sets that scikit-learn fetches from the internet, once: the cache keeps them under its version.

What scikit-learn itself would keep, pickled, lies in a temporary folder and goes with it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from trainer.data import Dataset, cached
from trainer.data.dataset import class_indices
from trainer.data.readers.features import Encoding, Feature, encode_features
from trainer.errors import DataError

__all__ = ["california_housing", "covtype", "fetching", "kddcup99", "olivetti_faces"]


def california_housing() -> Dataset:
    """Districts of California: 20,640, the median price of a house in 100,000 dollars by eight facts of 1990's census.

    Fetched from the internet once. Source: R. K. Pace & R. Barry, *Sparse spatial autoregressions* (1997).
    """

    def make() -> Dataset:
        bunch = _fetch("california_housing")
        names = tuple(bunch.feature_names)
        what = "The median price of a house in districts of California"
        return Dataset("california_housing", bunch.data, bunch.target, "regression", (), names, what)

    return _cached("california_housing", make)


def covtype() -> Dataset:
    """Patches of forest: 581,012 of 30 × 30 m by 54 numbers of cartography; which of seven kinds of trees covers them?

    Fetched from the internet once. Source: J. A. Blackard & D. J. Dean, *Comparative accuracies of artificial neural
    networks and discriminant analysis in predicting forest cover types* (1999).
    """

    def make() -> Dataset:
        bunch = _fetch("covtype")
        targets, class_names = class_indices(bunch.target.tolist())
        names = tuple(bunch.feature_names)
        what = "Seven kinds of forest by cartography"
        return Dataset("covtype", bunch.data, targets, "classification", class_names, names, what)

    return _cached("covtype", make)


def olivetti_faces() -> Dataset:
    """Portraits: 400 grey images of 64 × 64 pixels from 0 to 1, ten each of 40 people; who is it?

    Inputs have shape (64, 64, 1). Fetched from the internet once.
    Source: F. Samaria & A. Harter, *Parameterisation of a stochastic model for human face identification* (1994).
    """

    def make() -> Dataset:
        bunch = _fetch("olivetti_faces")
        targets, class_names = class_indices(bunch.target.tolist())
        what = "Ten portraits each of 40 people, 64 × 64 pixels"
        return Dataset(
            "olivetti_faces", bunch.images[..., None], targets, "classification", class_names, description=what
        )

    return _cached("olivetti_faces", make)


def kddcup99(*, encode: Encoding = "index") -> Dataset:
    """Connections of a network: 494,021 by 41 facts, three of them categories; normal, or which attack?

    encode: the three categorical columns as "index", for embeddings, or as "one_hot", 0 or 1 for each category.
    Fetched from the internet once: scikit-learn's tenth of the data. Source: *KDD Cup* (1999), after R. Lippmann & al.,
    *The 1998 DARPA off-line intrusion detection evaluation*.
    """

    def make() -> Dataset:
        bunch = _fetch("kddcup99")
        columns = []
        for name, column in zip(bunch.feature_names, bunch.data.T, strict=True):
            if isinstance(column[0], bytes):
                columns.append(Feature(name, *class_indices([cell.decode() for cell in column])))
            else:
                columns.append(Feature(name, column.astype(np.float64)))
        features = encode_features(columns, encode, "kddcup99")
        targets, class_names = class_indices([label.decode().rstrip(".") for label in bunch.target])
        return Dataset(
            "kddcup99",
            features.inputs,
            targets,
            "classification",
            class_names,
            features.names,
            "Normal connections of a network and attacks on it",
            categories=features.categories,
        )

    return _cached(f"kddcup99-{encode}", make)


def _cached(key: str, make: Callable[[], Dataset]) -> Dataset:
    return cached(f"{key}-scikit-learn-{version('scikit-learn')}", make)


def _fetch(name: str) -> Any:
    """What scikit-learn's `fetch_<name>()` returns."""
    from tempfile import TemporaryDirectory

    import sklearn.datasets

    with TemporaryDirectory() as home:
        return fetching(name, lambda: getattr(sklearn.datasets, f"fetch_{name}")(data_home=home))


def fetching(name: str, fetch: Callable[[], Any]) -> Any:
    """What `fetch()` returns, with the want of a connection said in words.

    scikit-learn tries several times and warns of each; those warnings are in the error if the last one fails too.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Retry downloading|A network error|Downloaded file could have")
            return fetch()
    except OSError as error:  # urllib's errors and time-outs among them
        reason = error if hasattr(error, "code") else getattr(error, "reason", error)
        raise DataError(
            f"{name} is fetched from the internet the first time it is used, and that failed: {reason}; try again with "
            f"a connection, after which the cache has it"
        ) from None
