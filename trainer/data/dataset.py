"""A data set: what every source of data returns and what `prepare` splits, scales and encodes.

Inputs are float64, or of a narrower type that says the same, until `prepare` casts them once, so that a scaling is
fitted at full precision whatever the network's dtype. A class is an index into `class_names`; what an index means to a
cost is `prepare`'s business. Everything that could make training fail later without a reason (a NaN, a class without
rows, a length that differs) is refused here, where the data set's name is known.

A data set larger than memory is mapped: its arrays stay on disk in the type they were saved with, and are looked
through a block at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from trainer.data.account import Account
from trainer.data.dates import Dates
from trainer.data.packed import shape_of, unpacked, widths_of
from trainer.errors import DataError
from trainer.types import Array, Shape

__all__ = ["Array", "Dataset", "Facts", "Task", "as_numbers", "class_indices", "in_blocks", "narrow_type", "some_rows"]

Task = Literal["classification", "regression"]

_SOME: ContextVar[bool] = ContextVar("some", default=False)


@contextmanager
def some_rows() -> Iterator[None]:
    """Inside the block every data set that is made is some rows of a larger one, also by a reader that knows it not."""
    before = _SOME.set(True)
    try:
        yield
    finally:
        _SOME.reset(before)


BLOCK = 2**18  # numbers of a large array that are looked at together


class Facts(NamedTuple):
    """What a list of data sets shows of one of them. None: not known before the data is loaded."""

    name: str
    rows: int | None
    shape: tuple[int, ...] | None
    task: str | None
    classes: int | None
    description: str


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rows of inputs with their targets.

    inputs: shape (n, ...), stored as C-contiguous float64; n and every other length are at least 1. With `narrow` they
        stay of their type if it is narrower, and `parts` of several types may be a structured array of shape (n,),
        which `trainer.data.packed` makes.
    targets: for a classification, shape (n,), or (n, positions) where each position of a sequence has a class: indices
        into `class_names`, and a negative number at a position without a class, stored as int64; for a regression,
        shape (n,) or (n, k), stored as float64.
    class_names: at least two for a classification, each with at least one row (of classes per position, a vocabulary,
        some may be absent); none for a regression.
    feature_names: none, or one per column of two-dimensional inputs.
    parts: of inputs that are several arrays packed flat into one of shape (n, total): the name of each and the shape
        of its rows, in order.
    groups: shape (n,), whole numbers, equal for rows that belong together; stored as int64.
    weights: shape (n,), how much each row counts, numbers above 0; stored as float64.
    categories: the texts behind each categorical column, by the column's name; number i stands for the i-th.
    mapped: whether the arrays are memory maps. Then inputs are kept as they are, C-contiguous float32 or float64, and
        so are the targets of a regression.
    narrow: whether inputs of whole numbers or of single precision stay so, which takes an eighth or half of the memory.
    divisor: inputs are kept as that many times what they are, as pixels of 8 bits are of their values from 0 to 1 with
        255; `numbers` divides.
    has_missing: whether inputs may hold NaN for what is missing; stored as whether they do.
    dates, booleans: the columns that were dates, with what became of each, and those that were true or false.
    account: how the source was understood, column by column, for a person to look at.
    some: whether these are some rows of a larger set, in which a class may have none.
    target_names: what the columns of targets are called, where they have names.
    given: shape (n,), which part each row is in where files say so: 0 to train, 1 to validate, 2 to test; see
        `trainer.data.given`. With it a class needs a row to train alone.

    Raises DataError when any of that does not hold, or when a number is not finite.

    >>> inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> Dataset("and", inputs, np.array([0, 0, 0, 1]), "classification", ("false", "true"))
    Dataset 'and': 4 rows, inputs (2,), classification of 2 classes
    """

    name: str
    inputs: Array
    targets: Array
    task: Task
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    description: str = ""
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    groups: Array | None = None
    weights: Array | None = None
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mapped: bool = False
    narrow: bool = False
    divisor: int = 1
    has_missing: bool = False
    some: bool = field(default_factory=_SOME.get)
    target_names: tuple[str, ...] = ()
    given: Array | None = None
    dates: Mapping[str, Dates] = field(default_factory=dict)
    booleans: tuple[str, ...] = ()
    account: Account | None = None

    def __post_init__(self) -> None:
        if self.task not in ("classification", "regression"):
            raise DataError(f"data set {self.name!r}: task is 'classification' or 'regression', not {self.task!r}")
        inputs = self._checked_inputs()
        targets = np.asarray(self.targets) if not self.mapped else self.targets
        if targets.shape[:1] != inputs.shape[:1]:
            raise DataError(
                f"data set {self.name!r} has {len(inputs)} rows of inputs and targets of shape {targets.shape}: "
                f"every row needs its target"
            )
        targets = self._checked_classes(targets) if self.task == "classification" else self._checked_values(targets)
        for field_name, value in {
            "inputs": inputs,
            "targets": targets,
            "class_names": tuple(map(str, self.class_names)),  # also those out of an array, whose repr is no text's
            "feature_names": tuple(map(str, self.feature_names)),
            "parts": {name: tuple(shape) for name, shape in self.parts.items()},
            "groups": self._checked_groups(),
            "weights": self._checked_weights(),
            "categories": {name: tuple(texts) for name, texts in self.categories.items()},
            "has_missing": self.has_missing and any(np.isnan(some).any() for some in in_blocks(inputs)),
            "target_names": tuple(map(str, self.target_names)),
            "dates": {name: Dates.of_plain(read) for name, read in self.dates.items()},
            "booleans": tuple(self.booleans),
        }.items():
            object.__setattr__(self, field_name, value)

    def __repr__(self) -> str:
        classes = f" of {len(self.class_names)} classes" if self.class_names else ""
        return f"Dataset {self.name!r}: {self.rows} rows, inputs {self.input_shape}, {self.task}{classes}"

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.inputs)

    @property
    def input_shape(self) -> Shape:
        """Shape of one row's inputs, as `numbers` has them."""
        return shape_of(self.inputs)[1:]

    def numbers(self, kept: Array | None = None) -> Array:
        """Some of `inputs`, all by default, as they are learnt from: float64, divided by `divisor`.

        >>> Dataset("d", np.array([[0], [51]], np.uint8), np.zeros(2), "regression", narrow=True, divisor=255).numbers()
        array([[0. ],
               [0.2]])
        """
        return numbers_of(self.inputs if kept is None else kept, self.divisor)

    def with_positive(self, name: str) -> Dataset:
        """The same rows with this class as the second of the two, which is what 1, and a score above 0, stands for.

        Raises DataError unless it is one of two.
        """
        if len(self.class_names) != 2:
            classes = f"has {len(self.class_names)}" if self.class_names else "is a regression, without any"
            raise DataError(f"positive is one of two classes, and data set {self.name!r} {classes}", "positive")
        if name not in self.class_names:
            there = " and ".join(map(repr, self.class_names))
            raise DataError(f"data set {self.name!r} has no class {name!r}; its classes are {there}", "positive")
        if self.class_names[1] == name:
            return self
        targets = np.where(self.targets < 0, self.targets, 1 - self.targets)
        return replace(self, class_names=self.class_names[::-1], targets=targets)

    def facts(self) -> Facts:
        """Name, rows, shape of one row's inputs, task, number of classes (None for a regression), description."""
        classes = len(self.class_names) or None
        return Facts(self.name, self.rows, self.input_shape, self.task, classes, self.description)

    def _checked_inputs(self) -> Array:
        what = f"inputs of data set {self.name!r}"
        if self.mapped and self.has_missing:
            raise DataError(f"{what} are mapped, and what is missing is filled in in memory: fill it in first")
        if self.mapped:
            inputs = _as_mapped(self.inputs, what)
        else:
            inputs = as_numbers(self.inputs, what, self.has_missing, narrow=self.narrow)
        self._check_inputs(inputs)
        return inputs

    def _check_inputs(self, inputs: Array) -> None:
        shape = shape_of(inputs)
        if len(shape) < 2:
            raise DataError(
                f"inputs of data set {self.name!r} have shape {shape}: the first axis counts the rows and at "
                f"least one more the features, as in inputs.reshape(-1, 1)"
            )
        if 0 in shape:
            raise DataError(f"inputs of data set {self.name!r} have shape {shape}: there is nothing to learn from")
        if self.feature_names and (len(shape) != 2 or len(self.feature_names) != shape[1]):
            raise DataError(
                f"data set {self.name!r} has inputs of shape {shape}, and its feature names are "
                f"{len(self.feature_names)} in number: give one per column, or none"
            )
        widths = {name: math.prod(part) for name, part in self.parts.items()}
        fields = widths_of(inputs.dtype)
        if (widths and shape[1:] != (sum(widths.values()),)) or (fields and [*fields.items()] != [*widths.items()]):
            shapes = ", ".join(f"{name} {tuple(part)}" for name, part in self.parts.items()) or "none"
            raise DataError(
                f"data set {self.name!r} has inputs of shape {shape}, and its parts are {shapes}: the parts of "
                f"a row, each laid flat, fill it"
            )

    def _checked_classes(self, targets: Array) -> Array:
        if targets.ndim not in (1, 2) or 0 in targets.shape or targets.dtype.kind not in "iu":
            raise DataError(
                f"data set {self.name!r}: targets of a classification are one class index per row, integers of shape "
                f"({len(targets)},), or one per position, ({len(targets)}, positions), not {targets.dtype} of shape "
                f"{targets.shape}; for numbers to predict use task 'regression'"
            )
        if len(self.class_names) < 2:
            only = f"one class only, {self.class_names[0]!r}" if self.class_names else "no class names"
            raise DataError(f"data set {self.name!r} has {only}: a classification needs at least two classes")
        least = targets.min() if targets.ndim == 1 else 0  # a position may be without a class, a row may not
        if least < 0 or targets.max() >= len(self.class_names):
            wrong = least if least < 0 else targets.max()
            raise DataError(
                f"data set {self.name!r}: class index {wrong} is outside 0 to {len(self.class_names) - 1}, the "
                f"indices of its {len(self.class_names)} class names"
            )
        if targets.max() < 0:
            raise DataError(f"data set {self.name!r}: no position has a class, since all its targets are negative")
        if targets.ndim == 1 and not self.some:
            rows_of_class = np.bincount(targets, minlength=len(self.class_names))
            if not rows_of_class.all():
                absent = int(rows_of_class.argmin())
                last = absent == len(self.class_names) - 1
                way = "leave its name out" + ("" if last else f", and count the classes after it from {absent}")
                raise DataError(f"data set {self.name!r}: no row belongs to class {self.class_names[absent]!r}; {way}")
        return np.ascontiguousarray(targets, dtype=np.int64)

    def _checked_values(self, targets: Array) -> Array:
        if self.class_names:
            raise DataError(f"data set {self.name!r} is a regression, so it has no class names: {self.class_names}")
        if targets.ndim not in (1, 2) or 0 in targets.shape:
            raise DataError(
                f"data set {self.name!r}: targets of a regression have shape (rows,) or (rows, numbers per row), "
                f"not {targets.shape}"
            )
        what = f"targets of data set {self.name!r}"
        return _as_mapped(targets, what) if self.mapped else as_numbers(targets, what)

    def _checked_groups(self) -> Array | None:
        if self.groups is None:
            return None
        groups = np.asarray(self.groups)
        if groups.shape != (self.rows,) or groups.dtype.kind not in "iu":
            raise DataError(
                f"data set {self.name!r}: groups are one whole number per row, integers of shape ({self.rows},), not "
                f"{groups.dtype} of shape {groups.shape}"
            )
        return np.ascontiguousarray(groups, dtype=np.int64)

    def _checked_weights(self) -> Array | None:
        if self.weights is None:
            return None
        weights = as_numbers(self.weights, f"weights of data set {self.name!r}")
        if weights.shape != (self.rows,):
            raise DataError(
                f"data set {self.name!r}: weights are one number per row, of shape ({self.rows},), not {weights.shape}"
            )
        if weights.min() <= 0:
            row = int(weights.argmin())
            raise DataError(
                f"data set {self.name!r}: weight {weights[row]:g} of row {row} is not above 0; leave out a row that "
                f"does not count"
            )
        return weights


