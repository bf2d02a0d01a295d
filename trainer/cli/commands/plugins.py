"""`trainer plugins`: what is installed, what each brought, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import PluginOption
from trainer.cli.terminal.tables import print_table
from trainer.errors import PluginError
from trainer.wording import count, did_you_mean

if TYPE_CHECKING:
    from trainer.plugins import PluginSummary

__all__ = ["command"]


def command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One of them in full.")] = None,
    plugin: PluginOption = None,
) -> None:
    """List the installed plugins: what each registered, and what is wrong with it."""
    from trainer.plugins import available
    from trainer.plugins.entries import called

    found = {summary.name: summary for summary in available(plugin or ()).summaries()}
    entry = called(name) if name is not None and name not in found else None
    name = name if entry is None else entry.name
    if name is None:
        _print_all(list(found.values()))
    elif name in found:
        _print_one(found[name])
    else:
        hint = did_you_mean(name, found, f"there are: {', '.join(found)}")
        raise PluginError(f"no plugin '{name}' is installed; {hint}")


def _print_all(plugins: list[PluginSummary]) -> None:
    rows = [[each.name, each.package or "a file", _counts(each), str(len(each.problems) or "-")] for each in plugins]
    print_table(["plugin", "package", "registered", "problems"], rows, right={3})
    for each in plugins:
        for problem in each.problems:
            typer.echo(f"\n{problem}")
    typer.echo(f"\n{count(len(plugins), 'plugin')}; one of them in full: trainer plugins NAME")


def _print_one(plugin: PluginSummary) -> None:
    typer.echo(f"{plugin.name} ({plugin.package or 'a file'})\n")
    brought = {f"register_{kind}": ", ".join(names) for kind, names in plugin.registered.items()}
    rows = [[hook, brought.get(hook, "-")] for hook in plugin.hooks]
    if rows:
        print_table(["hook", "registered"], rows, fitted=True)
        typer.echo()
    typer.echo(f"written in  {plugin.file or '-'}")
    for problem in plugin.problems:
        typer.echo(f"problem     {problem}")


def _counts(plugin: PluginSummary) -> str:
    """`2 layers, 1 cost`."""
    from trainer.plugins.registry import noun

    return ", ".join(count(len(names), noun(kind)) for kind, names in plugin.registered.items()) or "nothing"
