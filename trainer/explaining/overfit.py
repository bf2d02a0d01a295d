"""Can a training learn one batch at all? Where it cannot, neither data nor patience help: something stops it.

    found = overfit(loaded, training)
    print(found.learnt, found.after, *found.findings)

The batch is trained on alone, by the config's own optimizer at its own step size. A network that has learnt it predicts
it: three quarters of what one prediction for all of its rows loses are gone. Where that fails, the same is tried
with one thing changed at a time, and what mends it is the cause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.prepared import NO_ROWS, Rows
from trainer.errors import DivergedError, UsageError
from trainer.explaining.batch import LayerLook, look
from trainer.explaining.causes import causes
from trainer.explaining.evidence import BOUNDED, Evidence, first_size
from trainer.explaining.findings import Finding, line_of, other_initial_values
from trainer.explaining.trouble import Explainer, once
from trainer.plugins.traits import CostTraits
from trainer.training import Epoch, Training
from trainer.training.evaluation import Measure
from trainer.training.stopping import Stopping
from trainer.types import Array
from trainer.wording import count, number

if TYPE_CHECKING:
    from trainer.config import LoadedConfig

__all__ = ["Overfit", "overfit"]

STEPS = 1000
LEFT = 0.25  # of what one prediction for all rows loses, at most, is left of a batch that was learnt
OFTEN = 25  # steps, after which the loss is looked at
SIZES = tuple(10.0**power for power in range(-6, 2))  # tried where nothing else was found, the nearest first
SURE = (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 30.0)  # log-odds of sure predictions


@dataclass(frozen=True)
class Overfit:
    """What came of training on one batch alone.

    Attributes:
        learnt: whether the batch is predicted.
        rows, steps, step_size: of the batch; steps that were taken; ε of each.
        before, after: the mean cost of the batch, without penalties; inf where a step gave no number.
        constant: that of the best prediction that is the same for every row; nan where there is none to compare with.
        least: that of perfect predictions.
        layers: the batch before the first step, layer by layer, and the cost.
        findings: what stops it, the surest first; of a batch that was learnt, layers that no gradient reaches.
    """

    learnt: bool
    rows: int
    steps: int
    step_size: float
    before: float
    after: float
    constant: float
    least: float
    layers: tuple[LayerLook, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Bounds:
    """What the loss of a batch is measured by."""

    constant: float
    least: float

    def learnt(self, before: float, after: float) -> bool:
        worst = self.constant if self.constant - self.least > 1e-3 * abs(self.least) + 1e-6 else before
        return after - self.least <= LEFT * (worst - self.least)


def overfit(loaded: LoadedConfig, training: Training, wrong: Sequence[str] = (), steps: int = STEPS) -> Overfit:
    """Train on the first batch alone, and say what stops it where it is not learnt.

    Args:
        training: at any step; it is not moved.
        wrong: what the checker found of the ops that others wrote, a line each.
        steps: at most.
    """
    if steps < 1:
        raise UsageError(f"steps={steps}: nothing is learnt without a step; the default is {STEPS:,}")
    alone = _alone(training, steps)
    beginning = alone.state
    traits = CostTraits.of(loaded.config.cost.component)
    first = Evidence(alone, traits, lambda: beginning)
    bounds = _Bounds(first.constant, _least(alone, traits))
    with np.errstate(all="ignore"):
        layers, before = look(alone), _loss(alone)
        after, error = _learn(alone, bounds, before)
    learnt = error is None and bounds.learnt(before, after)
    found = [_wrong_rule(loaded, each) for each in wrong]
    found += [*_stopped(loaded, alone, layers, "before the first step"), *_frozen(loaded, training, learnt)]
    if error is not None:
        found += Explainer(loaded, alone, beginning).of_divergence(error)
    elif not learnt:
        found += _reasons(loaded, training, first, bounds, before, after)
    return Overfit(
        learnt, len(alone.data.train), alone.step, first_size(training), before, after, bounds.constant, bounds.least,
        tuple(layers), tuple(once(found)),
    )  # fmt: skip


def _alone(training: Training, steps: int, **changes: Any) -> Training:
    """The training of one batch, from the beginning, at a step size that stays."""
    data, batch = training.data, training.batches(0)[0]
    outputs = math.prod(training.network.output_shape)
    batch = batch[: max(2, training.network.size // max(outputs, 1))]  # of more rows no network of that size knows all
    rows = Rows(data.train.inputs[batch], data.train.targets[batch], data.train.indices[batch])
    kept = replace(data, train=rows, validation=NO_ROWS, test=NO_ROWS, mapped=False, target_scaling=None, unscaled=None)
    settings: dict[str, Any] = {"step_size": first_size(training), "epochs": steps, **changes}
    return replace(
        training, data=kept, batch_size=len(rows), stopping=Stopping(), callbacks=(), logged=0, metrics={}, reports={},
        measure=Measure("off"), **settings,
    )  # fmt: skip


def _learn(alone: Training, bounds: _Bounds, before: float) -> tuple[float, DivergedError | None]:
    """The loss at the end, which comes when the batch is learnt; and what went wrong."""
    try:
        for record in alone.records():
            if isinstance(record, Epoch) and not record.epoch % OFTEN and bounds.learnt(before, _loss(alone)):
                break
        return _loss(alone), None
    except DivergedError as error:
        return math.inf, error


def _loss(alone: Training) -> float:
    try:
        return alone.evaluate("train")["loss"]
    except DivergedError:
        return math.inf


def _least(alone: Training, traits: CostTraits) -> float:
    """The mean cost of perfect predictions; 0 where nobody knows these."""
    targets, width = alone.data.train.targets, alone.network.output_shape
    found = []
    with np.errstate(all="ignore"):
        for predictions in _perfect(targets, width, traits):
            try:
                found.append(float(np.mean(alone.cost(predictions.astype(alone.now.theta.dtype), targets))))
            except Exception:  # noqa: S112  a stranger's cost that takes no such prediction
                continue
    return min((loss for loss in found if math.isfinite(loss)), default=0.0)


def _perfect(targets: Array, width: tuple[int, ...], traits: CostTraits) -> Iterator[Array]:
    if targets.dtype.kind == "i":
        own = np.eye(width[-1])[np.maximum(targets, 0)]
        yield from (sure * own for sure in SURE)
    elif targets.shape[1:] == width:
        yield targets
        yield from (sure * np.sign(targets) for sure in SURE)
        if traits.link == "sigmoid":
            share = np.clip(targets, 1e-6, 1 - 1e-6)
            yield np.log(share / (1 - share))
        elif traits.link == "exp":
            yield np.log(np.maximum(targets, 1e-6))


def _reasons(
    loaded: LoadedConfig, training: Training, first: Evidence, bounds: _Bounds, before: float, after: float
) -> Iterator[Finding]:
    """What may stop it, and last what mends it when it is changed."""
    alone = first.training
    now = Evidence(alone, first.traits, lambda: alone.state)
    at = f"the loss of {count(first.rows, 'row')} went from {number(before)} to {number(after)} in "
    at += count(alone.step, "step")
    tried = _Trial(loaded, training, alone.epochs, bounds, before, at)
    yield from tried.without_penalties()
    yield from _contradicted(loaded, alone)
    yield from _stopped(loaded, alone, look(alone), f"after {count(alone.step, 'step')}")
    found = list(causes(loaded, first, now, at=at))
    others = [each for each in found if not each.cause.startswith("a step size")]
    yield from others or tried.other_sizes() or found or [_too_much(loaded, alone, at)]


@dataclass(frozen=True)
class _Trial:
    """The same batch with one thing changed at a time."""

    loaded: LoadedConfig
    training: Training
    steps: int
    bounds: _Bounds
    before: float
    at: str

    def _reached(self, **changes: Any) -> str:
        """What loss is reached; empty where the batch is not learnt."""
        alone = _alone(self.training, self.steps, **changes)
        after, error = _learn(alone, self.bounds, self.before)
        learnt = error is None and self.bounds.learnt(self.before, after)
        return f"the loss is {number(after)} after {count(alone.step, 'step')}; " if learnt else ""

    def without_penalties(self) -> list[Finding]:
        told = self._reached(penalties=()) if self.training.penalties else ""
        place = line_of(self.loaded, "penalty")
        evidence = f"without it {told}with it {self.at}"
        return [Finding("the penalty outweighs the cost", evidence, place, ["penalty=[]"])] if told else []

    def other_sizes(self) -> list[Finding]:
        size = first_size(self.training)
        for other in sorted(SIZES, key=lambda other: abs(math.log(other / size))):
            if told := self._reached(step_size=other):
                plain = isinstance(self.loaded.config.step_size, int | float)
                return [
                    Finding(
                        f"a step size too {'small' if other > size else 'large'}",
                        f"with {other:g} {told}with {size:g} {self.at}",
                        line_of(self.loaded, "step_size"),
                        [f"step_size={other:g}"] if plain else [],
                    )
                ]
        return []


def _too_much(loaded: LoadedConfig, alone: Training, at: str) -> Finding:
    parameters, targets = alone.network.size, alone.data.train.targets.size
    return Finding(
        "one batch is too much for the network",
        f"it has {count(parameters, 'parameter')} for {count(targets, 'target')}, {at}, and no step size from "
        f"{SIZES[0]:g} to {SIZES[-1]:g} does better",
        line_of(loaded, "network"),
    )


def _wrong_rule(loaded: LoadedConfig, told: str) -> Finding:
    """What the checker says of somebody's op, at the first layer that is not ours."""
    foreign = [i for i, layer in enumerate(loaded.config.network) if not layer.component.ours]
    place = line_of(loaded, "network", foreign[0]) if foreign else ""
    ways = [f"network.{i}=tanh" for i in foreign if loaded.config.network[i].component.kind == "ops"]
    return Finding("a plugin's rule is wrong", told, place, ways)


