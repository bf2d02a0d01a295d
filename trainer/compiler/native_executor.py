"""Running a program on the machine: NumPy's inner loops, without the interpreter.

The buffers are the NumPy executor's. Every instruction that has been lowered runs once each way on random numbers
before it is trusted; where a single bit differs, or there is no lowering, the machine calls NumPy back for that
instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from trainer.compiler import _machine as m
from trainer.compiler.lowering import lower
from trainer.compiler.numpy_executor import Bound, NumpyExecutor
from trainer.compiler.program import Program

__all__ = ["NativeExecutor"]


class NativeExecutor(NumpyExecutor):
    """Runs one program on the machine.

    Attributes:
        table: the machine's instructions.
        called_back: the program's instructions that NumPy is called back for, with the reason.
    """

    name = "native"

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.called_back: list[tuple[Bound, str]] = []
        self.table: list[tuple[Any, ...]] = []
        rng = np.random.default_rng(0)
        # Numbers of every kind for the comparisons: both signs, large and small.
        self._numbers = rng.normal(size=8191) * 10.0 ** rng.integers(-3, 2, 8191)
        self._of: dict[Bound, list[tuple[Any, ...]]] = {}
        for bound in self.bound:
            self._of[bound] = self._instructions(bound, rng)
            self.table += self._of[bound]
        self.machine = m.Machine(self.table)

    def execute(self) -> None:
        self.machine.run(0, 1)

    def instructions_of(self, bound: Bound) -> list[tuple[Any, ...]] | None:
        return self._of[bound]

    def _instructions(self, bound: Bound, rng: np.random.Generator) -> list[tuple[Any, ...]]:
        reason = "it has no lowering"
        lowered = None
        with suppress(ArithmeticError, LookupError, TypeError, ValueError):  # an argument that no lowering expects
            lowered = lower(bound)
        if lowered is not None:
            try:
                machine = m.Machine(lowered)
                # Element by element a difference shows at once; two orders of a sum agree by luck now and then.
                trials = 1 if isinstance(bound.instruction.op.forward, np.ufunc) else 4
                reason = next(filter(None, (self._difference(bound, machine, rng) for _ in range(trials))), "")
            except (LookupError, ValueError) as error:  # no inner loop for these types, or too many axes
                reason = str(error)
            if not reason:
                return lowered
        self.called_back.append((bound, reason))
        return [(m.CALL, partial(_all, bound.calls), ())]

    def _difference(self, bound: Bound, machine: m.Machine, rng: np.random.Generator) -> str:
        """What differs between NumPy's result and the machine's, on random numbers; empty where no bit does."""
        owners = {self.buffers.owner(v) for v in bound.instruction.inputs if not v.constant}
        arrays = [self._arrays[owner] for owner in owners]
        before = [self._random(array, bound, rng) for array in arrays]
        results = []
        with np.errstate(all="ignore"):
            for run in (partial(_all, bound.calls), partial(machine.run, 0, 1)):
                for array, values in zip(arrays, before, strict=True):  # again, where a call writes over its argument
                    array[...] = values
                run()
                results.append(bound.outputs[0].tobytes())
        return "" if results[0] == results[1] else "its bits differ from NumPy's"

    def _random(self, array: Any, bound: Bound, rng: np.random.Generator) -> Any:
        """Numbers for a comparison; indices within the shortest axis."""
        if array.dtype.kind in "iu":
            shortest = min((n for i in bound.inputs if isinstance(i, np.ndarray) for n in i.shape if n), default=1)
            return rng.integers(0, max(shortest, 1), array.shape)
        numbers = np.resize(np.roll(self._numbers, int(rng.integers(8191))), array.shape)
        return numbers > 0 if array.dtype.kind == "b" else numbers.astype(array.dtype)


def _all(calls: list[Callable[[], Any]]) -> None:
    for call in calls:
        call()
