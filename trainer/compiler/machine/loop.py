"""Many steps in one run of the machine: rows are gathered, and what is carried takes its new values, inside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from trainer.compiler.loop import Measured, StepLoop
from trainer.compiler.machine import _machine as m
from trainer.compiler.machine.executor import NativeExecutor
from trainer.compiler.machine.instructions import (
    MachineInstruction,
    check,
    copy,
    gather,
    loop,
    matmul,
    stream_in,
    stream_out,
)
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
        head = [
            stream_in(here, self.rows),
            *(stream_in(place, stream) for place, stream in zip(self.scalars, self.streams, strict=True)),
            *(_gather(x, source, here) for x, source in zip(self.batch, sources, strict=True)),
            *before,
            check(self.loss),
            check(self.g),
            stream_out(self.losses, self.loss),
        ]
        self.tail = [*after, *(copy(place, value) for place, value in self.moves)]
        self.table = head + self.tail
        self.machine, self._head = m.Machine(self.table), head

    @cached_property
    def measuring(self) -> m.Machine:
        """The same steps, with the squares of each: what `trainer.compiler.loop.squares` computes."""
        place = self.places[0]
        before, products = np.empty_like(place), np.zeros((3, 1, 1), place.dtype)
        self.squares = np.zeros((self.LONGEST, 3), place.dtype)
        measure = [loop(np.subtract, place, before, before)]
        for i, vector in enumerate((self.g, before, place)):
            measure += [
                matmul(vector[None, :], vector[:, None], products[i]),
                stream_out(self.squares[:, i], products[i, 0, 0:1].reshape(())),
            ]
        return m.Machine([*self._head, copy(before, place), *self.tail, *measure])

    def _steps(
        self, batches: Array, scalars: Sequence[Sequence[float] | Array], measured: Measured | None
    ) -> list[float]:
        losses: list[float] = []
        for start in range(0, len(batches), self.LONGEST):
            piece = slice(start, start + self.LONGEST)
            count = len(batches[piece])
            self.rows[:count] = batches[piece]
            for stream, numbers in zip(self.streams, scalars, strict=True):
                stream[:count] = numbers[piece]
            done = self.machine.run(0, count) if measured is None else self._measured(count, measured, start)
            losses += self.losses[:done].tolist()
            if done < count:
                break
        return losses

    def _measured(self, count: int, measured: Measured, start: int) -> int:
        """Run so many steps, those that are wanted with their squares; returns how many were taken."""
        machine, wanted, done = self.measuring, measured.wanted[start : start + count], 0
        while done < count:
            others = np.flatnonzero(wanted[done:] != wanted[done])
            end = done + int(others[0]) if len(others) else count
            taken = (machine if wanted[done] else self.machine).run(done, end)
            done += taken
            if done < end:
                break
        measured.squares[start : start + done] = self.squares[:done]
        return done


def _gather(target: Array, source: Array, rows: Array) -> MachineInstruction:
    """The instruction that picks rows; a row is one element, however many numbers it has."""
    places, whole = _as_rows(target), _as_rows(np.ascontiguousarray(source))
    return gather(places, whole, rows, np.broadcast_to(whole[:1], places.shape), axis=0)


def _as_rows(array: Array) -> Array:
    size = array.dtype.itemsize * int(np.prod(array.shape[1:]))
    return array.reshape(len(array), -1).view(np.dtype((np.void, size)))[:, 0]
