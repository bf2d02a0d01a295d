"""A handful of components for the tests of configs, so that their messages do not change with what is shipped."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from trainer import hookimpl, op
from trainer.builtins import register_readers  # noqa: F401  a hook of this plugin too


class AtLeast:
    """A limit as a plugin writes it that does not want to import pydantic."""

    def __init__(self, ge):
        self.ge = ge


@op
def relu(x):
    """max(x, 0)."""
    return np.maximum(x, 0)


@op
def swish(x, *, beta=1.0):
    """x · σ(beta·x)."""
    return x / (1 + np.exp(-beta * x))


@op
def add(x1, x2):
    """x1 + x2."""
    return x1 + x2


@op
def concatenate(*arrays, axis=0):
    """Join arrays."""
    return np.concatenate(arrays, axis=axis)


@op
def power(x, *, exponent: float):
    """x to a power."""
    return x**exponent


@dataclass(frozen=True)
class Dense:
    """A weighted sum of all inputs."""

    units: Annotated[int, AtLeast(1)]
    bias: bool = True
    initial: Literal["glorot", "he"] = "glorot"

    def init(self, rng, input_shape):
        return {}, (self.units,)

    def apply(self, parameters, x):
        return x


@dataclass(frozen=True)
class Conv2D:
    """A convolution."""

    channels: Annotated[int, Field(gt=0)]
    kernel: tuple[int, int]
    dilation: Annotated[int, Field(ge=1, le=4)] | None = None

    def init(self, rng, input_shape):
        return {}, input_shape

    def apply(self, parameters, x):
        return x


@dataclass(frozen=True)
class Sgd:
    """Plain gradient descent."""

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def init(self, theta):
        return {}

    def update(self, g, state, theta, step_size, step):
        return theta - step_size * g, state


@dataclass(frozen=True)
class Adam:
    """Adaptive moments."""

    beta1: float = 0.9
    beta2: float = 0.999

    def init(self, theta):
        return {}

    def update(self, g, state, theta, step_size, step):
        return theta, state


@dataclass(frozen=True)
class Cosine:
    """Half a cosine."""

    steps: Annotated[int, Field(gt=0)]
    start: Annotated[float, Field(gt=0)] = 0.1

    def __call__(self, step):
        return self.start


def softmax_cross_entropy(predictions, targets):
    """−log of the probability of the right class."""


def huber(predictions, targets, *, delta: Annotated[float, Field(gt=0)] = 1.0):
    """Quadratic near 0."""


def accuracy(predictions, targets):
    """Share of the rows that are classified right."""


def iris():
    """Flowers."""


def moons(*, rows: Annotated[int, Field(ge=2)] = 1000, noise: float = 0.1, rng):
    """Two half circles."""


def numbered(which: int, *, version: int = 1):
    """A table of many."""


@hookimpl
def register_ops(register):
    for each in (relu, swish, add, concatenate, power):
        register(each)


@hookimpl
def register_layers(register):
    register(Dense)
    register(Conv2D)


@hookimpl
def register_optimizers(register):
    register(Sgd)
    register(Adam)


@hookimpl
def register_schedules(register):
    register(Cosine)


@hookimpl
def register_costs(register):
    register(softmax_cross_entropy, targets="classes", metrics=("accuracy",))
    register(huber, targets="values")


@hookimpl
def register_metrics(register):
    register(accuracy)


@hookimpl
def register_datasets(register):
    register(iris)
    register(moons)
    register(numbered)
