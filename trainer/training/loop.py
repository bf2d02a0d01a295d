"""The loop: mini-batch gradient descent, (1) and (2), as a stream of records.

    for record in Training(network, cost, data, ...).records():
        ...

Nothing here prints, draws or writes: a progress bar, a CSV file and a plot are consumers of the records. A Training is
its settings and a TrainingState; every batch is a function of the seed and the epoch.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from trainer.compiler.executors import Backend
from trainer.compiler.loop import Measured
from trainer.data.prepared import Part, Prepared
from trainer.data.shuffling import batch_order
from trainer.engine.signals import undivided
from trainer.errors import DivergedError, Hint, UsageError
from trainer.nn.layers import Rescale
from trainer.nn.network import Network
from trainer.optimizers import Optimizer, Sgd, averaged, finished, prepared
from trainer.training.diagnosis import diagnose
from trainer.training.evaluation import Evaluation, Measure, Metric, Report
from trainer.training.objective import Objective, Penalty
from trainer.training.program_check import STEPS, compare_with_tape
from trainer.training.records import Best, Epoch, Measures, Step
from trainer.training.runners import Recorded, runner
from trainer.training.schedules import Schedule, schedule_of
from trainer.training.settling import settled
from trainer.training.shards import Sharded, ShardGradient
from trainer.training.standing import Standing
from trainer.training.state import TrainingState
from trainer.training.step import MemoryUse, StepFunction, record_step
from trainer.training.stopping import Stopping
from trainer.types import Array, CostFunction
from trainer.wording import describe

if TYPE_CHECKING:
    from trainer.compiler.program import Program

__all__ = ["Callback", "Training"]

# How far a program may run ahead of the records. The machine does not look up while it runs, and Python handles a
# signal when it comes back: so the answer to Ctrl-C and the progress bar wait so long at most, or for one step where a
# single step takes longer.
AHEAD_SECONDS = 0.05


class Callback(Protocol):
    """Is told every record; where it returns a text, training ends, and that is the reason."""

    def __call__(self, record: Step | Epoch, training: Training, /) -> str | None: ...


@dataclass(eq=False)
class Training(Standing):
    """A network, what it is trained on and how; and how far it has come.

    Args:
        network: f.
        cost: C, of (predictions, targets), one value per example.
        data: the rows to train, to validate and to test. Where their targets are standardised, what is measured after
            an epoch is of predictions and targets in the data's units; the loss of a Step is what is minimised.
        step_size: ε, a number or a schedule of the step counter.
        batch_size: m; the last batch of an epoch is smaller where m does not divide the rows, and its gradient is the
            mean over the rows that it has.
        metrics: functions of (predictions, targets) by name.
        reports: such functions that return a table instead of a number; see `report`.
        dtype: of θ and of everything computed from it.
        executor: who runs a step (see `trainer.training.runners`): "eager" records every step anew; "numpy",
            "native" or another back end has it recorded once and runs the program; "auto" is the quickest that there
            is. The bits are the same.
        memory: for "less", a program computes again what is cheap instead of keeping it; the bits are the same.
        places: where each layer, and last the cost, stands in a config; for messages.
        debug: look at every value of every step, and stop at the first that is not finite.
        initial: parameters and layers' state by name, to begin with instead of the network's own initial values.
        penalties: what a step adds to the mean cost; no part of the loss that an epoch reports.
        stopping: when to end before the last epoch, and whether to hand back the best.
        callbacks: are told every record before it is yielded, and may end the training.
        measure: what of the training rows is measured after an epoch, and how often anything is.
        shards: into how many a batch is cut, whose gradients are added up in one order whoever computes them (see
            `trainer.training.shards`); without it a batch is one.
        logged: every so many steps the norms of gradient, update and θ are measured; 0 for never.
    """

    network: Network
    cost: CostFunction
    data: Prepared
    step_size: float | Schedule | Callable[[int], float]
    batch_size: int = 32
    epochs: int = 20
    optimizer: Optimizer = field(default_factory=Sgd)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    reports: Mapping[str, Report] = field(default_factory=dict)
    seed: int = 0
    dtype: npt.DTypeLike = np.float32
    executor: str | Backend = "auto"
    memory: MemoryUse = "balanced"
    places: tuple[str, ...] = ()
    debug: bool = False
    initial: Mapping[str, Array] = field(default_factory=dict, repr=False)
    penalties: Sequence[Penalty] = ()
    stopping: Stopping = field(default_factory=Stopping)
    callbacks: Sequence[Callback] = ()
    measure: Measure = field(default_factory=Measure)
    logged: int = 0
    shards: int | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"batch_size is {self.batch_size}; it must be at least 1")
        network = self.network
        self.objective = Objective(network, self.cost, tuple(self.penalties), self.seed)
        self.step_function = StepFunction(
            self.objective, prepared(self.optimizer, [part.slice for part in network.parts])
        )
        self.schedule = schedule_of(self.step_size, self.steps)
        self._runner = runner(self.executor, self.step_function, self.data.train.arrays, self.shards, self.memory)
        backend = None if self.runs_on == "eager" else self.backend
        self._evaluation = Evaluation(
            self.predicting, self.cost, self.data.unscaled or self.data, self.metrics, self.reports, backend
        )
        if isinstance(self.measure.train, int):
            self._sample = self._evaluation.sampled(self.measure.train)
        self._ahead = 1
        self._settle(self.beginning())
        self._fresh = True

    def beginning(self) -> TrainingState:
        """Where it stands before its first step, made anew."""
        network = self.network
        theta, layers = network.initial(self.seed, self.dtype), network.layer_state(self.seed, self.dtype)
        if self.initial:
            theta, layers = network.divided({**network.named(theta), **layers, **self.initial}, self.dtype)
        return TrainingState(theta, self.step_function.optimizer.init(theta), layers)

    @property
    def predicting(self) -> Network:
        """The network whose outputs are in the units of the targets: that of the steps where nothing scaled these."""
        scaling = self.data.target_scaling
        if scaling is None:
            return self.network
        return self.network.followed_by(Rescale(tuple(scaling.mean.tolist()), tuple(scaling.scale.tolist())))

    def resume(self, state: TrainingState) -> None:
        """Go on from there, to the very bits of the training that this state was taken from.

        Raises UsageError where it is not one of a training with these settings.
        """
        own, given = self.beginning().to_arrays()[0], state.to_arrays()[0]
        for name in [name for name in {**own, **given} if name.startswith(("theta", "optimizer.", "layer_state."))]:
            known, new = own.get(name), given.get(name)
            if known is None or new is None:
                what = f"only {'the state to resume' if known is None else 'this training'} has '{name}'"
            elif (known.shape, known.dtype) != (new.shape, new.dtype):
                there, here = (f"{array.dtype} {array.shape}" for array in (new, known))
                what = f"'{name}' is {there} in the state to resume, and {here} in this training"
            else:
                continue
            raise UsageError(f"{what}; resume with the settings that the state was saved under")
        self._settle(state)

    @property
    def averaged(self) -> Array:
        """What is evaluated and saved: θ, or the average that the optimizer keeps beside it."""
        return averaged(self.step_function.optimizer, self.state.theta, self.state.optimizer)

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name, and the layers' state beside them: of the best epoch, if that is asked for."""
        theta, layers = self._at
        named = {**self.network.named(theta), **layers}
        lent = self._lent and self.best is None
        return {name: np.array(value) for name, value in named.items()} if lent else named

    @property
    def _at(self) -> tuple[Array, dict[str, Array]]:
        best = self.best
        return self._now if best is None else (best.theta, best.layer_state)

    @property
    def _now(self) -> tuple[Array, dict[str, Array]]:
        """`averaged`, lent, and what stands beside it; taken anew in the middle of an epoch."""
        state = self.now
        theta = averaged(self.step_function.optimizer, state.theta, state.optimizer)
        if theta is state.theta or not state.step or not self.network.moving:
            return theta, state.layer_state
        if state.settled and not state.batches:
            return theta, state.settled
        inputs = (self.data.train.inputs[rows] for rows in self.batches(0))
        return theta, settled(self.objective, theta, state.settled or state.layer_state, inputs, state.step)

    @property
    def steps_per_epoch(self) -> int:
        """How many batches the training rows make."""
        return math.ceil(len(self.data.train) / self.batch_size)

    @property
    def steps(self) -> int:
        """How many steps the run has unless something cuts it short: those of its epochs, or where it stops before."""
        return min(self.epochs * self.steps_per_epoch, self.stopping.steps or sys.maxsize)

    @property
    def runs_on(self) -> str:
        """The name of what runs the steps: "eager", "numpy", "native" or that of another back end."""
        return self._runner.name

    @property
    def backend(self) -> Backend:
        """The back end that runs the step's program; the best one where the tape runs the steps."""
        return self._runner.backend

    @property
    def shard_gradient(self) -> ShardGradient:
        """What adds up the gradients of a batch's shards. Raises UsageError where a batch is one."""
        if not isinstance(self._runner, Sharded):
            raise UsageError("a batch is one: give shards, a number of pieces, whose gradients are added up")
        return self._runner.gradient

    def program(self, rows: int | None = None) -> Program:
        """The program of one step, on a full batch, or the largest shard of one, or on so many rows."""
        state, rows = self.now, rows or math.ceil(self.batch_size / (self.shards or 1))
        return record_step(self.step_function, state.theta, state.carried, self.data.train.arrays, rows, self.memory)

    def check_program(self) -> None:
        """Hold two steps of the program against the tape; nothing moves. Raises OpError where they differ in a bit."""
        step, state, sources = self.step_function, self.state, self.data.train.arrays
        full = [rows for rows in (*self.batches(0), *self.batches(1)) if len(rows) == self.batch_size]
        sizes = self.schedule.sizes(self.step, STEPS, state.schedule)
        tape = runner("eager", step, sources, self.shards)
        another = self.runs_on == "eager" or self._lent  # one that has lent θ would move it
        program = runner(self.backend, step, sources, self.shards, self.memory) if another else self._runner
        compare_with_tape(program, tape, self.network, state, np.stack(full[:STEPS]), sizes)

    def records(self) -> Iterator[Step | Epoch]:
        """Train from where it stands to the last epoch, yielding a Step per update and an Epoch per pass.

        A program runs ahead of the Steps that are yielded, by some hundredths of a second, but not of callbacks, which
        see the θ of every step; at an Epoch θ is that of the record. Raises DivergedError before the first step whose
        loss or gradient is not finite; θ is what it was.
        """
        self._prepare()
        self._clock = time.perf_counter() - self.now.seconds
        if self.now.batches:  # taken from the middle of an epoch, perhaps between a step and its limit
            self._end(self.stopping.limit(self.step, self.now.seconds))
        while self.epoch < self.epochs and (self.ended is None or self.now.batches):
            busy, rows = 0.0, 0
            for piece in self.pieces():
                batches = piece if self.stopping.steps is None else piece[: self.stopping.steps - self.step]
                began = time.perf_counter()
                steps = self.update(batches)
                busy += time.perf_counter() - began
                rows += batches.size
                self._change(
                    batches=self.now.batches + len(steps),
                    seconds=time.perf_counter() - self._clock,
                    losses=self._summed(steps),
                )
                for step in steps:
                    self._tell(step)
                    yield step
                if len(steps) < len(batches):
                    raise self._diverged(batches[len(steps)])
                self._end(self.stopping.limit(self.step, time.perf_counter() - self._clock))
                if self.ended is not None:
                    break
            if self.ended is not None or self.epoch + 1 == self.epochs:
                self._finish()
            yield self._epoch(rows / max(busy, 1e-9))

    def _prepare(self) -> None:
        """Have the programs for all batch sizes made, and then θ put where they leave it, so that it is there once.

        At the beginning it is drawn again for that: while programs are recorded and tried, they take the memory.
        """
        runner = self._runner
        if self._lent or self.callbacks or not isinstance(runner, Recorded):
            return
        runner.record(self.now.theta, self.now.carried, dict.fromkeys(map(len, self.batches(0))))
        with undivided():
            state = None if self._fresh else self.now
            del self._state
            try:
                runner.build()
            finally:
                state = state or self.beginning()
                self._settle(state)
            theta, (optimizer, layers) = runner.settled(state.theta, state.carried)
            self._settle(replace(state, theta=theta, optimizer=optimizer, layer_state=layers), lent=True)

    def _finish(self) -> None:
        """An update with what the optimizer still holds after the last step.

        Where an epoch's numbers end a run, nobody knew that it was the last before they were taken: there is none.
        """
        state, scalar = self.now, self.now.theta.dtype.type
        size = self.schedule(max(state.step - 1, 0), state.schedule)
        with np.errstate(all="ignore"):
            theta, optimizer = finished(
                self.step_function.optimizer, state.theta, state.optimizer, scalar(size), scalar(state.step)
            )
        self._change(theta=theta, optimizer=optimizer)

    def _epoch(self, rows_per_second: float) -> Epoch:
        """The end of a pass: where it led, and what follows from that."""
        theta, beside = self._now
        running = self.now.losses / max(1, min(self.now.batches * self.batch_size, len(self.data.train)))
        self._change(
            epoch=self.epoch + 1, batches=0, losses=0.0, settled={} if beside is self.now.layer_state else beside
        )
        numbers = self._measured(running)
        self._change(seconds=time.perf_counter() - self._clock)
        if numbers:
            self._change(schedule=self.schedule.watch(self.now.schedule, numbers))
        size, seconds = self.current_step_size(), self.now.seconds
        train, validation, test = (numbers.get(part, {}) for part in ("train", "validation", "test"))
        record = Epoch(self.epoch, self.step, size, train, test, seconds, rows_per_second, validation)
        if self.stopping.watches and numbers:
            self._change(stopping=self.stopping.watch(self.now.stopping, self.epoch, numbers))
            self._end(self.stopping.reason(self.now.stopping))
            if self.stopping.best and self.now.stopping["of"] == self.epoch:
                self._change(best=Best(record, np.array(theta), {n: np.array(v) for n, v in beside.items()}))
        self._tell(record)
        return record

    def _summed(self, steps: Sequence[Step]) -> float:
        """The sum of the losses of the epoch's rows, step by step: no bit depends on how many come at once."""
        losses = self.now.losses
        if self.measure.train == "running":
            for step in steps:
                losses += step.loss * step.rows
        return losses

    def _measured(self, running: float) -> dict[Part, dict[str, float]]:
        """The numbers of the epoch that is over, by part, given its running loss; none where it is not its turn."""
        measure = self.measure
        if self.epoch % measure.every and self.epoch != self.epochs and self.ended is None:
            return {}
        parts = [part for part in self.data.watched if measure.names(part, self.metrics)]
        return {part: self._numbers_after(part, running) for part in parts}

    def _numbers_after(self, part: Part, running: float) -> dict[str, float]:
        train = self.measure.train
        if part != "train" or train == "full":
            return self.evaluate(part)
        return {"loss": running} if train == "running" else self._numbers(self._sample, part, *self._now)

    def _tell(self, record: Step | Epoch) -> None:
        for callback in self.callbacks:
            reason = callback(record, self)
            if not isinstance(reason, str | None):
                function = getattr(callback, "func", callback)  # of a partial
                name = getattr(function, "__name__", type(function).__name__)
                given = f"callback '{name}' returned {describe(reason)}"
                raise UsageError(f"{given}; it returns a text, why training should end, or None")
            self._end(reason)

    def _end(self, reason: str | None) -> None:
        if reason is not None and self.ended is None:
            self._change(ended=reason)

    def batches(self, epoch: int) -> list[Array]:
        """The row numbers of each batch of an epoch: a fresh shuffle, cut into pieces of m."""
        order = batch_order(len(self.data.train), self.seed, epoch, block=self.data.block)
        return [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]

    def pieces(self) -> Iterator[Array]:
        """What is left of the epoch's batches, as many at a time as take some hundredths of a second: (k, m) each."""
        if self.ended is not None:
            return
        batches = self.batches(self.epoch)
        short = [] if len(batches[-1]) == self.batch_size else [batches.pop()[None]]
        start = self.now.batches
        if start > len(batches):
            return
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
        state, first, count = self.now, self.step, len(batches)
        if self.debug and self._diagnose(batches[0]):
            return []
        sizes = self.schedule.sizes(first, count, state.schedule)
        runner, measured = self._runner, self._to_log(first, count)
        # What overflows shows up as a loss that is not finite. Where θ moves, the counters do.
        with undivided(), np.errstate(all="ignore"):
            theta, (optimizer, layers), losses = runner.run(state.theta, state.carried, batches, sizes, first, measured)
            state = replace(state, theta=theta, optimizer=optimizer, layer_state=layers, step=first + len(losses))
            lends = runner.lends and not self.callbacks  # these may keep the state of a step
            self._settle(state.kept() if runner.lends and not lends else state, lent=lends)
        numbers, epochs, rows = range(first + 1, self.step + 1), repeat(self.epoch + 1), repeat(batches.shape[1])
        measures = repeat(None) if measured is None else _measures(measured, sizes)
        return list(map(Step._make, zip(numbers, epochs, rows, losses, measures, strict=False)))

    def _to_log(self, first: int, count: int) -> Measured | None:
        """Room for what is measured of the steps behind `first`; None where none of them is logged."""
        if not self.logged:
            return None
        wanted = np.arange(first + 1, first + count + 1) % self.logged == 0
        return Measured(wanted, np.zeros((count, 3), self.now.theta.dtype)) if wanted.any() else None

    def current_step_size(self) -> float:
        """ε of the next step."""
        return self.schedule(self.step, self.now.schedule)

    def evaluate(self, part: Part) -> dict[str, float]:
        """The mean cost and the metrics on the rows of a part, at `averaged`; empty for no rows."""
        return self._numbers(self._evaluation, part, *self._now)

    def test(self) -> dict[str, float]:
        """The mean cost and the metrics on the test rows, at `parameters`: what is looked at once, at the end."""
        return self._numbers(self._evaluation, "test", *self._at)

    def _numbers(
        self, evaluation: Evaluation, part: Part, theta: Array, layers: Mapping[str, Array]
    ) -> dict[str, float]:
        try:
            return evaluation.numbers(part, theta, layers)
        except DivergedError as error:
            raise self._diverged(what=str(error)) from None

    def report(self) -> dict[str, Array]:
        """The tables of `reports` at `parameters`: of the test rows, or of the training rows where there are none."""
        return self._evaluation.tables(*self._at)

    def ways_down(self) -> list[Hint]:
        """What may help where the loss grows, or is no number before there was a step of any size."""
        smaller = Hint("step_size", float(f"{self.current_step_size() / 10:g}"), "a smaller step size")
        hints = [smaller] if self.step else []
        if self.data.scaling is None:
            hints.append(Hint("standardize", True, "inputs of one scale"))
        return hints

    def _diagnose(self, rows: Array) -> str | None:
        batch = [array[rows] for array in self.data.train.arrays]
        return diagnose(self.objective, self.now, batch, self.places)

    def _diverged(self, rows: Array | None = None, what: str = "") -> DivergedError:
        """The error for a step on these rows that gave no finite number, after looking for where it began."""
        if rows is not None:
            with np.errstate(all="ignore"):
                batch = [array[rows] for array in self.data.train.arrays]
                loss, _, _ = self.objective.gradient(self.theta, batch, self.now.layer_state, np.int64(self.step))
            what = "the gradient has values that are not finite"
            what = what if math.isfinite(loss) else f"the batch's loss is {loss}"
        step_size = self.current_step_size()
        digits = [Hint("dtype", "float64", "more digits")] if np.dtype(self.dtype) == np.float32 else []
        return DivergedError(
            f"training diverged at step {self.step + 1} (epoch {min(self.epoch + 1, self.epochs)} of {self.epochs}): "
            f"{what}, with step size {step_size:g}",
            hints=[*self.ways_down(), *digits],
            finding=self._diagnose(rows) if rows is not None else None,
        )


def _measures(measured: Measured, sizes: Sequence[float]) -> Iterator[Measures | None]:
    roots = np.sqrt(measured.squares.astype(np.float64)).tolist()
    for wanted, size, norms in zip(measured.wanted.tolist(), sizes, roots, strict=True):
        yield Measures(float(size), *norms) if wanted else None
