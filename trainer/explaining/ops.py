"""One mini-batch forward and backward, op by op: what the tape of its loss holds, and what that costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.engine.node import swept
from trainer.engine.observe import observed
from trainer.engine.op import Op
from trainer.engine.tape import Tape, tape
from trainer.engine.tensor import Tensor, untaped
from trainer.training import Training
from trainer.types import Array

__all__ = ["OpLook", "batch_tape", "look_at_ops"]

TIMES = 3  # that a call is timed; the least counts


@dataclass
class OpLook:
    """All calls of an op in the forward pass of one batch, and the work of its rules.

    Attributes:
        calls: how often it is called.
        nbytes: of its results.
        kept: bytes that its rules keep for the backward pass; an array that two of them keep counts twice.
        forward, backward: seconds of NumPy in its calls, and in its rules.
    """

    name: str
    calls: int = 0
    nbytes: int = 0
    kept: int = 0
    forward: float = 0.0
    backward: float = 0.0


def look_at_ops(training: Training) -> list[OpLook]:
    """Every op of a step's gradient on the first batch, those that take longest first; nothing moves."""
    found: dict[str, OpLook] = {}

    def see(op: Op, args: Sequence[Any], attributes: dict[str, Any], result: Any) -> None:
        seconds = _seconds(op, [untaped(each) for each in args], attributes)
        owner = swept.get()
        name = op.name if owner is None or owner.op is None else owner.op.name
        look = found.setdefault(name, OpLook(name))
        if owner is not None:
            look.backward += seconds
            return
        results = result if isinstance(result, tuple) else (result,)
        node = results[0]._node.parents[0] if isinstance(result, tuple) else result._node
        look.calls += 1
        look.forward += seconds
        look.nbytes += sum(untaped(each).nbytes for each in results)
        look.kept += sum(each.nbytes for each in node.residuals if isinstance(each, np.ndarray))

    state = training.now
    with np.errstate(all="ignore"), observed(see, strict=True):
        training.objective.gradient(state.theta, _batch(training), state.layer_state, np.int64(state.step))
    return sorted(found.values(), key=lambda look: -look.forward - look.backward)


def batch_tape(training: Training) -> Tape:
    """The tape of the loss of the first batch."""
    state = training.now
    named = {name: Tensor(value) for name, value in training.network.named(state.theta).items()}
    x, *others = _batch(training)
    inputs = Tensor(x) if x.dtype.kind == "f" else x  # so that the tape knows its shape, and operations are counted
    with np.errstate(all="ignore"):
        loss, _ = training.objective.loss(named, state.layer_state, [inputs, *others], np.int64(state.step))
    return tape(loss)


def _batch(training: Training) -> list[Array]:
    return [array[training.batches(0)[0]] for array in training.data.train.arrays]


def _seconds(op: Op, values: list[Any], attributes: dict[str, Any]) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        op.forward(*values, **attributes)
        taken.append(time.perf_counter() - began)
    return min(taken)
