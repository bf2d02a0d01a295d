"""A training step as a program: forward, backward and update, recorded together.

A step is a pure function of θ, the optimizer's state, the batch, the step size and the step counter. Its program is
recorded for each batch size that comes by: the full one and the last, shorter one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.compiler.passes import simplify
from trainer.compiler.program import Program
from trainer.compiler.scope import move, named_scope
from trainer.compiler.tracing import trace
from trainer.compiler.uncollected import uncollected
from trainer.engine.tree import flatten
from trainer.errors import UsageError
from trainer.training.objective import Objective

if TYPE_CHECKING:
    from trainer.training.loop import Training

__all__ = ["record_step", "step_names"]


@uncollected()
def record_step(training: Training, rows: int) -> Program:
    """The program of one step on so many rows.

    Its inputs are θ, the arrays of `training.carried`, those of a batch, ε, and τ twice, in θ's dtype for the optimizer
    and as a whole number for what is drawn; its outputs the loss, g, θ and what is carried after
    the step.
    """
    optimizer = training.optimizer
    objective = _Located(**vars(training.objective))

    def step(theta: Any, carried: Any, batch: Any, step_size: Any, counter: Any, number: Any) -> Any:
        state, kept = carried
        with named_scope("update", "optimizer"):
            loss, g, kept = objective.gradient(theta, batch, kept, number)
            after, state = optimizer.update(g, state, theta, step_size, counter)
            return loss, g, after, (state, kept)

    scalar = training.theta.dtype.type
    example = np.arange(rows) % len(training.data.train)
    batch = tuple(array[example] for array in training.data.batch_arrays)
    with np.errstate(all="ignore"):
        program = trace(step, (training.theta, training.carried, batch, scalar(0.1), scalar(0), np.int64(0))).program
    carried = 1 + len(flatten(training.carried)[0])
    for before, after in zip(program.inputs[:carried], program.outputs[2:], strict=True):
        if (before.shape, before.dtype) != (after.shape, after.dtype):
            raise UsageError(
                f"the optimizer {type(optimizer).__name__} turns {before.dtype} {before.shape} of θ or its state into "
                f"{after.dtype} {after.shape}; both must stay what they are"
            )
    return simplify(program)


def step_names(training: Training) -> tuple[list[str], list[str]]:
    """What to call the inputs and outputs of the program of a step."""
    carried = [*sorted(training.state), *sorted(training.kept)]
    batch = ["x", "y", "weights"][: len(training.data.batch_arrays)]
    return ["θ", *carried, *batch, "ε", "τ", "step"], ["loss", "g", "θ", *carried]


class _Located(Objective):
    """Tells the record which layer is at work."""

    def loss(
        self, named: Any, kept: Any, batch: Any, step: Any, entering: Callable[[int], None] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        places = [*(f"{i} {name}" for i, name in enumerate(self.network.names)), "cost"]
        with named_scope("forward", "cost"):
            return super().loss(named, kept, batch, step, lambda i: move("forward", places[i]))
