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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, NamedTuple, Protocol

import numpy as np

from trainer.compiler.executors import Backend
from trainer.data.prepared import Prepared
from trainer.data.shuffling import batch_order
from trainer.errors import DivergedError, UsageError
from trainer.nn.network import Network
from trainer.optimizers import Optimizer, Sgd, State, evaluated, prepared
from trainer.training.diagnosis import diagnose
from trainer.training.evaluation import measured
from trainer.training.objective import Objective, Penalty
from trainer.training.runners import runner
from trainer.training.schedules import Schedule, Seen, Watching, is_watching, over
from trainer.training.stopping import Memory, Stopping
from trainer.types import Array
from trainer.wording import describe

__all__ = ["Best", "Callback", "Epoch", "Step", "Training"]

Cost = Callable[[Any, Any], Any]
Metric = Callable[[Array, Array], float]

# How far a program may run ahead of the records. The machine does not look up while it runs, and Python handles a
# signal when it comes back: so the answer to Ctrl-C and the progress bar wait so long at most, or for one step where a
# single step takes longer.
AHEAD_SECONDS = 0.05


# Rows whose costs are computed together in an evaluation: a cost that compares all with all is bounded by it.
COSTS_AT_ONCE = 1024


class Step(NamedTuple):
    """One batch, and the update of θ that it led to; with accumulated gradients only every k-th leads to one.

    `loss` is the mean cost of the batch before the update, with its penalties; `step` counts batches from 1.
    """

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


class Callback(Protocol):
    """Is told every record; where it returns a text, training ends, and that is the reason."""

    def __call__(self, record: Step | Epoch, training: Training, /) -> str | None: ...


class Best(NamedTuple):
    """The best epoch so far, with what is evaluated and what is kept after it."""

    epoch: Epoch
    theta: Array
    kept: dict[str, Array]


