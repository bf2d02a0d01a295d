"""x[index] in ONNX: slices, numbers, new axes, and one array of whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainer.compiler.packed import Packed
from trainer.compiler.program import Instruction, Value
from trainer.errors import UsageError
from trainer.export.calls import Call
from trainer.export.graph import Graph, Length

__all__ = ["FIRST", "LAST", "getitem"]

LAST, FIRST = np.iinfo(np.int64).max, np.iinfo(np.int64).min  # however long an axis is


def getitem(g: Graph, call: Call) -> str:
    """Slices, numbers, new axes, and one array of whole numbers."""
    rank, pairs = call.rank(0), list(zip(_index(call.one), _index(call.two), strict=True))
    used = sum(item is not None and item is not Ellipsis for item, _ in pairs)
    full = [(slice(None), slice(None))] * (rank - used)
    where = next((i for i, (item, _) in enumerate(pairs) if item is Ellipsis), len(pairs))
    pairs = [*pairs[:where], *full, *pairs[where + 1 :]]
    starts: list[int] = []
    ends: list[int] = []
    steps: list[int] = []
    axes, gone, new = [], [], []
    name, gathered, axis, place = call.inputs[0], None, 0, 0
    for item, other in pairs:
        if item is None:
            new.append(place)
            place += 1
            continue
        if isinstance(item, slice):
            if item != slice(None):
                bounds = _bounds(item, other, call.lengths(0)[axis])
                for values, value in zip((starts, ends, steps), bounds, strict=True):
                    values.append(value)
                axes.append(axis)
            place += 1
        elif np.ndim(item) == 0:
            starts.append(int(item))
            ends.append(int(item) + 1 if int(item) != -1 else LAST)
            steps.append(1)
            axes.append(axis)
            gone.append(axis)
        elif gathered is None and np.asarray(item).dtype.kind in "iu":
            gathered = (axis, np.asarray(item))
            place += np.ndim(item)
        else:
            raise UsageError(f"x[{_index(call.one)}] has no ONNX equivalent: of arrays an index may hold one")
        axis += 1
    if axes:
        name = g.node("Slice", name, *(g.integers(values) for values in (starts, ends, axes, steps)))
    if gathered is not None:
        name = g.node("Gather", name, g.constant(gathered[1].astype(np.int64)), axis=gathered[0])
        if gone and max(gone) > gathered[0]:
            gone = [a + gathered[1].ndim - 1 if a > gathered[0] else a for a in gone]
    if gone:
        name = g.node("Squeeze", name, g.integers(gone))
    return g.node("Unsqueeze", name, g.integers(new)) if new else name


def _index(instruction: Instruction) -> tuple[Any, ...]:
    values: Sequence[Value] = instruction.inputs[1:]
    if any(not value.constant for value in values):
        what = "x[index] with an index that is computed has no ONNX equivalent here"
        raise UsageError(f"{what}; write np.take(x, index, axis)")
    known = [value.known for value in values]
    forward = instruction.op.forward
    if isinstance(forward, Packed):
        known = list(forward.arguments([None, *known])[1:])
    index = known[0] if len(known) == 1 else tuple(known)
    return index if isinstance(index, tuple) else (index,)


def _bounds(one: slice, two: slice, length: Length) -> tuple[int, int, int]:
    """Start, end and step of a slice, where both records agree or it goes as far as the axis does."""
    step = 1 if one.step is None else int(one.step)
    start = (0 if step > 0 else LAST) if one.start is None else int(one.start)
    end = (LAST if step > 0 else FIRST) if one.stop is None else int(one.stop)
    if one != two:
        if one.start != two.start or one.stop != length.first or two.stop != length.second:
            raise UsageError(f"a slice is {one} for some rows and {two} for others: it has no ONNX equivalent")
        end = LAST
    return start, end, step
