"""Many steps of a program: the batches' rows go in, the losses come out, and what is carried over stays inside.

What a step computes is the program's affair. Here it is known only that its first outputs are a loss and a gradient,
that the others are the first inputs of the next step, and that the rest of its inputs are gathered by row, or are
scalars.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.compiler.executors import Executor
from trainer.types import Array

__all__ = ["Measured", "StepLoop", "moves", "squares"]


@dataclass(frozen=True)
class Measured:
    """What is measured of some of k steps.

    Attributes:
        wanted: of which, (k,) of bool.
        squares: takes of those g·g, u·u and v·v, (k, 3): of the gradient, and of v, the first that is carried, how much
            it moved and what it is after the step.
    """

    wanted: Array
    squares: Array


def squares(g: Array, before: Array, after: Array) -> tuple[Any, Any, Any]:
    """g·g, u·u and v·v of u = after − before, which is written to `before`, and v = after."""
    np.subtract(after, before, before)
    return np.matmul(g, g), np.matmul(before, before), np.matmul(after, after)


class StepLoop:
    """The steps of a program on batches of one size, one call of its executor after another.

    What is carried lies in the program's own inputs, where a step leaves its new values, and is lent to whoever asks.
    The loss and the gradient are known before anything is written there: a step that is not finite leaves them as they
    were.

    Args:
        executor: of a program of inputs (what is carried, a batch, scalars) and outputs (loss, gradient, what is
            carried), and of how many are carried.
        sources: for each array of a batch, what its rows are gathered from.
    """

    def __init__(self, executor: Executor, sources: Sequence[Array]) -> None:
        self.executor, self.sources = executor, sources
        inputs, outputs, carried = executor.inputs, executor.outputs, executor.carried
        batch = carried + len(sources)
        self.places, self.batch, self.scalars = inputs[:carried], inputs[carried:batch], inputs[batch:]
        self.loss, self.g, *after = map(np.asarray, outputs)  # one may be constant, and no array
        self.moves = moves(self.places, after)

    def run(
        self,
        values: Sequence[Array],
        batches: Array,
        scalars: Sequence[Sequence[float] | Array],
        measured: Measured | None = None,
    ) -> tuple[list[Array], list[float]]:
        """Take a step per row of `batches` (k, m), which holds row numbers of the sources.

        Args:
            values: what is carried to the first step; what the run before has lent lies there already.
            scalars: for each scalar input its value in each of the k steps.
            measured: which steps are measured, and where the numbers go.

        Returns:
            What is carried after the steps that were taken, lent until the next run, and their losses; fewer than k
            where one was not finite.
        """
        lent = self.settled(values)
        losses = self._steps(batches, scalars, measured)
        return lent, losses

    def settled(self, values: Sequence[Array]) -> list[Array]:
        """What is carried, put where steps find and leave it, and lent."""
        for place, value in zip(self.places, values, strict=True):
            if not _lies(value, place):
                place[...] = value
        return [_lent(place) for place in self.places]

    def _steps(
        self, batches: Array, scalars: Sequence[Sequence[float] | Array], measured: Measured | None
    ) -> list[float]:
        losses: list[float] = []
        for i, (rows, *numbers) in enumerate(zip(batches, *scalars, strict=True)):
            before = self.places[0].copy() if measured is not None and measured.wanted[i] else None
            for place, source in zip(self.batch, self.sources, strict=True):
                place[...] = source[rows]
            for place, number in zip(self.scalars, numbers, strict=True):
                place[...] = number
            self.executor.compute()
            if not math.isfinite(self.loss) or not np.isfinite(self.g).all():
                break
            self.executor.commit()
            for place, value in self.moves:
                np.copyto(place, value)
            if measured is not None and before is not None:
                measured.squares[i] = squares(self.g, before, self.places[0])
            losses.append(float(self.loss))
        return losses


def moves(places: list[Array], values: list[Array]) -> list[tuple[Array, Array]]:
    """The copies, target and source, that give every place its new value at once: a value that lies in another place,
    such as a state that is the θ of the step before, is set aside first. What lies in its place already needs none."""
    aside, copies = [], []
    for i, (place, value) in enumerate(zip(places, values, strict=True)):
        if _lies(value, place):
            continue
        turned = np.may_share_memory(value, place)  # a state turned around, say
        if turned or any(np.may_share_memory(value, other) for k, other in enumerate(places) if k != i):
            kept = np.empty(place.shape, place.dtype)
            aside.append((kept, value))
            value = kept
        copies.append((place, value))
    return aside + copies


def _lies(value: Array, place: Array) -> bool:
    """Whether a value lies in its place already."""
    return bool(value.ctypes.data == place.ctypes.data and value.strides == place.strides)


def _lent(place: Array) -> Array:
    """What lies in a place, for reading."""
    value = place.view()
    value.flags.writeable = False
    return value
