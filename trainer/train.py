"""The loop: mini-batch gradient descent, (1) and (2), as a stream of records.

    for record in Training(network, cost, data, ...).records():
        ...

Nothing here prints, draws or writes: a progress bar, a CSV file and a plot are consumers of the records. The only state
is θ, the optimizer's state and the step counter, and they belong to the Training; every batch is a function of the seed
and the epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from trainer.compiler.step import StepPrograms
from trainer.data.prepare import Prepared
from trainer.diagnosis import diagnose
from trainer.errors import DivergedError, UsageError
from trainer.nn.network import Network
from trainer.optimizers import Optimizer, Sgd, State
from trainer.rng import generator
from trainer.schedules import Schedule

__all__ = ["Epoch", "Step", "Training"]

Array = np.ndarray[Any, Any]
Cost = Callable[[Any, Any], Any]
Metric = Callable[[Array, Array], float]


class Step(NamedTuple):
    """One update of θ. `loss` is the mean cost of the batch before the update; `step` counts from 1."""

    step: int
    epoch: int
    rows: int
    loss: float


class Epoch(NamedTuple):
    """One pass over the training rows, and where it led.

    `train` and `test` hold "loss" and the metrics, computed after the epoch's last update; `test` is empty where there
    are no test rows. `seconds` is the time since training began, `rows_per_second` that of the updates alone.
    """

    epoch: int
    step: int
    step_size: float
    train: dict[str, float]
    test: dict[str, float]
    seconds: float
    rows_per_second: float


@dataclass(eq=False)
class Training:
    """A network, what it is trained on and how, and how far it has come.

    Args:
        network: f.
        cost: C, of (predictions, targets), one value per example.
        data: the training and test rows.
        step_size: ε, a number or a schedule of the step counter.
        batch_size: m; the last batch of an epoch is smaller where m does not divide the rows, and its gradient is the
            mean over the rows that it has.
        metrics: functions of (predictions, targets) by name.
        dtype: of θ and of everything computed from it.
        executor: "eager" records every step anew; "numpy" records the step once and runs it as a program; "auto" is the
            quicker of the two. The results are the same to the bit.
        places: where each layer, and last the cost, stands in a config; for messages.
        debug: look at every value of every step, and stop at the first that is not finite.

    Attributes:
        theta: θ, one vector.
        state: the optimizer's.
        step, epoch: how many are done.
    """

    network: Network
    cost: Cost
    data: Prepared
    step_size: float | Schedule
    batch_size: int = 32
    epochs: int = 20
    optimizer: Optimizer = field(default_factory=Sgd)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    seed: int = 0
    dtype: Any = np.float32
    executor: Literal["auto", "eager", "numpy"] = "auto"
    places: tuple[str, ...] = ()
    debug: bool = False
    theta: Array = field(init=False, repr=False)
    state: State = field(init=False, repr=False)
    step: int = field(init=False, default=0)
    epoch: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"batch_size is {self.batch_size}; it must be at least 1")
        self.theta = self.network.initial(self.seed, self.dtype)
        self.state = self.optimizer.init(self.theta)
        self._gradient = self.network.gradient(self.cost)
        self._programs = None if self.executor == "eager" else StepPrograms(self)

    @property
    def steps_per_epoch(self) -> int:
        """How many batches the training rows make."""
        return math.ceil(len(self.data.train_inputs) / self.batch_size)

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name, as views on θ."""
        return self.network.named(self.theta)

    def records(self) -> Iterator[Step | Epoch]:
        """Train from where it stands to the last epoch, yielding a Step per update and an Epoch per pass.

        Raises DivergedError at the first loss that is not a finite number; θ is then that of the step before.
        """
        start = time.perf_counter()
        while self.epoch < self.epochs:
            began, waited, rows = time.perf_counter(), 0.0, 0
            for batch in self.batches(self.epoch):
                record = self.update(batch)
                rows += record.rows
                paused = time.perf_counter()
                yield record
                waited += time.perf_counter() - paused
            busy = time.perf_counter() - began - waited
            self.epoch += 1
            train = self.evaluate(self.data.train_inputs, self.data.train_targets)
            test = self.evaluate(self.data.test_inputs, self.data.test_targets)
            seconds = time.perf_counter() - start
            yield Epoch(self.epoch, self.step, self.current_step_size(), train, test, seconds, rows / max(busy, 1e-9))

    def batches(self, epoch: int) -> Iterator[Array]:
        """The row numbers of each batch of an epoch: a fresh shuffle, cut into pieces of m."""
        order = generator(self.seed, "shuffle", epoch).permutation(len(self.data.train_inputs))
        for i in range(0, len(order), self.batch_size):
            yield order[i : i + self.batch_size]

    def update(self, rows: Array) -> Step:
        """One step on these training rows: (1), then (2)."""
        with np.errstate(all="ignore"):  # what overflows shows up as a loss that is not finite, and is reported as such
            if self.debug and diagnose(self, rows):
                raise self._diverged("a value is not finite", rows)
            run = self._run_eagerly if self._programs is None else self._programs.run
            loss, total, theta, state = run(
                self.data.train_inputs[rows], self.data.train_targets[rows], self.current_step_size()
            )
            if not math.isfinite(loss):
                raise self._diverged(f"the batch's loss is {loss}", rows)
            if not math.isfinite(total):  # a sum is finite only if every element is
                raise self._diverged("the gradient has values that are not finite, or that sum to none", rows)
        self.theta, self.state = theta, state
        self.step += 1
        return Step(self.step, self.epoch + 1, len(rows), loss)

    def _run_eagerly(self, x: Array, y: Array, step_size: float) -> tuple[float, float, Array, State]:
        """The loss, the sum of g, and θ and the optimizer's state after a step."""
        loss, g = self._gradient(self.theta, x, y)
        scalar = self.theta.dtype.type  # ε and τ in θ's dtype, as a program gets them
        theta, state = self.optimizer.update(g, self.state, self.theta, scalar(step_size), scalar(self.step))
        return loss, float(np.add.reduce(g)), theta, state

    def current_step_size(self) -> float:
        """ε of the next step."""
        return self.step_size if isinstance(self.step_size, int | float) else self.step_size(self.step)

    def evaluate(self, inputs: Array, targets: Array) -> dict[str, float]:
        """The mean cost and the metrics on these rows at the present θ; empty for no rows."""
        if not len(inputs):
            return {}
        with np.errstate(all="ignore"):
            predictions = self.network.predict(self.theta, inputs)
            loss = float(np.mean(self.cost(predictions, targets), dtype=np.float64))
        if not math.isfinite(loss):
            raise self._diverged(f"the loss after the epoch is {loss}")
        return {"loss": loss} | {name: metric(predictions, targets) for name, metric in self.metrics.items()}

    def _diverged(self, what: str, rows: Array | None = None) -> DivergedError:
        """The error for a step that gave no finite number, after looking for where it began."""
        step_size = self.current_step_size()
        hints = [f"a smaller step size (step_size={step_size / 10:g})"]
        if self.data.scaling is None:
            hints.append("inputs of one scale (dataset.standardize=true)")
        if np.dtype(self.dtype) == np.float32:
            hints.append("more digits (compute.dtype=float64)")
        finding = diagnose(self, rows) if rows is not None else None
        return DivergedError(
            f"training diverged at step {self.step + 1} (epoch {min(self.epoch + 1, self.epochs)} of {self.epochs}): "
            f"{what}, with step size {step_size:g}. Try {', or '.join(hints)}."
            + (f"\nThe step again, with every value looked at:\n{finding}" if finding else "")
        )
