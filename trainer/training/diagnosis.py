"""Where a step went wrong: the same step again, with every value looked at, and the layer that the finding lies in."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.engine.node import next_index
from trainer.engine.tensor import Tensor
from trainer.engine.transforms import value_and_grad

if TYPE_CHECKING:
    from trainer.training.loop import Training

__all__ = ["diagnose"]


def diagnose(training: Training, rows: np.ndarray[Any, Any]) -> str | None:
    """Run the step on these training rows under `trainer.debug()`; what it found, or None where all is finite.

    The finding names the direction, the op and its plugin, the layer and its line in the config, the step, the inputs'
    statistics and the line of the call.
    """
    from trainer.engine.debugging import NonFiniteError, debug, statistics

    network, objective = training.network, training.objective
    named = network.named(training.theta)
    for name, value in {**named, **training.kept}.items():
        if not np.isfinite(value).all():
            return f"parameter '{name}' is not finite before the step: {statistics(value)}"
    starts: list[int] = []

    def entering(i: int) -> None:
        if i == 0:
            starts.clear()
        starts.append(next_index())  # whatever a layer records has an index above its mark

    x, *others = (array[rows] for array in training.data.batch_arrays)

    def loss(named: Any) -> Any:
        batch = [Tensor(x), *others]  # so that what a first layer does to the data is recorded and looked at as well
        return objective.loss(named, training.kept, batch, np.int64(training.step), entering)[0]

    try:
        with debug(), np.errstate(all="ignore"):
            value_and_grad(loss)(named)
    except NonFiniteError as error:
        first, _, rest = str(error).partition("\n")
        i = max(0, bisect_right(starts, error.index) - 1)
        where = "cost" if i == len(network.layers) else f"layer {i} ({network.names[i]})"
        if i < len(training.places):
            where += f", {training.places[i]}"
        return f"{first}\n  in        {where}\n  step      {training.step + 1}\n{rest}"
    return None