def class_indices(labels: Sequence[object] | Array) -> tuple[Array, tuple[str, ...]]:
    """Indices, int64 of shape (n,), and the sorted names that they point at: numbers by size, text by alphabet.

    >>> class_indices(["10", "9", "10"])
    (array([1, 0, 1]), ('9', '10'))
    >>> class_indices(["no", "yes", "no"])
    (array([0, 1, 0]), ('no', 'yes'))
    """
    texts = [*map(str, labels)]
    names = sorted(set(texts))
    with suppress(ValueError):
        names = sorted(names, key=float)
    index_of = {name: index for index, name in enumerate(names)}
    return np.fromiter(map(index_of.__getitem__, texts), np.int64, len(texts)), tuple(names)


def as_numbers(
    values: object,
    what: str,
    missing: bool = False,
    mending: str = "fill in the missing values or remove their rows",
    narrow: bool = False,
) -> Array:
    """`values` as float64, C-contiguous, or some of the columns of a table that is; packed ones stay, with `narrow`.

    missing: whether NaN is let through, as what is missing; `mending` is for the error, what to do about it if not.
    narrow: whether a narrower type stays, of which every number is one of float64.

    Raises DataError that begins with `what` unless all are finite real numbers.

    >>> as_numbers([1, 2], "targets")
    array([1., 2.])
    """
    array = np.asarray(values)
    if not (narrow and _is_packed(array)):
        if array.dtype.kind not in "biuf":
            raise DataError(f"{what}: values of type {array.dtype} are not real numbers")
        dtype = narrow_type(array.dtype) if narrow else np.dtype(np.float64)
        if not _is_part(array, dtype):
            array = np.ascontiguousarray(array, dtype=dtype) if array.ndim else array.astype(dtype)
        if dtype.kind != "f":
            return array
    if not all(np.isfinite(some).all() or (missing and not np.isinf(some).any()) for some in in_blocks(array)):
        array = array if array.dtype.names is None else unpacked(array)
        wrong = np.isinf(array) if missing else ~np.isfinite(array)
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        way_out = "a missing value is nan" if missing else mending
        raise DataError(
            f"{what}: {array[place]} at {list(place)} is not a finite number ({np.count_nonzero(wrong)} of them in "
            f"all); {way_out}; nothing is dropped silently"
        )
    return array


