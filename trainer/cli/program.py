"""`trainer show`: the program of a config's training step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from trainer.cli.commands import report_problems
from trainer.cli.paths import find_config
from trainer.cli.tables import print_table

if TYPE_CHECKING:
    from trainer.compiler.numpy_executor import Bound, NumpyExecutor

__all__ = ["show_program"]

PROFILE_SECONDS = 0.02  # spent on each instruction


def show_program(path: Path, overrides: Sequence[str], plugins: Sequence[str], *, profile: bool = False) -> None:
    """Print the program of one step: its instructions, how each runs, its operations and bytes; with `profile` the time
    of each and of each op. Raises ConfigError."""
    path = find_config(path)
    from trainer.compiler.runners import best_executor
    from trainer.compiler.step import record_step
    from trainer.config import load
    from trainer.experiment import build
    from trainer.threads import pinned

    loaded = load(path, overrides, plugins)
    report_problems(loaded.plugins)
    with pinned(loaded.config.compute.threads):
        training = build(loaded)
        program = record_step(training, training.batch_size)
        executor = best_executor(program)
        typer.echo(f"{program}\n")
        bound = executor.bound
        moved = sum(_bytes(b) for b in bound)
        typer.echo(
            f"{len(program)} instructions, {len(program) - len(bound)} of them views; "
            f"{program.operations():,} scalar operations; {moved:,} bytes read and written; "
            f"{executor.nbytes:,} bytes of buffers; runs on {executor.name}."
        )
        back = [(b.instruction.op.name, why) for b, why in getattr(executor, "called_back", ())]
        for name, why in dict.fromkeys(back):
            typer.echo(f"  NumPy is called back for '{name}': {why}")
        if profile:
            _print_profile(executor)


def _bytes(bound: Bound) -> int:
    return sum(a.nbytes for a in (*bound.inputs, *bound.outputs) if isinstance(a, np.ndarray))


def _print_profile(executor: NumpyExecutor) -> None:
    names = executor.program.names()
    times = [(bound, _seconds(_runner(executor, bound))) for bound in executor.bound]
    total = sum(seconds for _, seconds in times)
    typer.echo(f"\n{total * 1e6:.1f} µs per step, instruction by instruction:\n")
    rows = [
        [
            names[b.instruction.outputs[0]], b.instruction.op.name, f"{b.outputs[0].dtype} {b.outputs[0].shape}",
            f"{seconds * 1e6:.2f}", f"{100 * seconds / total:.1f}", f"{b.instruction.operations() / seconds / 1e9:.2f}",
        ]
        for b, seconds in times
    ]  # fmt: skip
    print_table(["", "op", "result", "µs", "%", "Gop/s"], rows, right={3, 4, 5})
    by_op: dict[str, list[float]] = defaultdict(list)
    for b, seconds in times:
        by_op[b.instruction.op.name].append(seconds)
    ranked = sorted(by_op.items(), key=lambda item: -sum(item[1]))
    typer.echo("\nBy op:\n")
    print_table(
        ["op", "calls", "µs", "%"],
        [[n, str(len(t)), f"{sum(t) * 1e6:.2f}", f"{100 * sum(t) / total:.1f}"] for n, t in ranked],
        right={1, 2, 3},
    )


def _runner(executor: NumpyExecutor, bound: Bound) -> Callable[[int], Any]:
    """Runs one instruction so many times, the way the executor runs it."""
    instructions = executor.instructions_of(bound)
    if instructions is not None:
        from trainer.compiler import _machine

        machine = _machine.Machine(instructions)
        return lambda count: machine.run(0, count)

    def calls(count: int) -> None:
        for _ in range(count):
            for call in bound.calls:
                call()

    return calls


def _seconds(run: Callable[[int], Any]) -> float:
    """The time of one run: the least of some, each of as many runs as make it long enough to measure."""
    with np.errstate(all="ignore"):
        count, seconds = 1, 0.0
        while seconds < PROFILE_SECONDS / 5:
            start = perf_counter()
            run(count)
            seconds = perf_counter() - start
            count *= 4
        best = seconds / (count // 4)
        for _ in range(3):
            start = perf_counter()
            run(count // 4)
            best = min(best, (perf_counter() - start) / (count // 4))
    return best
