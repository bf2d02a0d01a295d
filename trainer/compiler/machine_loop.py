"""Many steps in one run of the machine: the batches' rows are gathered, and θ is carried over, inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.compiler import _machine as m
from trainer.compiler.lowering import lower_copy
from trainer.compiler.native_executor import NativeExecutor
from trainer.compiler.step import record_step
from trainer.engine.tree import flatten

if TYPE_CHECKING:
    from trainer.train import Training

__all__ = ["MachineLoop"]

Array = np.ndarray[Any, Any]


class MachineLoop:
    """The steps of a Training on batches of one size.

    In every iteration the row numbers, ε and τ stream in; the rows are gathered; the step's program runs; where its
    loss and gradient are finite the loss streams out and θ and the state take their new values.
    """

    LONGEST = 256  # iterations of one run

    def __init__(self, training: Training, rows: int) -> None:
        self.training = training
        self.executor = NativeExecutor(record_step(training, rows))
        state, self._rebuild = flatten(training.state)
        inputs, outputs = self.executor.inputs, self.executor.outputs
        self.theta, *self.state = inputs[: 1 + len(state)]
        x, y, step_size, counter = inputs[1 + len(state) :]
        loss, total, theta_after, *state_after = outputs
        self.rows = np.zeros((self.LONGEST, rows), np.int64)
        self.step_sizes = np.zeros(self.LONGEST, step_size.dtype)
        self.counters = np.zeros(self.LONGEST, counter.dtype)
        self.losses = np.zeros(self.LONGEST, np.asarray(loss).dtype)
        here = np.zeros(rows, np.int64)
        self.machine = m.Machine(
            [
                (m.STREAM, self.rows, (here, self.rows[0]), 1),
                (m.STREAM, self.step_sizes, (step_size, self.step_sizes[0, ...]), 1),
                (m.STREAM, self.counters, (counter, self.counters[0, ...]), 1),
                _gather(x, training.data.train_inputs, here),
                _gather(y, training.data.train_targets, here),
                *self.executor.table,
                (m.CHECK, None, (loss,)),
                (m.CHECK, None, (total,)),
                (m.STREAM, self.losses, (self.losses[0, ...], loss), 0),
                *_carry([self.theta, *self.state], [np.asarray(v) for v in (theta_after, *state_after)]),
            ]
        )

    def run(self, batches: Array, step_sizes: Sequence[float], first: int) -> list[float]:
        """As `Runner.run`; `first` is the step counter of the first step."""
        training, count = self.training, len(batches)
        self.rows[:count] = batches
        self.step_sizes[:count] = step_sizes
        self.counters[:count] = range(first, first + count)
        self.theta[...] = training.theta
        for place, value in zip(self.state, flatten(training.state)[0], strict=True):
            place[...] = value
        done = self.machine.run(0, count)
        training.theta = self.theta.copy()
        training.state = self._rebuild([place.copy() for place in self.state])
        return [float(loss) for loss in self.losses[:done]]


def _carry(places: list[Array], values: list[Array]) -> list[tuple[Any, ...]]:
    """The instructions that give every place its new value at once: a value that lies in another place, such as a state
    that is the θ of the step before, is set aside first."""
    aside, copies = [], []
    for i, (place, value) in enumerate(zip(places, values, strict=True)):
        moved = np.may_share_memory(value, place) and value.strides != place.strides  # a state turned around, say
        if moved or any(np.may_share_memory(value, other) for k, other in enumerate(places) if k != i):
            kept = np.empty(place.shape, place.dtype)
            aside.append(lower_copy(kept, value))
            value = kept
        copies.append(lower_copy(place, value))
    return aside + copies


def _gather(target: Array, source: Array, rows: Array) -> tuple[Any, ...]:
    """The instruction that picks rows; a row is one element, however many numbers it has."""
    places, whole = _as_rows(target), _as_rows(np.ascontiguousarray(source))
    return m.GATHER, whole, (places, rows, np.broadcast_to(whole[:1], places.shape)), 0


def _as_rows(array: Array) -> Array:
    size = array.dtype.itemsize * int(np.prod(array.shape[1:]))
    return array.reshape(len(array), -1).view(np.dtype((np.void, size)))[:, 0]
