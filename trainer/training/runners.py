"""Who runs the steps of a Training: the tape, or a back end of the step's program.

A runner is given θ and what is carried, takes a few steps, and gives them back with the losses. It stops before a step
whose loss or gradient is not finite, and gives back θ as it was before that step. All runners give the same bits. One
that `lends` gives arrays that its next steps write over, so that θ is in memory once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from trainer.compiler.executors import Backend, best_backend, named
from trainer.engine.tree import flatten, leaves, tree_map
from trainer.errors import Hint, UsageError
from trainer.training.shards import Sharded
from trainer.training.step import Carried, MemoryUse, StepFunction, gathered, record_step
from trainer.types import Array

if TYPE_CHECKING:
    from trainer.compiler.loop import Measured, StepLoop
    from trainer.compiler.program import Program

__all__ = ["Eager", "Recorded", "Runner", "runner"]


class Runner(Protocol):
    """What the loop asks of a runner."""

    name: str
    backend: Backend  # of its program, or of the one that would be the quickest
    runs_ahead: bool  # whether many batches at once cost less than one at a time
    lends: bool  # whether what it gives back lies where its next steps leave their own
    whole: bool  # whether its last run came to its end; else what it has lent is of no step

    def run(
        self,
        theta: Array,
        carried: Carried,
        batches: Array,
        step_sizes: Sequence[float],
        first: int,
        measured: Measured | None = None,
    ) -> tuple[Array, Carried, list[float]]:
        """Take a step per row of `batches` (k, m), which holds row numbers.

        Args:
            step_sizes: ε of each step.
            first: τ of the first.
            measured: which steps are measured, and where the numbers go.

        Returns:
            θ and what is carried after the steps that were taken, and their losses.
        """

    def let_go(self) -> None:
        """Give up what is there for steps alone; what it has lent is now for keeps."""


class Eager:
    """Every step recorded anew and swept.

    Args:
        step: what a step computes.
        sources: what a batch is gathered from, row by row.
    """

    name = "eager"
    runs_ahead = lends = False
    whole = True

    def __init__(self, step: StepFunction, sources: Sequence[Array]) -> None:
        self.step, self.sources, self.backend = step, sources, best_backend()

    def run(
        self,
        theta: Array,
        carried: Carried,
        batches: Array,
        step_sizes: Sequence[float],
        first: int,
        measured: Measured | None = None,
    ) -> tuple[Array, Carried, list[float]]:
        losses = []
        scalar = theta.dtype.type  # ε and τ in θ's dtype, as a program gets them
        for number, (rows, step_size) in enumerate(zip(batches, step_sizes, strict=True), first):
            batch = gathered(self.sources, rows)
            loss, g, *after = self.step(theta, carried, batch, scalar(step_size), scalar(number), np.int64(number))
            if not math.isfinite(loss) or not np.isfinite(g).all():
                break
            if measured is not None and measured.wanted[number - first]:
                from trainer.compiler.loop import squares  # with the programs' own products

                measured.squares[number - first] = squares(np.asarray(g), theta.copy(), after[0])
            theta, carried = after
            losses.append(float(loss))
        return theta, carried, losses

    def let_go(self) -> None:
        pass


class Recorded:
    """The step as a program, run by a back end."""

    runs_ahead = lends = True
    whole = True

    def __init__(
        self, step: StepFunction, sources: Sequence[Array], backend: Backend, memory: MemoryUse = "balanced"
    ) -> None:
        self.step, self.sources, self.backend, self.name = step, sources, backend, backend.name
        self.memory = memory
        self.loops: dict[int, StepLoop] = {}
        self._programs: dict[int, Program] = {}

    def run(
        self,
        theta: Array,
        carried: Carried,
        batches: Array,
        step_sizes: Sequence[float],
        first: int,
        measured: Measured | None = None,
    ) -> tuple[Array, Carried, list[float]]:
        count, rows = batches.shape
        if rows not in self.loops:
            # A program is tried where its values lie, and those of the others may lie there now.
            theta, carried = tree_map(np.array, (theta, carried))
            self.record(theta, carried, [rows])
            self.build()
        values, rebuild = flatten((theta, carried))
        numbers = np.arange(first, first + count)
        self.whole = False
        values, losses = self.loops[rows].run(values, batches, (step_sizes, numbers, numbers), measured)
        self.whole = True
        theta, carried = rebuild(values)
        return theta, carried, losses

    def record(self, theta: Array, carried: Carried, sizes: Iterable[int]) -> None:
        """Record the programs of steps on batches of these sizes, where they are not there yet."""
        self._count = 1 + len(list(leaves(carried)))
        for rows in sizes:
            if rows not in self.loops:
                self._programs[rows] = record_step(self.step, theta, carried, self.sources, rows, self.memory)

    def build(self) -> None:
        """Have the programs that were recorded ready to run. They are tried on any numbers, where nothing lies yet."""
        for rows, program in self._programs.items():
            beside = next(iter(self.loops.values()), None)
            self.loops[rows] = self.backend.loop(program, self._count, self.sources, beside)
        self._programs.clear()

    def settled(self, theta: Array, carried: Carried) -> tuple[Array, Carried]:
        """The same, lent, where steps find and leave it."""
        values, rebuild = flatten((theta, carried))
        theta, carried = rebuild(next(iter(self.loops.values())).settled(values))
        return theta, carried

    def let_go(self) -> None:
        self.loops = {}


def runner(
    executor: str | Backend,
    step: StepFunction,
    sources: Sequence[Array],
    shards: int | None = None,
    memory: MemoryUse = "balanced",
) -> Runner:
    """The runner of that name, or of a back end; "auto" is the quickest that there is. With `shards`, the one whose
    gradient is a sum of so many. Its programs take so much memory.

    Raises UsageError for a back end that cannot be used here.
    """
    backend = None if executor == "eager" else _backend(executor)
    if shards is not None:
        return Sharded(step, sources, shards, backend, memory)
    return Eager(step, sources) if backend is None else Recorded(step, sources, backend, memory)


def _backend(executor: str | Backend) -> Backend:
    backend = best_backend() if executor == "auto" else named(executor) if isinstance(executor, str) else executor
    missing = backend.missing()
    if missing:
        raise UsageError(missing, hints=[Hint("executor", "numpy", "NumPy's calls, which give the same results")])
    return backend
