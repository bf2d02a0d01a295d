"""`trainer show`: the program of a config's training step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import Config, Overrides, PluginOption
from trainer.cli.drawing import draw_step, work
from trainer.cli.opening import opened
from trainer.cli.terminal.tables import print_table
from trainer.files import check_ending

if TYPE_CHECKING:
    from trainer.compiler.executors import Executor
    from trainer.compiler.layout import LiveRange
    from trainer.compiler.numpy_executor import Bound

__all__ = ["command"]

PROFILE_SECONDS = 0.02  # spent on each instruction


def command(
    config: Config,
    overrides: Overrides = None,
    plugin: PluginOption = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Run it, and give the time of each instruction, op and layer.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Draw it in this file.", show_default=False)
    ] = None,
) -> None:
    """Show the program of a training step: its instructions and buffers, operations and bytes."""
    if svg is not None:
        check_ending(svg, "a drawing", ".svg")
    loaded = opened(config, overrides, plugin)
    from trainer.experiment import build
    from trainer.training.memory import measure_memory
    from trainer.training.threads import pinned

    training = build(loaded)
    with pinned(loaded.config.compute.threads):
        executor, memory = measure_memory(training)
        typer.echo(f"{executor.program}\n")
        _print_buffers(executor)
        typer.echo(f"\n{work(executor)}\nMemory: {memory}.")
        back = [(b.instruction.op.name, why) for b, why in executor.called_back]
        for name, why in dict.fromkeys(back):
            typer.echo(f"  NumPy is called back for '{name}': {why}")
        if profile:
            _print_profile(executor)
    if svg is not None:
        draw_step(svg, f"A step of {loaded.path}, {training.batch_size} rows", training, executor, memory)


def _print_buffers(executor: Executor) -> None:
    """A row per input, and per place in the memory of all others: where it is, its size, and the values that lie there
    one after the other."""
    from trainer.compiler.layout import live_ranges

    names, inputs = executor.program.names(), len(executor.inputs)
    held: dict[int, list[LiveRange]] = defaultdict(list)
    for live in live_ranges(executor):
        held[live.buffer].append(live)
    rows = [
        ["input" if n < inputs else f"b{n - inputs}", "" if n < inputs else f"{lying[0].start:,}",
         f"{lying[0].value.nbytes:,}", " ".join(names[live.value] for live in lying)]
        for n, lying in sorted(held.items())
    ]  # fmt: skip
    print_table(["buffer", "at", "bytes", "holds"], rows, right={1, 2})


def _print_profile(executor: Executor) -> None:
    names = executor.program.names()
    times = [(bound, _seconds(partial(executor.repeat, bound))) for bound in executor.bound]
    total = sum(seconds for _, seconds in times)
    whole = _seconds(partial(_steps, executor))
    typer.echo(f"\n{whole * 1e6:.1f} µs per step; {total * 1e6:.1f} µs instruction by instruction:\n")
    rows = [
        [
            names[b.instruction.outputs[0]], b.instruction.op.name, f"{b.outputs[0].dtype} {b.outputs[0].shape}",
            b.instruction.scope.layer, b.instruction.scope.part, f"{seconds * 1e6:.2f}",
            f"{100 * seconds / total:.1f}", f"{b.instruction.operations() / seconds / 1e9:.2f}",
        ]
        for b, seconds in times
    ]  # fmt: skip
    print_table(["", "op", "result", "layer", "part", "µs", "%", "Gop/s"], rows, right={5, 6, 7}, wrap=False)
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
    _print_layers(times, total)


def _print_layers(times: Sequence[tuple[Bound, float]], total: float) -> None:
    """The times by layer and part of the step, in the order in which the layers run."""
    from trainer.compiler.scope import PHASES

    by_layer: dict[str, dict[str, float]] = {}
    for b, seconds in times:
        scope = b.instruction.scope
        parts = by_layer.setdefault(scope.layer, dict.fromkeys(PHASES, 0.0))
        parts[scope.part] = parts.get(scope.part, 0.0) + seconds
    by_layer["total"] = {part: sum(parts[part] for parts in by_layer.values()) for part in PHASES}
    rows = []
    for layer, parts in by_layer.items():
        taken = sum(parts.values())
        cells = [f"{seconds * 1e6:.2f}" if seconds else "-" for seconds in (*(parts[p] for p in PHASES), taken)]
        rows.append([layer, *cells, f"{100 * taken / total:.1f}"])
    typer.echo("\nBy layer, µs:\n")
    print_table(["layer", *PHASES, "total", "%"], rows, right={1, 2, 3, 4, 5})


def _steps(executor: Executor, count: int) -> None:
    for _ in range(count):
        executor.compute()
        executor.commit()


def _seconds(run: Callable[[int], object]) -> float:
    """The time of one run: the least of some, each of as many runs as make it long enough to measure."""
    import numpy as np

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
