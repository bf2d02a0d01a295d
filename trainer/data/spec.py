"""What a model takes and what it was taught to say, kept from the data set that it learnt from.

Rows that come later are read by these: columns by their names, categories by the numbers that they had, classes by the
names that their indices stood for. All of it is plain data, which is saved with the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from trainer.data.dataset import Dataset, Task
from trainer.data.dates import Dates
from trainer.types import Shape

__all__ = ["Column", "InputSpec", "TargetSpec"]

SEEN = 100_000  # rows, at least, that say from where to where numbers go


@dataclass(frozen=True)
class Column:
    """A column of inputs as it stands in a file: of numbers, or of texts where there are `categories`.

    one_hot: whether the inputs have a column of 0 and 1 for each category, or one with the category's number.
    dates: how it is read where it holds dates.
    boolean: whether it holds true and false, or yes and no.
    """

    name: str
    categories: tuple[str, ...] = ()
    one_hot: bool = False
    dates: Dates | None = None
    boolean: bool = False

    @property
    def width(self) -> int:
        """How many columns of inputs it becomes."""
        if self.dates is not None:
            return len(self.dates.parts)
        return len(self.categories) if self.one_hot else 1


@dataclass(frozen=True)
class InputSpec:
    """The inputs of a row, before anything is done to them; the fields are those of `Dataset`.

    spans: from where to where each of two numbers goes, of inputs that are no more and can be drawn in a plane.

    >>> spec = InputSpec((3,), ("age", "city=Paris", "city=Rome"), {"city": ("Paris", "Rome")})
    >>> [(column.name, column.categories) for column in spec.columns]
    [('age', ()), ('city', ('Paris', 'Rome'))]
    >>> InputSpec.from_plain(spec.plain()) == spec
    True
    """

    shape: Shape
    feature_names: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: Mapping[str, Shape] = field(default_factory=dict)
    has_missing: bool = False
    dates: Mapping[str, Dates] = field(default_factory=dict)
    booleans: tuple[str, ...] = ()
    spans: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Of the rows of a data set."""
        return cls(
            dataset.input_shape,
            dataset.feature_names,
            dataset.categories,
            dataset.parts,
            dataset.has_missing,
            dataset.dates,
            dataset.booleans,
            _spans(dataset),
        )

    @property
    def named(self) -> bool:
        """Whether the columns have names; those of a file without a header are called by their places at most."""
        return bool(self.feature_names) and not all(column.name.isdigit() for column in self.columns)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns of a table that such inputs are made of, in order; none where a row is no table's."""
        if len(self.shape) != 1 or self.parts:
            return ()
        names: Sequence[str] = self.feature_names or [str(i) for i in range(self.shape[0])]
        columns: list[Column] = []
        place = 0
        while place < len(names):
            column = self._column(names, place)
            columns.append(column)
            place += column.width
        return tuple(columns)

    def _column(self, names: Sequence[str], place: int) -> Column:
        """The one that the inputs from this place on come from."""
        for name, categories in self.categories.items():
            if name == names[place]:
                return Column(name, categories)
            made = [f"{name}={category}" for category in categories]
            if made == list(names[place : place + len(made)]):
                return Column(name, categories, one_hot=True)
        for name, dates in self.dates.items():
            made = [f"{name}.{part}" for part in dates.parts]
            if made == list(names[place : place + len(made)]):
                return Column(name, dates=dates)
        return Column(names[place], boolean=names[place] in self.booleans)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "shape": list(self.shape),
            "feature_names": list(self.feature_names),
            "categories": {name: list(texts) for name, texts in self.categories.items()},
            "parts": {name: list(shape) for name, shape in self.parts.items()},
            "has_missing": self.has_missing,
            "dates": {name: [read.format, list(read.parts)] for name, read in self.dates.items()},
            "booleans": list(self.booleans),
            "spans": [list(span) for span in self.spans],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """What `plain` gave."""
        return cls(
            tuple(plain["shape"]),
            tuple(plain["feature_names"]),
            {name: tuple(texts) for name, texts in plain["categories"].items()},
            {name: tuple(shape) for name, shape in plain["parts"].items()},
            bool(plain["has_missing"]),
            {name: Dates.of_plain(read) for name, read in plain.get("dates", {}).items()},
            tuple(plain.get("booleans", ())),
            tuple((float(low), float(high)) for low, high in plain.get("spans", ())),
        )


def _spans(dataset: Dataset) -> tuple[tuple[float, float], ...]:
    """Those of a data set whose rows are two numbers each, seen in some of the rows of a large one."""
    inputs = dataset.inputs
    if dataset.input_shape != (2,) or dataset.categories or dataset.dates or dataset.booleans or not len(inputs):
        return ()
    some = dataset.numbers(inputs[:: max(1, len(inputs) // SEEN)])
    there = [column[np.isfinite(column)] for column in some.T]
    return tuple((float(column.min()), float(column.max())) for column in there) if all(map(len, there)) else ()


@dataclass(frozen=True)
class TargetSpec:
    """What is predicted of a row.

    names: of the columns that the targets came from, where they have any.

    >>> TargetSpec.from_plain(TargetSpec("classification", ("no", "yes"), ("sold",)).plain())
    TargetSpec(task='classification', class_names=('no', 'yes'), names=('sold',))
    """

    task: Task
    class_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Of the rows of a data set."""
        return cls(dataset.task, dataset.class_names, dataset.target_names)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"task": self.task, "class_names": list(self.class_names), "names": list(self.names)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """What `plain` gave."""
        return cls(plain["task"], tuple(plain["class_names"]), tuple(plain["names"]))
