"""A call of one of NumPy's functions, as what writes its equivalent is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.compiler.program import Instruction
from trainer.export.graph import Graph, Length

__all__ = ["Call", "Converter"]


@dataclass(frozen=True)
class Call:
    """One instruction as the two records have it, with the names of its inputs in the graph."""

    one: Instruction
    two: Instruction
    inputs: list[str]

    @property
    def attributes(self) -> dict[str, Any]:
        return self.one.attributes

    def lengths(self, value: int | None = None) -> list[Length]:
        """The shape of an input, or of the output."""
        a, b = (i.outputs[0] if value is None else i.inputs[value] for i in (self.one, self.two))
        return [Length(m, n) for m, n in zip(a.shape, b.shape, strict=True)]

    def rank(self, value: int | None = None) -> int:
        return len(self.lengths(value))

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.one.outputs[0].dtype
        return dtype


Converter = Callable[[Graph, Call], str]
