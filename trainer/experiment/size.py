"""How large a run is, before it runs: for whoever has to say whether there is room for it.

    size_of(load("configs/mlp.yaml"))       # Size(parameters=4810, bytes=…, steps=225, …)

Everything is built once, as `trainer validate` does it, so that a config that does not fit is refused with its line.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from trainer.experiment.builder import build

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.training import Training

__all__ = ["Size", "size_of"]


@dataclass(frozen=True)
class Size:
    """What a run takes, at least.

    Attributes:
        parameters: numbers that are learnt.
        bytes: θ, its gradient, what the optimizer keeps, a batch with what each layer makes of it, and the data.
        steps: batches until its epochs are over.
        rows: training rows.
        disk: bytes of the checkpoints that are kept.
    """

    parameters: int
    bytes: int
    steps: int
    rows: int
    disk: int

    def plain(self) -> dict[str, int]:
        """As JSON has it."""
        return asdict(self)


def size_of(loaded: LoadedConfig) -> Size:
    """The size of the run that a config declares. Raises what `build` raises."""
    return measured(build(loaded), loaded)


def measured(training: Training, loaded: LoadedConfig) -> Size:
    """The size of a training that is built."""
    theta = training.theta.nbytes
    state = training.state
    arrays, _ = state.to_arrays()
    kept = sum(array.nbytes for array in arrays.values())
    data = training.data
    held = sum(part.inputs.nbytes + part.targets.nbytes for part in (data.train, data.validation, data.test))
    outputs = sum(math.prod(shape) for shape in (training.network.input_shape, *training.network.shapes))
    batch = training.batch_size * outputs * training.theta.itemsize
    steps = training.steps_per_epoch * training.epochs
    copies = loaded.config.checkpoint.keep if loaded.config.checkpoint else 0
    return Size(training.network.size, kept + theta + 2 * batch + held, steps, len(data.train), copies * kept)
