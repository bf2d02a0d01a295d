"""Running a program on the machine: NumPy's inner loops, without the interpreter.

The buffers are the NumPy executor's. Every instruction that has been lowered runs once each way on random numbers
before it is trusted; where a single bit differs, or there is no lowering, the machine calls NumPy back for that
instruction. Of calls that are alike in everything but where their arrays begin, as in layers that repeat or when a
network is trained again, the first is tried for all of the process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from trainer.compiler import blas
from trainer.compiler.chain import chain_of
from trainer.compiler.functions import EXACT
from trainer.compiler.machine import _machine as m
from trainer.compiler.machine import instructions as make
from trainer.compiler.machine.instructions import MachineInstruction
from trainer.compiler.machine.lowering import lower, lower_own
from trainer.compiler.machine.turning import turned_once
from trainer.compiler.numpy_executor import Bound, NumpyExecutor
from trainer.compiler.program import Program
from trainer.engine.memory import forget
from trainer.engine.uncollected import uncollected
from trainer.types import Array

__all__ = ["NativeExecutor"]

MOST = 4096  # verdicts that are kept
NUMBERS = 8191  # different ones for comparisons
PIECES = 3  # in which an instruction is tried, too, as threads divide it
SLICES, ROWS = 1000, 7  # likewise, as it stands in a stretch; rows of a product, each of which has a matrix to pack
LARGE = 1 << 20  # bytes
_tried: dict[Hashable, str] = {}  # what differed, by all that decides it: BLAS's threads and the call


class NativeExecutor(NumpyExecutor):
    """Runs one program on the machine.

    Attributes:
        table: the machine's instructions.
    """

    name = "native"

    @uncollected()
    def __init__(self, program: Program, carried: int = 0, beside: NumpyExecutor | None = None) -> None:
        super().__init__(program, carried, beside)
        rng = np.random.default_rng(0)
        self._numbers = _of_every_kind(rng)
        self._threads = blas.threads()
        self._of = {bound: self._instructions(bound, rng) for bound in self.bound}
        del self._numbers
        while len(_tried) > MOST:
            del _tried[next(iter(_tried))]
        self._let_go()
        before, after = self.tables()
        self.table = before + after
        self._compute, self._commit = m.Machine(before), m.Machine(after) if after else None

    def tables(self) -> tuple[list[MachineInstruction], list[MachineInstruction]]:
        """The machine's instructions for `bound[:checked]`, and for the rest."""
        parts = self.bound[: self.checked], self.bound[self.checked :]
        before, after = (turned_once([i for bound in part for i in self._of[bound]]) for part in parts)
        return before, after

    def compute(self) -> None:
        self._compute.run(0, 1)

    def commit(self) -> None:
        if self._commit is not None:  # most programs carry nothing, and a call of the machine is not free
            self._commit.run(0, 1)

    @property
    def raised(self) -> int:
        return self._compute.raised | (0 if self._commit is None else self._commit.raised)

    def repeat(self, bound: Bound, count: int) -> None:
        m.Machine(self._of[bound]).run(0, count)

    @property
    def held(self) -> Sequence[Array]:
        return [array for instruction in self.table for array in instruction.operands]

    def _let_go(self) -> None:
        """Drop the NumPy calls that were there for the comparison alone, the memory between them, and the numbers."""
        kept = {bound for bound, _ in self.called_back}
        for bound in self.bound:
            if bound not in kept:
                bound.calls.clear()
        self._first.clear()
        self._rest.clear()
        if not any(chain_of(bound.instruction) for bound in kept):
            self._between.clear()
        for array in (*self.inputs, *self.blocks):
            forget(array)

    def _instructions(self, bound: Bound, rng: np.random.Generator) -> list[MachineInstruction]:
        reason = "it has no lowering"
        for way in (lower_own, lower):
            lowered = None
            with suppress(ArithmeticError, LookupError, TypeError, ValueError):  # an argument that no lowering expects
                lowered = way(bound)
            if lowered is None:
                continue
            key = _likeness(bound, way)
            found = None if key is None else _tried.get((self._threads, key))
            reason = self._try(bound, lowered, rng) if found is None else found
            if key is not None:
                _tried[self._threads, key] = reason
            if not reason:
                return lowered
        self.called_back.append((bound, reason))
        return [make.call(partial(_all, bound.calls))]

    def _try(self, bound: Bound, lowered: list[MachineInstruction], rng: np.random.Generator) -> str:
        """Why the machine cannot be trusted with this instruction; empty where it can."""
        try:
            machine = m.Machine(lowered)
            alone = [(m.Machine([i]), -ROWS if i.kind == m.PRODUCT else -SLICES) for i in lowered]
        except (LookupError, ValueError) as error:  # no inner loop for these types, or too many axes
            return str(error)
        whole, pieces = partial(machine.run, 0, 1), partial(machine.run, 0, 1, PIECES)
        slices = partial(_all, [partial(each.run, 0, 1, count) for each, count in alone])
        ways = (partial(_all, bound.calls), whole, pieces, slices)
        try:
            with np.errstate(all="ignore"):
                alike = all(self._agree(bound, ways, rng) for _ in range(_trials(bound)))
        except (LookupError, ValueError) as error:
            return str(error)
        return "" if alike else "its bits differ from NumPy's"

    def _agree(self, bound: Bound, ways: Sequence[Callable[[], object]], rng: np.random.Generator) -> bool:
        """Whether NumPy's result and the machine's, whole, in pieces and in slices, have the same bits on the same
        random numbers."""
        owners = {self.lives.owner(v) for v in bound.instruction.inputs if not v.constant}
        arrays = [self._arrays[owner] for owner in owners]
        starts = [int(rng.integers(NUMBERS)) for _ in arrays]
        results = set()
        for run in ways:
            for array, start in zip(arrays, starts, strict=True):  # again, where a call writes over its argument
                self._fill(array, bound, start)
            run()
            results.add(tuple(map(_content, bound.outputs)))
        return len(results) == 1

    def _fill(self, array: Array, bound: Bound, start: int) -> None:
        """Numbers for a comparison, the same for the same start; indices within the shortest axis."""
        if array.dtype.kind in "iu":
            shortest = min((n for i in bound.inputs if isinstance(i, np.ndarray) for n in i.shape if n), default=1)
            array[...] = np.random.default_rng(start).integers(0, max(shortest, 1), array.shape)
            return
        numbers = self._numbers[start : start + NUMBERS]
        if array.dtype.kind == "c":
            numbers = numbers + 1j * numbers[::-1]
        _repeat(numbers > 0 if array.dtype.kind == "b" else numbers, array)


