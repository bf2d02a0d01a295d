"""Who runs the steps of a Training: the tape, or a back end of the step's program.

A runner takes a few batches at a time, moves θ and the optimizer's state, and gives the losses. It stops before a step
whose loss or gradient is not finite, and leaves θ as it was before that step. All runners give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from trainer.compiler.executors import Backend, best_backend, named
from trainer.errors import UsageError
from trainer.types import Array

if TYPE_CHECKING:
    from trainer.compiler.loop import StepLoop
    from trainer.training.loop import Training

__all__ = ["Eager", "Recorded", "Runner", "runner"]


class Runner(Protocol):
    """What the loop asks of a runner."""

    name: str
    backend: Backend  # of its program, or of the one that would be the quickest
    runs_ahead: bool  # whether many batches at once cost less than one at a time

    def run(self, batches: Array, step_sizes: Sequence[float]) -> list[float]:
        """Take a step per row of `batches` (k, m), which holds row numbers; the losses of the steps that were taken."""


class Eager:
    """Every step recorded anew and swept."""

    name = "eager"
    runs_ahead = False

    def __init__(self, training: Training) -> None:
        self.training, self.backend = training, best_backend()

    def run(self, batches: Array, step_sizes: Sequence[float]) -> list[float]:
        training, losses = self.training, []
        scalar = training.theta.dtype.type  # ε and τ in θ's dtype, as a program gets them
        for i, (rows, step_size) in enumerate(zip(batches, step_sizes, strict=True)):
            batch = [array[rows] for array in training.data.batch_arrays]
            number = training.step + i
            loss, g, kept = training.objective.gradient(training.theta, batch, training.kept, np.int64(number))
            if not math.isfinite(loss) or not np.isfinite(g).all():
                break
            training.kept = kept
            training.theta, training.state = training.optimizer.update(
                g, training.state, training.theta, scalar(step_size), scalar(number)
            )
            losses.append(float(loss))
        return losses


class Recorded:
    """The step as a program, run by a back end."""

    runs_ahead = True

    def __init__(self, training: Training, backend: Backend) -> None:
        self.training, self.backend, self.name = training, backend, backend.name
        self.loops: dict[int, StepLoop] = {}

    def run(self, batches: Array, step_sizes: Sequence[float]) -> list[float]:
        rows = batches.shape[1]
        if rows not in self.loops:
            self.loops[rows] = self.backend.loop()(self.training, rows)
        return self.loops[rows].run(batches, step_sizes, self.training.step)


def runner(training: Training, executor: str | Backend) -> Runner:
    """The runner of that name, or of a back end; "auto" is the quickest that there is.

    Raises UsageError for a back end that cannot be used here.
    """
    if executor == "eager":
        return Eager(training)
    backend = best_backend() if executor == "auto" else named(executor) if isinstance(executor, str) else executor
    missing = backend.missing()
    if missing:
        raise UsageError(f"{missing}, or take compute.executor=numpy, which gives the same results")
    return Recorded(training, backend)
