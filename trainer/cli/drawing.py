"""The picture of a training step, for the commands that draw it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from trainer.compiler.executors import Executor
    from trainer.training import Training
    from trainer.training.memory import Memory

__all__ = ["draw_step", "save_drawing", "work"]


def work(executor: Executor) -> str:
    """What a program is made of, in a line."""
    import numpy as np

    program, bound = executor.program, executor.bound
    moved = sum(a.nbytes for b in bound for a in (*b.inputs, *b.outputs) if isinstance(a, np.ndarray))
    return (
        f"{len(program)} instructions, {len(program) - len(bound)} of them views; "
        f"{program.operations():,} scalar operations; {moved:,} bytes read and written; "
        f"{executor.nbytes:,} bytes of buffers; runs on {executor.name}."
    )


def draw_step(file: Path, title: str, training: Training, executor: Executor, memory: Memory) -> None:
    """Draw the program of a step, forward, backward and update."""
    from trainer.compiler.picture import draw_program
    from trainer.training.step import step_names

    names = step_names(training.now.carried, training.data.train.arrays)
    picture = draw_program(executor, title, *names, remarks=[work(executor), f"Memory: {memory}."])
    save_drawing(file, picture)


def save_drawing(file: Path, text: str) -> None:
    """Write a picture, and say where."""
    from trainer.errors import StorageError, UsageError
    from trainer.files import atomic_write

    try:
        atomic_write(file, text)
    except StorageError as error:
        raise UsageError(f"the picture {error}") from None
    typer.echo(f"drawn in {file}")
