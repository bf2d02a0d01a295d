"""`trainer datasets`: short for `trainer list datasets`."""

from __future__ import annotations

from trainer.cli.arguments import PluginOption
from trainer.cli.commands.list import Kind, list_components

__all__ = ["command"]


def command(plugin: PluginOption = None) -> None:
    """List the data sets that a config can name."""
    list_components(Kind.datasets, None, plugin or ())
