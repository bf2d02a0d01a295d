"""`trainer sweep`: many runs of one config, on all processors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.arguments import Config, PluginOption, Quiet
from trainer.cli.paths import find_config
from trainer.cli.plugin_commands import report_problems

__all__ = ["command"]


def command(
    config: Config,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUES",
            help="What is varied: step_size=0.01,0.1 seed=0..4 step_size=1e-4..1e-1:log; one value is for every trial.",
            show_default=False,
        ),
    ] = None,
    plugin: PluginOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where run folders go.")] = Path("runs"),
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Runs at a time; by default a processor each.", show_default=False),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", "-m", metavar="NAME", help="What trials are judged by: accuracy, test_loss.", show_default=False
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train a config with many values of some of its keys, and say which were best; the same command goes on."""
    path = find_config(config)
    from trainer.cli.sweeping import swept
    from trainer.config.overrides import SHORT
    from trainer.sweeps.space import Range, Values, axis_of_text
    from trainer.sweeps.sweeping import planned

    axes: dict[str, Values | Range] = {}
    single: list[str] = []
    for argument in overrides or ():
        key, equals, text = argument.partition("=")
        own = key.partition(".")[0] == "sweep" or SHORT.get(key) == "sweep"
        axis = None if own or not equals else axis_of_text(key.strip(), text)
        if axis is None:
            single.append(argument)
        else:
            axes[axis.key] = axis
    plan = planned(path, axes, single, plugin or (), metric=metric)
    report_problems(plan.config.plugins)
    swept(plan, out, jobs, quiet=quiet)
