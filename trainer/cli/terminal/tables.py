"""Tables: fitted to the width of a terminal, and whole in a file or a pipe, where cut lines could not be searched."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Collection, Sequence

import typer

from trainer.cli.terminal.abilities import is_terminal, may_colour

__all__ = ["fitted_table", "plain_table", "print_table"]

_GAP = "  "
_LEAST = 30  # columns that the last cell wants, and the others make room for
_NARROW = 12  # what a cell in the middle is cut to, where there is no room


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
    *,
    wrap: bool = True,
    fitted: bool = False,
) -> None:
    """Print rows under a header; the columns in `right` hold numbers and are aligned to the right.

    On a terminal the last column is wrapped, or cut off where `wrap` is False, to the room that the others leave.
    A table for reading rather than searching is `fitted` elsewhere too, to the width in COLUMNS or 100.
    """
    if not is_terminal() and not fitted:
        typer.echo(plain_table(header, rows, right))
        return
    lines = fitted_table(header, rows, right, shutil.get_terminal_size((100, 24)).columns, wrap=wrap).splitlines()
    if may_colour():
        lines[0] = typer.style(lines[0], bold=True)
    typer.echo("\n".join(lines))


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """The table as text, a line per row.

    >>> print(plain_table(["layer", "parameters"], [["dense", "1,290"], ["relu", "0"]], right={1}))
    layer  parameters
    dense       1,290
    relu            0
    """
    widths = _widths(header, rows)
    return "\n".join(_line(row, widths, right) for row in (header, *rows))


def fitted_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int], width: int, *, wrap: bool
) -> str:
    """The table in `width` columns: first the last cell of a row gives way, then the longer ones in the middle.

    >>> rows = [["tanh", "element-wise: one value for each value of the input"]]
    >>> print(fitted_table(["op", "what"], rows, (), 36, wrap=True))
    op    what
    tanh  element-wise: one value for
          each value of the input
    >>> print(fitted_table(["op", "what"], rows, (), 36, wrap=False))
    op    what
    tanh  element-wise: one value for e…
    """
    widths = _widths(header, rows)
    last = len(widths) - 1
    for i in sorted(range(1, last), key=lambda i: -widths[i]):
        excess = sum(widths[:last]) + len(_GAP) * last + min(_LEAST, widths[last]) - width
        widths[i] -= max(min(excess, widths[i] - max(_NARROW, len(header[i]))), 0)
    widths[last] = max(min(widths[last], width - sum(widths[:last]) - len(_GAP) * last), 1)
    lines = []
    for row in (header, *rows):
        cells = [_cut(cell, columns) for cell, columns in zip(row, widths, strict=True)]
        texts = (textwrap.wrap(row[last], widths[last]) or [""]) if wrap else cells[last:]
        lines.append(_line([*cells[:last], texts[0]], widths, right))
        lines += [_line([*[""] * last, text], widths, right) for text in texts[1:]]
    return "\n".join(lines)


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(header, *rows, strict=True)]


def _line(row: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    cells = [f"{c:>{w}}" if i in right else f"{c:<{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))]
    return _GAP.join(cells).rstrip()


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"
