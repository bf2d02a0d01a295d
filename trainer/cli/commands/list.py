"""`trainer list`: what a config can name, and the options of each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import typer

from trainer.cli.plugin_commands import report_problems
from trainer.cli.terminal.tables import print_table
from trainer.errors import UsageError
from trainer.wording import did_you_mean

if TYPE_CHECKING:
    from trainer.plugins import Component, Parameter, Plugins

__all__ = ["files_line", "list_components"]

# Where each is written, for the example.


def list_components(kind: str, name: str | None, plugins: Sequence[str]) -> None:
    """Print a table of the components of a kind, or one of them with its help and options.

    Raises PluginError with the nearest name for one that does not exist.
    """
    from trainer.plugins import Plugins, shared

    found = Plugins(plugins) if plugins else shared()
    if name is not None:
        component = _reader(kind, name, found) or found.get(kind, name)
        report_problems(found)
        _show(component)
        return
    components = sorted(found.all(kind).items())
    report_problems(found)
    if not components:
        typer.echo(f"none is installed; a plugin brings some with the hook register_{kind}")
        return
    print_table(["name", "options", "what"], [[n, _options(c), c.summary] for n, c in components], wrap=False)
    typer.echo(f"\n{len(components)} {kind}" + (f"; one of them in full: trainer list {kind} NAME" * bool(components)))
    if kind == "datasets":
        typer.echo(files_line())
    if kind == "layers":
        typer.echo("every operation of one array is a layer too: trainer ops list")


def files_line() -> str:
    """What says that files are data sets too."""
    from trainer.data.load import FILES

    return f"files and folders are data sets too, their options: trainer list datasets {'|'.join(FILES)}"


def _reader(kind: str, name: str, plugins: Plugins) -> Component | None:
    """What reads a kind of data file, as a component whose options are the file's; None for the name of a data set.

    Raises UsageError for a name that is nearly one.
    """
    from trainer.config.choices import reader_component
    from trainer.data.load import FILES

    if kind != "datasets" or name in plugins.all(kind):
        return None
    if name in FILES:
        return reader_component(name)
    if hint := did_you_mean(name, FILES):
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
    if isinstance(component.target, partial):  # what its docstring goes on with is for those who call it in Python
        text = text.partition("\n\nRaises ")[0]
    typer.echo(textwrap.indent(text, "    ") + "\n")
    if component.parameters:
        print_table(
            ["option", "default", "takes"],
            [[p.name, "needed" if p.required else _written(p.default), _takes(p)] for p in component.parameters],
            fitted=True,
        )
        typer.echo()
    typer.echo(f"in a config  {place(SECTIONS, component.kind, _example(component))}")
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
    if isinstance(component.target, partial):
        (path,) = component.target.args
        return f"{{path: {path}, {component.parameters[0].name}: ...}}"
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
