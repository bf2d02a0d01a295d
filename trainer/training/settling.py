"""What layers keep, for parameters that no step was taken at.

An optimizer may evaluate others than θ, such as an average of it. Statistics that batch norm has gathered at θ are not
theirs: with an average of 0.999 over 15 epochs of the digits, 0.28 of the test rows were right where 0.96 are with
statistics of its own. So the training rows go through the network once more, at the parameters that are evaluated, and
layers update what they keep as they do in training: PyTorch's `update_bn`. To average the statistics beside θ costs
less, and is worse, 0.91: those of an average are not the average of those.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trainer.nn.draw import Draw
from trainer.training.objective import Objective
from trainer.types import Array

__all__ = ["settled"]


def settled(
    objective: Objective, theta: Array, layers: dict[str, Array], inputs: Iterable[Array], step: int
) -> dict[str, Array]:
    """What stands beside `theta` after a pass over these batches of inputs, in which nothing is learnt.

    Args:
        layers: what stands there before; a layer that heeds `Draw.seen` forgets it, another one moves on from it.
        step: τ, which what layers draw depends on.
    """
    network = objective.network
    named, layers = network.named(theta), {name: np.array(value) for name, value in layers.items()}
    with np.errstate(all="ignore"):  # what overflows shows up in the numbers of the epoch
        for seen, x in enumerate(inputs):
            draw = Draw(objective.seed, np.int64(step + seen), str(theta.dtype), "", seen)
            _, updates = network.apply(network.tree({**named, **layers}), x, draw)
            layers = {**layers, **{name: np.asarray(value, theta.dtype) for name, value in updates.items()}}
    return layers
