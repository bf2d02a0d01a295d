"""The commands: their arguments, their help, and what becomes of their errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.plugin_commands import Commands
from trainer.errors import TrainerError

__all__ = ["app", "main"]

app = typer.Typer(
    name="trainer",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a traceback that prints every array helps nobody
    help="Train the network that a YAML file declares, with operations that anyone can add.",
    epilog="Start with: trainer init, then trainer run mlp.yaml",
)
ops = typer.Typer(
    no_args_is_help=True, help="List the operations, show one, check their derivatives, or begin one of your own."
)
app.add_typer(ops, name="ops")

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


def main(arguments: Sequence[str] | None = None) -> None:
    """The console command. Exits with 0, 1, 2 (usage, config), 3 (diverged) or 130 (Ctrl-C).

    What a person can mend is printed without a traceback. Anything else is a bug here, and keeps its traceback.
    """
    try:
        app(args=arguments, prog_name="trainer")
    except TrainerError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)


def _version(asked: bool) -> None:
    if asked:
        from trainer import __version__

        typer.echo(f"tape-trainer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def run(
    config: Config,
    overrides: Overrides = None,
    plugin: PluginOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where run folders go.")] = Path("runs"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only say how it ended.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Look at every value of every step, to find the first that is not finite.")
    ] = False,
    allow_unchecked: Annotated[
        bool, typer.Option("--allow-unchecked", help="Train even with a plugin's operation whose derivative is wrong.")
    ] = False,
) -> None:
    """Train a network, and leave a folder with its curve and its parameters."""
    from trainer.cli.commands.run import run_config

    run_config(config, overrides or (), plugin or (), out, quiet=quiet, debug=debug, allow_unchecked=allow_unchecked)


@app.command()
def validate(
    config: Config,
    overrides: Overrides = None,
    plugin: PluginOption = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also compare the gradient of the whole network with differences.")
    ] = False,
) -> None:
    """Check a config without training, and show its layers."""
    from trainer.cli.commands.validate import show_config

    show_config(config, overrides or (), plugin or (), deep=deep)


@app.command()
def show(
    config: Config,
    overrides: Overrides = None,
    plugin: PluginOption = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Run it, and give the time of each instruction, op and layer.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Draw it in this file.", show_default=False)
    ] = None,
) -> None:
    """Show the program of a training step: its instructions and buffers, operations and bytes."""
    from trainer.cli.commands.show import show_program

    show_program(config, overrides or (), plugin or (), profile=profile, svg=svg)


@ops.command("list")
def list_ops(
    plugin: PluginOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="As data, with what rules keep and what the last check said.")
    ] = False,
) -> None:
    """List every operation: name, inputs, attributes, derivatives, plugin."""
    from trainer.cli.commands.validate import list_ops

    list_ops(plugin or (), as_json=as_json)


@ops.command("show")
def show_op(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `trainer ops list` prints it.", show_default=False)],
    plugin: PluginOption = None,
) -> None:
    """Show one operation: signature, help, the residuals of each derivative, where it is written."""
    from trainer.cli.commands.validate import show_op

    show_op(name, plugin or ())


@ops.command("check")
def check_ops(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|FILE|PACKAGE]...",
            help="An operation, a plugin file, or a plugin package; everything without one.",
            show_default=False,
        ),
    ] = None,
    plugin: PluginOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="One sample of each operation, fewer variants.")] = False,
) -> None:
    """Try to prove derivatives wrong, and show the worst element of each that is."""
    from trainer.cli.commands.ops import check_ops

    raise typer.Exit(check_ops(what or (), plugin or (), quick=quick))


@ops.command("new")
def new_op(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What a config will call it.", show_default=False)],
    folder: Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Where to write.")] = Path(),
    plugin: PluginOption = None,
) -> None:
    """Write a plugin with one operation that passes every check, and its tests."""
    from trainer.cli.commands.ops import new_op

    new_op(name, folder, plugin or ())


class Kind(StrEnum):
    """What `trainer list` lists."""

    layers = "layers"
    costs = "costs"
    optimizers = "optimizers"
    schedules = "schedules"
    metrics = "metrics"
    preprocessors = "preprocessors"
    callbacks = "callbacks"
    datasets = "datasets"


@app.command("list")
def list_components(
    kind: Annotated[Kind, typer.Argument(help="What to list.", show_default=False)],
    name: Annotated[str | None, typer.Argument(help="One of them, with its options.", show_default=False)] = None,
    plugin: PluginOption = None,
) -> None:
    """List what a config can name: layers, costs, optimizers, schedules, metrics and more."""
    from trainer.cli.commands.list import list_components

    list_components(kind.value, name, plugin or ())


@app.command()
def datasets(plugin: PluginOption = None) -> None:
    """List the data sets that a config can name."""
    from trainer.cli.commands.validate import list_datasets

    list_datasets(plugin or ())


@app.command()
def schema(plugin: PluginOption = None) -> None:
    """Print the JSON schema of configs, installed plugins included, for an editor."""
    from trainer.cli.commands.validate import print_schema

    print_schema(plugin or ())


@app.command()
def init(
    where: Annotated[
        Path,
        typer.Argument(
            metavar="[FOLDER|FILE]", help="A folder to write into, or the YAML file to write.", show_default=False
        ),
    ] = Path(),
    plugin: Annotated[bool, typer.Option("--plugin", help="Write a first operation of your own as well.")] = False,
) -> None:
    """Write a first config, commented; what exists stays as it is."""
    from trainer.cli.commands.init import write_starter

    write_starter(where, with_plugin=plugin)
