"""`trainer run`: one run, watched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.arguments import AllowUnchecked, Config, Debug, Overrides, PluginOption, Quiet
from trainer.cli.opening import opened
from trainer.cli.terminal.unread import going_on_unread
from trainer.cli.watching import watched

__all__ = ["command"]


def command(
    config: Config,
    overrides: Overrides = None,
    plugin: PluginOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where run folders go.")] = Path("runs"),
    quiet: Quiet = False,
    debug: Debug = False,
    allow_unchecked: AllowUnchecked = False,
) -> None:
    """Train a network, and leave a folder with its curve and its parameters."""
    with going_on_unread():
        loaded = opened(config, overrides, plugin)
        from trainer.experiment import execute

        watched(lambda seen: execute(loaded, out, seen, debug=debug, allow_unchecked=allow_unchecked), quiet=quiet)
