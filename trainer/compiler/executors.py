"""Who runs a program, by name."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.program import Program

__all__ = ["ExecutorName", "best_executor", "native_available"]

ExecutorName = Literal["auto", "eager", "numpy", "native"]


def native_available() -> bool:
    """Whether the machine was compiled when this package was installed."""
    return find_spec("trainer.compiler.machine._machine") is not None


def best_executor(program: Program, carried: int = 0) -> NumpyExecutor:
    """The machine where it was compiled, else NumPy's calls, for this program.

    The last `carried` outputs are the first inputs of the next run.
    """
    if not native_available():
        return NumpyExecutor(program, carried)
    from trainer.compiler.machine.executor import NativeExecutor

    return NativeExecutor(program, carried)
