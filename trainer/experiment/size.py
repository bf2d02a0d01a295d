"""How large a run is, before it runs: for whoever has to say whether there is room for it.

    size_of(load("configs/mlp.yaml"))       # Size(parameters=4810, bytes=…, steps=225, …)

Everything is built once, as `trainer validate` does it, so that a config that does not fit is refused with its line;
but initial values are a few numbers over and over, of a large network there are none, and what is too large is refused
by its shape, before it is built.
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
from trainer.optimizers import prepared
from trainer.plugins.faults import naming_plugins
from trainer.rng import Sketch
from trainer.training.state import TrainingState
from trainer.training.threads import pinned

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.data.prepared import Prepared
    from trainer.nn.network import Network
    from trainer.training import Training

__all__ = ["Size", "TooLarge", "check", "size_of"]

TRIED = 1 << 22  # numbers of a network whose layers are called: that takes a quarter of a second


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
        builder = Builder(loaded, draws=lambda seed, purpose: _sketch(most))
        data = builder.data()
        batch_size, per_epoch = builder.batches(data)
        check({"steps": per_epoch * loaded.config.epochs}, limits)
        network = builder.network(data)
        theta = network.size * np.dtype(loaded.config.compute.dtype).itemsize
        outputs = sum(math.prod(shape) for shape in (network.input_shape, *network.shapes))
        least = 2 * theta + 2 * batch_size * outputs * np.dtype(loaded.config.compute.dtype).itemsize
        check({"parameters": network.size, "bytes": least}, limits)
        config = loaded.config
        if network.size <= TRIED or config.start_from is not None or config.compute.shards is not None:
            return measured(builder.assembled(data, network), loaded)
        return _of(builder.settings(data, network, made=False), per_epoch, loaded)


def check(size: Mapping[str, int], limits: Mapping[str, int]) -> None:
    """Raise TooLarge for what is more than its limit."""
    over = [
        f"{name}: {value:,}, of {limits[name]:,} at most"
        for name, value in size.items()
        if value > limits.get(name, value)
    ]
    if over:
        raise TooLarge(f"this run is too large for this service: {'; '.join(over)}")


def _sketch(most: int) -> Sketch:
    """Of so many numbers at most."""
    drawn = 0

    def counted(count: int) -> None:
        nonlocal drawn
        drawn += count
        check({"parameters": drawn}, {"parameters": most})

    return Sketch(counted)


def measured(training: Training, loaded: LoadedConfig) -> Size:
    """The size of a training that is built."""
    return _size(training.network, training.data, training.now, training.batch_size, training.steps_per_epoch, loaded)


def _of(settings: Mapping[str, Any], per_epoch: int, loaded: LoadedConfig) -> Size:
    """The size of a training that is not built: its state is zeros, which take no memory before they are read."""
    network, dtype = settings["network"], settings["dtype"]
    theta = np.zeros(network.size, dtype)
    optimizer = prepared(settings["optimizer"], [part.slice for part in network.parts])
    state = TrainingState(theta, optimizer.init(theta), network.layer_state(settings["seed"], dtype))
    return _size(network, settings["data"], state, settings["batch_size"], per_epoch, loaded)


def _size(
    network: Network, data: Prepared, state: TrainingState, batch_size: int, per_epoch: int, loaded: LoadedConfig
) -> Size:
    arrays, _ = state.to_arrays()
    kept = sum(array.nbytes for array in arrays.values())
    held = sum(part.inputs.nbytes + part.targets.nbytes for part in (data.train, data.validation, data.test))
    outputs = sum(math.prod(shape) for shape in (network.input_shape, *network.shapes))
    batch = batch_size * outputs * state.theta.itemsize
    copies = loaded.config.checkpoint.keep if loaded.config.checkpoint else 0
    return Size(
        parameters=network.size,
        bytes=kept + state.theta.nbytes + 2 * batch + held,
        steps=per_epoch * loaded.config.epochs,
        rows=len(data.train),
        disk=copies * kept,
    )
