"""Many steps of a program: the batches' rows go in, the losses come out, and θ with what belongs to it stays inside."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainer.compiler.executors import Executor
from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.program import Program
from trainer.engine.tree import flatten
from trainer.training.step import record_step
from trainer.types import Array

if TYPE_CHECKING:
    from trainer.training.loop import Training

__all__ = ["StepLoop", "moves"]


class StepLoop:
    """The steps of a Training on batches of one size, with NumPy's calls.

    θ and what is carried from step to step lie in the program's own inputs, where a step leaves their new values. Its
    loss and gradient are known before anything is written there: a step that is not finite leaves them as they were.
    """

    make: Callable[[Program, int], Executor] = NumpyExecutor

    def __init__(self, training: Training, rows: int) -> None:
        self.training = training
        carried, self._rebuild = flatten(training.carried)
        self.executor = self.make(record_step(training, rows), 1 + len(carried))
        inputs, outputs = self.executor.inputs, self.executor.outputs
        self.places = inputs[: 1 + len(carried)]
        *self.batch, self.step_size, self.counter, self.number = inputs[1 + len(carried) :]
        self.loss, self.g, *after = map(np.asarray, outputs)  # one may be constant, and no array
        self.moves = moves(self.places, after)

    def run(self, batches: Array, step_sizes: Sequence[float], first: int) -> list[float]:
        """As `Runner.run`; `first` is the step counter of the first step."""
        training = self.training
        for place, value in zip(self.places, [training.theta, *flatten(training.carried)[0]], strict=True):
            place[...] = value
        losses = self._steps(batches, step_sizes, first)
        training.theta, *carried = [place.copy() for place in self.places]
        training.carried = self._rebuild(carried)
        return losses

    def _steps(self, batches: Array, step_sizes: Sequence[float], first: int) -> list[float]:
        losses: list[float] = []
        for number, (rows, step_size) in enumerate(zip(batches, step_sizes, strict=True), first):
            for place, source in zip(self.batch, self.training.data.batch_arrays, strict=True):
                place[...] = source[rows]
            self.step_size[...], self.counter[...], self.number[...] = step_size, number, number
            self.executor.compute()
            if not math.isfinite(self.loss) or not np.isfinite(self.g).all():
                break
            self.executor.commit()
            for place, value in self.moves:
                np.copyto(place, value)
            losses.append(float(self.loss))
        return losses


def moves(places: list[Array], values: list[Array]) -> list[tuple[Array, Array]]:
    """The copies, target and source, that give every place its new value at once: a value that lies in another place,
    such as a state that is the θ of the step before, is set aside first. What lies in its place already needs none."""
    aside, copies = [], []
    for i, (place, value) in enumerate(zip(places, values, strict=True)):
        if value.ctypes.data == place.ctypes.data and value.strides == place.strides:
            continue
        turned = np.may_share_memory(value, place)  # a state turned around, say
        if turned or any(np.may_share_memory(value, other) for k, other in enumerate(places) if k != i):
            kept = np.empty(place.shape, place.dtype)
            aside.append((kept, value))
            value = kept
        copies.append((place, value))
    return aside + copies
