"""`trainer init`: a first config that explains itself, and on request a first operation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.errors import UsageError
from trainer.wording import typed

__all__ = ["command", "write_starter"]

_CONFIG = """\
# A first network: handwritten digits, 8 × 8 pixels each, ten classes.
#
#     trainer run {name}                       trains it and leaves a folder in runs/
#     trainer run {name} step_size=0.01        overrides anything below
#     trainer validate {name}                  shows the layers without training

seed: 0                         # the same seed gives the same run, to the last bit
{plugins}
dataset:
  name: digits                  # `trainer datasets` lists the others; or path: my.csv with target: COLUMN
  test_fraction: 0.2            # rows that training never sees
  standardize: true             # every feature with mean 0 and standard deviation 1

network:                        # from top to bottom
  - dense: 128                  # 128 weighted sums of all inputs
  - {activation:<28}# `trainer ops list` shows what else can stand here
  - dense: 10                   # one output per class

cost: softmax_cross_entropy     # what training makes small
optimizer: sgd                  # θ ← θ − step_size · gradient
batch_size: 32                  # rows per step
step_size: 0.1                  # a loss that grows wants less, one that hardly falls wants more
epochs: 20                      # passes over all rows
"""

_PLUGIN = '''\
"""A first operation: plain NumPy, and its derivative. The config beside this file names it in `plugins:`."""

import numpy as np

from trainer import hookimpl, op


@op
def bent(x, *, bend=1.0):
    """x + bend·(√(x² + 1) − 1): a line with a bend at 0, smooth everywhere."""
    return x + bend * (np.sqrt(x**2 + 1) - 1)


@bent.vjp("x")  # its parameter names say what it needs: the cotangent dy, the input x, the attribute bend
def _(dy, x, *, bend):
    return dy * (1 + bend * x / np.sqrt(x**2 + 1))


@bent.samples  # inputs on which the checker tries to break it
def _(rng):
    yield rng.normal(size=(3, 4))
    yield rng.normal(size=5), {"bend": 0.5}


@hookimpl
def register_ops(register):
    register(bent)
'''


def command(
    where: Annotated[
        Path,
        typer.Argument(
            metavar="[FOLDER|FILE]", help="A folder to write into, or the YAML file to write.", show_default=False
        ),
    ] = Path(),
    plugin: Annotated[bool, typer.Option("--plugin", help="Write a first operation of your own as well.")] = False,
) -> None:
    """Write a first config, commented; what exists stays as it is."""
    write_starter(where, with_plugin=plugin)


def write_starter(where: Path, *, with_plugin: bool = False) -> None:
    """Write mlp.yaml into the folder `where`, or the file `where` itself; with a plugin also bent.py beside it.

    Folders are made. Raises UsageError, and writes nothing, when one of the files exists.
    """
    is_file = where.suffix in (".yaml", ".yml") and not where.is_dir()
    config = where if is_file else where / "mlp.yaml"
    if where.is_file() and not is_file:
        raise UsageError(
            f"{where} is a file and no folder; a config ends in .yaml: trainer init {typed(where.with_suffix('.yaml'))}"
        )
    plugins = (
        "\nplugins: [bent.py]              # a file beside this one: an operation of your own\n" if with_plugin else ""
    )
    texts = {config: _CONFIG.format(name=config, plugins=plugins, activation="bent" if with_plugin else "relu")}
    if with_plugin:
        texts[config.with_name("bent.py")] = _PLUGIN
    for path in texts:
        if path.exists():
            raise UsageError(
                f"{path} exists already and stays as it is; name another: trainer init {typed(_free(path))}"
            )
    for path, text in texts.items():
        _write_new(path, text)
        typer.echo(f"wrote {path}")
    typer.echo(f"next: trainer run {typed(config)}")


def _write_new(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:  # "x" refuses a file that came in between
            file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror} ({error.filename})") from None


def _free(path: Path) -> Path:
    config = path.with_suffix(".yaml")
    numbers = (config.with_name(f"{config.stem}-{i}.yaml") for i in range(2, 1000))
    return next((candidate for candidate in numbers if not candidate.exists()), config)
