"""The memory of a step: what its program is given, against the least that training has to hold.

A step cannot do without the parameters, their gradient, the optimizer's state, the batch, and what the rules of the
forward calls asked to keep for the backward sweep. All else is for the sake of the program: buffers of results in
between, of which two that are never alive at once share their place. How little they take is said by what is alive at
once: a program computes in its own order, and may keep what it could compute again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.compiler.layout import alive_bytes, covered_bytes, planned_bytes, size
from trainer.engine.node import Node, swept
from trainer.engine.observe import observed
from trainer.engine.op import Op
from trainer.engine.tensor import Tensor
from trainer.engine.tree import flatten, leaves
from trainer.training.loop import Training

if TYPE_CHECKING:
    from trainer.compiler.executors import Executor
    from trainer.compiler.program import Program

__all__ = ["Memory", "measure_memory"]


@dataclass(frozen=True)
class Memory:
    """Bytes of a step.

    Attributes:
        planned: everything that the program's executor holds: inputs, constants and buffers.
        alive: of that what is alive at once, when it is most: the least for the calls of this program.
        parameters, gradient: of θ.
        state: of what is carried from step to step beside θ.
        batch: of the other inputs.
        residuals: what the rules keep from the forward calls, without what is a parameter or the batch anyway.
    """

    planned: int
    alive: int
    parameters: int
    gradient: int
    state: int
    batch: int
    residuals: int

    @property
    def needed(self) -> int:
        """The least that a step has to hold."""
        return self.parameters + self.gradient + self.state + self.batch + self.residuals

    @property
    def ratio(self) -> float:
        """Planned over needed."""
        return self.planned / self.needed

    def __str__(self) -> str:
        parts = ["parameters", "gradient", "state", "batch", "residuals"]
        each = ", ".join(f"{name} {size(getattr(self, name))}" for name in parts if getattr(self, name))
        return (
            f"{size(self.planned)} planned, {self.planned / self.alive:.2f} × the {size(self.alive)} alive at once, "
            f"{self.ratio:.2f} × the {size(self.needed)} needed ({each})"
        )


def measure_memory(
    training: Training, plan: Callable[[Program, int], Executor] | None = None
) -> tuple[Executor, Memory]:
    """Record a step on a full batch and plan it: the executor, and its bytes.

    Args:
        plan: makes the executor, of the program and of how many outputs are carried to the next step; by default the
            training's own back end, and the best one where the tape runs its steps.
    """
    watch = _Watch()
    with observed(watch):
        program = training.program()
    carried = list(leaves(training.now.carried))
    executor = (plan or training.backend.executor)(program, 1 + len(carried))
    state = sum(a.nbytes for a in carried)
    theta = training.now.theta.nbytes
    given = sum(v.nbytes for v in program.inputs)
    planned, alive, residuals = planned_bytes(executor), alive_bytes(executor), watch.residual_bytes()
    return executor, Memory(planned, alive, theta, theta, state, given - theta - state, residuals)


class _Watch:
    """Sees which entries a sweep comes by, and so the residuals there."""

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

    def residual_bytes(self) -> int:
        """Bytes of the residuals that are no inputs."""
        residuals = [v for entry in self._entries for v in flatten(entry.residuals)[0]]
        return covered_bytes([*residuals, *self._inputs]) - covered_bytes(self._inputs)
