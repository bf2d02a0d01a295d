"""`trainer schema`: the JSON schema of configs."""

from __future__ import annotations

import typer

from trainer.cli.arguments import PluginOption
from trainer.cli.plugin_commands import report_problems

__all__ = ["command"]


def command(plugin: PluginOption = None) -> None:
    """Print the JSON schema of configs, installed plugins included, for an editor."""
    import json

    from trainer.config import json_schema
    from trainer.plugins import available

    found = available(plugin or ())
    text = json.dumps(json_schema(found), indent=2)  # ASCII: as JSON in any encoding
    report_problems(found)
    typer.echo(text)
