"""The causes of a training that learns nothing, the surest first: each with what was measured, and what to try."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from trainer.explaining.evidence import BOUNDED, Evidence, Moved, rms
from trainer.explaining.findings import Finding, line_of, other_initial_values
from trainer.nn.several import Several
from trainer.training import Training
from trainer.wording import number, typed

if TYPE_CHECKING:
    from trainer.config import LoadedConfig

__all__ = ["causes"]

IN_A_STEP = {"ops", "layers", "costs"}
SCALE = 20.0  # rms of the inputs, or of a column beside the others, from which on one step size does not suit all
APART = 100.0
FAR = 1000.0  # rms of the targets of a cost of differences, from which on outputs that begin near 1 do not get there
RATIO = 1e-3  # of the gradients of the first and the last layer of weights
GROWN = 30.0  # times as large as the inputs of the network are the outputs of a layer
SAFE = 10.0  # times shorter than the best first step on the same rows is one for all steps and all rows
TOGETHER = 2**18  # numbers that are looked at together
MOST = 0.9  # of a layer's units, or values


def causes(
    loaded: LoadedConfig, first: Evidence, now: Evidence | None, *, at: str = "", first_step: bool = False,
    finding: str | None = None,
) -> Iterator[Finding]:  # fmt: skip
    """What may be wrong, given what was measured where the training began and where it stands.

    Args:
        now: None where it diverged: nothing can be measured there.
        at: what the loss is, for whoever has no better evidence.
        first_step: whether the very first step gave no number.
        finding: the debugger's.
    """
    if first_step and finding is not None:
        yield _not_finite(loaded, first, finding)
        return
    yield from _wrong_rule(loaded, first.training)
    yield from _wrong_cost(loaded, first.training, at)
    yield from _unscaled(loaded, first)
    yield from _saturated(loaded, first, "before the first step")
    yield from _depth(loaded, first)
    yield from _dead(loaded, first, "before the first step")
    yield from _still(loaded, first)
    yield from _too_large(loaded, first, "before the first step", at)
    yield from _too_small(loaded, first, at)
    if now is not None:
        yield from _too_large(loaded, now, "at the end", at)
        yield from _saturated(loaded, now, "at the end")
        yield from _dead(loaded, now, "at the end")


def _size(loaded: LoadedConfig, size: float) -> list[str]:
    """The override that sets the step size, or the start of its schedule."""
    given = loaded.config.step_size
    if isinstance(given, int | float):
        return [f"step_size={size:.1g}"]
    names = ("start", "peak")
    option = next((name for name in names if name in given.options), None)
    return [] if option is None else [f"step_size.{given.name}.{option}={size:.1g}"]


def _not_finite(loaded: LoadedConfig, first: Evidence, finding: str) -> Finding:
    """Values that are not finite before anything was learnt: the debugger says where they come from."""
    lines = [line.strip() for line in finding.splitlines()]
    place = next((line.removeprefix("in").strip() for line in lines if line.startswith("in ")), "")
    return Finding("values that are not finite", lines[0], place, _positive(loaded, place))


def _positive(loaded: LoadedConfig, place: str) -> list[str]:
    """A layer that takes any number, in place of one that does not."""
    index = place.removeprefix("layer ").partition(" ")[0]
    return [f"network.{index}=softplus"] if place.startswith("layer ") and index.isdecimal() else []


def _wrong_rule(loaded: LoadedConfig, training: Training) -> Iterator[Finding]:
    """The gradient against differences, where somebody else's rules are part of it."""
    foreign = [c for c in loaded.config.choices() if c.component.kind in IN_A_STEP and not c.component.ours]
    if not foreign:
        return
    from trainer.training.gradient_check import check_network

    wrong = [each for each in check_network(training) if each.verdict == "wrong"]
    if wrong:
        worst = wrong[-1]
        names = ", ".join(sorted({choice.name for choice in foreign}))
        sources = " ".join(sorted({typed(choice.component.plugin) for choice in foreign}))
        ways = [
            f"network.{i}=tanh"
            for i, choice in enumerate(loaded.config.network)
            if choice in foreign and choice.component.kind == "ops"
        ]
        place = next((line_of(loaded, "network", i) for i, c in enumerate(loaded.config.network) if c in foreign), "")
        yield Finding(
            "a plugin's rule is wrong",
            f"along a direction of '{worst.name}' the rules give {number(worst.rule)} and differences "
            f"{number(worst.difference)}; what others wrote there: {names} (trainer ops check {sources} says more)",
            place,
            ways,
        )


