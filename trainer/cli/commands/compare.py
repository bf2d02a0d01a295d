"""`trainer compare`: what runs differ in, what that changed, and how sure one can be of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.arguments import RunFolders, RunsOfNames
from trainer.cli.paths import find_runs
from trainer.errors import UsageError

__all__ = ["command"]


def command(
    names: RunsOfNames,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", "-m", metavar="NAME", help="What is compared: accuracy, test_loss.", show_default=False
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", "-w", metavar="CONDITION", help="Only runs for which it holds: epochs>=20.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A .csv of the table, or parallel coordinates as a .png or .svg.",
            show_default=False,
        ),
    ] = None,
    root: RunFolders = Path("runs"),
) -> None:
    """Compare runs: the settings that differ, and what was reached; runs that differ in their seed alone are one."""
    several = [find_runs(name, root) for name in names]
    if sum(map(len, several)) < 2:
        raise UsageError("comparing takes two runs or more; one of them in full: trainer runs show RUN")
    from trainer.cli.comparing import print_comparison
    from trainer.sweeps.comparing import check_file, compare

    if out is not None:
        check_file(out)
    found = compare(*several, metric=metric, where=where or ())
    print_comparison(found)
    if out is not None:
        typer.echo(found.save(out))
