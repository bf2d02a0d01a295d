"""The toy data sets that ship with the trainer: a plugin like any other.

The facts that a list of data sets shows are traits, so that listing them loads none. scikit-learn's `load_NAME`,
`make_NAME` and `fetch_NAME` are here as NAME, but for those that make no inputs with targets (covariance matrices,
biclusters, checkerboards), pictures of two scenes, sparse matrices of words that would not fit into memory, and photos
behind a download of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer import hookimpl
from trainer_datasets.bundled import breast_cancer, diabetes, digits, iris, linnerud, wine
from trainer_datasets.fetched import california_housing, covtype, kddcup99, olivetti_faces
from trainer_datasets.formulas import (
    friedman1,
    friedman2,
    friedman3,
    gaussian_quantiles,
    hastie_10_2,
    s_curve,
    sparse_uncorrelated,
    swiss_roll,
)
from trainer_datasets.from_openml import openml
from trainer_datasets.generated import blobs, circles, linear, moons, spirals
from trainer_datasets.sampled import classification, low_rank, multilabel_classification, regression
from trainer_datasets.sequences import adding, copying, parity, waves
from trainer_datasets.texts import grammar, grammar_entropy, sonnets

if TYPE_CHECKING:
    from trainer.plugins import Register

__all__ = [
    "adding",
    "blobs",
    "breast_cancer",
    "california_housing",
    "circles",
    "classification",
    "copying",
    "covtype",
    "diabetes",
    "digits",
    "friedman1",
    "friedman2",
    "friedman3",
    "gaussian_quantiles",
    "grammar",
    "grammar_entropy",
    "hastie_10_2",
    "iris",
    "kddcup99",
    "linear",
    "linnerud",
    "low_rank",
    "moons",
    "multilabel_classification",
    "olivetti_faces",
    "openml",
    "parity",
    "register_datasets",
    "regression",
    "s_curve",
    "sonnets",
    "sparse_uncorrelated",
    "spirals",
    "swiss_roll",
    "waves",
    "wine",
]


@hookimpl
def register_datasets(register: Register) -> None:
    """Register every data set; of those with options the traits are those of their default options."""
    _register_bundled_and_fetched(register)
    _register_drawn(register)
    _register_sequences(register)


def _register_bundled_and_fetched(register: Register) -> None:
    register(digits, rows=1797, features=64, task="classification", classes=10)
    register(iris, rows=150, features=4, task="classification", classes=3)
    register(wine, rows=178, features=13, task="classification", classes=3)
    register(breast_cancer, rows=569, features=30, task="classification", classes=2)
    register(diabetes, rows=442, features=10, task="regression")
    register(linnerud, rows=20, features=3, task="regression")
    register(california_housing, rows=20_640, features=8, task="regression")
    register(covtype, rows=581_012, features=54, task="classification", classes=7)
    register(olivetti_faces, rows=400, features=(64, 64, 1), task="classification", classes=40)
    register(kddcup99, rows=494_021, features=41, task="classification", classes=23)
    register(openml)


def _register_drawn(register: Register) -> None:
    register(moons, rows=1000, features=2, task="classification", classes=2)
    register(circles, rows=1000, features=2, task="classification", classes=2)
    register(blobs, rows=1000, features=2, task="classification", classes=3)
    register(spirals, rows=1000, features=2, task="classification", classes=2)
    register(gaussian_quantiles, rows=1000, features=2, task="classification", classes=3)
    register(hastie_10_2, rows=12_000, features=10, task="classification", classes=2)
    register(classification, rows=1000, features=20, task="classification", classes=2)
    register(linear, rows=1000, features=1, task="regression")
    register(friedman1, rows=1000, features=10, task="regression")
    register(friedman2, rows=1000, features=4, task="regression")
    register(friedman3, rows=1000, features=4, task="regression")
    register(sparse_uncorrelated, rows=1000, features=10, task="regression")
    register(s_curve, rows=1000, features=3, task="regression")
    register(swiss_roll, rows=1000, features=3, task="regression")
    register(regression, rows=1000, features=100, task="regression")
    register(low_rank, rows=1000, features=100, task="regression")
    register(multilabel_classification, rows=1000, features=20, task="regression", labels=5)


def _register_sequences(register: Register) -> None:
    register(adding, rows=5000, features=(50, 2), task="regression")
    register(parity, rows=2000, features=(16, 1), task="classification", classes=2)
    register(copying, rows=2000, features=20, task="classification", classes=9)
    register(waves, rows=2000, features=(50, 1), task="regression")
    register(sonnets, rows=287, features=64, task="classification", classes=59)
    register(grammar, features=64, task="classification", classes=22)
