"""Where a training stands, as a value: all that the next step depends on beside the settings and the data.

Everything else is a function of the seed and of two counters: the order of an epoch's rows, what layers draw, the step
size. So a training that is given this value goes on to the very bits of the one that it was taken from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from trainer.errors import DataError
from trainer.optimizers import State
from trainer.training.records import Best, Epoch
from trainer.types import Array

__all__ = ["TrainingState"]


@dataclass(frozen=True, eq=False)
class TrainingState:
    """How far a training has come, a value: nobody writes into its arrays.

    Attributes:
        theta: θ, one vector.
        optimizer: the optimizer's state.
        layer_state: the layers' state by name, which stands beside θ: what they keep from step to step, and parameters
            that are frozen.
        settled: what stood beside the optimizer's `averaged` parameters after the last epoch, where these are not θ.
        step, epoch: how many are done.
        batches: how many batches of the epoch that runs are done.
        losses: the sum of the losses of their rows, where they are measured so.
        seconds: how long it took.
        schedule: what the schedule remembers of past epochs.
        stopping: what `Stopping` remembers of them.
        best: the best epoch so far, where `Stopping` keeps it.
        ended: why training ended before its last epoch.

    >>> state = TrainingState(np.zeros(2), {"velocity": np.ones(2)}, {}, step=7, stopping={"best": 0.5})
    >>> arrays, counters = state.to_arrays()
    >>> sorted(arrays), counters["step"]
    (['optimizer.velocity', 'seconds', 'stopping.best', 'theta'], 7)
    >>> TrainingState.from_arrays(arrays, counters).stopping
    {'best': 0.5}
    """

    theta: Array
    optimizer: State
    layer_state: dict[str, Array]
    settled: dict[str, Array] = field(default_factory=dict)
    step: int = 0
    epoch: int = 0
    batches: int = 0
    losses: float = 0.0
    seconds: float = 0.0
    schedule: dict[str, Array] = field(default_factory=dict)
    stopping: dict[str, float] = field(default_factory=dict)
    best: Best | None = None
    ended: str | None = None

    @property
    def carried(self) -> tuple[State, dict[str, Array]]:
        """What a step hands to the next beside θ: the optimizer's state, and the layers'."""
        return self.optimizer, self.layer_state

    def kept(self) -> Self:
        """The same with arrays of its own, of one whose arrays are those of the next step."""
        own = {name: np.array(value) for name, value in self.optimizer.items()}
        layers = {name: np.array(value) for name, value in self.layer_state.items()}
        return replace(self, theta=np.array(self.theta), optimizer=own, layer_state=layers)

    def to_arrays(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The value as arrays by name, and counters and texts that JSON can hold.

        Numbers that are not whole are arrays too, so that every bit of them stays, of a nan as well.
        """
        arrays = {"theta": self.theta, "seconds": np.array(self.seconds)}
        if self.losses:
            arrays["losses"] = np.array(self.losses)
        for group in ("optimizer", "layer_state", "settled", "schedule"):
            arrays |= _within(group, getattr(self, group))
        arrays |= _within("stopping", self.stopping, float)
        about: dict[str, Any] = {name: getattr(self, name) for name in ("step", "epoch", "batches", "ended")}
        if self.best is not None:
            record = self.best.epoch
            about["best"] = {"epoch": record.epoch, "step": record.step}
            arrays |= {"best.theta": self.best.theta} | _within("best.layer_state", self.best.layer_state)
            for part, part_numbers in record.numbers.items():
                arrays |= _within(f"best.{part}", part_numbers, float)
            arrays |= _within("best.record", {name: getattr(record, name) for name in _NUMBERS}, float)
        return arrays, about

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Self:
        """The value that `to_arrays` took apart. Raises DataError where a part of it is missing."""
        try:
            best = None
            if "best" in about:
                numbers: dict[str, Any] = {name: float(arrays[f"best.record.{name}"]) for name in _NUMBERS}
                numbers |= {part: dict(_numbers(f"best.{part}", arrays)) for part in ("train", "validation", "test")}
                record = Epoch(**numbers, **about["best"])
                best = Best(record, arrays["best.theta"], dict(_named("best.layer_state", arrays)))
            return cls(
                theta=arrays["theta"],
                optimizer=dict(_named("optimizer", arrays)),
                layer_state=dict(_named("layer_state", arrays)),
                settled=dict(_named("settled", arrays)),
                step=about["step"],
                epoch=about["epoch"],
                batches=about["batches"],
                losses=float(arrays.get("losses", 0.0)),
                seconds=float(arrays["seconds"]),
                schedule=dict(_named("schedule", arrays)),
                stopping=dict(_numbers("stopping", arrays)),
                best=best,
                ended=about["ended"],
            )
        except KeyError as error:
            raise DataError(f"this is not the whole state of a training: {error.args[0]!r} is missing") from None


_NUMBERS = ("step_size", "seconds", "rows_per_second")  # of the best epoch's record


def _within(group: str, values: Mapping[str, object], dtype: type[float] | None = None) -> dict[str, Array]:
    return {f"{group}.{name}": np.asarray(value, dtype) for name, value in values.items()}


def _named(group: str, arrays: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    before = f"{group}."
    return ((name.removeprefix(before), array) for name, array in arrays.items() if name.startswith(before))


def _numbers(group: str, arrays: Mapping[str, Array]) -> Iterator[tuple[str, float]]:
    return ((name, float(array)) for name, array in _named(group, arrays))
