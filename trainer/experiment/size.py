"""How large a run is, before it runs: for whoever has to say whether there is room for it.

    size_of(load("configs/mlp.yaml"))       # Size(parameters=4810, bytes=…, steps=225, …)

Everything is built once, as `trainer validate` does it, so that a config that does not fit is refused with its line;
but initial values are a few numbers over and over, and what is too large is refused by its shape, before it is built.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.errors import UsageError
from trainer.experiment.builder import Builder
from trainer.plugins.faults import naming_plugins
from trainer.training.threads import pinned

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.training import Training

__all__ = ["Size", "TooLarge", "check", "size_of"]


class TooLarge(UsageError):
    """A run has more of something than it may have."""


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


def size_of(loaded: LoadedConfig, limits: Mapping[str, int] | None = None) -> Size:
    """The size of the run that a config declares.

    limits: the most that there may be of each; what has none is not limited.

    Raises TooLarge, also as a ConfigError at the layer that is, as soon as that is known, and what `build` raises.
    """
    limits = limits or {}
    most = limits.get("parameters", sys.maxsize)
    with pinned(1), naming_plugins(loaded.plugins):
        builder = Builder(loaded, draws=lambda seed, purpose: _Sketch(most))
        data = builder.data()
        batch_size, per_epoch = builder.batches(data)
        check({"steps": per_epoch * loaded.config.epochs}, limits)
        network = builder.network(data)
        theta = network.size * np.dtype(loaded.config.compute.dtype).itemsize
        outputs = sum(math.prod(shape) for shape in (network.input_shape, *network.shapes))
        least = 2 * theta + 2 * batch_size * outputs * np.dtype(loaded.config.compute.dtype).itemsize
        check({"parameters": network.size, "bytes": least}, limits)
        return measured(builder.assembled(data, network), loaded)


def check(size: Mapping[str, int], limits: Mapping[str, int]) -> None:
    """Raise TooLarge for what is more than its limit."""
    over = [
        f"{name}: {value:,}, of {limits[name]:,} at most"
        for name, value in size.items()
        if value > limits.get(name, value)
    ]
    if over:
        raise TooLarge(f"this run is too large for this service: {'; '.join(over)}")


class _Sketch(np.random.Generator):
    """Draws a few numbers over and over: an array costs a copy, and one that is too large is refused before it is.

    It knows the draws of the layers that ship; others are drawn in earnest.

    most: numbers that may be drawn in all.
    """

    def __init__(self, most: int) -> None:
        super().__init__(np.random.PCG64(0))
        self._few, self._most, self._drawn = np.linspace(-1.0, 1.0, 4093), most, 0

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        return self._some(loc, scale, size)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return self._some((low + high) / 2, (high - low) / 2, size)

    def _some(self, middle: Any, half: Any, size: Any) -> Any:
        count = math.prod(np.atleast_1d(size).tolist()) if size is not None else 1
        self._drawn += count
        check({"parameters": self._drawn}, {"parameters": self._most})
        values = np.resize(self._few, () if size is None else size)
        values *= half
        values += middle
        return values


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
