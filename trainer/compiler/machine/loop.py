"""Many steps in one run of the machine: rows are gathered, and what is carried takes its new values, inside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer.compiler.loop import StepLoop
from trainer.compiler.machine import _machine as m
from trainer.compiler.machine.executor import NativeExecutor
from trainer.compiler.machine.instructions import MachineInstruction, check, copy, gather, stream_in, stream_out
from trainer.types import Array

__all__ = ["MachineLoop"]


class MachineLoop(StepLoop):
    """The steps of a program on batches of one size, on the machine.

    In every iteration the row numbers and the scalars stream in; the rows are gathered; the program runs as far as loss
    and gradient; where they are finite the loss streams out and what is carried takes its new values.
    """

    LONGEST = 256  # iterations of one run

    def __init__(self, executor: NativeExecutor, sources: Sequence[Array]) -> None:
        super().__init__(executor, sources)
        size = len(self.batch[0])
        here = np.zeros(size, np.int64)
        self.rows = np.zeros((self.LONGEST, size), np.int64)
        self.losses = np.zeros(self.LONGEST, self.loss.dtype)
        self.streams = [np.zeros(self.LONGEST, place.dtype) for place in self.scalars]
        before, after = executor.tables()
        self.table = [
            stream_in(here, self.rows),
            *(stream_in(place, stream) for place, stream in zip(self.scalars, self.streams, strict=True)),
            *(_gather(x, source, here) for x, source in zip(self.batch, sources, strict=True)),
            *before,
            check(self.loss),
            check(self.g),
            stream_out(self.losses, self.loss),
            *after,
            *(copy(place, value) for place, value in self.moves),
        ]
        self.machine = m.Machine(self.table)

    def _steps(self, batches: Array, scalars: Sequence[Sequence[float] | Array]) -> list[float]:
        losses: list[float] = []
        for start in range(0, len(batches), self.LONGEST):
            piece = slice(start, start + self.LONGEST)
            count = len(batches[piece])
            self.rows[:count] = batches[piece]
            for stream, numbers in zip(self.streams, scalars, strict=True):
                stream[:count] = numbers[piece]
            done = self.machine.run(0, count)
            losses += self.losses[:done].tolist()
            if done < count:
                break
        return losses


def _gather(target: Array, source: Array, rows: Array) -> MachineInstruction:
    """The instruction that picks rows; a row is one element, however many numbers it has."""
    places, whole = _as_rows(target), _as_rows(np.ascontiguousarray(source))
    return gather(places, whole, rows, np.broadcast_to(whole[:1], places.shape), axis=0)


def _as_rows(array: Array) -> Array:
    size = array.dtype.itemsize * int(np.prod(array.shape[1:]))
    return array.reshape(len(array), -1).view(np.dtype((np.void, size)))[:, 0]
