"""`trainer overfit`: can a config learn one batch at all, and if not, what stops it."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from trainer.cli.arguments import Config, Overrides, PluginOption
from trainer.cli.opening import opened
from trainer.cli.terminal.layers import print_layers
from trainer.wording import count, number

__all__ = ["command"]


def command(
    config: Config,
    overrides: Overrides = None,
    plugin: PluginOption = None,
    steps: Annotated[int, typer.Option("--steps", metavar="N", min=1, help="Take so many steps at most.")] = 1000,
) -> None:
    """Train on one batch alone: say whether it is learnt (exit code 0), or what stops it (1)."""
    loaded = opened(config, overrides, plugin)
    from trainer.experiment.overfitting import overfit

    found = overfit(loaded, steps=steps)
    typer.echo(f"{count(found.rows, 'row')} of {loaded.path}, trained on alone; before the first step:")
    print_layers(found.layers)
    took = f"in {count(found.steps, 'step')} of {found.step_size:g}"
    reached = number(found.after) if math.isfinite(found.after) else "no number any more"
    beside = "" if math.isnan(found.constant) else f"; one prediction for all rows has {number(found.constant)}"
    beside += f", a perfect one {number(found.least)}" if found.least and beside else ""
    what = "learnt" if found.learnt else "not learnt"
    typer.echo(f"\n{what}: the loss went from {number(found.before)} to {reached} {took}{beside}")
    for finding in found.findings:
        typer.echo(str(finding))
    if not found.learnt:
        raise typer.Exit(1)
