"""The machine's instructions, made by name.

The machine reads tuples of (kind, what, operands, extra), and what each means depends on the kind (prepare.c). Here
that is said once, so that nobody else has to know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from trainer.compiler.machine import _machine as m
from trainer.types import Array

__all__ = [
    "ChainCall",
    "MachineInstruction",
    "call",
    "cast",
    "check",
    "copy",
    "fill",
    "fused",
    "gather",
    "loop",
    "matmul",
    "product",
    "random",
    "reduce",
    "stream_in",
    "stream_out",
    "where",
]


class MachineInstruction(NamedTuple):
    """One line of the machine's table, in the order in which it is read there."""

    kind: int
    what: Any
    operands: tuple[Array, ...]
    extra: int = 0


class ChainCall(NamedTuple):
    """One call of a chain. Operands are numbered first, then registers."""

    code: int
    target: int
    taken: tuple[int, ...]


def loop(ufunc: np.ufunc, *operands: Array) -> MachineInstruction:
    """The ufunc's inner loop, over operands of one shape: inputs first, then the output."""
    return MachineInstruction(m.LOOP, ufunc, operands)


def fused(calls: Sequence[ChainCall], operands: Sequence[Array]) -> MachineInstruction:
    """A chain of arithmetic on operands of one shape, block by block."""
    return MachineInstruction(m.FUSED, tuple((c.code, c.target, *c.taken) for c in calls), tuple(operands))


def reduce(ufunc: np.ufunc, code: int, target: Array, source: Array) -> MachineInstruction:
    """Short rows of the source come down to a number of the target each, or to one row of it: by ADD, MAXIMUM or
    MINIMUM, whose ufunc is there for the cases that are left to it."""
    return MachineInstruction(m.REDUCE, ufunc, (target, source), code)


def matmul(a: Array, b: Array, target: Array) -> MachineInstruction:
    """Matrices (…, n, k) times (…, k, m)."""
    return MachineInstruction(m.MATMUL, np.matmul, (a, b, target))


def product(
    a: Array, b: Array, target: Array, classes: bytes, cuts: tuple[int, ...], zero: float = 0.0,
    whole: np.ufunc | None = None, width: int = m.VECTORS,
) -> MachineInstruction:  # fmt: skip
    """The same by the machine itself, with vectors of `width` bytes: `classes` says for each row and block of eight
    columns whether it is summed in one chain or two, `cuts` where long sums end, `zero` to which of both they are added
    in the end. With `whole`, which is np.matmul, it does parts of it alone, for threads."""
    ends = np.array(cuts, np.int64).tobytes()
    return MachineInstruction(m.PRODUCT, (classes, ends, zero, whole), (a, b, target), width)


def copy(target: Array, source: Array) -> MachineInstruction:
    """The source's elements, broadcast to the target's shape."""
    return MachineInstruction(m.COPY, None, (target, np.broadcast_to(source, target.shape)))


def cast(target: Array, source: Array) -> MachineInstruction:
    """The source's elements in the target's type."""
    return MachineInstruction(m.CAST, None, (target, source))


def fill(target: Array, number: object) -> MachineInstruction:
    """One number in every place."""
    return MachineInstruction(m.FILL, None, (target, np.broadcast_to(np.asarray(number, target.dtype), target.shape)))


def where(target: Array, mask: Array, yes: Array, no: Array) -> MachineInstruction:
    """Elements of `yes` where the mask holds, of `no` elsewhere; all of the target's shape."""
    return MachineInstruction(m.WHERE, None, (target, mask, yes, no))


def gather(target: Array, source: Array, indices: Array, first: Array, axis: int) -> MachineInstruction:
    """Elements of the source, picked along the axis. `first` is the source at place 0 of the axis; it and the indices
    are spread out to the target's shape."""
    return MachineInstruction(m.GATHER, source, (target, indices, first), axis)


def stream_in(target: Array, stream: Array) -> MachineInstruction:
    """In iteration i the target takes `stream[i]`."""
    return MachineInstruction(m.STREAM, stream, (target, stream[0, ...]), 1)


def stream_out(stream: Array, source: Array) -> MachineInstruction:
    """In iteration i `stream[i]` takes the source's elements."""
    return MachineInstruction(m.STREAM, stream, (stream[0, ...], source), 0)


def random(target: Array, key: tuple[int, int], step: Array) -> MachineInstruction:
    """Uniform numbers by the key, at the step that stands in an array of one whole number when this runs."""
    return MachineInstruction(m.RANDOM, key, (target, step))


def check(source: Array) -> MachineInstruction:
    """The run ends where a number is not finite."""
    return MachineInstruction(m.CHECK, None, (source,))


def call(function: Callable[[], object]) -> MachineInstruction:
    """Anything else, with the interpreter lock."""
    return MachineInstruction(m.CALL, function, ())
