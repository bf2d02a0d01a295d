"""Whole numbers as vectors that are learnt: words, characters, categories."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from trainer import op
from trainer.errors import EntryError, ShapeError
from trainer.limits import Checked, Limits
from trainer.nn import Layout, Masked
from trainer.nn.initial import Initial, draw
from trainer.types import Array, Shape
from trainer_ops.embeddings import embedding

__all__ = ["LAYERS", "entry_numbers"]

MOST_COUNTED = 2**24


@op
def entry_numbers(x: Any, *, entries: int) -> Array:
    """x as integers, which must be whole numbers from 0 to entries − 1. Raises DataError naming the first that is not.

    >>> entry_numbers(np.array([[0.0, 2.0]]), entries=3)
    array([[0, 2]])
    """
    with np.errstate(invalid="ignore"):
        index: Array = x.astype(np.int64)
        right = (index == x) & (index >= 0) & (index < entries)
    if not right.all():
        place = tuple(int(i) for i in np.argwhere(~right)[0])
        where = f"row {place[0]}" + (f", place {list(place[1:])}" if len(place) > 1 else "")
        value = float(x[place])
        hint = "" if value.is_integer() else "; numbers of categories must not be scaled: leave standardize out"
        raise EntryError(f"embedding has entries 0 to {entries - 1}, and its input holds {value:g}", where, hint)
    return index


entry_numbers.nondifferentiable("x")


@dataclass(frozen=True)
class Embedding(Checked):
    """A learnt vector for each whole number: (m, …) → (m, …, size).

        - embedding: {entries: 128, size: 16}
        - parallel: [[columns: [3], embedding: {entries: 12, size: 4}, flatten], [columns: [0, 1, 2]]]

    The inputs are whole numbers in arrays of floats, from 0 to entries − 1; any other is refused before the first
    step, and nothing is clipped. A column of categories, (m, 1), becomes (m, 1, size), and (m, size) by `flatten`.

    Args:
        entries: how many numbers there are; auto: one more than the largest that the data set has there, or
            as many as the column has categories; behind `columns`, `input` and `reshape` at most.
        size: of a vector.
        mask: the number that stands for a position that does not exist, such as 0 for padding. Then the input is
            (m, positions), the output is Masked, and layers that know masks leave those positions out.
        initial: how the table is drawn, uniform on ±0.05 as in Keras; `{normal: 1.0}` is PyTorch's. fan_in is entries
            and fan_out size.

    Parameter: table (entries, size).
    """

    entries: Annotated[int, Limits(ge=1)] | Literal["auto"]
    size: Annotated[int, Limits(ge=1)]
    mask: Annotated[int, Limits(ge=0)] | None = None
    initial: Initial = "uniform"
    masked: ClassVar[bool] = True
    looks_up: ClassVar[bool] = True

    def located(self, layout: Layout) -> Self:
        """With as many entries as the data set has numbers, where that is to be told."""
        if self.entries != "auto":
            return self
        if layout.entries is None:
            raise ShapeError(
                "entries: auto counts the numbers of a data set, and what comes here is made by a layer before; write "
                "how many there are"
            )
        count = max(1, math.ceil(layout.entries().max()))
        if count > MOST_COUNTED:
            raise ShapeError(
                f"entries: auto finds numbers up to {count - 1:,}, which single precision does not tell apart; number "
                f"what they stand for from 0, or write how many there are"
            )
        return replace(self, entries=count)

    def _entries(self) -> int:
        if self.entries == "auto":
            raise ShapeError("entries: auto counts the numbers of a data set, and there is none; write how many")
        return self.entries

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        entries = self._entries()
        if self.mask is not None:
            if self.mask >= entries:
                raise ShapeError(f"mask: {self.mask} is no entry; they are 0 to {entries - 1}")
            if len(input_shape) != 1:
                raise ShapeError(
                    f"with a mask embedding takes one number per position, (positions,), not {input_shape}"
                )
        return {"table": draw(self.initial, rng, (entries, self.size), entries, self.size)}, (
            *input_shape,
            self.size,
        )

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        values, mask = (x.values, x.mask) if isinstance(x, Masked) else (x, None)
        index = entry_numbers(values, entries=self._entries())
        y = embedding(parameters["table"], index)
        if self.mask is not None:
            exists = index != self.mask
            mask = exists if mask is None else exists & mask
        return y if mask is None else Masked(y, mask)


LAYERS = (Embedding,)
