"""A complete plugin: one each of all that a plugin can bring."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from trainer import hookimpl, op
from trainer.data import Dataset
from trainer.limits import Limits


@op
def bent_identity(x, *, bend: float = 1.0):
    """x + bend·(√(x² + 1) − 1) / 2: steeper to the right of 0 than to the left."""
    return x + bend * (np.sqrt(x**2 + 1) - 1) / 2


@bent_identity.vjp("x")
def _(dy, x, *, bend):
    return dy * (1 + bend * x / (2 * np.sqrt(x**2 + 1)))


@bent_identity.samples
def _(rng):
    yield rng.normal(size=(3, 4))
    yield rng.normal(size=5), {"bend": 0.5}


@dataclass(frozen=True)
class Gain:
    """Every feature times a learned factor."""

    start: float = 1.0

    def init(self, rng, input_shape):
        return {"gain": np.full(input_shape, self.start)}, input_shape

    def apply(self, parameters, x):
        return x * parameters["gain"]


def lopsided(predictions, targets, *, above: float = 1.0):
    """The squared error, times `above` where the prediction is too high."""
    error = predictions - targets
    return np.mean(error**2 * np.where(error > 0, above, 1.0), axis=1)


@dataclass(frozen=True)
class SignDescent:
    """θ ← θ − ε · sign(g)."""

    def init(self, theta):
        return {}

    def update(self, g, state, theta, step_size, step):
        return theta - step_size * np.sign(g), state


@dataclass(frozen=True)
class Harmonic:
    """start / (1 + τ/half)."""

    start: float
    half: Annotated[float, Limits(gt=0)] = 100.0

    def __call__(self, step):
        return self.start / (1 + step / self.half)


def share_within(predictions, targets, *, tolerance: float = 0.1):
    """The share of the predictions that are this near."""
    return float(np.mean(np.abs(predictions - targets) <= tolerance))


def parabola(*, rng, rows: int = 200):
    """y = x² on −1 to 1."""
    x = rng.uniform(-1, 1, (rows, 1))
    return Dataset("parabola", x, x**2, "regression")


@dataclass(frozen=True)
class Journal:
    """Writes a line per epoch, and ends the training at a low enough loss."""

    path: str
    enough: float = 0.0

    def __call__(self, record, training):
        if not hasattr(record, "train"):
            return None
        with Path(self.path).open("a", encoding="utf-8") as file:
            file.write(f"{record.epoch} {training.network.size}\n")
        return "good enough" if record.train["loss"] < self.enough else None


def count(config: str) -> None:
    """Say how many parameters a config's network has."""
    from trainer.config import load
    from trainer.experiment import build

    print(build(load(config)).network.size)  # noqa: T201  a command prints


@hookimpl
def register_ops(register):
    register(bent_identity)


@hookimpl
def register_layers(register):
    register(Gain)


@hookimpl
def register_costs(register):
    register(lopsided, targets="values", metrics=("share_within",))


@hookimpl
def register_optimizers(register):
    register(SignDescent)


@hookimpl
def register_schedules(register):
    register(Harmonic)


@hookimpl
def register_metrics(register):
    register(share_within, task="regression")


@hookimpl
def register_datasets(register):
    register(parabola, rows=200, features=1, task="regression")


@hookimpl
def register_callbacks(register):
    register(Journal)


@hookimpl
def register_commands(register):
    register(count)