@dataclass(eq=False)
class Training:
    """A network, what it is trained on and how, and how far it has come.

    Args:
        network: f.
        cost: C, of (predictions, targets), one value per example.
        start: parameters and kept values by name, to begin with instead of the network's initial ones.
        penalties: what a step adds to the mean cost; no part of the loss that an epoch reports.
        data: the training and test rows.
        step_size: ε, a number or a schedule of the step counter.
        batch_size: m; the last batch of an epoch is smaller where m does not divide the rows, and its gradient is the
            mean over the rows that it has.
        metrics: functions of (predictions, targets) by name.
        reports: such functions that return a table instead of a number; see `report`.
        dtype: of θ and of everything computed from it.
        executor: who runs a step (see `trainer.training.runners`): "eager" records every step anew; "numpy",
            "native" or another back end has it recorded once and runs the program; "auto" is the quickest that there
            is. The bits are the same.
        places: where each layer, and last the cost, stands in a config; for messages.
        stopping: when to end before the last epoch, and whether to hand back the best.
        callbacks: are told every record before it is yielded, and may end the training.
        debug: look at every value of every step, and stop at the first that is not finite.

    Attributes:
        theta: θ, one vector.
        state: the optimizer's.
        kept: what stands beside θ: frozen parameters, and what layers keep from step to step.
        seen: what the schedule keeps of past epochs, if it watches them.
        watched: what `stopping` remembers.
        best: the best epoch so far, where `stopping` keeps it.
        ended: why training ended before its last epoch.
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
    reports: Mapping[str, Callable[[Array, Array], Array]] = field(default_factory=dict)
    seed: int = 0
    dtype: Any = np.float32
    executor: str | Backend = "auto"
    places: tuple[str, ...] = ()
    debug: bool = False
    start: Mapping[str, Array] = field(default_factory=dict, repr=False)
    penalties: Sequence[Penalty] = ()
    stopping: Stopping = field(default_factory=Stopping)
    callbacks: Sequence[Callback] = ()
    theta: Array = field(init=False, repr=False)
    state: State = field(init=False, repr=False)
    kept: dict[str, Array] = field(init=False, repr=False)
    seen: Seen = field(init=False, repr=False, default_factory=dict)
    watched: Memory = field(init=False, repr=False, default_factory=dict)
    best: Best | None = field(init=False, repr=False, default=None)
    ended: str | None = field(init=False, default=None)
    step: int = field(init=False, default=0)
    epoch: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"batch_size is {self.batch_size}; it must be at least 1")
        theta, kept = self.network.initial(self.seed, self.dtype), self.network.kept(self.seed, self.dtype)
        self.theta = self.network.theta({**self.network.named(theta), **self.start}, self.dtype)
        self.kept = {name: np.array(self.start.get(name, value), self.dtype) for name, value in kept.items()}
        self.objective = Objective(self.network, self.cost, tuple(self.penalties), self.seed)
        self.optimizer = prepared(self.optimizer, [part.slice for part in self.network.parts])
        self.state = self.optimizer.init(self.theta)
        if not isinstance(self.step_size, int | float):
            self.step_size = over(self.step_size, self.epochs * self.steps_per_epoch)
        self._runner = runner(self, self.executor)
        self._ahead = 1

    @property
    def steps_per_epoch(self) -> int:
        """How many batches the training rows make."""
        return math.ceil(len(self.data.train) / self.batch_size)

    @property
    def runs_on(self) -> str:
        """The name of what runs the steps: "eager", "numpy", "native" or that of another back end."""
        return self._runner.name

    @property
    def backend(self) -> Backend:
        """The back end that runs the step's program; the best one where the tape runs the steps."""
        return self._runner.backend

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name, and what is kept beside them: of the best epoch, if that is asked for."""
        if self.best is not None:
            return {**self.network.named(self.best.theta), **self.best.kept}
        return {**self.network.named(self.evaluated), **self.kept}

    @property
    def carried(self) -> tuple[State, dict[str, Array]]:
        """What a step hands to the next beside θ: the optimizer's state, and what the network keeps."""
        return self.state, self.kept

    @carried.setter
    def carried(self, carried: tuple[State, dict[str, Array]]) -> None:
        self.state, self.kept = carried

    @property
    def evaluated(self) -> Array:
        """What is evaluated and saved: θ, or what the optimizer keeps beside it, such as an average."""
        return evaluated(self.optimizer, self.theta, self.state)

    def records(self) -> Iterator[Step | Epoch]:
        """Train from where it stands to the last epoch, yielding a Step per update and an Epoch per pass.

        A program runs ahead of the Steps that are yielded, by some hundredths of a second, but not of callbacks, which
        see the θ of every step; at an Epoch θ is that of the record. Raises DivergedError before the first step whose
        loss or gradient is not finite; θ is what it was.
        """
        start = time.perf_counter()
        while self.epoch < self.epochs and self.ended is None:
            busy, rows = 0.0, 0
            for piece in self.pieces(self.epoch):
                batches = piece if self.stopping.steps is None else piece[: self.stopping.steps - self.step]
                began = time.perf_counter()
                steps = self.update(batches)
                busy += time.perf_counter() - began
                rows += batches.size
                for step in steps:
                    self._tell(step)
                    yield step
                if len(steps) < len(batches):
                    raise self._diverged(batches[len(steps)])
                self._end(self.stopping.limit(self.step, time.perf_counter() - start))
                if self.ended is not None:
                    break
            yield self._epoch(time.perf_counter() - start, rows / max(busy, 1e-9))

    def _epoch(self, seconds: float, rows_per_second: float) -> Epoch:
        """The end of a pass: where it led, and what follows from that."""
        self.epoch += 1
        train = self.evaluate(self.data.train.inputs, self.data.train.targets)
        test = self.evaluate(self.data.test.inputs, self.data.test.targets)
        if not isinstance(self.step_size, int | float) and is_watching(self.step_size):
            self.seen = self.step_size.watch(self.seen, train, test)
        record = Epoch(self.epoch, self.step, self.current_step_size(), train, test, seconds, rows_per_second)
        if self.stopping.watches:
            self.watched = self.stopping.watch(self.watched, self.epoch, train, test)
            self._end(self.stopping.reason(self.watched))
            if self.stopping.best and self.watched["of"] == self.epoch:
                self.best = Best(record, np.array(self.evaluated), dict(self.kept))
        self._tell(record)
        return record

    def _tell(self, record: Step | Epoch) -> None:
        for callback in self.callbacks:
            reason = callback(record, self)
            if not isinstance(reason, str | None):
                raise UsageError(
                    f"a callback returned {describe(reason)}; it returns a text, why training should end, or None"
                )
            self._end(reason)

    def _end(self, reason: str | None) -> None:
        if reason is not None and self.ended is None:
            self.ended = reason

    def batches(self, epoch: int) -> list[Array]:
        """The row numbers of each batch of an epoch: a fresh shuffle, cut into pieces of m."""
        order = batch_order(len(self.data.train), self.seed, epoch, block=self.data.block)
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
            if time.perf_counter() - began < AHEAD_SECONDS / 2 and self._runner.runs_ahead and not self.callbacks:
                self._ahead *= 2
        yield from short

    def update(self, batches: Array) -> list[Step]:
        """Steps on these batches of training rows, shape (k, m): (1), then (2), for each.

        Fewer Steps come back than there are batches where a loss or a gradient is not finite.
        """
        if self.debug and diagnose(self, batches[0]):
            return []
        size, count = self.step_size, len(batches)
        if isinstance(size, int | float):
            sizes = [size] * count
        else:
            sizes = [self._size_at(self.step + i) for i in range(count)]
        with np.errstate(all="ignore"):  # what overflows shows up as a loss that is not finite
            losses = self._runner.run(batches, sizes)
        first = self.step + 1
        self.step += len(losses)
        numbers, epochs, rows = range(first, self.step + 1), repeat(self.epoch + 1), repeat(batches.shape[1])
        return list(map(Step._make, zip(numbers, epochs, rows, losses, strict=False)))

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
        for name, value in self.kept.items():
            if not np.isfinite(value).all():
                raise self._diverged(what=f"'{name}', which a layer keeps from step to step, is not finite")
        with np.errstate(all="ignore"):
            predictions = self.network.predict(self.evaluated, inputs, self.kept)
            pieces = range(0, len(inputs), COSTS_AT_ONCE)
            costs = [self.cost(predictions[i : i + COSTS_AT_ONCE], targets[i : i + COSTS_AT_ONCE]) for i in pieces]
            loss = float(np.mean(np.concatenate(costs), dtype=np.float64))
        if not math.isfinite(loss):
            raise self._diverged(what=f"the loss after the epoch is {loss}")
        return {"loss": loss} | self._measured(self.metrics, predictions, targets)

    def report(self) -> dict[str, Array]:
        """The tables of `reports` at `parameters`: of the test rows, or of the training rows where there are none."""
        data = self.data
        part = (data.test.inputs, data.test.targets) if len(data.test) else data.batch_arrays[:2]
        theta, kept = (self.best.theta, self.best.kept) if self.best is not None else (self.evaluated, self.kept)
        with np.errstate(all="ignore"):
            predictions = self.network.predict(theta, part[0], kept)
        return self._measured(self.reports, predictions, part[1])

    def _measured(self, metrics: Mapping[str, Any], predictions: Array, targets: Array) -> dict[str, Any]:
        own = (("training ", self.data.train.targets), ("test ", self.data.test.targets))
        part = next((part for part, known in own if known is targets), "")
        rows = f"the {len(predictions):,} {part}rows"
        return {name: measured(name, metric, predictions, targets, rows) for name, metric in metrics.items()}

    def _diverged(self, rows: Array | None = None, what: str = "") -> DivergedError:
        """The error for a step on these rows that gave no finite number, after looking for where it began."""
        if rows is not None:
            with np.errstate(all="ignore"):
                batch = [array[rows] for array in self.data.batch_arrays]
                loss, _, _ = self.objective.gradient(self.theta, batch, self.kept, np.int64(self.step))
            what = "the gradient has values that are not finite"
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
