"""`trainer export`: a trained model for those who do not have this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trainer.cli.arguments import RunFolders, RunName
from trainer.cli.paths import find_run
from trainer.errors import UsageError
from trainer.files import check_ending
from trainer.wording import count

if TYPE_CHECKING:
    from trainer.experiment.model import Model
    from trainer.export.saving import Written
    from trainer.types import Array

__all__ = ["command"]


def command(
    run: RunName,
    onnx: Annotated[
        Path | None, typer.Option("--onnx", metavar="FILE", help="An ONNX graph, with scaling and preprocessing in it.")
    ] = None,
    python: Annotated[
        Path | None, typer.Option("--python", metavar="FILE", help="A file of Python that predicts with NumPy alone.")
    ] = None,
    safetensors: Annotated[
        Path | None,
        typer.Option("--safetensors", metavar="FILE", help="Parameters under PyTorch's names and in its layouts."),
    ] = None,
    reader: Annotated[
        Literal["torch"] | None, typer.Option("--for", help="Print the module that loads the parameters.")
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option("--rows", metavar="DATA", help="Rows to compare on; by default those of the run's data set."),
    ] = None,
    root: RunFolders = Path("runs"),
) -> None:
    """Export a model, and compare at once what comes of it."""
    file = Path(run) if Path(run).is_file() else None
    folder = None if file else find_run(run, root)
    if onnx is None and python is None and safetensors is None:
        raise UsageError("say as what: --onnx FILE, --python FILE or --safetensors FILE")
    for path, what, ending in (
        (onnx, "an ONNX graph", ".onnx"),
        (safetensors, "a safetensors file", ".safetensors"),
    ):
        if path is not None:
            check_ending(path, what, ending)
    from trainer.experiment.model import load
    from trainer.export.saving import write_onnx, write_python, write_torch

    model = load(file or folder or run)
    compared = _rows(model, folder, rows)
    for path, write in ((onnx, write_onnx), (python, write_python)):
        if path is not None:
            _tell(write(model, path, compared), err=False)
    if safetensors is not None:
        written, module = write_torch(model, safetensors, compared)
        if reader is not None:
            typer.echo(module.rstrip())
        _tell(written, err=reader is not None)


def _tell(written: Written, *, err: bool) -> None:
    """What was written, and how near it is; beside a printed module, which may go into a file, on standard error."""
    about = ", ".join(f"{name} {text}" for name, text in written.about.items())
    typer.echo(f"{written.path}: {about}", err=err)
    if written.rows:
        part = f"{written.relative:.2g} of the largest output, or of 1"
        rows = count(written.rows, "row")
        typer.echo(f"largest difference on {rows}: {written.difference:.2g} ({part})", err=err)
    else:
        typer.echo("not compared: PyTorch is not installed here", err=err)


def _rows(model: Model, folder: Path | None, data: Path | None) -> Array:
    """What an export is compared on."""
    from trainer.export.saving import rows_of_data, rows_of_run

    if data is not None:
        return rows_of_data(model, data)
    if folder is None:
        raise UsageError("parameters alone have no rows to compare an export on; give some: --rows DATA")
    return rows_of_run(model, folder)
