"""A step size for each parameter, from the squares of its gradients so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.limits import Checked
from trainer.optimizers.base import NotNegative, Positive, Share, State, decayed, moving, zeros
from trainer.types import Array, Numeric

__all__ = ["Adadelta", "Adagrad", "RmsProp"]


@dataclass(frozen=True)
class Adagrad(Checked):
    """Steps that shrink where gradients were large: s ← s + g², θ ← θ − ε g/(√s + eps). Duchi et al., 2011.

    As in PyTorch, eps stands outside of the root.

    Args:
        initial: s before the first step; Keras and TensorFlow have 0.1 here, PyTorch 0.
        eps: keeps a parameter whose gradients were all 0 from dividing by it.
        weight_decay: λ; g is g + λθ.

    >>> optimizer, theta = Adagrad(), np.array([3.0])
    >>> optimizer.update(np.array([20.0]), optimizer.init(theta), theta, 0.5, 0)[0]  # at first only g's sign counts
    array([2.5])
    """

    initial: NotNegative = 0.0
    eps: Positive = 1e-10
    weight_decay: NotNegative = 0.0

    def init(self, theta: Array) -> State:
        return {"squares": np.full_like(theta, self.initial)}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        g = decayed(g, theta, self.weight_decay)
        s = state["squares"] + np.square(g)
        return theta - step_size * (g / (np.sqrt(s) + self.eps)), {"squares": s}


@dataclass(frozen=True)
class RmsProp(Checked):
    """Steps divided by a running root mean square: s ← ρ s + (1 − ρ) g², θ ← θ − ε g/(√s + eps). Hinton, 2012.

    As in PyTorch: eps stands outside of the root, and s, which begins at 0, is not corrected, so the first steps are
    1/√(1 − ρ) times as long as later ones.

    Args:
        rho: ρ; PyTorch calls it alpha.
        momentum: μ; with it, v ← μ v + g/(√s + eps) and θ ← θ − ε v.
        centered: √(s − m²) in place of √s, with m the running mean of g: the deviation, as in Graves, 2013. What
            rounding makes negative of s − m² counts as 0.
        eps: a lower bound on the divisor.
        weight_decay: λ; g is g + λθ.

    >>> optimizer, theta = RmsProp(rho=0.75), np.array([3.0])
    >>> optimizer.update(np.array([20.0]), optimizer.init(theta), theta, 0.5, 0)[0].round(6)  # 3 − 0.5/√0.25
    array([2.])
    """

    rho: Share = 0.99
    momentum: Share = 0.0
    centered: bool = False
    eps: Positive = 1e-8
    weight_decay: NotNegative = 0.0

    def init(self, theta: Array) -> State:
        names = ["squares", *(["velocity"] if self.momentum else []), *(["mean"] if self.centered else [])]
        return {name: zeros(theta) for name in names}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        g = decayed(g, theta, self.weight_decay)
        after = {"squares": moving(state["squares"], np.square(g), self.rho)}
        variance = after["squares"]
        if self.centered:
            after["mean"] = moving(state["mean"], g, self.rho)
            variance = np.maximum(variance - np.square(after["mean"]), 0.0)
        direction = g / (np.sqrt(variance) + self.eps)
        if self.momentum:
            direction = after["velocity"] = self.momentum * state["velocity"] + direction
        return theta - step_size * direction, after


@dataclass(frozen=True)
class Adadelta(Checked):
    """Steps in the units of θ: s ← ρ s + (1 − ρ) g², d = g √(u + eps)/√(s + eps), u ← ρ u + (1 − ρ) d². Zeiler, 2012.

    θ ← θ − ε d. The paper has no ε, that is 1; as in PyTorch, eps stands inside of both roots, and decides the length
    of the first steps, since u begins at 0.

    Args:
        rho: ρ.
        eps: see above.
        weight_decay: λ; g is g + λθ.

    >>> optimizer, theta = Adadelta(eps=0.01), np.array([3.0])
    >>> optimizer.update(np.array([20.0]), optimizer.init(theta), theta, 1.0, 0)[0].round(4)  # 3 − 20 · √0.01/√40.01
    array([2.6838])
    """

    rho: Share = 0.9
    eps: Positive = 1e-6
    weight_decay: NotNegative = 0.0

    def init(self, theta: Array) -> State:
        return {"squares": zeros(theta), "steps": zeros(theta)}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        g = decayed(g, theta, self.weight_decay)
        s = moving(state["squares"], np.square(g), self.rho)
        d = g * (np.sqrt(state["steps"] + self.eps) / np.sqrt(s + self.eps))
        return theta - step_size * d, {"squares": s, "steps": moving(state["steps"], np.square(d), self.rho)}