def _stopped(loaded: LoadedConfig, alone: Training, layers: Sequence[LayerLook], when: str) -> Iterator[Finding]:
    """The last layer through which no gradient passes, though one comes to it."""
    for i in reversed(range(1, len(layers) - 1)):
        here, below = layers[i].cotangents, layers[i - 1].cotangents
        if here is None or below is None or here.rms == 0 or not math.isfinite(here.rms) or below.rms > 0:
            continue
        name, values = layers[i].name, layers[i].values
        called = f"layer {i} ({name})"
        cause, why = "a layer stops the gradient", f"its outputs have size (rms) {number(values.rms)}"
        if values.zeros == 1:
            cause, why = "dead units", "all of its outputs are 0"
        elif name in BOUNDED:
            cause, why = "saturated units", f"its outputs lie from {values.least:.7g} to {values.largest:.7g}"
        parts = [part.name for part in alone.network.parts if int(part.name.partition(".")[0]) < i]
        learns = f"; {', '.join(parts)} cannot learn" if parts else ""
        ways = [] if cause == "a layer stops the gradient" else other_initial_values(loaded)
        told = f"to {called} comes a gradient of size (rms) {number(here.rms)} {when}, and through it passes 0: {why}"
        yield Finding(cause, told + learns, line_of(loaded, "network", i), ways)
        return


def _frozen(loaded: LoadedConfig, training: Training, learnt: bool) -> Iterator[Finding]:
    """Parameters that are not learnt, where there is need of them."""
    if not loaded.config.freeze or learnt:
        return
    names = [name for name in training.now.layer_state if name not in training.network.moving]
    left = ", ".join(part.name for part in training.network.parts)
    told = f"{', '.join(names)} stay what they are; only {left} learn"
    yield Finding("too much is frozen", told, line_of(loaded, "freeze"), ["freeze=[]"])


def _contradicted(loaded: LoadedConfig, alone: Training) -> Iterator[Finding]:
    """Rows that are the same, and are to be told apart."""
    rows = alone.data.train
    targets: dict[bytes, bytes] = {}
    differing = 0
    for x, y in zip(rows.inputs, rows.targets, strict=True):
        differing += targets.setdefault(x.tobytes(), y.tobytes()) != y.tobytes()
    if differing:
        told = f"of {count(len(rows), 'row')}, {differing:,} have the inputs of an earlier one and another target"
        yield Finding("rows that are the same have different targets", told, line_of(loaded, "dataset"))
