"""One batch, layer by layer, as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from trainer.cli.terminal.abilities import is_unicode
from trainer.cli.terminal.sparkline import sparkline
from trainer.cli.terminal.tables import print_table
from trainer.wording import shape_of

if TYPE_CHECKING:
    from trainer.explaining.batch import LayerLook, Spread

__all__ = ["print_layers"]


def print_layers(rows: Sequence[LayerLook]) -> None:
    """A row a layer, and last the cost."""
    typer.echo()
    unicode = is_unicode()
    header = ["", "layer", "output", "size", "from", "to", "zeros", "values", "cotangents", "gradient", "bytes"]
    sizes = [_number(r.cotangents.rms) if r.cotangents else "" for r in rows]
    longest = max(map(len, sizes))
    print_table(
        [*header, "µs", "µs back"],
        [
            [
                str(i) if i < len(rows) - 1 else "", r.name, shape_of(r.shape), *_values(r.values),
                _bars(r.values, unicode), f"{size:>{longest}}  {_bars(r.cotangents, unicode)}".rstrip(),
                _number(r.gradient), f"{r.nbytes:,}", f"{r.forward * 1e6:.0f}",
                f"{r.backward * 1e6:.0f}" if r.cotangents else "",
            ]
            for i, (r, size) in enumerate(zip(rows, sizes, strict=True))
        ],
        right={0, 3, 4, 5, 6, *range(8, 13)},  # with the cotangents, whose bars are of one width
        wrap=False,
    )  # fmt: skip


def _bars(spread: Spread | None, unicode: bool) -> str:
    """How many values lie in each tenth of their range: as blocks, or as digits of which 9 are the most."""
    if spread is None or not spread.counts:
        return ""
    most = max(spread.counts)
    return sparkline(spread.counts, unicode=unicode) or "".join(str(9 * each // most) for each in spread.counts)


def _values(values: Spread) -> list[str]:
    return [_number(values.rms), _number(values.least), _number(values.largest), f"{values.zeros:.0%}"]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"
