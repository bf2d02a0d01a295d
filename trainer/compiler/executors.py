"""Who runs programs, by name: what is asked of a back end, and the two that come with the package.

A back end makes two things of a program: an executor, which runs it, and a loop, which runs it step after step. A new
one is a class like `Numpy` below and a line in a plugin,

    @hookimpl
    def register_executors(register):
        register(Mine)

and a config names it: `compute: {executor: mine}`. All back ends give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from trainer.compiler.numpy_executor import Bound, NumpyExecutor
from trainer.compiler.program import Program
from trainer.errors import UsageError
from trainer.types import Array
from trainer.wording import did_you_mean, either

if TYPE_CHECKING:  # a program alone needs no loop, and NumPy's calls no machine
    from trainer.compiler.loop import StepLoop

__all__ = [
    "Backend",
    "Executor",
    "Native",
    "Numpy",
    "best_backend",
    "best_executor",
    "named",
    "native_available",
    "spread_over",
]


class Executor(Protocol):
    """Runs one program, on arrays of its own.

    Attributes:
        inputs, outputs: where the program's inputs are read and its outputs found (of those that are constant, what
            they are). The last `carried` outputs are the first inputs of the next run, and may lie where these do.
        bound: the instructions that are run, with their arrays; those whose result is a view are not among them.
        called_back: of these the ones that it leaves to NumPy, with the reason.
    """

    name: str
    program: Program
    carried: int
    inputs: list[Any]
    outputs: list[Any]
    bound: list[Bound]
    called_back: list[tuple[Bound, str]]

    def run(self, inputs: Sequence[object]) -> list[Any]:
        """The program's outputs for these inputs, as arrays of their own. Callers of several threads wait."""

    def compute(self) -> None:
        """Compute all but what is carried, which stays as it was."""

    def commit(self) -> None:
        """Compute what is carried, after `compute`."""

    def repeat(self, bound: Bound, count: int) -> None:
        """Run one instruction so many times, to measure it."""

    @property
    def raised(self) -> int:
        """What the last run did unheard by NumPy: divide by 0 (1), overflow (2), underflow (4), make nan (8)."""

    @property
    def blocks(self) -> Sequence[Array]:
        """The memory of the values that the program computes, as bytes."""

    @property
    def held(self) -> Sequence[Array]:
        """Further arrays that are alive as long as the executor is."""

    @property
    def nbytes(self) -> int:
        """Bytes of its buffers."""

    @property
    def alive(self) -> int:
        """Bytes of the values that it computes and that are alive at once, when they are most."""


class Backend(Protocol):
    """What a config's `compute.executor` names: a frozen dataclass with these."""

    @property
    def name(self) -> str:
        """What a config calls it."""

    def missing(self) -> str:
        """Why it cannot be used here, and what to do about it; empty where it can."""

    def executor(self, program: Program, carried: int = 0) -> Executor:
        """What runs this program, whose last `carried` outputs are the first inputs of the next run."""

    def loop(
        self, program: Program, carried: int, sources: Sequence[Array], beside: StepLoop | None = None
    ) -> StepLoop:
        """What runs this program step after step, on rows of `sources`.

        beside: the loop of another program that carries the same, and never runs while this one does: it may use the
            memory of that one.
        """


@dataclass(frozen=True)
class Numpy:
    """NumPy's own calls, bound to planned buffers."""

    name = "numpy"

    def missing(self) -> str:
        return ""

    def executor(self, program: Program, carried: int = 0) -> Executor:
        return NumpyExecutor(program, carried)

    def loop(
        self, program: Program, carried: int, sources: Sequence[Array], beside: StepLoop | None = None
    ) -> StepLoop:
        from trainer.compiler.loop import StepLoop

        return StepLoop(NumpyExecutor(program, carried, _memory_of(beside)), sources)


@dataclass(frozen=True)
class Native:
    """The machine: NumPy's inner loops, and the loop over the steps, without the interpreter."""

    name = "native"

    def missing(self) -> str:
        if native_available():
            return ""
        return (
            "there is no native executor: no C compiler was found when this package was installed; install one and "
            "then the package again"
        )

    def executor(self, program: Program, carried: int = 0) -> Executor:
        from trainer.compiler.machine.executor import NativeExecutor

        return NativeExecutor(program, carried)

    def loop(
        self, program: Program, carried: int, sources: Sequence[Array], beside: StepLoop | None = None
    ) -> StepLoop:
        from trainer.compiler.machine.executor import NativeExecutor
        from trainer.compiler.machine.loop import MachineLoop

        return MachineLoop(NativeExecutor(program, carried, _memory_of(beside)), sources)


def _memory_of(loop: StepLoop | None) -> NumpyExecutor | None:
    executor = None if loop is None else loop.executor
    return executor if isinstance(executor, NumpyExecutor) else None


def native_available() -> bool:
    """Whether the machine was compiled when this package was installed."""
    return find_spec("trainer.compiler.machine._machine") is not None


def spread_over(threads: int = 0) -> int:
    """Over how many threads the machine spreads an instruction, which changes no bit; from now on over so many, unless
    that is 0. One where there is no machine."""
    if not native_available():
        return 1
    from trainer.compiler.machine import _machine as m

    return m.threads(threads)


def named(name: str) -> Backend:
    """The back end of that name which comes with the package.

    Raises UsageError for any other name.
    """
    known: dict[str, Backend] = {backend.name: backend for backend in (Numpy(), Native())}
    if name not in known:
        names = ["auto", "eager", *known]
        raise UsageError(f"there is no executor '{name}'; {did_you_mean(name, names, f'take {either(names)}')}")
    return known[name]


def best_backend() -> Backend:
    """The machine where it was compiled, else NumPy's calls."""
    return Native() if native_available() else Numpy()


def best_executor(program: Program, carried: int = 0) -> Executor:
    """An executor of the best back end for this program."""
    return best_backend().executor(program, carried)
