"""A run, watched: what is printed while it goes on, at its end, and when it is cut short."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from trainer.cli.terminal.abilities import is_terminal
from trainer.errors import DivergedError
from trainer.experiment.observer import Observer
from trainer.wording import typed

if TYPE_CHECKING:
    from trainer.experiment import Outcome
    from trainer.training import Epoch, Training

__all__ = ["second_at_once", "watched"]


def watched(start: Callable[[Sequence[Observer]], Outcome], quiet: bool) -> Outcome:
    """A run with its display, and what came of it. One that is cut short says how to go on."""
    outcome = _observed(start, quiet=quiet)
    from trainer.cli.terminal.ending import print_curve, print_end

    assert outcome.folder is not None
    if not quiet:
        print_curve(outcome.folder)
    print_end(outcome, quiet=quiet)
    typer.echo(str(outcome.folder))
    return outcome


def _observed(start: Callable[[Sequence[Observer]], Outcome], *, quiet: bool) -> Outcome:
    """The run. One that is cut short says where its folder is, how far it came and how to go on: 130 after Ctrl-C."""
    from trainer.cli.terminal.display import BarDisplay, LineDisplay

    place = _Place(quiet=quiet)
    observers = [place] if quiet else [place, BarDisplay() if is_terminal() else LineDisplay()]
    try:
        with second_at_once():
            return start(observers)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        if stopped and place.training is not None:
            from trainer.cli.terminal.ending import print_so_far

            epochs = place.training.epochs
            print_so_far(None if quiet else place.folder, place.last)
            typer.echo(f"interrupted in epoch {min(place.training.epoch + 1, epochs)} of {epochs}", err=True)
        if place.folder is not None:
            typer.echo(str(place.folder))
            if not isinstance(error, DivergedError) and any(place.folder.glob("checkpoints/*.json")):
                typer.echo(f"go on with: trainer resume {typed(place.folder)}", err=True)
        if isinstance(error, KeyboardInterrupt) and place.training is not None:
            raise typer.Exit(130) from None
        raise


@contextmanager
def second_at_once() -> Iterator[None]:
    """Inside, a first Ctrl-C lets the run end tidily, and a second one ends the process as the system does."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, or somebody else's
        yield
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_DFL)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Place(Observer):
    """Says what is trained, and remembers where it is."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self.training: Training | None = None
        self.folder: Path | None = None
        self.last: Epoch | None = None

    def notice(self, text: str) -> None:
        typer.echo(text, err=True)

    def began(self, training: Training, folder: Path | None) -> None:
        from trainer.experiment.recorder import heading

        self.training, self.folder = training, folder
        if not self._quiet:
            typer.echo(heading(training))

    def epoch(self, record: Epoch) -> None:
        if record.numbers:
            self.last = record

    def warned(self, text: str) -> None:
        typer.echo(f"warning: {text}", err=True)
