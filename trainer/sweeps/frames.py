"""Tables as frames: of pandas or polars where one is installed, otherwise a mapping of names to columns."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from trainer.data.readers.memory import columns_of

__all__ = ["frame_of", "rows_of"]

LIBRARIES = ("pandas", "polars")


def frame_of(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Columns as a frame, of the library that is imported already if it is one of the two."""
    order = sorted(LIBRARIES, key=lambda name: name not in sys.modules)
    name = next((name for name in order if find_spec(name) is not None), None)
    plain = {key: _alike(list(values)) for key, values in columns.items()}
    return plain if name is None else import_module(name).DataFrame(plain)


def _alike(values: list[Any]) -> list[Any]:
    """Values of one type, as a column has: of several types their texts."""
    kinds = {type(value) for value in values if value is not None}
    return values if len(kinds) < 2 or kinds <= {int, float} else [None if v is None else str(v) for v in values]


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """The rows of a frame, or of a mapping of names to columns. Raises DataError for anything else.

    >>> rows_of({"step_size": [0.1, 0.2], "seed": [0, 1]})
    [{'step_size': 0.1, 'seed': 0}, {'step_size': 0.2, 'seed': 1}]
    """
    columns = columns_of(frame).values
    plain = [column.tolist() if hasattr(column, "tolist") else list(column) for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*plain, strict=True)]
