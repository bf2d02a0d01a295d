"""`trainer run`: one run, watched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import Config, Overrides, PluginOption
from trainer.cli.opening import opened
from trainer.cli.terminal.abilities import is_terminal
from trainer.cli.terminal.unread import going_on_unread
from trainer.experiment.observer import Observer

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.experiment import Outcome
    from trainer.training import Training

__all__ = ["command"]


def command(
    config: Config,
    overrides: Overrides = None,
    plugin: PluginOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where run folders go.")] = Path("runs"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only say how it ended.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Look at every value of every step, to find the first that is not finite.")
    ] = False,
    allow_unchecked: Annotated[
        bool, typer.Option("--allow-unchecked", help="Train even with a plugin's operation whose derivative is wrong.")
    ] = False,
) -> None:
    """Train a network, and leave a folder with its curve and its parameters."""
    with going_on_unread():
        loaded = opened(config, overrides, plugin)
        outcome = _watched(loaded, out, quiet=quiet, debug=debug, allow_unchecked=allow_unchecked)
        from trainer.cli.terminal.ending import print_curve, print_end

        assert outcome.folder is not None
        if not quiet:
            print_curve(outcome.folder)
        print_end(outcome)
        typer.echo(str(outcome.folder))


def _watched(loaded: LoadedConfig, out: Path, *, quiet: bool, debug: bool, allow_unchecked: bool) -> Outcome:
    """The run. One that is cut short says where its folder is, and after Ctrl-C how far it came: exit code 130."""
    from trainer.cli.terminal.display import BarDisplay, LineDisplay
    from trainer.experiment import execute

    place = _Place(quiet=quiet)
    observers = [place] if quiet else [place, BarDisplay() if is_terminal() else LineDisplay()]
    try:
        return execute(loaded, out, observers, debug=debug, allow_unchecked=allow_unchecked)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and place.training is not None:
            epochs = place.training.epochs
            typer.echo(f"interrupted in epoch {min(place.training.epoch + 1, epochs)} of {epochs}", err=True)
        if place.folder is not None:
            typer.echo(str(place.folder))
        if isinstance(error, KeyboardInterrupt) and place.training is not None:
            raise typer.Exit(130) from None
        raise


class _Place(Observer):
    """Says what is trained, and remembers where it is."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self.training: Training | None = None
        self.folder: Path | None = None

    def began(self, training: Training, folder: Path | None) -> None:
        from trainer.experiment.recorder import heading

        self.training, self.folder = training, folder
        if not self._quiet:
            typer.echo(heading(training))

    def warned(self, text: str) -> None:
        typer.echo(f"warning: {text}", err=True)
