"""`trainer predict`: what a trained model says of rows that it has not seen."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.arguments import RunFolders, RunName
from trainer.cli.paths import find_run
from trainer.errors import StorageError
from trainer.wording import count

__all__ = ["command"]


def command(
    run: RunName,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="A .csv, .npz, .npy, .mat, .h5, .idx, .svm or .parquet file, or a folder of images.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A .csv, .npz or .parquet file; without it CSV is printed.",
            show_default=False,
        ),
    ] = None,
    root: RunFolders = Path("runs"),
) -> None:
    """Predict: class names and probabilities, or numbers, a line for each row of DATA."""
    path = Path(run) if Path(run).is_file() else find_run(run, root)
    from trainer.experiment.model import load
    from trainer.experiment.predicting import write_predictions

    rows, remarks = write_predictions(load(path), data, out, _print)
    for remark in remarks:
        typer.echo(remark, err=True)
    if out is not None:
        typer.echo(f"{count(rows, 'row')} predicted: {out}")


def _print(piece: bytes) -> None:
    """To standard output, whose reader may have seen enough; any other refusal is an error: this is the result."""
    try:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at the end
        raise typer.Exit from None
    except OSError as error:
        raise StorageError("standard output", error) from None
