"""What a training yields: a record of every batch and of every epoch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from trainer.data.prepared import Part
from trainer.types import Array

__all__ = ["Best", "Epoch", "Step"]


class Measures(NamedTuple):
    """What is measured of a step that is logged: ε, and the norms of the gradient, of the update and of θ after it."""

    step_size: float
    gradient: float
    update: float
    theta: float


class Step(NamedTuple):
    """One batch, and the update of θ that it led to; with accumulated gradients only every k-th leads to one.

    `loss` is the mean cost of the batch before the update, with its penalties; `step` counts batches from 1.
    """

    step: int
    epoch: int
    rows: int
    loss: float
    measured: Measures | None = None


class Epoch(NamedTuple):
    """One pass over the training rows, and where it led.

    `step_size` is that of the next step, which a schedule may just have changed: 0 after the last step of a cosine.
    `train`, `validation` and `test` hold "loss" and the metrics, computed after the epoch's last update, and are empty
    where there are no such rows, or they were not measured (see `Measure`); `test` also where there are rows for
    validation. `seconds` is the time since training
    began, `rows_per_second` that of the updates alone.
    """

    epoch: int
    step: int
    step_size: float
    train: Mapping[str, float]
    test: Mapping[str, float]
    seconds: float
    rows_per_second: float
    validation: Mapping[str, float] = MappingProxyType({})

    @property
    def numbers(self) -> dict[Part, Mapping[str, float]]:
        """The numbers of each part that has any."""
        parts: dict[Part, Mapping[str, float]] = {
            "train": self.train, "validation": self.validation, "test": self.test,
        }  # fmt: skip
        return {part: numbers for part, numbers in parts.items() if numbers}


class Best(NamedTuple):
    """The best epoch so far, with the parameters and the layers' state that were evaluated after it."""

    epoch: Epoch
    theta: Array
    layer_state: dict[str, Array]
