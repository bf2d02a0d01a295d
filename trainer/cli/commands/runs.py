"""`trainer runs`: the runs that there are, one of them, and away with some."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import RunFolders, RunName, RunNames, Service
from trainer.cli.paths import find_run
from trainer.cli.terminal.abilities import is_unicode
from trainer.cli.terminal.sparkline import sparkline
from trainer.cli.terminal.tables import print_table
from trainer.errors import UsageError
from trainer.wording import count, duration, number, printable

if TYPE_CHECKING:
    from trainer.runs.listing import Summary

__all__ = ["group"]

SHOWN = 20
group = typer.Typer(help="List runs, show one, check some, or remove them.", invoke_without_command=True)

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        metavar="CONDITION",
        help="Only those for which it holds: test_accuracy>=0.9 or status=finished.",
        show_default=False,
    ),
]
Sort = Annotated[
    str | None,
    typer.Option("--sort", "-s", metavar="NAME", help="By a number, the largest last; -NAME the other way round."),
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=0, help="How many at most; 0 for all.")]


@group.callback()
def runs(
    context: typer.Context,
    root: RunFolders = Path("runs"),
    where: Where = None,
    sort: Sort = None,
    limit: Limit = SHOWN,
    at: Service = None,
) -> None:
    """List the runs in a folder, or those of a service: how they went, and what they reached."""
    context.obj = root
    if at is not None:
        if where or sort or context.invoked_subcommand is not None:
            raise UsageError(
                f"of a service, trainer runs --at {at} lists the newest; for all else fetch a run: "
                f"trainer fetch RUN --at {at}"
            )
        _list_served(at, limit)
    elif context.invoked_subcommand is None:
        _list(root, where or (), sort, limit)


def _list_served(at: str, limit: int) -> None:
    from trainer.service.client import opened

    runs = opened(at).ask("GET", f"/v1/runs?limit={min(limit or 200, 200)}")["data"]
    rows = []
    for run in reversed(runs):
        progress, place = run["progress"], f", number {run['place']} in line" if run["place"] else ""
        loss = "-" if run["loss"] is None else number(run["loss"])
        epochs = f"{progress['epoch']:,}/{progress['epochs']:,}"
        why = printable(f"{run['reason']}{place}")
        rows.append([run["id"], printable(run["name"]), run["owner"], run["state"], epochs, loss, why])
    print_table(["run", "name", "owner", "state", "epochs", "loss", "why"], rows, right={4, 5}, wrap=False)


@group.command("ls")
def listed(
    context: typer.Context, where: Where = None, sort: Sort = None, limit: Limit = SHOWN, root: RunFolders | None = None
) -> None:
    """List the runs in a folder, as `trainer runs` does."""
    _list(root or context.obj, where or (), sort, limit)


def _list(root: Path, where: Sequence[str], sort: str | None, limit: int) -> None:
    from trainer.runs.listing import Condition, Summary, runs_in, select

    paths = runs_in(root)
    conditions = [Condition.parse(text) for text in where]
    if not (conditions or sort) and limit:  # the newest are the last: no other needs to be read
        chosen = [Summary(path) for path in paths[-limit:]]
    else:
        chosen = select(map(Summary, paths), conditions, sort, limit or None)
    if not chosen:
        typer.echo(f"no run in {root}" + (f" has {' and '.join(where)}" if where and paths else ""))
        return
    asked = [condition.name for condition in conditions] + ([sort.lstrip("-")] if sort else [])
    shown = _columns(chosen)
    columns = [
        *shown,
        *dict.fromkeys(name for name in asked if name not in shown and any(name in r.last for r in chosen)),
    ]
    header = ["run", "status", "epochs", "time", *columns, "loss"]
    rows = [
        [run.name, run.status, f"{len(run.lines[1:]):,}", duration(run.seconds)]
        + [number(run.last[name]) if name in run.last else "-" for name in columns]
        + [_spark(run)]
        for run in chosen
    ]
    print_table(header, rows, right=set(range(2, 4 + len(columns))), wrap=False, spare=True)
    if len(chosen) < len(paths):
        typer.echo(f"\n{len(chosen)} of {count(len(paths), 'run')}; all of them: --limit 0")


def _columns(runs: Sequence[Summary]) -> list[str]:
    """The numbers of every epoch: of the test rows where there are any, the loss last."""
    names = dict.fromkeys(name for run in runs for name in run.columns)
    parts = ([name for name in names if name.startswith(f"{part}_")] for part in ("test", "validation", "train"))
    chosen = next(filter(None, parts), [])
    return sorted(chosen, key=lambda name: name.endswith("_loss"))[-3:]


def _spark(run: Summary) -> str:
    losses = run.series("test_loss") or run.series("validation_loss") or run.series("train_loss")
    return sparkline(losses, unicode=is_unicode())


@group.command("show")
def show(context: typer.Context, name: RunName, root: RunFolders | None = None) -> None:
    """Show one run: how it went, what it reached, its curve, and the config that it ran."""
    from trainer.cli.terminal.ending import print_run
    from trainer.runs.digests import read_text

    path = find_run(name, root or context.obj)
    typer.echo(path)
    print_run(path)
    typer.echo("\n" + read_text(path / "resolved.yaml").rstrip())


@group.command("check")
def check(
    context: typer.Context,
    names: RunNames,
    root: RunFolders | None = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Take the files as they are, where they were changed on purpose.")
    ] = False,
) -> None:
    """Check every file of runs against what was written; exit code 1 where one is another."""
    from trainer.runs import checking

    damaged = 0
    for path in [find_run(name, root or context.obj) for name in names]:
        if accept:
            changed = checking.accept(path)
            typer.echo(f"{path}: {', '.join(changed) or 'nothing'} taken as it is")
        problems = checking.check(path)
        wrong = [problem for problem in problems.values() if problem]
        typer.echo(f"{path}: {len(problems) - len(wrong)} of {count(len(problems), 'file')} as written")
        for problem in wrong:
            typer.echo(f"  {problem}")
        damaged += len(wrong)
    if damaged:
        raise typer.Exit(1)


@group.command("rm")
def remove(
    context: typer.Context,
    names: RunNames,
    root: RunFolders | None = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove runs with everything in them; one that is being trained stays."""
    from trainer.runs.lock import held

    paths = [find_run(name, root or context.obj) for name in names]
    for path in paths:
        if held(path):
            raise UsageError(f"{path} is being trained; stop it first")
    if not yes:
        typer.confirm(f"Remove {', '.join(path.name for path in paths)}?", abort=True)
    for path in paths:
        shutil.rmtree(path)
        typer.echo(f"removed {path}")
