"""What is measured of a training that went wrong: on a few rows, outside of its steps, moving nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from trainer.nn.calls import Masked, evaluate
from trainer.plugins.traits import CostTraits
from trainer.training import Training, TrainingState
from trainer.training.schedules import Seen
from trainer.types import Array

__all__ = ["Evidence", "LayerOutput", "Moved", "first_size", "rms"]

ROWS = 256
MULTIPLES = tuple(10.0**power for power in range(-8, 6))  # of the step size
BOUNDED = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "logistic": (0.0, 1.0), "erf": (-1.0, 1.0), "expit": (0.0, 1.0)}
EDGE = 0.01  # of its range, nearer to whose ends than which a unit is saturated


class LayerOutput(NamedTuple):
    """A layer's outputs on some rows: their size (rms), the share of units that are the same for every row (at zero,
    for relu), and the share of values at the ends of a bounded range."""

    size: float
    dead: float
    saturated: float


class Moved(NamedTuple):
    """The loss of a batch after one step of so many times the step size."""

    multiple: float
    loss: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """Numbers of a training at two states of it: where it began and where it stands.

    Each is computed when it is first asked for, in θ's dtype; so is the state, which `at` gives.
    """

    training: Training
    traits: CostTraits
    at: Callable[[], TrainingState]

    @cached_property
    def state(self) -> TrainingState:
        """Where the training is looked at."""
        return self.at()

    @cached_property
    def _batch(self) -> list[Array]:
        rows = self.training.data.train
        which = np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).round().astype(np.int64)
        return [array[which] for array in rows.arrays]

    @cached_property
    def constant(self) -> float:
        """The lowest mean cost of one prediction for all rows: what a network reaches that heeds no input; nan where
        predictions are no plain numbers."""
        targets = (self.training.data.unscaled or self.training.data).train.targets[
            :4096
        ]  # as those of the epochs' losses
        width = self.training.network.output_shape
        with np.errstate(all="ignore"):
            losses = [self.cost(guess, targets) for guess in _guesses(targets, width, self.traits)]
        return min((loss for loss in losses if math.isfinite(loss)), default=math.nan)

    def cost(self, guess: Array, targets: Array) -> float:
        """The mean cost of one prediction for all rows; nan where it takes none such."""
        predictions = np.broadcast_to(guess, (len(targets), *self.training.network.output_shape))
        try:
            return float(np.mean(self.training.cost(np.ascontiguousarray(predictions), targets)))
        except Exception:  # a stranger's cost that takes no such prediction: there is no such number, and none is told
            return math.nan

    @property
    def rows(self) -> int:
        """How many are looked at."""
        return len(self._batch[0])

    @cached_property
    def inputs(self) -> float:
        """The size (rms) of the inputs; 1 where they are no numbers."""
        x = self._batch[0]
        return rms(x) if x.dtype.kind == "f" else 1.0

    @cached_property
    def size(self) -> float:
        """The step size of the run, at its beginning or where a warm-up has led."""
        return first_size(self.training, self.state.schedule)

    @cached_property
    def outputs(self) -> list[LayerOutput]:
        """Of each layer."""
        network, x = self.training.network, self._batch[0]
        parameters = network.tree({**network.named(self.state.theta), **self.state.layer_state})
        found: list[LayerOutput] = []
        value: Any = x
        with np.errstate(all="ignore"):
            for name, layer, own in zip(network.names, network.layers, parameters, strict=True):
                value = evaluate(layer, own, value)
                found.append(_output(name, value.values if isinstance(value, Masked) else value))
        return found

    @cached_property
    def gradients(self) -> dict[str, float]:
        """The rms of the gradient of each parameter, by name."""
        with np.errstate(all="ignore"):
            g = self.gradient
            return {part.name: rms(g[part.slice]) for part in self.training.network.parts}

    @cached_property
    def gradient(self) -> Array:
        """g on the rows that are looked at."""
        state = self.state
        with np.errstate(all="ignore"):
            g: Array = self.training.objective.gradient(
                state.theta, self._batch, state.layer_state, np.int64(state.step)
            )[1]
        return g

    @cached_property
    def moved(self) -> list[Moved]:
        """The loss after one step of so many times the step size of the run's beginning; first, without any step."""
        return list(self._moved())

    def _moved(self) -> Iterator[Moved]:
        state, training = self.state, self.training
        scalar = state.theta.dtype.type
        with np.errstate(all="ignore"):
            yield Moved(0.0, self._loss(state.theta))
            for multiple in MULTIPLES:
                theta, _ = training.step_function.optimizer.update(
                    self.gradient, state.optimizer, state.theta, scalar(multiple * self.size), scalar(state.step)
                )
                yield Moved(multiple, self._loss(theta))

    def _loss(self, theta: Array) -> float:
        named = self.training.network.named(theta)
        loss, _ = self.training.objective.loss(named, self.state.layer_state, self._batch, np.int64(self.state.step))
        return float(loss)

    @cached_property
    def _sample(self) -> Array:
        """The numbers of up to a thousand training rows, some of every stretch of them."""
        rows = len(self.training.data.train)
        return np.linspace(0, rows - 1, min(1024, rows)).round().astype(np.int64)

    @property
    def classes(self) -> Array:
        """The classes of these rows."""
        return self.training.data.train.targets[self._sample]

    @property
    def predicted(self) -> Array:
        """The classes that are predicted for them."""
        with np.errstate(all="ignore"):
            outputs = self.training.network.predict(
                self.training.parameters, self.training.data.train.inputs[self._sample]
            )
        most: Array = outputs.argmax(axis=-1)
        return most


def _guesses(targets: Array, width: tuple[int, ...], traits: CostTraits) -> Iterator[Array]:
    """Predictions that heed no input."""
    if targets.dtype.kind == "i":
        shares = np.bincount(targets[targets >= 0], minlength=width[-1])[: width[-1]] / max((targets >= 0).sum(), 1)
        yield np.log(np.maximum(shares, 1e-6)).astype(np.float32)
        return
    if targets.shape[1:] != width:
        return
    mean = targets.mean(axis=0)
    if traits.link == "sigmoid":
        share = np.clip(mean, 1e-6, 1 - 1e-6)
        yield np.log(share / (1 - share))
    elif traits.link == "exp":
        yield np.log(np.maximum(mean, 1e-6))
    else:
        middle = np.sort(targets, axis=0)[len(targets) // 2]  # np.median would import numpy.ma
        yield from (mean, middle, np.sign(mean))


def rms(values: Array) -> float:
    """The root of the mean square; 0 of nothing."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def _output(name: str, value: Array) -> LayerOutput:
    if value.dtype.kind != "f":
        return LayerOutput(math.nan, 0.0, 0.0)
    units = value.reshape(len(value), -1)
    dead = float(np.mean((units == units[0]).all(axis=0)))
    saturated = 0.0
    if name in BOUNDED:
        low, high = BOUNDED[name]
        near = EDGE * (high - low)
        saturated = float(np.mean((units < low + near) | (units > high - near)))
    return LayerOutput(rms(units), dead, saturated)


def first_size(training: Training, seen: Seen | None = None) -> float:
    """The step size of a run, at its beginning or where a warm-up has led; `seen` is what its schedule remembers."""
    return max(training.schedule(step, seen or {}) for step in {0, training.steps // 3})
