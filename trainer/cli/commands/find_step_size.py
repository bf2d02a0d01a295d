"""`trainer find-step-size`: which step size suits a config, and why."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import Config, Overrides, PluginOption
from trainer.cli.opening import opened
from trainer.cli.terminal.abilities import is_unicode
from trainer.cli.terminal.tables import print_table
from trainer.errors import UsageError
from trainer.wording import number

if TYPE_CHECKING:
    from trainer.explaining.step_size import Search

__all__ = ["command"]

WIDTH = 20  # of the longest bar


def command(
    config: Config,
    overrides: Overrides = None,
    plugin: PluginOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Draw the curve into a .png or .svg file.", show_default=False
        ),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write it into the config, in its place.")] = False,
) -> None:
    """Find a step size: train with many, give up the worse ones early, and say which was best and why.

    Three seeds judge the last few. It takes as long as some fifteen to twenty-five whole runs.
    """
    from trainer.runs.config import RESOLVED

    loaded = opened(config, overrides, plugin)
    if write and loaded.path.name == RESOLVED:
        raise UsageError(f"--write changes a config, and {loaded.path} is what a run was; name the config itself")
    if write and any(each.partition("=")[0].split(".")[0].strip() == "step_size" for each in overrides or ()):
        raise UsageError("--write changes the file's step_size, and the command line gives another; leave that out")
    from trainer.config import load
    from trainer.experiment import build
    from trainer.explaining.picture import check_place, save_search
    from trainer.explaining.step_size import SEEDS, search, size_of
    from trainer.training.threads import pinned

    if out is not None:
        check_place(out)
    training = build(loaded)
    with loaded.at("step_size"):
        option, now = size_of(training)
    seeds = range(loaded.config.seed + 1, loaded.config.seed + SEEDS)
    others = [build(load(loaded.path, [*(overrides or ()), f"seed={seed}"], plugin or ())) for seed in seeds]
    with pinned(loaded.config.compute.threads):
        found = search(training, others=others)
    _print(found)
    given = loaded.config.step_size
    keys = ["step_size"] if isinstance(given, int | float) or option is None else ["step_size", given.name, option]
    typer.echo(f"\n{'.'.join(keys)}={found.best:g}: {found.reason}. The config has {now:g}.")
    if out is not None:
        save_search(out, found, loaded.name)
        typer.echo(f"drawn in {out}")
    if write:
        from trainer.config.editing import write_value

        typer.echo(f"written at {write_value(loaded.path, keys, found.best)}")


def _print(found: Search) -> None:
    """A row for each step size: its loss after so many epochs, the seeds' median, and the last of them as a bar."""
    seeds = max(len(tried.seeds) for tried in found.tried)
    rungs = sorted({epochs for tried in found.tried for epochs in tried.losses})
    rows = []
    for tried in found.tried:
        shown = [_loss(tried.losses[epochs]) if epochs in tried.losses else "" for epochs in rungs]
        shown.append(_loss(tried.judged) if tried.seeds else "")
        mark = "<" if tried.step_size == found.best else ""
        rows.append([f"{tried.step_size:g}", *shown, mark, _bar(tried.judged, found)])
    after = [f"after {epochs:,}" for epochs in rungs]
    header = ["step size", *after, f"median of {seeds}", "", f"{found.part} loss"]
    print_table(header, rows, right=set(range(len(rungs) + 2)), wrap=False, spare=True)


def _loss(loss: float) -> str:
    return number(loss) if math.isfinite(loss) else "diverged"


def _bar(loss: float, found: Search) -> str:
    share = loss / found.before if found.before > 0 and math.isfinite(loss) else 1.0
    filled = round(WIDTH * min(max(share, 0.0), 1.0))
    return ("█" if is_unicode() else "#") * filled + ("+" if share > 1 else "")
