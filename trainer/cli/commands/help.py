"""`trainer help`: every key of a config, and what it means."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.terminal.tables import print_table
from trainer.errors import UsageError

if TYPE_CHECKING:
    from trainer.config.reference import Entry

__all__ = ["command"]


def command(
    key: Annotated[
        str | None, typer.Argument(help="A key, such as step_size or stop.patience.", show_default=False)
    ] = None,
) -> None:
    """Say what a key of a config takes, its default, and what it means; without KEY, list them."""
    from trainer.config.reference import entries, entry

    if key is None:
        print_table(["key", "default", "takes"], [[e.path, e.default, e.takes] for e in entries()])
        typer.echo("\none of them: trainer help KEY; what it can name: trainer list")
        return
    try:
        found = entry(key)
    except UsageError as error:
        raise _component(key) or error from None
    typer.echo("\n\n".join(map(_told, found)))


def _told(entry: Entry) -> str:
    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    rows = {
        "takes": entry.takes,
        "default": entry.default,
        "example": entry.example,
        "elsewhere": ", ".join(entry.also),
    }
    lines = [entry.path, *textwrap.wrap(entry.meaning, width, initial_indent="  ", subsequent_indent="  ")]
    for name, text in rows.items():
        begin = f"  {name:9}  "
        if text:
            lines += textwrap.wrap(text, width, initial_indent=begin, subsequent_indent=" " * len(begin))
    return "\n".join(lines)


def _component(name: str) -> UsageError | None:
    """What to say of a name that is no key, and yet one in a config."""
    from trainer.cli.commands.list import Kind
    from trainer.plugins import available

    found = available()
    for kind in Kind:
        if name in found.all(kind):
            return UsageError(f"'{name}' is no key of a config, and can be named in one: trainer list {kind} {name}")
    return None
