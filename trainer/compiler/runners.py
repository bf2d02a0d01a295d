"""Who runs the steps of a Training: the tape, NumPy's calls, or the machine.

A runner takes a few batches at a time, moves θ and the optimizer's state, and gives the losses. It stops before a step
whose loss or gradient is not finite, and leaves θ as it was before that step. All runners give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.program import Program
from trainer.compiler.step import record_step
from trainer.engine.tree import flatten
from trainer.errors import UsageError

if TYPE_CHECKING:
    from trainer.train import Training

__all__ = ["Eager", "ExecutorName", "Machine", "Recorded", "Runner", "best_executor", "native_available", "runner"]

Array = np.ndarray[Any, Any]
ExecutorName = Literal["auto", "eager", "numpy", "native"]


class Runner(Protocol):
    """What the loop asks of a runner."""

    name: str

    def run(self, batches: Array, step_sizes: Sequence[float]) -> list[float]:
        """Take a step per row of `batches` (k, m), which holds row numbers; the losses of the steps that were taken."""


class Eager:
    """Every step recorded anew and swept."""

    name = "eager"

    def __init__(self, training: Training) -> None:
        self.training = training
        self.gradient = training.network.gradient(training.cost)

    def run(self, batches: Array, step_sizes: Sequence[float]) -> list[float]:
        training, losses = self.training, []
        scalar = training.theta.dtype.type  # ε and τ in θ's dtype, as a program gets them
        for i, (rows, step_size) in enumerate(zip(batches, step_sizes, strict=True)):
            data = training.data
            loss, g = self.gradient(training.theta, data.train_inputs[rows], data.train_targets[rows])
            if not math.isfinite(loss) or not math.isfinite(np.add.reduce(g)):
                break
            training.theta, training.state = training.optimizer.update(
                g, training.state, training.theta, scalar(step_size), scalar(training.step + i)
            )
            losses.append(loss)
        return losses


class Recorded:
    """The step as a program, run with NumPy's calls."""

    name = "numpy"

    def __init__(self, training: Training) -> None:
        self.training = training
        self.executors: dict[int, NumpyExecutor] = {}

    def run(self, batches: Array, step_sizes: Sequence[float]) -> list[float]:
        training, losses = self.training, []
        rows = batches.shape[1]
        if rows not in self.executors:
            self.executors[rows] = NumpyExecutor(record_step(training, rows))
        executor = self.executors[rows]
        for i, (batch, step_size) in enumerate(zip(batches, step_sizes, strict=True)):
            state, rebuild = flatten(training.state)
            x, y = training.data.train_inputs[batch], training.data.train_targets[batch]
            loss, total, theta, *after = executor.run([training.theta, *state, x, y, step_size, training.step + i])
            if not math.isfinite(loss) or not math.isfinite(total):
                break
            training.theta, training.state = theta, rebuild(after)
            losses.append(float(loss))
        return losses


class Machine:
    """The step as a program on the machine, with the loop over the batches inside it."""

    name = "native"

    def __init__(self, training: Training) -> None:
        self.training = training
        self.loops: dict[int, Any] = {}

    def run(self, batches: Array, step_sizes: Sequence[float]) -> list[float]:
        from trainer.compiler.machine_loop import MachineLoop

        rows = batches.shape[1]
        if rows not in self.loops:
            self.loops[rows] = MachineLoop(self.training, rows)
        losses: list[float] = []
        for start in range(0, len(batches), MachineLoop.LONGEST):
            piece = slice(start, start + MachineLoop.LONGEST)
            taken = self.loops[rows].run(batches[piece], step_sizes[piece], self.training.step + start)
            losses += taken
            if len(taken) < len(batches[piece]):
                break
        return losses


def native_available() -> bool:
    """Whether the machine was compiled when this package was installed."""
    return find_spec("trainer.compiler._machine") is not None


def best_executor(program: Program) -> NumpyExecutor:
    """The machine where it was compiled, else NumPy's calls, for this program."""
    if not native_available():
        return NumpyExecutor(program)
    from trainer.compiler.native_executor import NativeExecutor

    return NativeExecutor(program)


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
