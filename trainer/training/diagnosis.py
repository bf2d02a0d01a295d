"""Where a step went wrong: the same step again, with every value looked at, and the layer that the finding lies in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.engine.node import next_index
from trainer.engine.tensor import Tensor
from trainer.engine.transforms import value_and_grad
from trainer.training.objective import Objective
from trainer.training.state import TrainingState
from trainer.types import Array, Numeric

__all__ = ["diagnose"]


def diagnose(
    objective: Objective, state: TrainingState, batch: Sequence[Array], places: Sequence[str] = ()
) -> str | None:
    """Run the step on this batch under `trainer.debug()`; what it found, or None where all is finite.

    The finding names the direction, the op and its plugin, the layer and its place in `places`, the step, the inputs'
    statistics and the line of the call.
    """
    from trainer.engine.debugging import NonFiniteError, debug, statistics

    network = objective.network
    named = network.named(state.theta)
    for name, value in {**named, **state.layer_state}.items():
        if not np.isfinite(value).all():
            return f"parameter '{name}' is not finite before the step: {statistics(value)}"
    starts: list[int] = []

    def entering(i: int) -> None:
        if i == 0:
            starts.clear()
        starts.append(next_index())  # whatever a layer records has an index above its mark

    def loss(named: Mapping[str, Numeric]) -> Any:
        x, *others = batch
        watched: list[Numeric] = [
            Tensor(x),
            *others,
        ]  # so that what a first layer does to the data is recorded and looked at as well
        return objective.loss(named, state.layer_state, watched, np.int64(state.step), entering)[0]

    try:
        with debug(), np.errstate(all="ignore"):
            value_and_grad(loss)(named)
    except NonFiniteError as error:
        first, _, rest = str(error).partition("\n")
        i = max(0, bisect_right(starts, error.index) - 1)
        where = "cost" if i == len(network.layers) else f"layer {i} ({network.names[i]})"
        if i < len(places):
            where += f", {places[i]}"
        return f"{first}\n  in        {where}\n  step      {state.step + 1}\n{rest}"
    return None
