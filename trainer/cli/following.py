"""A run of a service, watched from a terminal."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import typer

from trainer.cli.terminal.abilities import is_terminal
from trainer.errors import TrainerError
from trainer.runs.progress import ProgressTable
from trainer.wording import printable

if TYPE_CHECKING:
    from trainer.service.client import Client

__all__ = ["follow"]

RESTING = ("finished", "diverged", "failed", "cancelled", "paused")
RATES = ("epoch", "step", "step_size", "seconds", "rows_per_second")


class Failed(TrainerError):
    """The run that is watched ended otherwise than finished."""


class Diverged(Failed):
    """As `trainer run` ends then."""

    exit_code = 3


def follow(client: Client, run: str, at: str | None = None) -> None:
    """Print how a run goes until it rests. Raises what `trainer run` would end with. Ctrl-C ends the watching alone.

    at: the service's address, where it was named, for the command that goes on watching.
    """
    table: ProgressTable | None = None
    try:
        for told in client.events(run):
            if told.kind == "points":
                table = table or ProgressTable(told.data["epochs"], _width())
                for row in told.data["points"]:
                    for line in table.lines(_record(row)):  # type: ignore[arg-type]  # it has what a line needs
                        typer.echo(line)
            elif told.kind in ("log", "warning"):
                typer.echo(printable(told.data["text"], keep="\n"), err=told.kind == "warning")
            elif told.kind == "state":
                typer.echo(printable(f"{told.data['state']}: {told.data['reason']}", keep="\n"))
                if told.data["state"] in RESTING and client.run(run)["state"] == told.data["state"]:
                    _end(told.data)
                    return
    except KeyboardInterrupt:
        typer.echo(f"\nnot watched any more; it goes on. trainer watch {run}" + (f" --at {at}" if at else ""))


def _width() -> float:
    return shutil.get_terminal_size().columns if is_terminal() else math.inf


def _record(row: Mapping[str, Any]) -> SimpleNamespace:
    parts: dict[str, dict[str, float]] = {"train": {}, "validation": {}, "test": {}}
    for name, value in row.items():
        part, _, metric = name.partition("_")
        if part in parts and name not in RATES:
            parts[part][metric] = float("nan") if value is None else value
    return SimpleNamespace(
        **{name: row[name] for name in RATES}, numbers={part: of for part, of in parts.items() if of}
    )


def _end(data: Mapping[str, Any]) -> None:
    if data["state"] == "diverged":
        raise Diverged(f"it diverged: {data['reason']}")
    if data["state"] == "failed":
        raise Failed(f"it failed: {data['reason']}")