def _of_every_kind(rng: np.random.Generator) -> Array:
    """Numbers for comparisons, twice in a row so that they go on from any: both signs, large and small, both zeros."""
    numbers = rng.normal(size=NUMBERS) * 10.0 ** rng.integers(-3, 2, NUMBERS)
    numbers[::9], numbers[4::9] = 0.0, -0.0
    return np.tile(numbers, 2)


def _repeat(numbers: Array, array: Array) -> None:
    """Fill an array with these numbers again and again, without another of its size."""
    flat = array.ravel("K")
    done = min(len(numbers), flat.size)
    flat[:done] = numbers[:done]
    while done < flat.size:
        more = min(done, flat.size - done)
        flat[done : done + more] = flat[:more]
        done += more
    if not np.may_share_memory(flat, array):
        array[...] = flat.reshape(array.shape)


def _content(array: Any) -> bytes:
    """The bytes of an array; of a large one their digest."""
    flat = np.ravel(array, "K")
    return flat.tobytes() if flat.nbytes <= LARGE else hashlib.blake2b(flat.view(np.uint8).data).digest()


def _trials(bound: Bound) -> int:
    """How often an instruction is tried: two orders of a few sums, or a processor's vectors and its single numbers,
    agree by luck now and then."""
    ufunc, size = bound.instruction.op.forward, max(1, bound.outputs[0].size)
    if not isinstance(ufunc, np.ufunc):
        return 1 if size > 256 else 32 if bound.known.reduces else 4
    arrays = [a for a in (*bound.inputs, *bound.outputs) if isinstance(a, np.ndarray) and a.ndim]
    alike = all((a.shape, a.strides) == (arrays[0].shape, arrays[0].strides) and a.flags.forc for a in arrays)
    exact = ufunc in EXACT and all(np.asarray(a).dtype.kind != "c" for a in (*bound.inputs, *bound.outputs))
    return 1 if alike or exact else min(64, 1 + 2048 // size)


def _likeness(bound: Bound, way: Hashable) -> Hashable | None:
    """Equal for instructions, lowered in the same way, that differ in nothing but where their arrays begin; None where
    that cannot be told."""
    instruction = bound.instruction
    arrays = [a for a in (*bound.inputs, *bound.outputs) if isinstance(a, np.ndarray)]
    if len(arrays) > 8 or any(v.constant and isinstance(v.known, np.ndarray) for v in instruction.inputs):
        return None
    places = []
    for n, array in enumerate(arrays):
        start = array.ctypes.data
        overlaps = (
            (k, start - other.ctypes.data) for k, other in enumerate(arrays[:n]) if np.may_share_memory(array, other)
        )
        places.append((array.dtype.str, array.shape, array.strides, *overlaps))
    known = [_told(v.known) if v.constant else "array" for v in instruction.inputs]
    known += [_told(part) for item in sorted(instruction.attributes.items()) for part in item]
    return None if None in known else (way, chain_of(instruction) or instruction.op, tuple(places), tuple(known))


def _told(value: object) -> str | None:
    """A plain value as text, which tells it from all others."""
    if isinstance(value, tuple | list):
        parts = [_told(part) for part in value]
        return None if None in parts else f"{type(value).__name__} {parts}"
    plain = bool | int | float | complex | str | bytes | slice | type(None) | type(Ellipsis) | np.generic | np.dtype
    return f"{type(value).__name__} {value!r}" if isinstance(value, plain) else None


def _all(calls: list[Callable[[], object]]) -> None:
    for call in calls:
        call()
