"""All commands: ours, each of which is imported when it is called or listed, and those that plugins bring.

    @hookimpl
    def register_commands(register):
        register(publish)                      # trainer publish ...: a function as Typer takes it

Plugins are strangers' code that may be slow to import, or broken. So they are loaded only where their commands matter:
when `trainer --help` lists them, and when a name is asked for that is none of ours. What ships with this project brings
no commands and is not loaded for them. Problems are said on stderr, one line each, and change nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from trainer.cli.commands import COMMANDS
from trainer.cli.settings import ConfigCommand
from trainer.engine.uncollected import beginning
from trainer.errors import UsageError

if TYPE_CHECKING:
    from trainer.plugins import Component, Plugins

__all__ = ["Commands", "report_problems"]

_Mistyped: Any = typer.BadParameter.__base__  # click's UsageError, wherever this typer has it from
_PANEL = "Commands from plugins"


class Commands(TyperGroup):
    """Our commands, then those of plugins. A plugin cannot replace one of ours."""

    _loaded = False

    def list_commands(self, ctx: object) -> list[str]:
        """All names, ours first, as `--help` and the completion of a shell list them."""
        self._load()
        return [*COMMANDS, *(name for name in self.commands if name not in COMMANDS)]

    def get_command(self, ctx: object, cmd_name: str) -> Any:
        """Our command of that name without loading any plugin, else a plugin's."""
        if cmd_name not in self.commands:
            if cmd_name in COMMANDS:
                self.commands[cmd_name] = _ours(cmd_name)
            else:
                self._load()
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant; of one that is mistyped, what it might be is looked for among all names."""
        if args[0] not in COMMANDS and self.get_command(ctx, args[0]) is None:
            for name in COMMANDS:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """What is typed before a command's name, parsed."""
        with _one_style():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        """The command, whose own arguments are parsed here."""
        with _one_style():
            return super().invoke(ctx)

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        from trainer.plugins import shared

        plugins = shared()
        for name, component in sorted(plugins.all("commands").items()):
            if name in COMMANDS:
                _complain(component.plugin, f"the command '{name}' is trainer's own; register it under another name")
                continue
            try:
                self.commands[name] = _command(component)
            except Exception as error:  # Typer refuses a parameter that it has no way to parse
                _complain(component.plugin, f"the command '{name}' cannot be used: {error}")
        report_problems(plugins)


@contextmanager
def _one_style() -> Iterator[None]:
    """Inside, what is typed wrongly is an error as any other is: a line, in the place of a box."""
    try:
        yield
    except _Mistyped as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # which is the help
            raise
        said = error.format_message().rstrip(".").replace(": Value error, ", ": ").replace(": Input ", ": it ")
        if error.ctx is not None:
            said += f"{' What' if said.endswith('?') else '; what'} it takes: {error.ctx.command_path} -h"
        raise UsageError(said) from None


def report_problems(plugins: Plugins) -> None:
    """Say on stderr which plugins are broken, a line each."""
    for plugin, message in plugins.problems:
        _complain(plugin, message)


def _complain(plugin: str, message: str) -> None:
    text = message.strip().splitlines()[0] if message.strip() else "failed"
    if f"plugin '{plugin}'" not in text:
        text = f"plugin '{plugin}': {text}"
    print(f"warning: {text}", file=sys.stderr)  # noqa: T201


@beginning()
def _ours(name: str) -> Any:
    """The command that the file of its name holds."""
    module, about = import_module(f"trainer.cli.commands.{name.replace('-', '_')}"), COMMANDS[name]
    if hasattr(module, "group"):
        group = typer.main.get_group(module.group)
        group.name = name
        return group
    return _made(module.command, name, cls=ConfigCommand if about.on_config else None, hidden=about.hidden)


def _command(component: Component) -> Any:
    """A plugin's function or app as a command."""
    target = component.target
    return _made(target, component.name, help=target.__doc__ or f"From {component.origin}.", rich_help_panel=_PANEL)


def _made(function: Any, name: str, **settings: Any) -> Any:
    """A function as a command, by way of an app of its own: the only door that Typer leaves open."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
    alone.command(name, **settings)(function)
    return typer.main.get_command(alone)
