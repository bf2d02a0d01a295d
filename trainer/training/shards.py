"""A batch in shards: its gradient as one sum of parts, the same bits whoever computes them.

With `shards` K a batch of m rows is cut into K pieces of consecutive rows, the first ones a row longer where K does not
divide m; fewer pieces where there are fewer rows. The gradient of (1) is then

    g = Σ (m_j / m) · g_j

and the loss likewise. g_j is computed from the rows of shard j alone, with draws of its own, and the sum is a balanced
binary tree over j. Both are part of what is computed, as `batch_size` is. Who computes is not: one process takes the
shards one after another, several ranks a run of neighbours each, and hand partial sums up the same tree. Rank 0 alone
has an optimizer and takes the step; the others are sent θ, so that they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from trainer.compiler.executors import Backend, best_backend
from trainer.compiler.loop import Measured, moves, squares
from trainer.engine.memory import aligned
from trainer.engine.tree import flatten
from trainer.optimizers import State
from trainer.training.objective import Objective
from trainer.training.step import Carried, MemoryUse, StepFunction, gathered, record_gradient, record_update
from trainer.types import Array

__all__ = ["Ranks", "ShardGradient", "Sharded", "Turn", "turns"]


class Turn(NamedTuple):
    """What a rank does next for a sum.

    Attributes:
        act: "compute" a shard into a slot; "add" the next slot to a slot; "send" a slot to a rank; "receive" one.
        slot: of the partial sums that the rank holds.
        other: which shard, or which rank.
    """

    act: Literal["compute", "add", "send", "receive"]
    slot: int
    other: int = 0


@cache
def turns(shards: int, ranks: int = 1, rank: int = 0) -> tuple[Turn, ...]:
    """What one of so many ranks does for the sum of all shards, which ends in slot 0 of rank 0.

    A sum of the shards lo, …, hi − 1 is that of their first half plus that of their second, in whichever rank holds the
    first shard of each half. All ranks go through the tree in one order, so that nobody waits for who waits for him.

    >>> [f"{act} {other}" for act, slot, other in turns(4, ranks=2, rank=1)]
    ['compute 2', 'compute 3', 'add 0', 'send 0']
    """

    def owner(shard: int) -> int:
        return shard * ranks // shards

    def within(low: int, high: int, slot: int) -> Iterator[Turn]:
        if high - low == 1:
            if owner(low) == rank:
                yield Turn("compute", slot, low)
            return
        middle = (low + high) // 2
        first, second = owner(low), owner(middle)
        beside = slot + (first == rank)  # the first half's sum stays where it is until the second's is there
        yield from within(low, middle, slot)
        yield from within(middle, high, beside)
        if rank == first:
            if rank != second:
                yield Turn("receive", beside, second)
            yield Turn("add", slot)
        elif rank == second:
            yield Turn("send", beside, first)

    return tuple(within(0, shards, 0))


class Ranks(Protocol):
    """Processes that compute shards together; see `trainer.training.ranks`.

    Attributes:
        rank: which of them this is; 0 trains.
        size: how many there are.
        busy: whether others compute, or wait for one another, for a sum that is not done.
    """

    rank: int
    size: int
    busy: bool

    def order(self, *numbers: int) -> None:
        """Rank 0 tells the others what is next; see `ordered`."""

    def ordered(self) -> list[int]:
        """Wait for what rank 0 orders: four whole numbers."""

    def spread(self, array: Array) -> None:
        """Rank 0's values of an array to all others'."""

    def send(self, array: Array, rank: int) -> None: ...

    def receive(self, array: Array, rank: int) -> None: ...


_END, _BEGIN, _STEP = range(3)  # what rank 0 orders


@dataclass(eq=False)
class ShardGradient:
    """(θ, layers' state, rows, τ) ↦ g and the loss of the batch of these rows, one vector with the loss at its end.

    Args:
        objective: what a shard minimises.
        sources: what a batch is gathered from.
        shards: K.
        backend: runs the program of a shard; without one the tape does.
        memory: of that program.
        ranks: who computes along; nobody by default.
    """

    objective: Objective
    sources: Sequence[Array]
    shards: int
    backend: Backend | None = None
    memory: MemoryUse = "balanced"
    ranks: Ranks | None = None
    _programs: dict[tuple[int, int], Callable[..., tuple[Any, Any]]] = field(default_factory=dict, repr=False)
    _slots: list[Array] = field(default_factory=list, repr=False)

    def __call__(self, theta: Array, layers: dict[str, Array], rows: Array, step: int) -> Array:
        ranks = self.ranks
        if ranks is None:
            return self._sum(theta, layers, rows, step)
        ranks.busy = True
        ranks.order(_STEP, len(rows), step)
        ranks.spread(np.ascontiguousarray(rows))
        ranks.spread(np.ascontiguousarray(theta))
        total = self._sum(theta, layers, rows, step)
        ranks.busy = False
        return total

    def begin(self, ranks: Ranks, layers: dict[str, Array]) -> None:
        """As rank 0: from now on the others compute along, with what stands beside θ as it is here."""
        self.ranks = ranks
        ranks.order(_BEGIN)
        for name in sorted(layers):
            ranks.spread(layers[name])

    def end(self) -> None:
        """As rank 0: the others are done with this training."""
        assert self.ranks is not None
        self.ranks.order(_END)
        self.ranks = None

    def follow(self, ranks: Ranks, theta: Array, layers: dict[str, Array], batch_size: int) -> None:
        """As another rank: compute shards until rank 0 says that it is over. θ and the layers' state are those of any
        training of these settings, and take the values that are sent."""
        self.ranks = ranks
        theta, rows = theta.copy(), np.zeros(batch_size, np.int64)
        layers = {name: layers[name].copy() for name in sorted(layers)}
        while (ordered := ranks.ordered())[0] != _END:
            if ordered[0] == _BEGIN:
                for array in layers.values():
                    ranks.spread(array)
                continue
            own = rows[: ordered[1]]
            ranks.spread(own)
            ranks.spread(theta)
            with np.errstate(all="ignore"):
                self._sum(theta, layers, own, ordered[2])

    def _sum(self, theta: Array, layers: dict[str, Array], rows: Array, step: int) -> Array:
        """This rank's part of the sum; at rank 0 the whole."""
        pieces = np.array_split(rows, min(self.shards, len(rows)))
        ranks = self.ranks
        whose = (1, 0) if ranks is None else (ranks.size, ranks.rank)
        for act, slot, other in turns(len(pieces), *whose):
            if slot == len(self._slots):
                self._slots.append(aligned((len(theta) + 1) * theta.itemsize).view(theta.dtype))
            held = self._slots[slot]
            if act == "compute":
                number = np.int64(step * self.shards + other)  # what layers draw is another in each shard
                held[-1], held[:-1] = self._of(theta, layers, pieces[other], len(rows), number)
            elif act == "add":
                held += self._slots[slot + 1]
            elif ranks is not None:
                (ranks.send if act == "send" else ranks.receive)(held, other)
        return self._slots[0] if self._slots else np.empty(0, theta.dtype)

    def _of(self, theta: Array, layers: dict[str, Array], rows: Array, batch: int, number: np.int64) -> tuple[Any, Any]:
        """A shard's share of the loss and of the gradient of a batch of so many rows."""
        known = self._programs.get((len(rows), batch))
        if known is None:
            objective = replace(self.objective, share=len(rows) / batch)
            known = (
                _Tape(objective, self.sources)
                if self.backend is None
                else _Program(objective, self.sources, self.backend, theta, layers, len(rows), self.memory)
            )
            self._programs[len(rows), batch] = known
        return known(theta, layers, rows, number)


@dataclass(frozen=True)
class _Tape:
    """The gradient of a shard, recorded anew and swept."""

    objective: Objective
    sources: Sequence[Array]

    def __call__(self, theta: Array, layers: dict[str, Array], rows: Array, number: np.int64) -> tuple[Any, Any]:
        loss, g, _ = self.objective.gradient(theta, gathered(self.sources, rows), layers, number)
        return loss, g


class _Program:
    """The gradient of a shard of so many rows as a program."""

    def __init__(
        self, objective: Objective, sources: Sequence[Array], backend: Backend, theta: Array, layers: dict[str, Array],
        rows: int, memory: MemoryUse,
    ) -> None:  # fmt: skip
        self.executor = backend.executor(record_gradient(objective, theta, layers, sources, rows, memory))
        self.sources = sources

    def __call__(self, theta: Array, layers: dict[str, Array], rows: Array, number: np.int64) -> tuple[Any, Any]:
        executor = self.executor
        given = [theta, *(layers[name] for name in sorted(layers)), *(array[rows] for array in self.sources), number]
        for place, value in zip(executor.inputs, given, strict=True):
            place[...] = value
        executor.compute()
        loss, g = executor.outputs
        return loss, g


class Sharded:
    """A runner (see `trainer.training.runners`) whose gradient is a sum of shards.

    Args:
        step: what a step computes.
        sources: what a batch is gathered from, row by row.
        shards: into how many pieces.
        backend: of the programs; without one the tape runs them.
        memory: of the program of a shard.
    """

    def __init__(
        self,
        step: StepFunction,
        sources: Sequence[Array],
        shards: int,
        backend: Backend | None,
        memory: MemoryUse = "balanced",
    ) -> None:
        self.optimizer = step.optimizer
        self.gradient = ShardGradient(step.objective, sources, shards, backend, memory)
        self.name = "eager" if backend is None else backend.name
        self.backend, self.runs_ahead = backend or best_backend(), backend is not None
        self.lends, self.whole = False, True
        self._update: _Update | None = None

    def run(
        self,
        theta: Array,
        carried: Carried,
        batches: Array,
        step_sizes: Sequence[float],
        first: int,
        measured: Measured | None = None,
    ) -> tuple[Array, Carried, list[float]]:
        state, layers = carried
        if self._update is None:
            called = self.name == "eager"
            self._update = _Called(self.optimizer) if called else _Recorded(self.optimizer, self.backend, theta, state)
        update, scalar = self._update, theta.dtype.type
        update.begin(theta, state)
        losses: list[float] = []
        for number, (rows, step_size) in enumerate(zip(batches, step_sizes, strict=True), first):
            total = self.gradient(update.theta, layers, rows, number)
            if not np.isfinite(total).all():
                break
            g = total[:-1]
            before = update.theta.copy() if measured is not None and measured.wanted[number - first] else None
            update.step(g, scalar(step_size), scalar(number))
            if measured is not None and before is not None:
                measured.squares[number - first] = squares(g, before, update.theta)
            losses.append(float(total[-1]))
        theta, state = update.reached()
        return theta, (state, layers), losses

    def let_go(self) -> None:
        self._update = None


class _Update(Protocol):
    """What the optimizer makes of θ and its state, step after step."""

    theta: Array

    def begin(self, theta: Array, state: State) -> None: ...

    def step(self, g: Array, step_size: Any, counter: Any) -> None: ...

    def reached(self) -> tuple[Array, State]: ...


class _Called:
    """The optimizer itself."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer

    def begin(self, theta: Array, state: State) -> None:
        self.theta, self.state = theta, state

    def step(self, g: Array, step_size: Any, counter: Any) -> None:
        # A copy, which the state may keep: the next sum is written where this one lies.
        self.theta, self.state = self.optimizer.update(g.copy(), self.state, self.theta, step_size, counter)

    def reached(self) -> tuple[Array, State]:
        return self.theta, self.state


class _Recorded:
    """The optimizer's update as a program, whose inputs hold θ and the state from step to step."""

    def __init__(self, optimizer: Any, backend: Backend, theta: Array, state: State) -> None:
        program = record_update(optimizer, theta, state)
        values, self._rebuild = flatten((theta, state))
        self.executor = backend.executor(program, len(values))
        self.places, self.given = self.executor.inputs[: len(values)], self.executor.inputs[len(values) :]
        self.moves = moves(self.places, [np.asarray(output) for output in self.executor.outputs])
        self.theta = self.places[0]

    def begin(self, theta: Array, state: State) -> None:
        for place, value in zip(self.places, flatten((theta, state))[0], strict=True):
            place[...] = value

    def step(self, g: Array, step_size: Any, counter: Any) -> None:
        for place, value in zip(self.given, (g, step_size, counter), strict=True):
            place[...] = value
        self.executor.compute()
        self.executor.commit()
        for place, value in self.moves:
            np.copyto(place, value)

    def reached(self) -> tuple[Array, State]:
        theta, state = self._rebuild([place.copy() for place in self.places])
        return theta, state
