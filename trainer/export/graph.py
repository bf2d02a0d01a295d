"""An ONNX graph as it grows: nodes with names, constants written once, and one axis whose length is not known.

The batch axis. A network is recorded twice, with batches of two sizes, and everything that differs between the two
records depends on the batch: a length that is k times the first size in one and k times the second in the other is k
times the batch, whatever that will be. Everything else is a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from trainer.errors import UsageError
from trainer.types import Array

__all__ = ["BATCHES", "Graph", "Length"]

BATCHES = (3, 4)  # the two sizes a network is recorded with


class Length:
    """A length as both records have it.

    >>> Length(6, 8).times, Length(5, 5).times
    (2, None)
    """

    def __init__(self, first: int, second: int) -> None:
        self.first, self.second = int(first), int(second)

    @property
    def times(self) -> int | None:
        """How many batches long it is; None where it does not depend on the batch."""
        if self.first == self.second:
            return None
        times, rest = divmod(self.first, BATCHES[0])
        if rest or times * BATCHES[1] != self.second:
            raise UsageError(
                f"a length is {self.first} for {BATCHES[0]} rows and {self.second} for {BATCHES[1]}, which is no "
                f"multiple of the batch: such a network has no ONNX graph for batches of any size"
            )
        return times

    def __repr__(self) -> str:
        return f"Length({self.first}, {self.second})"


class Nodes(Protocol):
    """What takes nodes and constants, and gives the name of a value for each: a graph, or a text of NumPy's calls."""

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str: ...

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> str: ...

    def integers(self, values: Sequence[int]) -> str: ...

    def cast(self, name: str, dtype: npt.DTypeLike) -> str: ...


class Graph:
    """Collects nodes and constants; every method returns the name of a value."""

    def __init__(self, batch_of: str) -> None:
        self.batch_of = batch_of  # the input whose first axis is the batch
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self._known: dict[tuple[Any, ...], str] = {}
        self._count = 0
        self._batch: str | None = None

    def fresh(self, hint: str) -> str:
        """A name that nothing has yet."""
        self._count += 1
        return f"{hint}_{self._count}"

    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Add a node, with the domain's default attributes but those given; the name of its first output."""
        from onnx import helper

        names = [self.fresh(kind.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names[0]

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike | None = None, name: str | None = None) -> str:
        """A constant; equal ones are one."""
        array = np.ascontiguousarray(np.asarray(value, dtype)).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if name is None and key in self._known:
            return self._known[key]
        name = name or self.fresh("constant")
        self.constants[name] = array
        self._known.setdefault(key, name)
        return name

    def integers(self, values: Sequence[int]) -> str:
        """A constant vector of int64, as ONNX wants axes, shapes and bounds."""
        return self.constant(np.asarray(values, np.int64).reshape(-1))

    def shape(self, lengths: Sequence[Length]) -> str:
        """The vector of these lengths, some of which may be of the batch."""
        if all(length.times is None for length in lengths):
            return self.integers([length.first for length in lengths])
        parts = [
            self.integers([length.first]) if length.times is None else self._batches(length.times) for length in lengths
        ]
        return self.node("Concat", *parts, axis=0)

    def _batches(self, times: int) -> str:
        if self._batch is None:
            shape = self.node("Shape", self.batch_of)
            self._batch = self.node("Slice", shape, self.integers([0]), self.integers([1]))
        return self._batch if times == 1 else self.node("Mul", self._batch, self.integers([times]))

    def cast(self, name: str, dtype: npt.DTypeLike) -> str:
        """The value as another dtype."""
        from onnx import helper

        return self.node("Cast", name, to=int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype))))

    def transposed(self, name: str, order: Sequence[int]) -> str:
        """The value with its axes in another order."""
        return name if list(order) == sorted(order) else self.node("Transpose", name, perm=list(map(int, order)))
