"""The memory of a step: what its program is given, against the least that training has to hold.

A step cannot do without the parameters, their gradient, the optimizer's state, the batch, and what the rules of the
forward calls asked to keep for the backward sweep. All else is for the sake of the program: buffers of results in
between, of which two that are never alive at once share a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds

from trainer.compiler.executors import best_executor
from trainer.engine.node import Node, swept
from trainer.engine.observe import observed
from trainer.engine.op import Op
from trainer.engine.tensor import Tensor
from trainer.engine.tree import flatten, leaves
from trainer.training.step import record_step

if TYPE_CHECKING:
    from trainer.compiler.numpy_executor import NumpyExecutor
    from trainer.compiler.program import Program, Value
    from trainer.training.loop import Training

__all__ = ["Memory", "Stay", "measure_memory", "planned_bytes", "size", "stays"]


@dataclass(frozen=True)
class Memory:
    """Bytes of a step.

    Attributes:
        planned: everything that the program's executor holds: inputs, constants and buffers.
        parameters, gradient: of θ.
        state: of what is carried from step to step beside θ.
        batch: of the other inputs.
        saved: what the rules keep from the forward calls, without what is a parameter or the batch anyway.
    """

    planned: int
    parameters: int
    gradient: int
    state: int
    batch: int
    saved: int

    @property
    def needed(self) -> int:
        """The least that a step has to hold."""
        return self.parameters + self.gradient + self.state + self.batch + self.saved

    @property
    def ratio(self) -> float:
        """Planned over needed."""
        return self.planned / self.needed

    def __str__(self) -> str:
        parts = ["parameters", "gradient", "state", "batch", "saved"]
        each = ", ".join(f"{name} {size(getattr(self, name))}" for name in parts if getattr(self, name))
        return f"{size(self.planned)} planned, {self.ratio:.2f} × the {size(self.needed)} needed ({each})"


def measure_memory(
    training: Training, plan: Callable[[Program, int], NumpyExecutor] = best_executor
) -> tuple[NumpyExecutor, Memory]:
    """Record a step on a full batch and plan it: the executor, and its bytes.

    Args:
        plan: makes the executor, of the program and of how many outputs are carried to the next step.
    """
    watch = _Watch()
    with observed(watch):
        program = record_step(training, training.batch_size)
    carried = list(leaves(training.carried))
    executor = plan(program, 1 + len(carried))
    state = sum(a.nbytes for a in carried)
    theta = training.theta.nbytes
    given = sum(v.nbytes for v in program.inputs)
    return executor, Memory(planned_bytes(executor), theta, theta, state, given - theta - state, watch.saved())


def planned_bytes(executor: NumpyExecutor) -> int:
    """Bytes of everything that an executor holds, each byte counted once."""
    blocks = executor.buffers.blocks
    arrays = [*blocks, *executor.inputs]
    arrays += [v.known for i in executor.program.instructions for v in i.inputs if v.constant]
    for _, _, operands, *_ in getattr(executor, "table", ()):
        arrays += operands
    return executor.nbytes + _bytes(arrays) - _bytes(blocks)


class Stay(NamedTuple):
    """A value in the buffer with this number, from the instruction that computes it to the last that reads it.

    Inputs have numbers below those of the blocks, are there from −1 on, and to the end.
    """

    buffer: int
    value: Value
    first: int
    last: int


def stays(executor: NumpyExecutor) -> list[Stay]:
    """Which value lies where and how long, in the order in which they come. Views are part of what they look at."""
    program, end = executor.program, len(executor.program)
    spans = [byte_bounds(array) for array in (*executor.inputs, *executor.buffers.blocks)]
    bound = {b.instruction: b.outputs for b in executor.bound}
    found = {value: Stay(n, value, -1, end) for n, value in enumerate(program.inputs)}
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
            for n, (low, high) in enumerate(spans):
                if low <= start < high:
                    found[value] = Stay(n, value, position, position)
    for value in program.outputs:
        value = owner.get(value, value)
        if value in found:
            found[value] = found[value]._replace(last=end)
    return list(found.values())


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


class _Watch:
    """Sees which entries a sweep comes by, and so what had been saved there."""

    def __init__(self) -> None:
        self._entries: set[Node] = set()
        self._inputs: list[Any] = []
        self._first: int | None = None

    def __call__(self, op: Op, args: Sequence[Any], attributes: dict[str, Any], result: Any) -> None:
        if self._first is None:
            self._first = (result[0] if isinstance(result, tuple) else result)._node.index
        # What is older than every call was given.
        self._inputs += [a._value for a in args if isinstance(a, Tensor) and a._node.index < self._first]
        entry = swept.get()
        if entry is not None:
            self._entries.add(entry)

    def saved(self) -> int:
        """Bytes of what was saved and was no input."""
        saved = [v for entry in self._entries for v in flatten(entry.saved)[0]]
        return _bytes([*saved, *self._inputs]) - _bytes(self._inputs)


def _bytes(arrays: Iterable[Any]) -> int:
    """How many bytes these arrays cover together."""
    covered = end = 0
    for low, high in sorted(byte_bounds(a) for a in arrays if isinstance(a, np.ndarray)):
        covered += max(0, high - max(low, end))
        end = max(end, high)
    return covered
