"""`trainer run`: one run, watched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import AllowUnchecked, Config, Debug, Overrides, PluginOption, Quiet
from trainer.cli.opening import opened
from trainer.cli.ranks import ranks as sharing
from trainer.cli.terminal.tables import print_table
from trainer.cli.terminal.unread import going_on_unread
from trainer.cli.watching import watched
from trainer.errors import DoneError
from trainer.wording import number

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.experiment import Outcome

__all__ = ["command"]


def command(
    config: Config,
    overrides: Overrides = None,
    plugin: PluginOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where run folders go.")] = Path("runs"),
    quiet: Quiet = False,
    again: Annotated[bool, typer.Option("--again", help="Train although the same run is there already.")] = False,
    debug: Debug = False,
    allow_unchecked: AllowUnchecked = False,
) -> None:
    """Train a network, and leave a folder with its curve and its parameters; with `folds`, one for each."""
    with going_on_unread(), sharing() as ranks:
        loaded = opened(config, overrides, plugin)
        from trainer.experiment import execute, follow

        def run(loaded: LoadedConfig, again: bool) -> Outcome:
            start = partial(
                execute, loaded, out, again=again, debug=debug, allow_unchecked=allow_unchecked, ranks=ranks
            )
            return watched(start, quiet)

        dataset = loaded.config.dataset
        folds = range(dataset.folds) if dataset.folds is not None and dataset.fold is None else None
        every = [loaded] if folds is None else [_fold(fold, loaded, config, overrides, plugin) for fold in folds]
        if ranks is not None and ranks.rank:
            for each in every:
                follow(each, ranks, allow_unchecked=allow_unchecked)
            return
        if folds is None:
            try:
                run(loaded, again or debug)  # a look at every value is what --debug is for
            except DoneError as done:
                _print_done(Path(done.path), quiet)
            return
        outcomes = []
        for fold, each in enumerate(every):
            typer.echo(f"fold {fold} of {len(folds)}, from 0")
            outcomes.append(run(each, True))  # their mean is of what each had at its end, which no folder says
        _print_folds(outcomes)


def _fold(
    fold: int, loaded: LoadedConfig, config: Path, overrides: Sequence[str] | None, plugin: Sequence[str] | None
) -> LoadedConfig:
    """The config of one of its folds."""
    return opened(config, [*(overrides or ()), f"dataset.fold={fold}", f"name={loaded.name}-fold{fold}"], plugin)


def _print_done(path: Path, quiet: bool) -> None:
    """The run that is there, as at its end."""
    from trainer.cli.terminal.ending import print_run

    typer.echo("already done, of the same config, data, code and seed; --again repeats it")
    if not quiet:
        print_run(path)
    typer.echo(str(path))


def _print_folds(outcomes: Sequence[Outcome]) -> None:
    """What the folds reached: of each number the mean over the folds, and how far they are from it."""
    from statistics import mean, stdev

    numbers = [outcome.epoch.numbers for outcome in outcomes if outcome.epoch is not None]
    rows = []
    for part, names in numbers[0].items():
        for name in names:
            values = [each[part][name] for each in numbers]
            rows.append([part, name, number(mean(values)), "±", number(stdev(values))])
    typer.echo(f"mean and standard deviation of {len(numbers)} folds")
    print_table(["", "", "mean", "", "deviation"], rows, right={2, 4})
