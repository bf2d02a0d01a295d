"""`trainer export`: a trained model for those who do not have this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.cli.arguments import RunFolders, RunName
from trainer.cli.paths import find_run
from trainer.errors import UsageError
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
    rows: Annotated[
        Path | None,
        typer.Option("--rows", metavar="DATA", help="Rows to compare on; by default those of the run's data set."),
    ] = None,
    root: RunFolders = Path("runs"),
) -> None:
    """Export a model, and compare at once what comes of it."""
    file = Path(run) if Path(run).is_file() else None
    folder = None if file else find_run(run, root)
    if onnx is None and python is None:
        raise UsageError("say as what: --onnx FILE or --python FILE")
    from trainer.experiment.model import load
    from trainer.export.saving import write_onnx, write_python

    model = load(file or folder or run)
    compared = _rows(model, folder, rows)
    for path, write in ((onnx, write_onnx), (python, write_python)):
        if path is not None:
            _tell(write(model, path, compared))


def _tell(written: Written) -> None:
    about = ", ".join(f"{name} {text}" for name, text in written.about.items())
    typer.echo(f"{written.path}: {about}")
    part = f"{written.relative:.2g} of the largest output, or of 1"
    typer.echo(f"largest difference on {count(written.rows, 'row')}: {written.difference:.2g} ({part})")


def _rows(model: Model, folder: Path | None, data: Path | None) -> Array:
    """What an export is compared on."""
    from trainer.export.saving import rows_of_data, rows_of_run

    if data is not None:
        return rows_of_data(model, data)
    if folder is None:
        raise UsageError("parameters alone have no rows to compare an export on; give some: --rows DATA")
    return rows_of_run(model, folder)
