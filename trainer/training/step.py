"""A training step, (1) and (2), said once: `Eager` calls it, and its program is a record of that call.

A step is a pure function of θ, what is carried from step to step, the batch, the step size and the step counter. Its
program is recorded for each batch size that comes by: the full one and the last, shorter one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from trainer.compiler.passes import recompute, simplify
from trainer.compiler.program import Program, Value
from trainer.compiler.scope import move, named_scope
from trainer.compiler.tracing import trace
from trainer.engine.transforms import stop_gradient
from trainer.engine.tree import leaves
from trainer.engine.uncollected import uncollected
from trainer.errors import UsageError
from trainer.optimizers import Optimizer, State
from trainer.training.objective import Objective
from trainer.types import Array, Numeric

__all__ = [
    "Carried",
    "MemoryUse",
    "StepFunction",
    "gathered",
    "record_gradient",
    "record_step",
    "record_update",
    "step_names",
]

Carried = tuple[State, dict[str, Array]]  # the optimizer's state and the layers'
MemoryUse = Literal["less", "balanced"]  # of a program: whether it computes again what it could keep


@dataclass(frozen=True)
class StepFunction:
    """(θ, carried, batch, ε, τ) ↦ (loss, g, θ, carried)."""

    objective: Objective
    optimizer: Optimizer

    def __call__(
        self,
        theta: Array,
        carried: Carried,
        batch: Sequence[Numeric],
        step_size: Numeric,
        counter: Numeric,
        number: Numeric,
    ) -> tuple[Any, Any, Any, Carried]:
        """One step.

        Args:
            theta: θ, one vector.
            carried: the optimizer's state and the layers'.
            batch: inputs and targets, and weights of the examples where there are any.
            step_size: ε, a scalar of θ's dtype.
            counter: τ, a scalar of θ's dtype, for the optimizer.
            number: τ, a whole number, for what layers draw.
        """
        state, layers = carried
        loss, g, layers = self.objective.gradient(theta, batch, layers, number)
        theta, state = _updated(self.optimizer, theta, state, g, step_size, counter)
        return loss, g, theta, (state, layers)


@uncollected()
def record_step(
    step: StepFunction,
    theta: Array,
    carried: Carried,
    sources: Sequence[Array],
    rows: int,
    memory: MemoryUse = "balanced",
) -> Program:
    """The program of one step on so many rows of `sources`; for less memory, what is cheap is computed again.

    Its inputs are θ, the arrays of `carried`, those of a batch, ε, and τ twice, in θ's dtype and as a whole number; its
    outputs the loss, g, and θ and what is carried after the step.
    """
    scalar = theta.dtype.type
    example = np.arange(rows) % len(sources[0])
    batch = tuple(array[example] for array in sources)
    scoped = replace(step, objective=_Scoped(**vars(step.objective)))
    arguments = (theta, carried, batch, scalar(0.1), scalar(0), np.int64(0))
    sizes = {theta.size, *(math.prod(part.shape) for part in step.objective.network.parts)}
    with np.errstate(all="ignore"), named_scope("update", "optimizer"):
        try:  # what is of θ's size, or a parameter's, is a gradient or what the optimizer makes of one
            program = trace(scoped, arguments, forgotten=lambda array: array.size in sizes).program
        except np.linalg.LinAlgError:  # of zeros
            program = trace(scoped, arguments).program
    places = program.inputs[: 1 + len(list(leaves(carried)))]
    _check_kept(step.optimizer, places, program.outputs[2:])
    program = simplify(program)
    return recompute(program, len(places)) if memory == "less" else program


@uncollected()
def record_gradient(
    objective: Objective,
    theta: Array,
    layers: dict[str, Array],
    sources: Sequence[Array],
    rows: int,
    memory: MemoryUse = "balanced",
) -> Program:
    """The program of the loss and g alone, on so many rows. Its inputs are θ, the layers' state, a batch, and τ as a
    whole number."""
    example = np.arange(rows) % len(sources[0])
    scoped = _Scoped(**vars(objective))

    def gradient(theta: Array, layers: dict[str, Array], batch: Sequence[Numeric], number: Numeric) -> tuple[Any, Any]:
        loss, g, _ = scoped.gradient(theta, batch, layers, number)
        return loss, g

    with np.errstate(all="ignore"):
        batch = tuple(array[example] for array in sources)
        program = simplify(trace(gradient, (theta, layers, batch, np.int64(0))).program)
    return recompute(program) if memory == "less" else program


@uncollected()
def record_update(optimizer: Optimizer, theta: Array, state: State) -> Program:
    """The program of the optimizer's update. Its inputs are θ, the state, g, ε and τ; its outputs θ and the state."""
    scalar = theta.dtype.type
    update = partial(_updated, optimizer)
    with np.errstate(all="ignore"), named_scope("update", "optimizer"):
        program = trace(update, (theta, state, np.ones_like(theta), scalar(0.1), scalar(0))).program
    _check_kept(optimizer, program.inputs[: len(program.outputs)], program.outputs)
    return simplify(program)


def _updated(
    optimizer: Optimizer, theta: Array, state: State, g: Array, step_size: Numeric, counter: Numeric
) -> tuple[Array, State]:
    """An update, which nobody differentiates: a record of one keeps nothing that it computes on its way."""
    g, theta, state = stop_gradient((g, theta, state))
    return optimizer.update(g, state, theta, step_size, counter)


def gathered(sources: Sequence[Array], rows: Array) -> list[Array]:
    """A batch of these rows, which nobody writes to, so that the tape keeps it as it is."""
    batch = [array[rows] for array in sources]
    for array in batch:
        array.flags.writeable = False
    return batch


def _check_kept(optimizer: Optimizer, places: Sequence[Value], results: Sequence[Value]) -> None:
    for before, after in zip(places, results, strict=True):
        if (before.shape, before.dtype) != (after.shape, after.dtype):
            raise UsageError(
                f"the optimizer {type(optimizer).__name__} turns {before.dtype} {before.shape} of θ or its state "
                f"into {after.dtype} {after.shape}; both must stay what they are"
            )


def step_names(carried: Carried, sources: Sequence[Array]) -> tuple[list[str], list[str]]:
    """What to call the inputs and outputs of the program of a step."""
    names = [name for part in carried for name in sorted(part)]
    batch = ["x", "y", "weights"][: len(sources)]
    return ["θ", *names, *batch, "ε", "τ", "step"], ["loss", "g", "θ", *names]


class _Scoped(Objective):
    """Tells the record which layer is at work."""

    def loss(
        self,
        named: Mapping[str, Numeric],
        layer_state: Mapping[str, Numeric],
        batch: Sequence[Numeric],
        step: Numeric | int,
        entering: Callable[[int], None] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        places = [*(f"{i} {name}" for i, name in enumerate(self.network.names)), "cost"]
        with named_scope("forward", "cost"):
            return super().loss(named, layer_state, batch, step, lambda i: move("forward", places[i]))
