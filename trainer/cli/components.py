"""`trainer list`: what a config can name, and the options of each."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from trainer.cli.commands import report_problems
from trainer.cli.tables import print_table

if TYPE_CHECKING:
    from trainer.plugins import Component, Parameter

__all__ = ["list_components"]

# Where each is written, for the example.
_PLACES = {
    "layers": "network: [{}]",
    "costs": "cost: {}",
    "optimizers": "optimizer: {}",
    "schedules": "step_size: {}",
    "metrics": "metrics: [{}]",
    "preprocessors": "dataset: {{name: wine, preprocess: [{}]}}",
    "callbacks": "callbacks: [{}]",
    "datasets": "dataset: {}",
}


def list_components(kind: str, name: str | None, plugins: Sequence[str]) -> None:
    """Print a table of the components of a kind, or one of them with its help and options.

    Raises PluginError with the nearest name for one that does not exist.
    """
    from trainer.plugins import Plugins, shared

    found = Plugins(plugins) if plugins else shared()
    if name is not None:
        component = found.get(kind, name)
        report_problems(found)
        _show(component)
        return
    components = sorted(found.all(kind).items())
    report_problems(found)
    print_table(["name", "options", "what"], [[n, _options(c), c.summary] for n, c in components], wrap=False)
    typer.echo(f"\n{len(components)} {kind}; one of them in full: trainer list {kind} NAME")
    if kind == "layers":
        typer.echo("every operation of one array is a layer too: trainer ops list")


def _options(component: Component) -> str:
    return ", ".join(p.name if p.required else f"{p.name}={p.default!r}" for p in component.parameters) or "-"


def _show(component: Component) -> None:
    from trainer.engine.op import Op

    target = component.target
    doc = target.doc if isinstance(target, Op) else getattr(target, "__doc__", None)
    typer.echo(f"{component.name}\n")
    text = inspect.cleandoc(doc or "No help was written for it.").partition(">>>")[0].rstrip()
    typer.echo(textwrap.indent(text, "    ") + "\n")
    if component.parameters:
        print_table(
            ["option", "takes", "default"],
            [[p.name, _takes(p), "needed" if p.required else _written(p.default)] for p in component.parameters],
        )
        typer.echo()
    typer.echo(f"in a config  {_PLACES[component.kind].format(_example(component))}")
    typer.echo(f"from         {component.origin}")


def _takes(parameter: Parameter) -> str:
    from trainer.config.choices import nesting
    from trainer.config.values import expected

    nested = nesting(parameter.annotation)
    if nested is not None:
        return f"components of {nested.section}"
    return expected(parameter.annotation) or "a value"


def _example(component: Component) -> str:
    """The component with the options that it needs, or with its first."""
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
