"""Arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AllowUnchecked",
    "Config",
    "Debug",
    "Overrides",
    "PluginOption",
    "Quiet",
    "RunFolders",
    "RunName",
    "RunNames",
    "RunsOfNames",
    "ServedRun",
    "Service",
]

Config = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG", help="A YAML file, such as configs/mlp.yaml, or a run's folder.", show_default=False
    ),
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
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only say how it ended.")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Look at every value of every step, to find the first that is not finite.")
]
AllowUnchecked = Annotated[
    bool, typer.Option("--allow-unchecked", help="Train even with a plugin's operation whose derivative is wrong.")
]
RunFolders = Annotated[Path, typer.Option("--in", metavar="FOLDER", help="Where run folders are.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A folder, its name, or the end of its name.")]
RunNames = Annotated[list[str], typer.Argument(metavar="RUN...", help="A folder, its name, or the end of its name.")]
RunsOfNames = Annotated[
    list[str],
    typer.Argument(metavar="RUN...", help="A run, a folder of runs, or the name of a config: all of its runs."),
]
Service = Annotated[
    str | None,
    typer.Option("--at", metavar="URL", help="The service; by default the last that was started or logged in to."),
]
ServedRun = Annotated[str, typer.Argument(metavar="RUN", help="Its id, or its name: the newest of that name.")]
