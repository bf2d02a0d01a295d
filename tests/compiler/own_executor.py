"""A back end of somebody else's: NumPy's calls, counted, one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trainer import hookimpl
from trainer.compiler.executors import Executor
from trainer.compiler.loop import StepLoop
from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.program import Program
from trainer.plugins import Register
from trainer.types import Array

COUNTS: Counter[str] = Counter()


class CountingExecutor(NumpyExecutor):
    name = "counting"

    def compute(self) -> None:
        COUNTS.update(bound.instruction.op.name for bound in self.bound[: self.checked])
        super().compute()

    def commit(self) -> None:
        COUNTS.update(bound.instruction.op.name for bound in self.bound[self.checked :])
        super().commit()


@dataclass(frozen=True)
class Counting:
    """NumPy's calls, counted by op."""

    name = "counting"

    def missing(self) -> str:
        return ""

    def executor(self, program: Program, carried: int = 0) -> Executor:
        return CountingExecutor(program, carried)

    def loop(
        self, program: Program, carried: int, sources: Sequence[Array], beside: StepLoop | None = None
    ) -> StepLoop:
        return StepLoop(self.executor(program, carried), sources)


@hookimpl
def register_executors(register: Register) -> None:
    register(Counting)
