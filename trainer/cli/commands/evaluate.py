"""`trainer evaluate`: how good a trained model is, class by class."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trainer.cli.arguments import RunFolders, RunName
from trainer.cli.paths import find_run
from trainer.cli.terminal.confusions import MOST, print_confusions
from trainer.cli.terminal.tables import print_table
from trainer.wording import cut, number

if TYPE_CHECKING:
    from trainer.experiment.evaluating import Calibration, ClassShares, Evaluated

__all__ = ["command"]


def command(
    run: RunName,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            help="Rows with their targets: a file as for predict, or a folder of images; by default the run's.",
            show_default=False,
        ),
    ] = None,
    part: Annotated[
        Literal["train", "validation", "test"], typer.Option("--part", help="Of the run's own data set.")
    ] = "test",
    root: RunFolders = Path("runs"),
) -> None:
    """Evaluate: loss and metrics, what was taken for what, class by class, and how sure the model should be."""
    file = Path(run) if Path(run).is_file() else None
    folder = None if file else find_run(run, root)
    from trainer.experiment.evaluating import evaluate
    from trainer.experiment.model import load

    found = evaluate(load(file or folder or run), folder, data, part)
    for remark in found.remarks:
        typer.echo(remark, err=True)
    typer.echo(f"{found.rows:,} {found.of}")
    width = max(map(len, found.numbers))
    for name, value in found.numbers.items():
        typer.echo(f"{name:<{width}}  {number(value)}")
    if len(found.errors) > 1:
        _print_errors(found)
    if found.labels:
        _print_classes([*found.labels], "label", "labels")
    if found.confusion is not None:
        _print_classes(found.per_class(), "class", "classes")
        typer.echo()
        print_confusions(found.confusion, found.class_names, fitted=True)
    if found.calibration is not None:
        _print_calibration(found.calibration)


def _print_errors(found: Evaluated) -> None:
    typer.echo()
    header = ["target", "r2", "mean |error|", "mean error"]
    rows = [[name, *map(number, values)] for name, values in found.errors.items()]
    print_table(header, rows, right={1, 2, 3}, wrap=False, fitted=True)


def _print_classes(rows: list[ClassShares], one: str, many: str) -> None:
    """The classes or labels that are recognised worst, if there are many."""
    typer.echo()
    if len(rows) > MOST:
        typer.echo(f"the {MOST} of {len(rows)} {many} with the lowest f1")
        rows = sorted(rows, key=lambda row: (math.isnan(row[4]), row[4]))[:MOST]
    room = shutil.get_terminal_size((100, 24)).columns - len("  123,456  precision  recall  0.1234")
    shown = [[cut(name, max(room, 8)), f"{members:,}", *map(_share, shares)] for name, members, *shares in rows]
    print_table([one, "rows", "precision", "recall", "f1"], shown, right={1, 2, 3, 4}, wrap=False, fitted=True)


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _print_calibration(found: Calibration) -> None:
    bins = zip(found.edges, found.edges[1:], found.rows, found.confidence, found.right, strict=False)
    rows = [
        [f"{low:.1f} to {high:.1f}", f"{rows:,}", f"{sure:.4f}", f"{right:.4f}"]
        for low, high, rows, sure, right in bins
        if rows
    ]
    typer.echo()
    print_table(["confidence", "rows", "mean", "right"], rows, right={1, 2, 3}, wrap=False, fitted=True)
    typer.echo(f"expected calibration error  {number(found.error)}")
