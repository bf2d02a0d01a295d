"""`trainer explain`: why a run did not learn; of a config, what one batch does in it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import Overrides, PluginOption, RunFolders
from trainer.cli.opening import opened
from trainer.cli.paths import find_run
from trainer.cli.terminal.tables import print_table
from trainer.wording import count, shape_of

if TYPE_CHECKING:
    from trainer.explaining.batch import Spread

__all__ = ["command"]


def command(
    what: Annotated[
        str,
        typer.Argument(metavar="RUN|CONFIG", help="A run's folder or name, or a YAML file.", show_default=False),
    ],
    overrides: Overrides = None,
    plugin: PluginOption = None,
    root: RunFolders = Path("runs"),
) -> None:
    """Say why a run did not learn and what to try, or what one batch does in a config, layer by layer."""
    if Path(what).suffix in (".yaml", ".yml"):
        _of_config(Path(what), overrides, plugin)
    else:
        _of_run(find_run(what, root))


def _of_run(path: Path) -> None:
    from trainer.explaining.findings import Finding
    from trainer.runs import load

    run = load(path)
    for about in run.findings:
        typer.echo(str(Finding(**about)))
    if not run.findings:
        reason = f": {run.reason}" if run.reason else ""
        typer.echo(f"{path.name} is {run.status}{reason}" if reason else f"{path.name}: nothing was found to be wrong")


def _of_config(config: Path, overrides: list[str] | None, plugins: list[str] | None) -> None:
    loaded = opened(config, overrides, plugins)
    from trainer.experiment import build
    from trainer.explaining.batch import look
    from trainer.training.threads import pinned

    training = build(loaded)
    with pinned(loaded.config.compute.threads):
        rows = look(training)
    typer.echo(f"{count(min(training.batch_size, len(training.data.train)), 'row')} of {loaded.path}, before a step:\n")
    print_table(
        ["", "layer", "output", "size", "from", "to", "zeros", "cotangents", "gradient", "bytes", "µs", "µs back"],
        [
            [
                str(i) if i < len(rows) - 1 else "", r.name, shape_of(r.shape), *_values(r.values),
                _number(r.cotangents.rms if r.cotangents else math.nan), _number(r.gradient), f"{r.nbytes:,}",
                f"{r.forward * 1e6:.0f}", f"{r.backward * 1e6:.0f}" if r.cotangents else "",
            ]
            for i, r in enumerate(rows)
        ],
        right={0, *range(3, 12)},
        wrap=False,
    )  # fmt: skip
    typer.echo(
        "\nsize, cotangents and gradient are root mean squares: of what a layer gives, of the mean cost's derivative "
        "by that, and by the layer's parameters. Ops, their time and bytes: trainer show CONFIG --profile"
    )


def _values(values: Spread) -> list[str]:
    return [_number(values.rms), _number(values.least), _number(values.largest), f"{values.zeros:.0%}"]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"
