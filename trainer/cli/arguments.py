"""Arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Config", "Overrides", "PluginOption"]

Config = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="A YAML file, such as configs/mlp.yaml.", show_default=False)
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Anything in the file, by its path: step_size=0.01 network.0.dense=64",
        show_default=False,
    ),
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin", "-p", metavar="PLUGIN", help="A plugin to load besides: a file or a module.", show_default=False
    ),
]
