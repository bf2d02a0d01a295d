"""The toy data sets that ship with the trainer: a plugin like any other.

The facts that a list of data sets shows are traits, so that listing them loads none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer import hookimpl
from trainer_datasets.bundled import breast_cancer, diabetes, digits, iris, wine
from trainer_datasets.generated import blobs, circles, linear, moons, spirals

if TYPE_CHECKING:
    from trainer.plugins import Register

__all__ = [
    "blobs",
    "breast_cancer",
    "circles",
    "diabetes",
    "digits",
    "iris",
    "linear",
    "moons",
    "register_datasets",
    "spirals",
    "wine",
]


@hookimpl
def register_datasets(register: Register) -> None:
    """Register every data set; of the generated ones the traits are those of their default options."""
    register(digits, rows=1797, features=64, task="classification", classes=10)
    register(iris, rows=150, features=4, task="classification", classes=3)
    register(wine, rows=178, features=13, task="classification", classes=3)
    register(breast_cancer, rows=569, features=30, task="classification", classes=2)
    register(diabetes, rows=442, features=10, task="regression")
    register(moons, rows=1000, features=2, task="classification", classes=2)
    register(circles, rows=1000, features=2, task="classification", classes=2)
    register(blobs, rows=1000, features=2, task="classification", classes=3)
    register(spirals, rows=1000, features=2, task="classification", classes=2)
    register(linear, rows=1000, features=1, task="regression")
