"""`trainer report`: a page that shows a run, or compares several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.arguments import RunFolders, RunsOfNames
from trainer.cli.paths import find_runs
from trainer.files import check_ending

__all__ = ["command"]

FILE = "report.html"


def command(
    names: RunsOfNames,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help=f"By default {FILE}, in the folder of a single run.", show_default=False
        ),
    ] = None,
    data: Annotated[
        bool, typer.Option("--data/--no-data", help="Read the data set, to look at the rows predicted worst.")
    ] = True,
    root: RunFolders = Path("runs"),
) -> None:
    """Write one page that shows a run, or compares several: curves, numbers, confusions, worst rows, config."""
    if out is not None:
        check_ending(out, "a report", ".html")
    paths = list(dict.fromkeys(path for name in names for path in find_runs(name, root)))
    from trainer.experiment.report import report
    from trainer.files import atomic_write
    from trainer.runs import load

    file = out or (paths[0] / FILE if len(paths) == 1 else Path(FILE))
    atomic_write(file, report([load(path) for path in paths], data=data))
    typer.echo(file)
