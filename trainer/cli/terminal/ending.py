"""What is said at the end of a run: its curve, its tables, its numbers."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from trainer.cli.terminal.abilities import is_unicode, may_colour
from trainer.cli.terminal.confusions import print_confusions
from trainer.cli.terminal.curve import draw_curve
from trainer.cli.terminal.tables import print_table
from trainer.runs.metrics import read_metrics
from trainer.wording import count, duration, number

if TYPE_CHECKING:
    from trainer.experiment import Outcome
    from trainer.training import Epoch
    from trainer.types import Array

__all__ = ["print_curve", "print_end", "print_run", "print_so_far"]


def print_end(outcome: Outcome, *, quiet: bool = False) -> None:
    """The tables unless `quiet`, why it ended where that is not the end of its epochs, the last epoch or the best."""
    training = outcome.training
    for title, table in () if quiet else outcome.reports.items():
        _print_report(title, table, training.data.class_names)
    if training.ended is not None:
        typer.echo(f"ended early: {training.ended}")
    if training.best is not None:
        typer.echo(f"the parameters are those of epoch {training.best.epoch.epoch:,}, the best")
    for line in (*_result(outcome.epoch), *_undefined(outcome.epoch)):
        typer.echo(line)


def print_run(path: Path) -> None:
    """A run by its folder: how it went, what it reached, its curve."""
    from trainer.runs.listing import Summary

    run = Summary(path)
    typer.echo(f"{run.status}, {count(len(run.lines[1:]), 'epoch')} in {duration(run.seconds)}")
    if run.about.get("reason"):
        typer.echo(str(run.about["reason"]))
    for part in ("train", "validation", "test"):
        numbers = {k.removeprefix(f"{part}_"): v for k, v in run.last.items() if k.startswith(f"{part}_")}
        if numbers:
            typer.echo(f"{part:<6}" + ", ".join(f"{key} {number(value)}" for key, value in numbers.items()))
    if curve := _curve(path):
        typer.echo(f"\n{curve}", color=may_colour())


def print_so_far(folder: Path | None, last: Epoch | None) -> None:
    """What a run reached that was stopped: its curve, where there is a folder, and its last epoch."""
    if folder is not None and last is not None:
        print_curve(folder)
    for line in _result(last):
        typer.echo(line)


def _print_report(title: str, table: Array, names: Sequence[str]) -> None:
    """A table of the classes that are against those that were predicted, or another one, by numbers."""
    rows, columns = table.shape
    typer.echo(f"{title}\n")
    if rows == columns:
        print_confusions(table, names if len(names) == rows else [str(i) for i in range(rows)])
    else:
        cells = [[str(i), *(f"{value:g}" for value in row)] for i, row in enumerate(table)]
        print_table(["", *map(str, range(columns))], cells, right=set(range(columns + 1)))
    typer.echo()


def _result(last: Epoch | None) -> Iterator[str]:
    """The last epoch in words: what one looks for first comes last."""
    if last is None:
        return
    after = f" after {last.epoch:,} epoch{'' if last.epoch == 1 else 's'} in {duration(last.seconds)}"
    width = max(5, *map(len, last.numbers))
    for part, values in last.numbers.items():
        named = sorted(values.items(), key=lambda item: item[0] == "loss")  # accuracy before loss
        shown = ", ".join(f"{name} {number(value)}" for name, value in named)
        yield f"{part:<{width}} {shown}{after if part == 'train' else ''}"


def _undefined(last: Epoch | None) -> Iterator[str]:
    """Which metrics are no number, so that a nan among the numbers is not taken for a fault of the training."""
    parts = {} if last is None else last.numbers
    for name in dict.fromkeys(name for values in parts.values() for name in values):
        rows = [
            "training" if part == "train" else part
            for part, values in parts.items()
            if math.isnan(values.get(name, 0.0))
        ]
        if rows:
            yield f"{name} is nan: it gives no number for the {' and the '.join(rows)} rows"


def print_curve(folder: Path) -> None:
    """The losses so far, over the width of the terminal."""
    if curve := _curve(folder):
        print(f"\n{curve}\n")  # noqa: T201  typer.echo would take the colours out


def _curve(folder: Path) -> str:
    width = shutil.get_terminal_size().columns
    return draw_curve(read_metrics(folder / "metrics.csv"), width=width, unicode=is_unicode(), colour=may_colour())
