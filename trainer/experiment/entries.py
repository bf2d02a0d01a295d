"""The numbers by which layers look something up, held against what there is before the first step.

All rows are in memory or on disk, so that of every column the least number, the largest, and one that is not whole are
known: where those are entries, all are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from trainer.data.prepared import Part, Prepared
from trainer.errors import DataError, EntryError
from trainer.nn.network import Network
from trainer.nn.structure import LayerError
from trainer.nn.trial import try_layers
from trainer.types import Array

__all__ = ["entries_of", "first_refused", "no_entry", "try_entries"]

TOGETHER = 2**18  # numbers that are looked through together
VERBS: Mapping[Part, str] = {"train": "train", "validation": "validate", "test": "test"}


def entries_of(data: Prepared) -> Array:
    """One more than the largest number of each input among the rows of all parts; of a category as many as it has."""
    entries = np.max([rows.inputs.max(axis=0) for rows in data.divided.values()], axis=0).astype(np.float64) + 1
    categories = data.takes.categories if data.takes is not None else {}
    for i, name in enumerate(data.feature_names if entries.ndim == 1 else ()):
        if name in categories:
            entries[i] = max(entries[i], len(categories[name]))
    return np.asarray(entries)


def try_entries(network: Network, values: Mapping[str, Array], data: Prepared) -> None:
    """Raise LayerError, with row and column, where a layer has no entry for a number that is looked up."""
    for part, rows in data.divided.items():
        which = _extremes(rows.inputs)

        def refuses(count: int, x: Array = rows.inputs[which]) -> bool:
            try:
                network.predict(values, x[:count])
            except EntryError:
                return True
            return False

        if refuses(len(which)):
            _refuse(network, values, data, part, int(which[first_refused(len(which), refuses)]))


def no_entry(compute: Callable[[int], object], rows: int, place: Callable[[int], str]) -> DataError:
    """What to raise where `compute`, of the first few rows, has raised EntryError: it names the first such row."""
    refused: dict[int, str] = {}

    def refuses(count: int) -> bool:
        try:
            compute(count)
        except EntryError as error:
            refused[count] = error.what
            return True
        return False

    refuses(rows)
    row = first_refused(rows, refuses)
    return DataError(f"{place(row)}: {refused[row + 1]}")


def first_refused(rows: int, refuses: Callable[[int], bool]) -> int:
    """The first of so many rows that is refused, where `refuses` says it of the first few together.

    >>> first_refused(9, lambda count: count > 5)
    5
    """
    good, bad = 0, rows
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if refuses(middle) else (middle, bad)
    return good


def _extremes(inputs: Array) -> Array:
    """The rows with the largest and the least number of each column, and the first of one that is not whole."""
    flat = inputs.reshape(len(inputs), -1)
    together = max(1, TOGETHER // flat.shape[1])
    found = [flat.argmax(axis=0), flat.argmin(axis=0)]
    for start in range(0, len(flat), together):
        some = flat[start : start + together]
        broken = some != np.floor(some)
        found.append(start + broken.argmax(axis=0)[broken.any(axis=0)])
    return np.unique(np.concatenate(found))


def _refuse(network: Network, values: Mapping[str, Array], data: Prepared, part: Part, row: int) -> None:
    """The LayerError for this row of a part."""
    rows = data.divided[part]
    x = rows.inputs[row : row + 1]
    try:
        try_layers(network, values, x)
    except LayerError as error:
        if not isinstance(error.__cause__, EntryError):
            raise
        told = str(error).replace(str(error.__cause__), error.__cause__.what)
        where = f"in row {rows.indices[row]} of data set '{data.name}', counted from 0, one of those to {VERBS[part]}"
        raise LayerError(error.path, f"{told}, {_column(network, values, data, x)}{where}") from error


def _column(network: Network, values: Mapping[str, Array], data: Prepared, x: Array) -> str:
    """Which of a row's columns is refused: the first that still is where all others are 0, which is an entry."""
    names = data.feature_names if len(data.feature_names) == x.size else ()
    for i in range(x.size):
        alone = np.zeros_like(x)
        alone.flat[i] = x.flat[i]
        try:
            network.predict(values, alone)
        except EntryError:
            return f"column {names[i]!r}{_category(data, names[i], x.flat[i])} " if names else f"place {i} "
    return ""


def _category(data: Prepared, column: str, number: float) -> str:
    texts = data.takes.categories.get(column, ()) if data.takes is not None else ()
    return f" ({texts[int(number)]!r})" if 0 <= number < len(texts) else ""
