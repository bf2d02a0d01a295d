"""`trainer list`: what a config can name, and the options of each."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import PluginOption
from trainer.cli.plugin_commands import report_problems
from trainer.cli.terminal.tables import print_table
from trainer.errors import UsageError
from trainer.wording import did_you_mean, shape_of

if TYPE_CHECKING:
    from trainer.plugins import Component, Parameter, Plugins

__all__ = ["Kind", "command", "list_components"]


class Kind(StrEnum):
    """What `trainer list` lists."""

    layers = "layers"
    costs = "costs"
    optimizers = "optimizers"
    schedules = "schedules"
    metrics = "metrics"
    preprocessors = "preprocessors"
    callbacks = "callbacks"
    trackers = "trackers"
    datasets = "datasets"


def command(
    kind: Annotated[Kind | None, typer.Argument(help="What to list.", show_default=False)] = None,
    name: Annotated[str | None, typer.Argument(help="One of them, with its options.", show_default=False)] = None,
    plugin: PluginOption = None,
) -> None:
    """List what a config can name: layers, costs, optimizers, schedules, metrics and more."""
    if kind is None:
        _list_kinds(plugin or ())
    else:
        list_components(kind, name, plugin or ())


def _list_kinds(plugins: Sequence[str]) -> None:
    from trainer.config.schema import SECTIONS
    from trainer.config.sections import place
    from trainer.plugins import available

    found = available(plugins)
    rows = [[kind, str(len(found.all(kind))), place(SECTIONS, kind, "...")] for kind in Kind]
    report_problems(found)
    print_table(["kind", "", "in a config"], rows, right={1})
    typer.echo("\nthose of a kind: trainer list KIND; one of them in full: trainer list KIND NAME")
    typer.echo("every operation of one array is a layer too: trainer ops list")


def list_components(kind: Kind, name: str | None, plugins: Sequence[str]) -> None:
    """Print a table of the components of a kind, or one of them with its help and options.

    Raises PluginError with the nearest name for one that does not exist.
    """
    from trainer.plugins import available

    found = available(plugins)
    if name is not None:
        component = _reader(kind, name, found) or found.get(kind, name)
        report_problems(found)
        _show(component)
        return
    components = found.all(kind)
    report_problems(found)
    if not components:
        typer.echo(f"none is installed; a plugin brings some with the hook register_{kind}")
        return
    if kind is Kind.datasets:
        _print_datasets(components)
    else:
        rows = [[n, _options(c), c.summary] for n, c in sorted(components.items())]
        print_table(["name", "options", "what"], rows, wrap=False)
    typer.echo(f"\n{len(components)} {kind}; one of them in full: trainer list {kind} NAME")
    if kind is Kind.datasets:
        from trainer.data.readers.registry import Formats

        first, *others = Formats(found)
        typer.echo(
            f"files and folders are data sets too, their options: trainer list datasets {first}; or {', '.join(others)}"
        )
    if kind is Kind.layers:
        typer.echo("every operation of one array is a layer too: trainer ops list")


def _print_datasets(components: Mapping[str, Component]) -> None:
    """Data sets with what a person chooses one by: its size, and what there is to learn."""
    from trainer.data import facts_of
    from trainer.plugins.traits import DatasetTraits

    rows = []
    for _, component in sorted(components.items()):
        facts = facts_of(component)
        labels = DatasetTraits.of(component).labels  # 0 or 1 each, so numbers to a cost
        task = f"{facts.classes} classes" if facts.classes else f"{labels} labels" if labels else facts.task or "-"
        size = "-" if facts.rows is None else f"{facts.rows:,}"
        rows.append(
            [
                facts.name,
                size,
                "-" if facts.shape is None else shape_of(facts.shape),
                task,
                _options(component),
                facts.description,
            ]
        )
    print_table(["name", "rows", "inputs", "task", "options", "what"], rows, right={1})


def _reader(kind: str, name: str, plugins: Plugins) -> Component | None:
    """What reads a kind of data file, as a component whose options are the file's; None for the name of a data set.

    Raises UsageError for a name that is nearly one.
    """
    from trainer.data.readers.registry import Formats

    if kind != "datasets" or name in plugins.all(kind):
        return None
    formats = Formats(plugins)
    if name in formats:
        return formats[name].component
    if hint := did_you_mean(name, formats):
        raise UsageError(f"unknown data set '{name}'; {hint}")
    return None


def _options(component: Component) -> str:
    return ", ".join(p.name if p.required else f"{p.name}={p.default!r}" for p in component.parameters) or "-"


def _show(component: Component) -> None:
    from trainer.config.help import help_of
    from trainer.config.schema import SECTIONS
    from trainer.config.sections import place

    typer.echo(f"{component.name}\n")
    text = (help_of(component) or "No help was written for it.").partition(">>>")[0].rstrip()
    if component.kind == "readers":  # what its docstring goes on with is for those who call it in Python
        text = text.partition("\n\nRaises ")[0]
    typer.echo(textwrap.indent(text, "    ") + "\n")
    if component.parameters:
        print_table(
            ["option", "default", "takes"],
            [[p.name, "needed" if p.required else _written(p.default), _takes(p)] for p in component.parameters],
            fitted=True,
        )
        typer.echo()
    kind = "datasets" if component.kind == "readers" else component.kind
    typer.echo(f"in a config  {place(SECTIONS, kind, _example(component))}")
    typer.echo(f"from         {component.origin}")


def _takes(parameter: Parameter) -> str:
    from trainer.config.choices import nesting
    from trainer.limits import expected

    nested = nesting(parameter.annotation)
    if nested is not None:
        return f"components of {nested.section}"
    return expected(parameter.annotation) or "a value"


def _example(component: Component) -> str:
    """The component with the options that it needs, or with its first."""
    if component.kind == "readers":
        from trainer.data.readers.registry import Format

        first = [f"{parameter.name}: ..." for parameter in component.parameters[:1]]
        return f"{{{', '.join([f'path: {Format.of(component).example}', *first])}}}"
    needed = [p for p in component.parameters if p.required]
    if not needed:
        return component.name
    if len(needed) == 1 and needed[0] is component.parameters[0]:
        return f"{{{component.name}: ...}}"
    return f"{{{component.name}: {{{', '.join(f'{p.name}: ...' for p in needed)}}}}}"


def _written(value: object) -> str:
    """A default as YAML has it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(list(value) if isinstance(value, tuple) else value)
