"""What is measured after an epoch, and at the end: the mean cost, metrics and tables, at parameters that are given.

A metric is anybody's code: whatever it raises is told with its name and line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Literal, TypeVar

import numpy as np

from trainer.compiler.executors import Backend
from trainer.data.prepared import Part, Prepared, Rows
from trainer.errors import DivergedError, UsageError
from trainer.limits import Checked, Limits
from trainer.nn.network import Network
from trainer.training.blocks import Blocks
from trainer.types import Array, CostFunction
from trainer.wording import described, source_of

__all__ = ["COSTS_AT_ONCE", "ROWS", "Evaluation", "Measure", "Metric", "Report", "measured"]

Metric = Callable[[Array, Array], float]
Report = Callable[[Array, Array], Array]
T = TypeVar("T")

# Rows whose costs are computed together: a cost that compares all with all is bounded by it.
COSTS_AT_ONCE = 1024
ROWS = {"train": "training", "validation": "validation", "test": "test"}  # of each part, in a message


@dataclass(frozen=True)
class Measure(Checked):
    """What is measured after an epoch, and how often: a pass over the training rows may cost as much as the updates.

    Args:
        train: the training rows at the parameters after the epoch, all (full) or so many of them, evenly spread;
            "running" is the mean loss of the epoch's batches, each before its update and with its penalties, which
            costs nothing; "off" leaves them out.
        every: so many epochs, and after the last. In between nothing is measured, nor watched by whoever watches.
    """

    train: Annotated[Literal["full", "running", "off"] | int, Limits(ge=1)] = "full"
    every: Annotated[int, Limits(ge=1)] = 1

    def names(self, part: Part, metrics: Iterable[str]) -> list[str]:
        """What an epoch's numbers of a part are called; none where it is not measured.

        >>> Measure().names("train", ["accuracy"]), Measure("running").names("train", ["accuracy"])
        (['loss', 'accuracy'], ['loss'])
        """
        if part == "train" and isinstance(self.train, str) and self.train != "full":
            return ["loss"] if self.train == "running" else []
        return ["loss", *metrics]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Measures a network on the rows of a data set.

    Args:
        cost: C, of (predictions, targets), one value per example.
        metrics: functions of (predictions, targets) by name.
        reports: such functions that return a table instead of a number.
        backend: runs the forward function and the cost as programs, with the same bits; without one they are called.
    """

    network: Network
    cost: CostFunction
    data: Prepared
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    reports: Mapping[str, Report] = field(default_factory=dict)
    backend: Backend | None = None

    @cached_property
    def _forward(self) -> Blocks:
        network = self.network
        return Blocks(lambda named, x: network.apply(network.tree(named), x)[0], self.backend)

    @cached_property
    def _costs(self) -> Blocks:
        cost = self.cost
        return Blocks(lambda _, predictions, targets: cost(predictions, targets), self.backend)

    def _predictions(self, inputs: Array, theta: Array, layers: Mapping[str, Array]) -> Array:
        named = {**self.network.named(theta), **layers}
        return self._forward(named, [inputs], self.network.rows_at_once(inputs.dtype.itemsize))

    def sampled(self, count: int) -> Evaluation:
        """The same with so many of the training rows, evenly spread over them."""
        rows = self.data.train
        which = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64)
        inputs, targets = (array[which] for array in rows.arrays[:2])
        return replace(self, data=replace(self.data, train=Rows(inputs, targets, rows.indices[which])))

    def numbers(self, part: Part, theta: Array, layers: Mapping[str, Array]) -> dict[str, float]:
        """The mean cost, as "loss", and the metrics; empty where there are no such rows.

        Raises DivergedError where the layers' state or the loss is not finite.
        """
        if part not in self.data.divided:
            return {}
        rows = self.data.divided[part]
        for name, value in layers.items():
            if not np.isfinite(value).all():
                raise DivergedError(f"'{name}', which a layer keeps from step to step, is not finite")
        with np.errstate(all="ignore"):
            predictions = self._predictions(rows.inputs, theta, layers)
            costs = self._costs({}, [predictions, rows.targets], COSTS_AT_ONCE)
            loss = float(np.mean(costs, dtype=np.float64))
        if not math.isfinite(loss):
            raise DivergedError(f"the loss after the epoch is {loss}")
        return {"loss": loss} | self._measured(self.metrics, predictions, part)

    def tables(self, theta: Array, layers: Mapping[str, Array]) -> dict[str, Array]:
        """The tables of `reports`: of the test rows, or of the training rows where there are none."""
        part: Part = "test" if len(self.data.test) else "train"
        with np.errstate(all="ignore"):
            predictions = self._predictions(self.data.divided[part].inputs, theta, layers)
        return self._measured(self.reports, predictions, part)

    def _measured(
        self, metrics: Mapping[str, Callable[[Array, Array], T]], predictions: Array, part: Part
    ) -> dict[str, T]:
        of = f"the {len(predictions):,} {ROWS[part]} rows"
        targets = self.data.divided[part].targets
        return {name: measured(name, metric, predictions, targets, of) for name, metric in metrics.items()}


def measured(name: str, metric: Callable[[Array, Array], T], predictions: Array, targets: Array, rows: str) -> T:
    """What a metric or a table gives; whatever it raises becomes a UsageError that names it, the rows and the line.

    A UsageError is what it refuses, and says itself what would be right.
    """
    try:
        return metric(predictions, targets)
    except UsageError as error:
        raise error if str(error).startswith(name) else UsageError(f"metric '{name}': {error}") from None
    except Exception as error:
        raise UsageError(f"metric '{name}' fails on {rows}: {described(error, source_of(metric))}") from error
