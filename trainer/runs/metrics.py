"""metrics.csv: a row per epoch, readable at any instant.

The header goes into the file together with the first row, because only the first record says which metrics there are.
A row that a dying machine left unfinished has no line end and is skipped.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from trainer.errors import DataError
from trainer.runs import digests
from trainer.runs.appended import Appended

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Metrics = dict[str, NDArray[np.int64 | np.float64]]

__all__ = ["EpochRecord", "MetricsFile", "read_metrics", "row_of"]

_COUNTS = ("epoch", "step")
_RATES = ("step_size", "seconds", "rows_per_second")


class EpochRecord(Protocol):
    """What the training loop says after an epoch, as far as this file is concerned."""

    @property
    def epoch(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def step_size(self) -> float: ...
    @property
    def numbers(self) -> Mapping[Any, Mapping[str, float]]: ...
    @property
    def seconds(self) -> float: ...
    @property
    def rows_per_second(self) -> float: ...


def row_of(record: EpochRecord) -> dict[str, int | float]:
    """One record as the columns of metrics.csv: the numbers of each part spread out with its name in front."""
    row: dict[str, int | float] = {name: int(getattr(record, name)) for name in _COUNTS}
    for part, values in record.numbers.items():
        row |= {f"{part}_{name}": float(value) for name, value in values.items()}
    return row | {name: float(getattr(record, name)) for name in _RATES}


class MetricsFile:
    """Appends epochs to metrics.csv; numbers are written with every digit they have.

    Opening a file that has rows already goes on behind them, under its own header.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.file = Appended(self.path)
        self._columns = _header(self.path)

    def append(self, record: EpochRecord) -> None:
        """Write one row. The names must be those of the first record."""
        row = row_of(record)
        rows: list[list[str]] = [] if self._columns else [list(row)]
        self._columns = self._columns or list(row)
        if list(row) != self._columns:
            raise ValueError(f"{self.path} has the columns {self._columns}, but this epoch brings {list(row)}")
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*rows, [repr(value) for value in row.values()]])
        self.file.append(text.getvalue().encode())

    def __enter__(self) -> MetricsFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.file.close()

    def __repr__(self) -> str:
        return f"MetricsFile({str(self.path)!r})"


def _header(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file), [])


def read_metrics(path: str | os.PathLike[str]) -> Metrics:
    """The columns of a metrics.csv by name, each of shape (epochs,); `epoch` and `step` are int64, the rest float64.

    A file that does not exist yet has no columns. Raises DataError for what is no text or not what was written, and for
    a row that does not fit the header.
    """
    import numpy as np

    path = Path(path)
    if not path.exists():
        return {}
    try:
        text = digests.read(path).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: {error}") from None
    rows = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))
    if not rows:
        return {}
    header, body = rows[0], rows[1:]
    for line, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise DataError(f"{path}:{line}: {len(row)} values where the header names {len(header)}")
    try:
        return {
            name: np.array([(int if name in _COUNTS else float)(row[i]) for row in body], dtype=_dtype(name))
            for i, name in enumerate(header)
        }
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path}: {error}") from None


def _dtype(column: str) -> type[np.int64] | type[np.float64]:
    import numpy as np

    return np.int64 if column in _COUNTS else np.float64
