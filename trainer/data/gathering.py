"""The inputs of all parts of a data set at once: its rows are looked at a few at a time, in their order, scaled, cast
and put where they belong, so that each can be forgotten when it is there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer.data.dataset import Dataset, laid_flat, some_numbers
from trainer.data.packed import shape_of
from trainer.data.pages import give_back
from trainer.data.preprocessing.scaling import Scaling
from trainer.types import Array

__all__ = ["Gathered", "gathered"]

TOGETHER = 2**14  # numbers that are scaled and cast together


class Gathered:
    """The inputs of some rows, as far as they have come by.

    Attributes:
        inputs: shape (rows, width).
    """

    def __init__(self, rows: Array, width: int, dtype: np.dtype[np.generic]) -> None:
        self.inputs: Array = np.empty((len(rows), width), dtype)
        # Rows that were resampled come in any order, and repeatedly.
        ascending = bool((rows[1:] > rows[:-1]).all())
        self._order = None if ascending else np.argsort(rows, kind="stable")
        self._rows = rows if self._order is None else rows[self._order]
        self._end = 0
        self._largest: list[tuple[float, int]] = []

    def among(self, end: int) -> tuple[Array, slice | Array]:
        """The rows before row `end` of the data set that were not asked for yet, and their places here."""
        start, self._end = self._end, int(np.searchsorted(self._rows, end))
        some = slice(start, self._end)
        return self._rows[some], some if self._order is None else self._order[some]

    def put(self, places: slice | Array, columns: slice, values: Array) -> None:
        """Numbers of some rows, cast."""
        cast = values.astype(self.inputs.dtype, copy=False)
        self.inputs[places, columns] = cast
        if not np.isfinite(cast).all():
            at = int(np.abs(values).argmax())
            self._largest.append((values.flat[at], columns.start + at % values.shape[1]))

    @property
    def largest(self) -> tuple[float, int] | None:
        """The number that is farthest from 0 and its column, where one is too large for the type; None where all
        fit."""
        return max(self._largest, key=lambda found: abs(found[0]), default=None)


def gathered(
    dataset: Dataset,
    parts: Sequence[Array],
    scaling: Scaling | None,
    dtype: np.dtype[np.generic],
    consumed: bool = False,
) -> list[Gathered]:
    """The inputs of these rows, by part.

    parts: the indices of the rows of each.
    consumed: whether the inputs of the data set are given back on the way.
    """
    flat = laid_flat(dataset.inputs)
    width = shape_of(flat)[1]
    found = [Gathered(rows, width, dtype) for rows in parts]
    pieces = [slice(left, left + TOGETHER) for left in range(0, width, TOGETHER)]  # a row may be a large picture
    scalings = [None if scaling is None else scaling.of(columns) for columns in pieces]
    together = max(1, TOGETHER // width)
    with np.errstate(over="ignore"):
        for start in range(0, dataset.rows, together):
            for part in found:
                rows, places = part.among(start + together)
                for columns, some in zip(pieces, scalings, strict=True) if len(rows) else ():
                    values = some_numbers(flat, dataset.divisor, rows, columns)
                    part.put(places, columns, values if some is None else some.apply(values))
            if consumed:
                give_back(flat, start + together)
    return found
