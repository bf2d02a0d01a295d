"""Tables: fitted to the width of a terminal, and whole in a file or a pipe, where cut lines could not be searched."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence

import typer

from trainer.cli.terminal.abilities import is_terminal, may_colour
from trainer.cli.terminal.text import cut, spelt

__all__ = ["fitted_table", "plain_table", "print_table"]

_GAP = "  "
_LEAST = 30  # columns that the last cell wants, and the others make room for
_NARROW = 12  # what a cell in the middle is cut to, where there is no room
_INDENT = "    "


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
    *,
    wrap: bool = True,
    fitted: bool = False,
    spare: bool = False,
) -> None:
    """Print rows under a header; the columns in `right` hold numbers and are aligned to the right.

    On a terminal the last column is wrapped, or cut off where `wrap` is False, to the room that the others leave.
    A table for reading rather than searching is `fitted` elsewhere too, to the width in COLUMNS or 100. A last column
    that is `spare` is left out where there is no room for it.
    """
    encoding = getattr(sys.stdout, "characters", None) or sys.stdout.encoding or "utf-8"
    header, *rows = ([spelt(cell, encoding) for cell in row] for row in (header, *rows))
    if not is_terminal() and not fitted:
        typer.echo(plain_table(header, rows, right))
        return
    width = shutil.get_terminal_size((100, 24)).columns
    if spare and sum(widths := _widths(header, rows)) + len(_GAP) * (len(widths) - 1) > width:
        header, *rows = (row[:-1] for row in (header, *rows))
    lines = fitted_table(header, rows, right, width, wrap=wrap, end=spelt("…", encoding)).splitlines()
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
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[int],
    width: int,
    *,
    wrap: bool,
    end: str = "…",
) -> str:
    """The table in `width` columns, with every number whole and `end` where a text is cut.

    First the last cell of a row gives way, then the longer ones in the middle, then the first. Where that is not
    enough, the last cell stands below its row, and columns of numbers below one another, each with the first one.

    >>> rows = [["tanh", "element-wise: one value for each value of the input"]]
    >>> print(fitted_table(["op", "what"], rows, (), 36, wrap=True))
    op    what
    tanh  element-wise: one value for
          each value of the input
    >>> print(fitted_table(["op", "what"], rows, (), 36, wrap=False))
    op    what
    tanh  element-wise: one value for…
    >>> rows = [["ant", "12,345", "12"], ["bee", "7", "54,321"]]
    >>> print(fitted_table(["", "ant", "bee"], rows, {1, 2}, 15, wrap=False))
            ant
    ant  12,345
    bee       7
    <BLANKLINE>
            bee
    ant      12
    bee  54,321
    """
    lines = [list(header), *map(list, rows)]
    widths = _widths(header, rows)
    last = len(widths) - 1
    ends_in_text = last > 0 and last not in right
    wanted = min(_LEAST, widths[last]) if ends_in_text else widths[last]
    if ends_in_text and wrap:  # a path that is broken cannot be copied
        longest = max((len(word) for row in lines for word in row[last].split()), default=0)
        wanted = max(wanted, min(width - len(_INDENT), longest))
    texts = [i for i in range(last) if i not in right]
    given = _given_way(widths, texts, header, width, width - wanted - len(_GAP) * last)
    room = width - sum(given[:last]) - len(_GAP) * last
    below = ends_in_text and room < wanted
    if below:
        given = _given_way(widths, texts, header, width, width - len(_GAP) * max(last - 1, 0))
    elif ends_in_text:
        given[last] = min(widths[last], room)
    shown = []
    for number, block in enumerate(_blocks(given[:last] if below else given, width)):
        shown += [""] if number else []
        for row in lines:
            shown += _row(row, block, given, right, end, folding=wrap and ends_in_text and block[-1] == last)
            if below and number == 0 and row[last]:
                shown += _below(row[last], width, end, wrap=wrap)
    return "\n".join(shown)


def _row(
    row: Sequence[str], block: Sequence[int], widths: Sequence[int], right: Collection[int], end: str, *, folding: bool
) -> list[str]:
    """Those cells of a row that stand beside each other; the last one in as many lines as it takes, where it folds."""
    cells = [cut(row[i], widths[i], end) for i in block]
    columns, numbers = [widths[i] for i in block], {place for place, i in enumerate(block) if i in right}
    texts = textwrap.wrap(row[block[-1]], columns[-1], break_on_hyphens=False) if folding else cells[-1:]
    first, *others = texts or [""]
    begin = _line([*cells[:-1], first], columns, numbers)
    return [begin, *(_line([*[""] * (len(block) - 1), text], columns, numbers) for text in others)]


def _given_way(widths: Sequence[int], texts: Sequence[int], header: Sequence[str], width: int, room: int) -> list[int]:
    """The widths, of which those of texts are reduced to fit before the last: the longer ones first, the names last."""
    given = list(widths)
    for i in sorted(texts, key=lambda i: (i == 0, -widths[i])):
        least = max(width // 2 if i == 0 else _NARROW, len(header[i]))
        given[i] -= max(min(sum(given[:-1]) - room, given[i] - least), 0)
    return given


def _below(text: str, width: int, end: str, *, wrap: bool) -> list[str]:
    room = width - len(_INDENT)
    lines = textwrap.wrap(text, room, break_on_hyphens=False) if wrap else [cut(text, room, end)]
    return [_INDENT + line for line in lines]


def _blocks(widths: Sequence[int], width: int) -> list[list[int]]:
    """The columns that stand beside each other; the first one is in each."""
    blocks = [[0]]
    for i in range(1, len(widths)):
        if len(blocks[-1]) > 1 and sum(widths[j] + len(_GAP) for j in blocks[-1]) + widths[i] > width:
            blocks.append([0])
        blocks[-1].append(i)
    return blocks


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(header, *rows, strict=True)]


def _line(row: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    cells = [f"{c:>{w}}" if i in right else f"{c:<{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))]
    return _GAP.join(cells).rstrip()
