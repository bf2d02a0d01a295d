"""Where a step went wrong: the same step again, with every value looked at, and the layer that the finding lies in."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.engine.node import next_index
from trainer.engine.tensor import Tensor
from trainer.transforms import value_and_grad

if TYPE_CHECKING:
    from trainer.train import Training

__all__ = ["diagnose"]


def diagnose(training: Training, rows: np.ndarray[Any, Any]) -> str | None:
    """Run the step on these training rows under `trainer.debug()`; what it found, or None where all is finite.

    The finding names the direction, the op and its plugin, the layer and its line in the config, the step, the inputs'
    statistics and the line of the call.
    """
    from trainer.debugging import NonFiniteError, debug, statistics

    network, data = training.network, training.data
    for name, value in network.named(training.theta).items():
        if not np.isfinite(value).all():
            return f"parameter '{name}' is not finite before the step: {statistics(value)}"
    starts: list[int] = []

    def mean_cost(parameters: Any, x: Any, y: Any) -> Any:
        starts.clear()
        x = Tensor(x)  # so that what a first layer does to the data is recorded and looked at as well
        for layer, own in zip(network.layers, parameters, strict=True):
            starts.append(next_index())  # whatever a layer records has an index above its mark
            x = layer.apply(own, x)
        starts.append(next_index())
        return np.mean(training.cost(x, y))

    try:
        with debug(), np.errstate(all="ignore"):
            value_and_grad(mean_cost)(network.views(training.theta), data.train_inputs[rows], data.train_targets[rows])
    except NonFiniteError as error:
        first, _, rest = str(error).partition("\n")
        i = max(0, bisect_right(starts, error.index) - 1)
        where = "cost" if i == len(network.layers) else f"layer {i} ({network.names[i]})"
        if i < len(training.places):
            where += f", {training.places[i]}"
        return f"{first}\n  in        {where}\n  step      {training.step + 1}\n{rest}"
    return None
