"""Who runs the steps of a Training: the tape, NumPy's calls, or the machine.

A runner takes a few batches at a time, moves θ and the optimizer's state, and gives the losses. It stops before a step
whose loss or gradient is not finite, and leaves θ as it was before that step. All runners give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from trainer.compiler.executors import ExecutorName, native_available
from trainer.errors import UsageError
from trainer.types import Array

if TYPE_CHECKING:
    from trainer.compiler.loop import StepLoop
    from trainer.training.loop import Training

__all__ = ["Eager", "Machine", "Recorded", "Runner", "runner"]


class Runner(Protocol):
    """What the loop asks of a runner."""

    name: str
    runs_ahead: bool  # whether many batches at once cost less than one at a time

    def run(self, batches: Array, step_sizes: Sequence[float]) -> list[float]:
        """Take a step per row of `batches` (k, m), which holds row numbers; the losses of the steps that were taken."""


class Eager:
    """Every step recorded anew and swept."""

    name = "eager"
    runs_ahead = False

    def __init__(self, training: Training) -> None:
        self.training = training

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
    """The step as a program, run with NumPy's calls."""

    name = "numpy"
    runs_ahead = True

    def __init__(self, training: Training) -> None:
        self.training = training
        self.loops: dict[int, StepLoop] = {}

    def run(self, batches: Array, step_sizes: Sequence[float]) -> list[float]:
        rows = batches.shape[1]
        if rows not in self.loops:
            self.loops[rows] = self._loop(rows)
        return self.loops[rows].run(batches, step_sizes, self.training.step)

    def _loop(self, rows: int) -> StepLoop:
        from trainer.compiler.loop import StepLoop

        return StepLoop(self.training, rows)


class Machine(Recorded):
    """The step as a program on the machine, with the loop over the batches inside it."""

    name = "native"

    def _loop(self, rows: int) -> StepLoop:
        from trainer.compiler.machine.loop import MachineLoop

        return MachineLoop(self.training, rows)


def runner(training: Training, name: ExecutorName) -> Runner:
    """The runner of that name; "auto" is the quickest that there is.

    Raises UsageError for "native" where the machine was not compiled.
    """
    if name == "eager":
        return Eager(training)
    if name == "numpy" or (name == "auto" and not native_available()):
        return Recorded(training)
    if not native_available():
        raise UsageError(
            "there is no native executor: no C compiler was found when this package was installed. "
            "Install one and then the package again, or take compute.executor=numpy, which gives the same results"
        )
    return Machine(training)
