"""What was taken for what: the whole matrix of few classes, what was confused most of many."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from trainer.cli.terminal.abilities import is_terminal
from trainer.cli.terminal.tables import print_table
from trainer.cli.terminal.text import cut
from trainer.wording import count

if TYPE_CHECKING:
    from trainer.types import Array

__all__ = ["MOST", "print_confusions"]

MOST = 30  # classes whose table is shown whole, and confusions that are listed
_CORNER = "true, predicted:"


def print_confusions(matrix: Array, names: Sequence[str], *, fitted: bool = False) -> None:
    """The matrix where there is room for it, its largest confusions otherwise.

    Args:
        matrix: a row for each class that is, a column for each that was predicted.
        names: of the classes.
        fitted: to the width of a terminal where there is none, too.
    """
    cells = [[f"{value:,.10g}" for value in row] for row in matrix.tolist()]
    widths = [max(len(name), *(len(row[j]) for row in cells)) for j, name in enumerate(names)]
    columns = shutil.get_terminal_size((100, 24)).columns
    whole = max(len(_CORNER), *map(len, names)) + sum(width + 2 for width in widths) <= columns
    if whole or not (fitted or is_terminal() or len(names) > MOST):
        rows = [[name, *row] for name, row in zip(names, cells, strict=True)]
        print_table([_CORNER, *names], rows, right=set(range(1, len(names) + 1)), wrap=False, fitted=fitted)
        return
    from trainer.experiment.evaluating import confusions

    wrong = confusions(matrix)
    if not wrong:
        typer.echo("no class was taken for another")
        return
    room = max((columns - len("123,456") - 4) // 2, 8)
    listed = [[f"{value:,.10g}", cut(names[i], room), cut(names[j], room)] for value, i, j in wrong[:MOST]]
    print_table(["rows", "of class", "were taken for"], listed, right={0}, wrap=False, fitted=True)
    if len(wrong) > MOST:
        typer.echo(f"and {count(len(wrong) - MOST, 'more pair', 'more pairs')}")
