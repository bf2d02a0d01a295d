"""Where the values of a program lie, and how long: the layout that an executor made, to measure and to draw."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds

if TYPE_CHECKING:
    from trainer.compiler.executors import Executor
    from trainer.compiler.program import Value

__all__ = ["LiveRange", "alive_bytes", "covered_bytes", "live_ranges", "planned_bytes", "size"]


def planned_bytes(executor: Executor) -> int:
    """Bytes of everything that an executor holds, each byte counted once."""
    blocks = executor.blocks
    arrays = [*blocks, *executor.inputs, *executor.held, *_constants(executor)]
    return executor.nbytes + covered_bytes(arrays) - covered_bytes(blocks)


def alive_bytes(executor: Executor) -> int:
    """Bytes of the inputs, the constants and what is alive beside them when that is most: less takes no plan of this
    program, whose calls come in this order."""
    return covered_bytes([*executor.inputs, *_constants(executor)]) + executor.alive


def _constants(executor: Executor) -> list[Any]:
    return [v.known for i in executor.program.instructions for v in i.inputs if v.constant]


class LiveRange(NamedTuple):
    """A value in memory, from the instruction that computes it to the last that reads it.

    Attributes:
        start: where it begins in the memory of the blocks, counted through them; −1 for an input, which is in memory of
            its own, from −1 on, and to the end.
        buffer: a number for its memory. Inputs have the first ones; then come places of the blocks, from one byte to
            another, which several values may have one after the other, and which parts of other places may be.
    """

    value: Value
    first: int
    last: int
    start: int = -1
    buffer: int = 0


def live_ranges(executor: Executor) -> list[LiveRange]:
    """Which value lies where and how long, in the order in which they come. Views are part of what they look at."""
    program, end = executor.program, len(executor.program)
    spans = [byte_bounds(array) for array in executor.blocks]
    before = [0, *accumulate(high - low for low, high in spans)]
    bound = {b.instruction: b.outputs for b in executor.bound}
    inputs = {byte_bounds(array)[0]: n for n, array in enumerate(executor.inputs)}
    found = {value: LiveRange(value, -1, end, -1, n) for n, value in enumerate(program.inputs)}
    owner: dict[Value, Value] = {}
    for position, instruction in enumerate(program.instructions):
        for value in instruction.inputs:
            value = owner.get(value, value)
            if value in found:
                found[value] = found[value]._replace(last=max(position, found[value].last))
        if instruction not in bound:
            owner[instruction.outputs[0]] = owner.get(instruction.inputs[0], instruction.inputs[0])
            continue
        for value, array in zip(instruction.outputs, bound[instruction], strict=True):
            start = byte_bounds(array)[0] if isinstance(array, np.ndarray) else 0
            if start in inputs:
                found[value] = LiveRange(value, position, position, -1, inputs[start])
            for (low, high), offset in zip(spans, before, strict=False):
                if low <= start < high:
                    found[value] = LiveRange(value, position, position, start - low + offset)
    for value in program.outputs:
        value = owner.get(value, value)
        if value in found:
            found[value] = found[value]._replace(last=end)
    places = sorted({(live.start, live.value.nbytes) for live in found.values() if live.start >= 0})
    numbers = {place: n for n, place in enumerate(places, len(program.inputs))}
    return [live._replace(buffer=numbers.get((live.start, live.value.nbytes), live.buffer)) for live in found.values()]


def size(nbytes: int) -> str:
    """Bytes for people.

    >>> size(512), size(76840), size(3 * 2**20)
    ('512 B', '75.0 KiB', '3.0 MiB')
    """
    if nbytes < 1024:
        return f"{nbytes} B"
    number, units = nbytes / 1024, ["KiB", "MiB", "GiB"]
    while number >= 1000 and len(units) > 1:
        number, units = number / 1024, units[1:]
    return f"{number:.1f} {units[0]}"


def covered_bytes(arrays: Iterable[object]) -> int:
    """How many bytes these arrays cover together."""
    covered = end = 0
    for low, high in sorted(byte_bounds(a) for a in arrays if isinstance(a, np.ndarray)):
        covered += max(0, high - max(low, end))
        end = max(end, high)
    return covered
