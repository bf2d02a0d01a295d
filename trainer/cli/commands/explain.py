"""`trainer explain`: why a run did not learn; of a config, what one batch does in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import Overrides, PluginOption, RunFolders
from trainer.cli.drawing import draw_step, save_drawing
from trainer.cli.opening import opened
from trainer.cli.paths import find_run
from trainer.cli.terminal.layers import print_layers
from trainer.cli.terminal.tables import print_table
from trainer.errors import UsageError
from trainer.files import check_ending
from trainer.wording import count

if TYPE_CHECKING:
    from trainer.engine.tape import Tape
    from trainer.runs import Run
    from trainer.training import Training

__all__ = ["command"]

DRAWINGS = (".svg", ".dot", ".mmd")


def command(
    what: Annotated[
        str,
        typer.Argument(metavar="RUN|CONFIG", help="A run's folder or name, or a YAML file.", show_default=False),
    ],
    overrides: Overrides = None,
    plugin: PluginOption = None,
    root: RunFolders = Path("runs"),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            show_default=False,
            help="Draw a config's step (.svg), or the tape of its loss (.dot for Graphviz, .mmd for Mermaid).",
        ),
    ] = None,
) -> None:
    """Say why a run did not learn and what to try, or what one batch does in a config, layer by layer."""
    if Path(what).suffix in (".yaml", ".yml"):
        _of_config(Path(what), overrides, plugin, out)
    elif out is not None:
        raise UsageError("only a config's step is drawn; trainer plot and trainer report draw a run")
    else:
        _of_run(find_run(what, root))


def _of_run(path: Path) -> None:
    from trainer.explaining.findings import Finding
    from trainer.runs import load

    run = load(path)
    for about in run.findings:
        typer.echo(str(Finding(**about)))
    if run.findings:
        return
    if run.reason:
        typer.echo(f"{path.name} is {run.status}: {run.reason}")
    else:
        typer.echo(f"{path.name}: nothing was found to be wrong{_too_early(run)}")


def _too_early(run: Run) -> str:
    """That a run was too short for some of what is looked for; empty where it was not."""
    from trainer.explaining.trouble import STEPS

    taken = int(max(run.metrics.get("step", ()), default=0))
    return f"; {count(taken, 'step')} are too few to say of a loss that it does not fall" if 0 < taken < STEPS else ""


def _of_config(config: Path, overrides: list[str] | None, plugins: list[str] | None, out: Path | None) -> None:
    if out is not None:
        check_ending(out, "a drawing", *DRAWINGS)
    loaded = opened(config, overrides, plugins)
    from trainer.experiment import build
    from trainer.explaining.batch import look
    from trainer.explaining.ops import batch_tape, look_at_ops
    from trainer.training.threads import pinned

    training = build(loaded)
    with pinned(loaded.config.compute.threads):
        look(training)  # the first time that anything is called takes longer
        rows, ops = look(training), look_at_ops(training)
        typer.echo(
            f"{count(min(training.batch_size, len(training.data.train)), 'row')} of {loaded.path}, before a step:"
        )
        print_layers(rows)
        record = batch_tape(training)
        typer.echo(
            f"\nThe tape of the loss: {count(len(record), 'entry', 'entries')}, {record.operations():,} scalar "
            f"operations, {record.residual_bytes():,} bytes kept for the backward pass. By op:\n"
        )
        print_table(
            ["op", "calls", "bytes", "kept", "µs", "µs back"],
            [
                [
                    look.name, str(look.calls), f"{look.nbytes:,}", f"{look.kept:,}", f"{look.forward * 1e6:.1f}",
                    f"{look.backward * 1e6:.1f}",
                ]
                for look in ops
            ],
            right={1, 2, 3, 4, 5},
            wrap=False,
        )  # fmt: skip
        typer.echo(
            "\nsize, cotangents and gradient are root mean squares: of what a layer gives, of the mean cost's "
            "derivative by that, and by the layer's parameters; beside the first two stands how many there are in each "
            "tenth of their range. An op's µs are NumPy's own, in its calls and in its rules; a layer's hold "
            "the tape's work."
        )
        if out is not None:
            _draw(out, f"A step of {loaded.path}, {training.batch_size} rows", training, record)


def _draw(out: Path, title: str, training: Training, record: Tape) -> None:
    from trainer.training.memory import measure_memory

    if out.suffix == ".svg":
        draw_step(out, title, training, *measure_memory(training))
    else:
        save_drawing(out, record.mermaid() if out.suffix == ".mmd" else record.graphviz())
