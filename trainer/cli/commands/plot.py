"""`trainer plot`: the curves of runs, in the terminal or as a picture."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.arguments import RunFolders, RunNames
from trainer.cli.paths import find_run
from trainer.cli.terminal.abilities import is_unicode, may_colour
from trainer.errors import UsageError

__all__ = ["command"]

COLUMNS = 100  # of a curve where nobody says how wide it may be


def command(
    names: RunNames,
    metric: Annotated[
        str, typer.Option("--metric", "-m", metavar="NAME", help="loss, a metric, or a column: test_loss, step_size.")
    ] = "loss",
    steps: Annotated[
        bool,
        typer.Option(
            "--steps", help="Over the logged steps: loss, step_size, or the norms gradient, update and theta."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Draw into a .png or .svg file.", show_default=False),
    ] = None,
    root: RunFolders = Path("runs"),
) -> None:
    """Draw the curves of one run, or of several over one another."""
    paths = list(dict.fromkeys(find_run(name, root) for name in names))
    from trainer.runs import load
    from trainer.runs.comparing import curves, differences, labels, step_curves

    runs = [load(path) for path in paths]
    called = labels(runs, differences(runs)) if len(runs) > 1 else []
    over, drawn_of = ("step", step_curves) if steps else ("epoch", curves)
    what, lines = drawn_of(runs, called, metric)
    if out is not None:
        from trainer.runs.plots import save_plot

        save_plot(out, lines, what, paths[0].name if len(paths) == 1 else f"{len(paths)} runs", over)
        typer.echo(out)
        return
    from trainer.cli.terminal.curve import draw_lines

    width = shutil.get_terminal_size((COLUMNS, 24)).columns
    drawn = draw_lines(lines, what, width=width, unicode=is_unicode(), colour=may_colour(), over=over)
    if not drawn and not any(line.finite > 1 for line in lines):
        raise UsageError(f"a curve takes two {over}s with a finite {what}, and there are fewer")
    if not drawn:
        raise UsageError(f"{width} columns are too few for a curve; -o FILE draws a picture")
    print(drawn)  # noqa: T201  typer.echo would take the colours out