def in_blocks(array: Array) -> Iterator[Array]:
    """An array some rows at a time, so that what is asked of its numbers takes no memory of its size."""
    if array.dtype.names is not None:
        rows = max(1, BLOCK // max(1, shape_of(array)[1]))
        yield from (unpacked(array, slice(start, start + rows)) for start in range(0, len(array), rows))
        return
    if array.ndim < 1 or not array.size:
        yield array
        return
    rows = max(1, BLOCK * len(array) // array.size)
    yield from (array[start : start + rows] for start in range(0, len(array), rows))


def _is_packed(array: Array) -> bool:
    """Whether these are rows of parts that are kept in types of their own."""
    dtype = array.dtype
    fields = [dtype[name] for name in dtype.names or ()]
    plain = all(len(field.shape) == 1 and field.base.kind in "biuf" for field in fields)
    return bool(fields) and plain and array.ndim == 1 and all(field.base == narrow_type(field.base) for field in fields)


def _is_part(array: Array, dtype: np.dtype[Any]) -> bool:
    """Whether these are some columns, side by side, of a table whose rows follow one another."""
    return array.ndim == 2 and array.shape[1] > 1 and array.dtype == dtype and array[:1].flags.c_contiguous


def numbers_of(kept: Array, divisor: int) -> Array:
    """The float64 that numbers are which are kept as `divisor` times what they are."""
    if kept.dtype.names is not None:
        kept = unpacked(kept)
    if divisor == 1:
        return kept.astype(np.float64, copy=False)
    return np.divide(kept, divisor, dtype=np.float64)


def laid_flat(inputs: Array) -> Array:
    """Inputs (n, ...) as (n, total); packed ones as they are."""
    return inputs.reshape(len(inputs), math.prod(inputs.shape[1:])) if inputs.dtype.names is None else inputs


def some_numbers(flat: Array, divisor: int, rows: slice | Array, columns: slice) -> Array:
    """The numbers of some rows and columns of what `laid_flat` made."""
    return numbers_of(flat[rows, columns] if flat.dtype.names is None else unpacked(flat, rows, columns), divisor)


def narrow_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which numbers of `dtype` are kept: their own, float32 for half precision, or float64."""
    if dtype.itemsize > 4:
        return np.dtype(np.float64)
    if dtype.kind == "f":
        return np.dtype(np.float32)
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")


def _as_mapped(array: Array, what: str) -> Array:
    """`array` itself; DataError unless it is finite float32 or float64, row after row, looked at block by block."""
    if array.dtype not in (np.float32, np.float64) or not array.dtype.isnative:
        raise DataError(
            f"{what}: a mapped array is read as it lies on disk, float32 or float64, not {array.dtype}; save it with "
            f".astype(np.float32)"
        )
    if not array.flags.c_contiguous:
        raise DataError(
            f"{what}: a mapped array lies on disk row after row, and this one column after column; save "
            f"np.ascontiguousarray(array)"
        )
    flat = array.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        finite = np.isfinite(flat[start : start + BLOCK])
        if not finite.all():
            place = np.unravel_index(start + int(finite.argmin()), array.shape)
            raise DataError(
                f"{what}: {array[place]} at {[int(i) for i in place]} is not a finite number; fill in the missing "
                f"values or remove their rows; nothing is dropped silently"
            )
    return array
