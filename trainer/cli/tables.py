"""Tables: fitted to a terminal, plain aligned text in a file or a pipe, where a wrapped line could not be searched."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import typer

from trainer.cli.display import is_terminal

__all__ = ["plain_table", "print_table"]


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> None:
    """Print rows under a header; the columns in `right` hold numbers and are aligned to the right."""
    if not is_terminal():
        typer.echo(plain_table(header, rows, right))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for i, name in enumerate(header):
        last = i == len(header) - 1
        table.add_column(
            name, justify="right" if i in right else "left", no_wrap=i == 0, overflow="fold", ratio=1 if last else None
        )
    for row in rows:
        table.add_row(*map(Text, row))  # not markup: a shape like [m] is no colour
    Console(highlight=False).print(table)


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """The table as text, a line per row.

    >>> print(plain_table(["layer", "parameters"], [["dense", "1,290"], ["relu", "0"]], right={1}))
    layer  parameters
    dense       1,290
    relu            0
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in (header, *rows):
        cells = [f"{c:>{w}}" if i in right else f"{c:<{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
