"""A training step as a program: forward, backward and update, recorded together.

A step is a pure function of θ, the optimizer's state, the batch, the step size and the step counter. Its program is
recorded for each batch size that comes by: the full one and the last, shorter one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.compiler.passes import simplify
from trainer.compiler.program import Program
from trainer.compiler.trace import trace
from trainer.engine.tree import flatten
from trainer.errors import UsageError
from trainer.transforms import value_and_grad

if TYPE_CHECKING:
    from trainer.train import Training

__all__ = ["record_step"]

Array = np.ndarray[Any, Any]


def record_step(training: Training, rows: int) -> Program:
    """The program of one step on so many rows.

    Its inputs are θ, the state's arrays in the order of their names, x, y, ε and τ; its outputs the loss, the sum of g
    (finite only if all of g is), θ and the state after the step.
    """
    network, cost, optimizer = training.network, training.cost, training.optimizer

    def step(theta: Any, state: Any, x: Any, y: Any, step_size: Any, counter: Any) -> Any:
        def mean_cost(parameters: Any) -> Any:
            return np.mean(cost(network.apply(parameters, x), y))

        loss, gradients = value_and_grad(mean_cost)(network.views(theta))
        parts = [np.reshape(gradients[part.layer][part.name], -1) for part in network.parts]
        g = np.concatenate(parts) if len(parts) > 1 else parts[0]
        after, state = optimizer.update(g, state, theta, step_size, counter)
        return loss, np.sum(g), after, state

    scalar = training.theta.dtype.type
    data = training.data
    example = np.arange(rows) % len(data.train_inputs)
    arguments = (
        training.theta, training.state, data.train_inputs[example], data.train_targets[example], scalar(0.1), scalar(0),
    )  # fmt: skip
    with np.errstate(all="ignore"):
        program, _, _ = trace(step, arguments)
    carried = 1 + len(flatten(training.state)[0])
    for before, after in zip(program.inputs[:carried], program.outputs[2:], strict=True):
        if (before.shape, before.dtype) != (after.shape, after.dtype):
            raise UsageError(
                f"the optimizer {type(optimizer).__name__} turns {before.dtype} {before.shape} of θ or its state into "
                f"{after.dtype} {after.shape}; both must stay what they are"
            )
    return simplify(program)
