"""Steps along the gradient, (2), and along a running sum of gradients: the family of momentum."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.limits import Checked
from trainer.optimizers.base import NotNegative, Share, State, decayed, zeros
from trainer.types import Array, Numeric

__all__ = ["Momentum", "Nesterov", "Sgd"]


@dataclass(frozen=True)
class Sgd:
    """Plain gradient descent, (2): θ ← θ − ε g.

    >>> Sgd().update(np.array([1.0]), {}, np.array([3.0]), 0.5, 0)
    (array([2.5]), {})
    """

    def init(self, theta: Array) -> State:
        return {}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        return theta - step_size * g, state


@dataclass(frozen=True)
class Momentum(Checked):
    """Descent along a running sum of gradients, whose past fades: v ← μ v + g, θ ← θ − ε v. Polyak, 1964.

    As in PyTorch's SGD: ε multiplies v and is not in it, so a change of ε acts at once, and the first v is g.

    Args:
        momentum: μ; a constant g leads to steps of ε g/(1 − μ).
        weight_decay: λ; g is g + λθ.

    >>> optimizer, theta = Momentum(0.5), np.array([3.0])
    >>> state = optimizer.init(theta)
    >>> for step in range(2):
    ...     theta, state = optimizer.update(np.array([1.0]), state, theta, 0.5, step)
    >>> theta  # 3 − 0.5 · 1 − 0.5 · 1.5
    array([1.75])
    """

    momentum: Share = 0.9
    weight_decay: NotNegative = 0.0

    def init(self, theta: Array) -> State:
        return {"velocity": zeros(theta)}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        g = decayed(g, theta, self.weight_decay)
        v = self.momentum * state["velocity"] + g
        return theta - step_size * v, {"velocity": v}


@dataclass(frozen=True)
class Nesterov(Checked):
    """Momentum that looks ahead: v ← μ v + g, θ ← θ − ε (g + μ v). Nesterov, 1983.

    In the form of Sutskever et al., 2013, rewritten so that g is taken at θ itself, as PyTorch's SGD with
    `nesterov=True` has it.

    Args:
        momentum: μ.
        weight_decay: λ; g is g + λθ.

    >>> optimizer, theta = Nesterov(0.5), np.array([3.0])
    >>> optimizer.update(np.array([1.0]), optimizer.init(theta), theta, 0.5, 0)[0]  # 3 − 0.5 · (1 + 0.5 · 1)
    array([2.25])
    """

    momentum: Share = 0.9
    weight_decay: NotNegative = 0.0

    def init(self, theta: Array) -> State:
        return {"velocity": zeros(theta)}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        g = decayed(g, theta, self.weight_decay)
        v = self.momentum * state["velocity"] + g
        return theta - step_size * (g + self.momentum * v), {"velocity": v}
