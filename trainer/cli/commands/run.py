"""`trainer run`: one run, watched."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
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
from trainer.compiler.processors import ranks_started
from trainer.engine.uncollected import beginning
from trainer.errors import DoneError
from trainer.runs.painter import Painter
from trainer.wording import number

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.experiment import Outcome
    from trainer.experiment.run import Run

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
    """Train a network, and leave a folder with its curve and its parameters; with folds or seeds, one for each."""
    drawing = Painter() if ranks_started(os.environ) == 1 else nullcontext()
    with going_on_unread(), drawing as painter, sharing() as ranks:
        loaded = opened(config, overrides, plugin)
        with beginning():
            from trainer.experiment import execute, follow

        def run(loaded: LoadedConfig, again: bool) -> Outcome:
            start = partial(
                execute, loaded, out, again=again, debug=debug, allow_unchecked=allow_unchecked, ranks=ranks
            )
            if painter is not None:
                painter.ready()
            return watched(partial(start, painter=painter), quiet)

        members = _members(loaded)
        every = [opened(loaded.path, [*(overrides or ()), *more], plugin) for _, more in members]
        if ranks is not None and ranks.rank:
            for each in every or [loaded]:
                follow(each, ranks, allow_unchecked=allow_unchecked)
            return
        if not members:
            try:
                run(loaded, again or debug)  # a look at every value is what --debug is for
            except DoneError as done:
                _print_done(Path(done.path), quiet)
            return
        folders = []
        for (said, _), each in zip(members, every, strict=True):
            typer.echo(said)
            try:
                outcome = run(each, again or debug or ranks is not None)  # who follows trains each, too
                folders.append(outcome.folder)
            except DoneError as done:
                typer.echo(f"already done: {done.path}")
                folders.append(Path(done.path))
        _print_members([folder for folder in folders if folder is not None], loaded, out, quiet=quiet)


def _members(loaded: LoadedConfig) -> list[tuple[str, list[str]]]:
    """The runs that a config asks for with folds and seeds, each in words and as overrides; none of one alone."""
    dataset, first, seeds = loaded.config.dataset, loaded.config.seed, loaded.config.seeds
    folds = None if dataset.fold is not None else dataset.folds
    found: list[tuple[str, list[str]]] = []
    for seed in range(seeds or 1):
        for fold in range(folds or 1):
            words, more = [], []
            if seeds:
                words.append(f"seed {first + seed}, number {seed + 1} of {seeds}")
                more.append(f"seed={first + seed}")
            if folds:
                words.append(f"fold {fold} of {folds}, from 0")
                more += [f"dataset.fold={fold}", f"name={loaded.name}-fold{fold}"]
            found.append((", ".join(words), more))
    return found if seeds or folds else []


def _print_done(path: Path, quiet: bool) -> None:
    """The run that is there, as at its end."""
    from trainer.cli.terminal.ending import print_run

    typer.echo("already done, of the same config, data, code and seed; --again repeats it")
    if not quiet:
        print_run(path)
    typer.echo(str(path))


def _print_members(paths: Sequence[Path], loaded: LoadedConfig, out: Path, *, quiet: bool) -> None:
    """What the runs reached: of each number the mean, and how far they are from it; and the band of their curves."""
    from trainer.experiment.run import Run
    from trainer.runs.columns import split
    from trainer.runs.groups import Reached, reached

    runs = [Run(path) for path in paths]
    numbers = [reached(each) for each in runs]
    columns = [column for column in numbers[0] if all(column in each for each in numbers)]
    rows = []
    for column in columns:
        found = Reached.of([each[column] for each in numbers])
        rows.append([*split(column), number(found.mean), "±", number(found.deviation)])
    folds = loaded.config.dataset.folds if loaded.config.dataset.fold is None else None
    of = [f"{folds} folds"] if folds else []
    of += [f"{loaded.config.seeds} seeds"] if loaded.config.seeds else []
    if not quiet:
        _draw_band(runs, out / f"{loaded.name}-{'-'.join(of).replace(' ', '')}")
    typer.echo(f"mean and standard deviation of {' of '.join(of)}")
    print_table(["", "", "mean", "", "deviation"], rows, right={2, 4})


def _draw_band(runs: Sequence[Run], file: Path) -> None:
    """The mean loss of the runs, and how far they are from it, as a picture."""
    from trainer.runs.bands import mean_lines
    from trainer.runs.plots import save_plot

    title = f"{file.name}: mean and standard deviation of {len(runs)} runs"
    for ending in (".png", ".svg"):
        save_plot(file.with_name(file.name + ending), mean_lines([run.metrics for run in runs]), "loss", title)
    typer.echo(f"drawn in {file.with_name(file.name + '.png')}")
