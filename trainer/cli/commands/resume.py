"""`trainer resume`: a run that was stopped goes on, in its own folder."""

from __future__ import annotations

from pathlib import Path

from trainer.cli.arguments import AllowUnchecked, Debug, Overrides, Quiet, RunFolders, RunName
from trainer.cli.paths import find_run
from trainer.cli.terminal.unread import going_on_unread
from trainer.cli.watching import watched

__all__ = ["command"]


def command(
    run: RunName,
    overrides: Overrides = None,
    root: RunFolders = Path("runs"),
    quiet: Quiet = False,
    debug: Debug = False,
    allow_unchecked: AllowUnchecked = False,
) -> None:
    """Go on with a run that was stopped, or train a finished one for longer: trainer resume last epochs=50."""
    with going_on_unread():
        path = find_run(run, root)
        from trainer.experiment import resume

        watched(
            lambda seen: resume(path, overrides or (), seen, debug=debug, allow_unchecked=allow_unchecked), quiet=quiet
        )
