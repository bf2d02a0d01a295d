"""Is the gradient of a whole network right? Each parameter's slice of g against differences of the loss along random
directions, on some rows of the data, in training: with what is drawn, kept, penalised and weighted.

A rule that is wrong spoils the gradients of its own layer's parameters and of those before it, and none after it: so
the last parameter that is wrong says where to look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.compiler.compiled import compile
from trainer.rng import generator
from trainer.training.loop import Training
from trainer.types import Array

__all__ = ["Direction", "check_network"]


ROWS = 16
STEPS = (1e-4, 1e-5, 1e-3, 1e-6)
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Direction:
    """The derivative of the loss along a random direction of one parameter.

    Attributes:
        name: the parameter's.
        rule: g · v, by the rules.
        difference: the same by differences of the loss.
        error: how far the differences themselves can be trusted.
        allowed: by how much `rule` and `difference` may differ.
    """

    name: str
    rule: float
    difference: float
    error: float
    allowed: float

    @property
    def verdict(self) -> str:
        """ok; undecided, where a kink in the loss makes differences worthless; or wrong."""
        if abs(self.rule - self.difference) <= self.allowed:
            return "ok"
        sharp = self.error <= 1e-3 * max(abs(self.difference), abs(self.rule))
        return "wrong" if sharp else "undecided"


def check_network(training: Training, directions: int = 1) -> list[Direction]:
    """Compare g with differences, for every parameter along so many directions.

    Args:
        training: at any step; it is checked near its θ. Whatever its dtype, this is computed in float64: differences
            need digits to spare.
    """
    objective, step = training.objective, np.int64(training.step)
    theta = _off_the_kinks(training)
    layer_state = {name: value.astype(np.float64) for name, value in training.now.layer_state.items()}
    rows = (np.array(array[:ROWS]) for array in training.data.train.arrays)
    batch = [array.astype(np.float64) if array.dtype.kind == "f" else array for array in rows]
    _, g, _ = objective.gradient(theta, batch, layer_state, step)
    # Hundreds of losses at the same shapes: a program is much quicker than the network as it stands.
    loss = compile(lambda at: objective.loss(training.network.named(at), layer_state, batch, step)[0])

    found = []
    with np.errstate(all="ignore"):
        for part in training.network.parts:
            rng = generator(training.seed, f"direction of {part.name}")
            for _ in range(directions):
                v = np.zeros_like(theta)
                own = theta[part.slice]
                v[part.slice] = rng.standard_normal(own.size) * max(float(np.sqrt(np.mean(own**2))), 0.1)
                along = _along(loss, theta, v)
                found.append(_compare(part.name, along, float(g @ v), float(np.sqrt(np.sum(np.square(g * v))))))
    return found


def _off_the_kinks(training: Training) -> Array:
    """θ moved a little: biases of zero put relu where a blank input comes, at its kink, and there is no derivative."""
    theta = training.now.theta.astype(np.float64)
    rng = generator(training.seed, "off the kinks")
    for part in training.network.parts:
        own = theta[part.slice]
        own += 1e-2 * max(float(np.sqrt(np.mean(own**2))), 0.1) * rng.standard_normal(own.size)
    return theta


def _along(loss: Callable[[Array], Any], theta: Array, v: Array) -> Callable[[float], float]:
    return lambda t: float(loss(theta + t * v))


def _compare(name: str, f: Callable[[float], float], rule: float, size: float) -> Direction:
    """The derivative of f at 0 by differences of fourth order, at the width where two widths agree best.

    Widths are tried until the rule is confirmed. `size` is that of the terms whose sum `rule` is, which may cancel.
    """
    # A derivative of 0, as of a bias before a batch_norm, comes out as a few units of rounding.
    rounding = 1e-10 * abs(f(0.0))
    found, before = None, _difference(f, STEPS[0])
    for h in STEPS[1:]:
        difference = _difference(f, h)
        error = abs(difference - before)
        if found is None or error < found.error:
            allowed = 10 * error + TOLERANCE * (abs(difference) + size) + rounding
            found = Direction(name, rule, difference, error, allowed)
        if found.verdict == "ok" and found.error <= TOLERANCE * size + rounding:
            break
        before = difference
    assert found is not None  # there are several widths
    return found


def _difference(f: Callable[[float], float], h: float) -> float:
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)
