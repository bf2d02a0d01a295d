"""Optimisers that were made for large models and large batches: Lion and LAMB."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainer.limits import Checked
from trainer.optimizers.base import NotNegative, Positive, Share, State, moving, norm, one_less_power, zeros
from trainer.types import Array, Numeric

__all__ = ["Lamb", "Lion"]


@dataclass(frozen=True)
class Lion(Checked):
    """Steps of one length in every coordinate: θ ← (1 − ε λ) θ − ε sign(β1 m + (1 − β1) g). Chen et al., 2023.

    m ← β2 m + (1 − β2) g comes after the step, as in the authors' code (PyTorch has no Lion). Half the state of
    Adam; ε wants to be three to ten times smaller than Adam's and λ as much larger.

    Args:
        beta1: β1, the share of the past in a step.
        beta2: β2, how slowly m forgets.
        weight_decay: λ, multiplied by ε as in AdamW.

    >>> optimizer, theta = Lion(weight_decay=0.5), np.array([3.0, 3.0])
    >>> optimizer.update(np.array([20.0, -1e-9]), optimizer.init(theta), theta, 0.5, 0)[0]  # 3 · 0.75 ∓ 0.5
    array([1.75, 2.75])
    """

    beta1: Share = 0.9
    beta2: Share = 0.99
    weight_decay: NotNegative = 0.0

    def init(self, theta: Array) -> State:
        return {"mean": zeros(theta)}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        direction = np.sign(moving(state["mean"], g, self.beta1))
        if self.weight_decay:
            theta = theta * (1.0 - step_size * self.weight_decay)
        return theta - step_size * direction, {"mean": moving(state["mean"], g, self.beta2)}


@dataclass(frozen=True)
class Lamb(Checked):
    """Adam whose step is as long, for each parameter w of θ, as w is: w ← w − ε (‖w‖/‖r‖) r. You et al., 2020.

    r = m̂/(√v̂ + eps) + λ w, Algorithm 2 with φ the identity; where ‖w‖ or ‖r‖ is 0 the ratio counts as 1, so that a bias
    that begins at 0 moves. The gradient is not clipped first, as NVIDIA's and timm's versions do (PyTorch has none):
    `clip: {norm: 1.0}` does that.

    Args:
        beta1: β1, how slowly the mean m forgets.
        beta2: β2, how slowly the mean square v forgets.
        eps: a lower bound on the divisor.
        weight_decay: λ, part of r.

    Unless told where the parameters lie (`prepare`, which the loop calls), θ is one parameter.

    >>> optimizer = Lamb().prepare([slice(0, 1), slice(1, 3)])
    >>> theta = np.array([3.0, 0.0, 0.0])
    >>> optimizer.update(np.array([20.0, 1.0, 1.0]), optimizer.init(theta), theta, 0.5, 0)[0].round(4)
    array([ 1.5, -0.5, -0.5])
    """

    beta1: Share = 0.9
    beta2: Share = 0.999
    eps: Positive = 1e-6
    weight_decay: NotNegative = 0.0
    parts: tuple[slice, ...] = field(default=(slice(None),), init=False, repr=False)

    def prepare(self, parts: Sequence[slice]) -> Lamb:
        """The optimiser for a θ whose parameters lie in these slices."""
        prepared = copy.copy(self)
        object.__setattr__(prepared, "parts", tuple(parts))
        return prepared

    def init(self, theta: Array) -> State:
        return {"mean": zeros(theta), "squares": zeros(theta)}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        m = moving(state["mean"], g, self.beta1)
        v = moving(state["squares"], np.square(g), self.beta2)
        root = np.sqrt(v) / np.sqrt(one_less_power(self.beta2, step)) + self.eps
        r = (m / one_less_power(self.beta1, step)) / root
        if self.weight_decay:
            r = r + self.weight_decay * theta
        scaled = [_ratio(theta[part], r[part]) * r[part] for part in self.parts]
        r = np.concatenate(scaled) if len(scaled) > 1 else scaled[0]
        return theta - step_size * r, {"mean": m, "squares": v}


def _ratio(w: Array, r: Array) -> Any:
    """‖w‖/‖r‖; 1 where one of the two is 0."""
    length, other = norm(w), norm(r)
    return np.where(np.minimum(length, other) > 0, length / np.where(other > 0, other, 1.0), 1.0)
