"""`trainer resume`: a run that was stopped goes on, in its own folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from trainer.cli.arguments import AllowUnchecked, Debug, Overrides, Quiet, RunFolders, RunName
from trainer.cli.paths import find_run
from trainer.cli.ranks import ranks as sharing
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
    with going_on_unread(), sharing() as ranks:
        path = find_run(run, root)
        from trainer.experiment import follow_run, resume

        if ranks is not None and ranks.rank:
            follow_run(path, ranks, overrides or (), allow_unchecked=allow_unchecked)
            return
        go_on = partial(resume, path, overrides or (), debug=debug, allow_unchecked=allow_unchecked, ranks=ranks)
        watched(lambda seen: go_on(observers=seen), quiet)