def _wrong_cost(loaded: LoadedConfig, training: Training, at: str) -> Iterator[Finding]:
    config, data = loaded.config, training.data
    last = config.network[-1].name
    place = line_of(loaded, "cost")
    if data.class_names and config.dataset.one_hot:
        yield Finding(
            "a cost that does not fit the task",
            f"{config.cost.name} compares numbers, and the targets are {len(data.class_names)} classes" + _beside(at),
            place,
            ["cost=softmax_cross_entropy", "dataset.one_hot=false"],
        )
    elif "entropy" in config.cost.name and (last in BOUNDED or last == "relu"):
        width = training.network.output_shape[-1]
        yield Finding(
            "a cost that does not fit the task",
            f"{config.cost.name} takes any number, and the last layer, {last}, gives none outside its range"
            + _beside(at),
            line_of(loaded, "network", len(config.network) - 1),
            [f"network.-1.dense={width}"],
        )
    elif not data.class_names and _few_outside(training):
        yield Finding(
            "a cost that does not fit the task",
            f"{last} gives no number outside its range, and most targets lie outside" + _beside(at),
            line_of(loaded, "network", len(config.network) - 1),
            [f"network.-1.dense={training.network.output_shape[-1]}", "dataset.standardize=true"],
        )


def _beside(at: str) -> str:
    return f"; {at}" if at else ""


def _few_outside(training: Training) -> bool:
    """Whether most targets lie where the last layer cannot go."""
    low, high = BOUNDED.get(training.network.names[-1], (-math.inf, math.inf))
    targets = training.data.train.targets
    return bool(np.mean((targets < low) | (targets > high)) > 0.5)


def _unscaled(loaded: LoadedConfig, first: Evidence) -> Iterator[Finding]:
    told = {"standardize": _inputs_apart(first.training), "standardize_targets": _targets_far(loaded, first)}
    ways = [f"dataset.{option}=true" for option, evidence in told.items() if evidence]
    if ways:
        evidence = "; ".join(filter(None, told.values()))
        yield Finding("data that are not scaled", evidence, line_of(loaded, "dataset"), ways)


