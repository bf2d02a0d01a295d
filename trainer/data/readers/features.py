"""Columns of numbers and of categories, put together as the inputs of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trainer.data.dates import Dates
from trainer.data.pages import give_back, pages
from trainer.errors import DataError
from trainer.types import Array
from trainer.wording import in_yaml

__all__ = ["Encoding", "Feature", "Features", "encode_features"]

Encoding = Literal["one_hot", "index"]

TOGETHER = 1024  # rows that are put together
MOST_COLUMNS = 1000  # that one column of categories may become; beyond, an embedding is what one wants


@dataclass(frozen=True)
class Feature:
    """A column of inputs: numbers (n,), or, where there are `categories`, indices of them, int64 (n,).

    dates: how a column of dates was read; then the values are its parts, float64 (n, parts).
    boolean: whether the numbers stand for false and true.
    """

    name: str
    values: Array
    categories: tuple[str, ...] = ()
    dates: Dates | None = None
    boolean: bool = False


@dataclass(frozen=True)
class Features:
    """What `encode_features` makes: inputs (n, columns), a name per column, and each categorical column's texts."""

    inputs: Array
    names: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]


def encode_features(features: Sequence[Feature], encode: Encoding, where: str, consumed: bool = False) -> Features:
    """The columns side by side, in order.

    encode: "one_hot" makes of a column `city` a column of 0 and 1 for each category, named `city=Rome`; "index" keeps
        one column, of whole numbers that an embedding looks up.
    where: begins the error.
    consumed: whether the tables that columns are parts of are given back to the system on the way.

    Raises DataError for an unknown encoding, and for one_hot of more categories than are sensible.

    >>> city = Feature("city", np.array([1, 0]), ("Paris", "Rome"))
    >>> encode_features([Feature("x", np.array([0.5, 2.0])), city], "one_hot", "it").names
    ('x', 'city=Paris', 'city=Rome')
    >>> encode_features([Feature("x", np.array([0.5, 2.0])), city], "index", "it").inputs
    array([[0.5, 1. ],
           [2. , 0. ]])
    """
    if encode not in ("one_hot", "index"):
        raise DataError(f"encode is 'one_hot' or 'index', not {encode!r}", "encode")
    columns: list[tuple[Array, int]] = []  # and how many of a column each becomes, as one_hot
    names: list[str] = []
    for feature in features:
        if feature.categories and encode == "one_hot":
            if len(feature.categories) > MOST_COLUMNS:
                raise DataError(
                    f"{where}: column {feature.name!r} has {len(feature.categories)} categories, and one_hot makes a "
                    f"column of each, {MOST_COLUMNS} at most; say encode: index and look them up in an embedding, or "
                    f"ignore: [{in_yaml(feature.name)}], and do not name it under categorical"
                )
            columns.append((feature.values, len(feature.categories)))
            names += [f"{feature.name}={category}" for category in feature.categories]
        elif feature.dates is not None:
            columns.append((feature.values, 0))
            names += [f"{feature.name}.{part}" for part in feature.dates.parts]
        else:
            columns.append((feature.values, 0))
            names.append(feature.name)
    beside = _beside([values for values, categories in columns if not categories])
    if beside is not None and beside.shape[1] == len(names):
        return Features(beside, tuple(names), {f.name: f.categories for f in features if f.categories})
    single = _are_single([values for values, categories in columns if not categories])
    tables = {id(values.base): values.base for values, _ in columns if consumed and values.base is not None}
    inputs = pages((len(features[0].values), len(names)), np.float32 if single else np.float64)
    for start in range(0, len(inputs), TOGETHER):  # what lies beside one another is written while it is at hand
        rows, end = slice(start, start + TOGETHER), 0
        for values, categories in columns:
            some = values[rows] if values.ndim == 2 else values[rows, None]
            some = some == np.arange(categories) if categories else some
            inputs[rows, end : end + some.shape[1]] = some
            end += some.shape[1]
        for table in tables.values():
            give_back(table, rows.stop)
    return Features(inputs, tuple(names), {f.name: f.categories for f in features if f.categories})


def _are_single(columns: Sequence[Array]) -> bool:
    """Whether single precision keeps every number: columns of it, and beside such others that it has, as of counts."""
    single = [values.dtype == np.float32 for values in columns]
    return all(single) or (any(single) and all(map(_has_single, columns)))


def _has_single(values: Array) -> bool:
    with np.errstate(over="ignore"):
        return np.array_equal(values, values.astype(np.float32, copy=False), equal_nan=True)


def _beside(columns: Sequence[Array]) -> Array | None:
    """The part of a table (n, k) that these columns of it are, which so need not be put together; None for others."""
    table = columns[0].base if len(columns) > 1 else None
    if not isinstance(table, np.ndarray) or table.ndim != 2 or table.dtype.kind != "f":
        return None
    rows = len(columns[0])
    left = next((j for j in range(table.shape[1]) if _is(columns[0], table[:rows, j])), table.shape[1])
    part = table[:rows, left : left + len(columns)]
    there = zip(columns, part.T, strict=False)
    return part if len(columns) == part.shape[1] and all(_is(one, other) for one, other in there) else None


def _is(one: Array, other: Array) -> bool:
    """Whether two arrays are the same numbers in the same place."""
    place, found = one.__array_interface__, other.__array_interface__
    return all(place[key] == found[key] for key in ("data", "shape", "strides", "typestr"))
