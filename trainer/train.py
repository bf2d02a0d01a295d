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
from typing import Any, NamedTuple

import numpy as np

from trainer.compiler.runners import ExecutorName, runner
from trainer.data.prepare import Prepared
from trainer.diagnosis import diagnose
from trainer.errors import DivergedError, UsageError
from trainer.nn.network import Network
from trainer.optimizers import Optimizer, Sgd, State, evaluated, prepared
from trainer.rng import generator
from trainer.schedules import Schedule, Seen, Watching, is_watching, over

__all__ = ["Epoch", "Step", "Training"]

Array = np.ndarray[Any, Any]
Cost = Callable[[Any, Any], Any]
Metric = Callable[[Array, Array], float]

# How far a program may run ahead of the records: the answer to Ctrl-C and the progress bar wait no longer.
AHEAD_SECONDS = 0.05


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
        executor: who runs a step (see `trainer.compiler.runners`): "eager" records every step anew; "numpy" and
        "native"
            record it once and run the program; "auto" is the quickest that there is. The bits are the same.
        places: where each layer, and last the cost, stands in a config; for messages.
        debug: look at every value of every step, and stop at the first that is not finite.

    Attributes:
        theta: θ, one vector.
        state: the optimizer's.
        seen: what the schedule keeps of past epochs, if it watches them.
        step, epoch: how many are done.
    """

    network: Network
    cost: Cost
    data: Prepared
    step_size: float | Schedule | Watching
    batch_size: int = 32
    epochs: int = 20
    optimizer: Optimizer = field(default_factory=Sgd)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    seed: int = 0
    dtype: Any = np.float32
    executor: ExecutorName = "auto"
    places: tuple[str, ...] = ()
    debug: bool = False
    theta: Array = field(init=False, repr=False)
    state: State = field(init=False, repr=False)
    seen: Seen = field(init=False, repr=False, default_factory=dict)
    step: int = field(init=False, default=0)
    epoch: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"batch_size is {self.batch_size}; it must be at least 1")
        self.theta = self.network.initial(self.seed, self.dtype)
        self.optimizer = prepared(self.optimizer, [part.slice for part in self.network.parts])
        self.state = self.optimizer.init(self.theta)
        if not isinstance(self.step_size, int | float):
            self.step_size = over(self.step_size, self.epochs * self.steps_per_epoch)
        self._runner = runner(self, self.executor)
        self._ahead = 1

    @property
    def steps_per_epoch(self) -> int:
        """How many batches the training rows make."""
        return math.ceil(len(self.data.train_inputs) / self.batch_size)

    @property
    def runs_on(self) -> str:
        """The name of what runs the steps: "eager", "numpy" or "native"."""
        return self._runner.name

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name, as views on `evaluated`."""
        return self.network.named(self.evaluated)

    @property
    def evaluated(self) -> Array:
        """What is evaluated and saved: θ, or what the optimizer keeps beside it, such as an average."""
        return evaluated(self.optimizer, self.theta, self.state)

    def records(self) -> Iterator[Step | Epoch]:
        """Train from where it stands to the last epoch, yielding a Step per update and an Epoch per pass.

        A program runs ahead of the Steps that are yielded, by some hundredths of a second; at an Epoch θ is that of the
        record. Raises DivergedError before the first step whose loss or gradient is not finite; θ is what it was.
        """
        start = time.perf_counter()
        while self.epoch < self.epochs:
            busy, rows = 0.0, 0
            for batches in self.pieces(self.epoch):
                began = time.perf_counter()
                steps = self.update(batches)
                busy += time.perf_counter() - began
                rows += batches.size
                yield from steps
                if len(steps) < len(batches):
                    raise self._diverged(batches[len(steps)])
            self.epoch += 1
            train = self.evaluate(self.data.train_inputs, self.data.train_targets)
            test = self.evaluate(self.data.test_inputs, self.data.test_targets)
            if not isinstance(self.step_size, int | float) and is_watching(self.step_size):
                self.seen = self.step_size.watch(self.seen, train, test)
            seconds = time.perf_counter() - start
            yield Epoch(self.epoch, self.step, self.current_step_size(), train, test, seconds, rows / max(busy, 1e-9))

    def batches(self, epoch: int) -> list[Array]:
        """The row numbers of each batch of an epoch: a fresh shuffle, cut into pieces of m."""
        order = generator(self.seed, "shuffle", epoch).permutation(len(self.data.train_inputs))
        return [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]

    def pieces(self, epoch: int) -> Iterator[Array]:
        """The batches of an epoch, as many at a time as take some hundredths of a second: arrays of shape (k, m)."""
        batches = self.batches(epoch)
        short = [] if len(batches[-1]) == self.batch_size else [batches.pop()[None]]
        start = 0
        while start < len(batches):
            piece = np.stack(batches[start : start + self._ahead])
            start += len(piece)
            began = time.perf_counter()
            yield piece
            if time.perf_counter() - began < AHEAD_SECONDS / 2 and self._runner.name == "native":
                self._ahead *= 2
        yield from short

    def update(self, batches: Array) -> list[Step]:
        """Steps on these batches of training rows, shape (k, m): (1), then (2), for each.

        Fewer Steps come back than there are batches where a loss or a gradient is not finite.
        """
        if self.debug and diagnose(self, batches[0]):
            return []
        sizes = [self._size_at(self.step + i) for i in range(len(batches))]
        with np.errstate(all="ignore"):  # what overflows shows up as a loss that is not finite
            losses = self._runner.run(batches, sizes)
        steps = [Step(self.step + i + 1, self.epoch + 1, batches.shape[1], loss) for i, loss in enumerate(losses)]
        self.step += len(steps)
        return steps

    def current_step_size(self) -> float:
        """ε of the next step."""
        return self._size_at(self.step)

    def _size_at(self, step: int) -> float:
        size = self.step_size
        if isinstance(size, int | float):
            return size
        return size(step, self.seen) if is_watching(size) else size(step)

    def evaluate(self, inputs: Array, targets: Array) -> dict[str, float]:
        """The mean cost and the metrics on these rows at the present `evaluated`; empty for no rows."""
        if not len(inputs):
            return {}
        with np.errstate(all="ignore"):
            predictions = self.network.predict(self.evaluated, inputs)
            loss = float(np.mean(self.cost(predictions, targets), dtype=np.float64))
        if not math.isfinite(loss):
            raise self._diverged(what=f"the loss after the epoch is {loss}")
        return {"loss": loss} | {name: metric(predictions, targets) for name, metric in self.metrics.items()}

    def _diverged(self, rows: Array | None = None, what: str = "") -> DivergedError:
        """The error for a step on these rows that gave no finite number, after looking for where it began."""
        if rows is not None:
            with np.errstate(all="ignore"):
                loss, _ = self.network.gradient(self.cost)(
                    self.theta, self.data.train_inputs[rows], self.data.train_targets[rows]
                )
            what = "the gradient has values that are not finite, or that sum to none"
            what = what if math.isfinite(loss) else f"the batch's loss is {loss}"
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