def _inputs_apart(training: Training) -> str:
    """Inputs that one step size does not suit, in words; empty where it may."""
    data = training.data
    x = data.train.inputs
    if data.scaling is not None or data.preprocessing is not None or data.mapped or x.dtype.kind != "f":
        return ""
    rows = x[:4096].reshape(min(len(x), 4096), -1)
    width = max(1, TOGETHER // len(rows))
    sizes, spreads = [], []
    for left in range(0, rows.shape[1], width):
        some = rows[:, left : left + width].astype(np.float64)
        sizes.append(np.sum(np.square(some)))
        spreads.append(some.std(axis=0))
    size, deviations = math.sqrt(math.fsum(sizes) / rows.size), np.concatenate(spreads)
    there = deviations[deviations > 0]
    if not len(there) or not (size > SCALE or there.max() > APART * there.min() or size < 1 / SCALE):
        return ""
    names = data.feature_names or tuple(f"column {j}" for j in range(deviations.size))
    widest, narrowest = int(deviations.argmax()), int(np.where(deviations > 0, deviations, np.inf).argmin())
    return (
        f"the inputs' size (rms) is {number(size)}; {_named(names, widest)} deviates by "
        f"{number(float(deviations[widest]))}, {_named(names, narrowest)} by {number(float(deviations[narrowest]))}"
    )


def _targets_far(loaded: LoadedConfig, first: Evidence) -> str:
    """Targets far from what a network gives at first, under a cost that may be had of standardised ones, in words."""
    training, traits = first.training, first.traits
    targets = training.data.train.targets[:4096].astype(np.float64)
    plain = traits.link is None and traits.outputs is None and traits.targets in (None, "values")
    plain &= loaded.config.cost.component.target is not Several
    scaled = training.data.target_scaling is not None or loaded.config.dataset.reconstruct
    size = rms(targets)
    if not plain or scaled or targets.shape[1:] != training.network.output_shape or 1 / FAR <= size <= FAR or not size:
        return ""
    near = targets / size
    here, moved = (first.cost(np.full(targets.shape[1:], by), near + by) for by in (0.0, 2.0))
    return f"the targets' size (rms) is {number(size)}" if np.isclose(here, moved) else ""


def _named(names: tuple[str, ...], column: int) -> str:
    return repr(names[column]) if column < len(names) else f"column {column}"


def _depth(loaded: LoadedConfig, first: Evidence) -> Iterator[Finding]:
    """Gradients that grow or shrink from layer to layer, and outputs that do."""
    training = first.training
    parts = [part for part in training.network.parts if len(part.shape) > 1]
    if len(parts) < 3:
        return
    sizes = [first.gradients[part.name] for part in parts]
    near, far = sizes[-1], sizes[0]
    told = (
        f"the gradient (rms) of '{parts[0].name}' is {number(far)} before the first step, that of "
        f"'{parts[-1].name}' {number(near)}"
    )
    ways = [*other_initial_values(loaded), *_activations(loaded)]
    place = line_of(loaded, "network", int(parts[0].name.partition(".")[0]))
    if near > 0 and 0 < far < RATIO * near:
        yield Finding("vanishing gradients", told, place, ways)
    hidden = first.outputs[-2].size
    if not 0 < far < RATIO * near and 0 < hidden < RATIO * first.inputs:
        last = f"layer {len(first.outputs) - 2} ({training.network.names[-2]})"
        size = f"the outputs of {last} have size (rms) {number(hidden)}, the inputs {number(first.inputs)}; "
        yield Finding("vanishing gradients", size + told, place, ways)
    grown = [i for i, each in enumerate(first.outputs) if each.size > GROWN * max(first.inputs, 1e-30)]
    if len(grown) > 1 and first.outputs[-1].size > GROWN * first.inputs:
        i = grown[0]
        size = f"the outputs of layer {i} ({training.network.names[i]}) have size (rms) "
        size += f"{number(first.outputs[i].size)}, those of the last {number(first.outputs[-1].size)}, "
        yield Finding(
            "exploding gradients",
            f"{size}the inputs {number(first.inputs)}; {told}",
            place,
            other_initial_values(loaded),
        )


def _activations(loaded: LoadedConfig) -> list[str]:
    return [f"network.{i}=relu" for i, c in enumerate(loaded.config.network[:-1]) if c.name in BOUNDED]


def _saturated(loaded: LoadedConfig, at: Evidence, when: str) -> Iterator[Finding]:
    """The first layer whose outputs stand at the ends of their range."""
    for i, each in enumerate(at.outputs[:-1]):
        if each.saturated > MOST:
            called = f"layer {i} ({at.training.network.names[i]})"
            told = f"{each.saturated:.0%} of the outputs of {called} are at the ends of their range {when}"
            yield Finding("saturated units", told, line_of(loaded, "network", i), _gentler(loaded))
            return


def _dead(loaded: LoadedConfig, at: Evidence, when: str) -> Iterator[Finding]:
    """The first layer whose units say the same of every row, where what comes in does not."""
    for i, each in enumerate(at.outputs[:-1]):
        if each.dead > MOST and i and at.outputs[i - 1].dead <= MOST:
            called = f"layer {i} ({at.training.network.names[i]})"
            told = f"{each.dead:.0%} of the units of {called} give the same for every row {when}"
            yield Finding("dead units", told, line_of(loaded, "network", i), _gentler(loaded))
            return


def _gentler(loaded: LoadedConfig) -> list[str]:
    """Other initial values where the config gives some, and otherwise a smaller step size."""
    given = loaded.config.step_size
    return other_initial_values(loaded) or (_size(loaded, given / SAFE) if isinstance(given, int | float) else [])


def _still(loaded: LoadedConfig, first: Evidence) -> Iterator[Finding]:
    """A gradient of exactly 0: nothing moves, whatever the step size."""
    parts = [part for part in first.training.network.parts if len(part.shape) > 1]
    still = [part for part in parts if first.gradients[part.name] == 0]
    if still:
        values = first.training.network.named(first.state.theta)
        zeros = [part.name for part in parts if not values[part.name].any()]
        why = f"; {', '.join(zeros)} begin as zeros" if zeros else ""
        yield Finding(
            "the loss does not fall",
            f"the gradient of {', '.join(part.name for part in still)} is 0 before the first step{why}",
            line_of(loaded, "network", int(still[0].name.partition(".")[0])),
            other_initial_values(loaded),
        )


def _too_large(loaded: LoadedConfig, at: Evidence, when: str, said: str) -> Iterator[Finding]:
    """A step raises the loss of the very rows that it is made for, and a shorter one lowers that."""
    stay, loss, best = _steps(at)
    if best.multiple < 1 and best.loss < stay and not loss[1.0] < stay:
        yield Finding(
            "a step size too large",
            f"one step of {at.size:g} {when} takes the loss of {at.rows} rows from {number(stay)} to "
            f"{number(loss[1.0])}, one of {best.multiple * at.size:.3g} to {number(best.loss)}{_beside(said)}",
            line_of(loaded, "step_size"),
            _size(loaded, best.multiple * at.size / SAFE),
        )


def _too_small(loaded: LoadedConfig, first: Evidence, said: str) -> Iterator[Finding]:
    """All steps of the run, were each as good as the first, would not halve the loss, and a longer one is better."""
    stay, loss, best = _steps(first)
    gained = stay - loss[1.0]
    if 0 <= gained * first.training.steps < 0.5 * abs(stay) and best.multiple > 1 and best.loss < stay:
        yield Finding(
            "a step size too small",
            f"one step of {first.size:g} before the first lowers the loss of {first.rows} rows from {number(stay)} by "
            f"{number(gained)}, one of {best.multiple * first.size:.3g} by {number(stay - best.loss)}{_beside(said)}",
            line_of(loaded, "step_size"),
            _size(loaded, best.multiple * first.size),
        )


def _steps(at: Evidence) -> tuple[float, dict[float, float], Moved]:
    """The loss without a step, after one of each multiple of the step size, and the best of these."""
    stay, *moved = at.moved
    best = min(moved, key=lambda each: each.loss if math.isfinite(each.loss) else math.inf)
    return stay.loss, {each.multiple: each.loss for each in moved}, best
