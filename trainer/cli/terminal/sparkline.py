"""A curve in one cell of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["sparkline"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 12


def sparkline(values: Sequence[float], *, unicode: bool, width: int = _WIDTH) -> str:
    """The values as blocks between the least and the largest, `width` at most; "" without two, or without blocks.

    A gap stands for what is not finite.

    >>> sparkline([4, 2, 1, 1], unicode=True), sparkline([1], unicode=True)
    ('█▃▁▁', '')
    """
    finite = [value for value in values if math.isfinite(value)]
    if not unicode or len(finite) < 2:
        return ""
    low, high = min(finite), max(finite)
    chosen = values
    if len(values) > width:
        chosen = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((v - low) * scale)] if math.isfinite(v) else " " for v in chosen)
