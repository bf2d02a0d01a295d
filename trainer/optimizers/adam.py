"""Adam and its relatives: a running mean of g over a running size of g, both corrected for having begun at 0.

All of them as in PyTorch: with t = τ + 1,

    m ← β1 m + (1 − β1) g         m̂ = m/(1 − β1^t)
    v ← β2 v + (1 − β2) g²        v̂ = v/(1 − β2^t)        θ ← θ − ε m̂/(√v̂ + eps)

where eps stands outside of the root and is added after the correction (the paper's Algorithm 1; the form before its
section 2.1 adds it before, and so does Keras).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.limits import Checked
from trainer.optimizers.base import NotNegative, Positive, Share, State, decayed, moving, one_less_power, zeros
from trainer.types import Array, Numeric

__all__ = ["Adam", "AdamW", "Adamax", "AmsGrad", "NAdam"]


@dataclass(frozen=True)
class _Moments(Checked):
    """What the family has in common: a moving mean m of the gradient and one, v, of its square."""

    beta1: Share = 0.9
    beta2: Share = 0.999
    eps: Positive = 1e-8

    def init(self, theta: Array) -> State:
        return {"mean": zeros(theta), "squares": zeros(theta)}


@dataclass(frozen=True)
class Adam(_Moments):
    """Adaptive moments: θ ← θ − ε m̂/(√v̂ + eps). Kingma & Ba, 2015.

    Args:
        beta1: β1, how slowly the mean m forgets.
        beta2: β2, how slowly the mean square v forgets.
        eps: a lower bound on the divisor.
        weight_decay: λ; g is g + λθ, and thus divided by √v̂ as well. AdamW decays θ itself.

    >>> optimizer, theta = Adam(), np.array([3.0])
    >>> optimizer.update(np.array([20.0]), optimizer.init(theta), theta, 0.5, 0)[0]  # the first step is ε
    array([2.5])
    """

    weight_decay: NotNegative = 0.0

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        return _adam(self, decayed(g, theta, self.weight_decay), state, theta, step_size, step)


@dataclass(frozen=True)
class AdamW(_Moments):
    """Adam whose weight decay acts on θ alone: θ ← (1 − ε λ) θ − ε m̂/(√v̂ + eps). Loshchilov & Hutter, 2019.

    As in PyTorch, λ is multiplied by ε, and 0.01 by default; the paper's ηλ is one number.

    Args:
        beta1: β1, how slowly the mean m forgets.
        beta2: β2, how slowly the mean square v forgets.
        eps: a lower bound on the divisor.
        weight_decay: λ.

    >>> optimizer, theta = AdamW(weight_decay=0.5), np.array([3.0])
    >>> optimizer.update(np.array([20.0]), optimizer.init(theta), theta, 0.5, 0)[0]  # 3 · (1 − 0.5 · 0.5) − 0.5
    array([1.75])
    """

    weight_decay: NotNegative = 0.01

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        return _adam(self, g, state, theta * (1.0 - step_size * self.weight_decay), step_size, step)


def _adam(
    optimizer: Adam | AdamW, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric
) -> tuple[Array, State]:
    m = moving(state["mean"], g, optimizer.beta1)
    v = moving(state["squares"], np.square(g), optimizer.beta2)
    root = np.sqrt(v) * (1.0 / np.sqrt(one_less_power(optimizer.beta2, step))) + optimizer.eps
    rate = step_size / one_less_power(optimizer.beta1, step)
    return theta - rate * (m / root), {"mean": m, "squares": v}


@dataclass(frozen=True)
class AmsGrad(_Moments):
    """Adam with the largest v so far in place of v, so that no step grows again. Reddi et al., 2018.

    As in PyTorch, the largest is taken of v before its correction: w ← max(w, v), θ ← θ − ε m̂/(√(w/(1 − β2^t)) + eps).

    Args:
        beta1: β1, how slowly the mean m forgets.
        beta2: β2, how slowly the mean square v forgets.
        eps: a lower bound on the divisor.
        weight_decay: λ; g is g + λθ.

    >>> optimizer, theta = AmsGrad(beta1=0.0, beta2=0.0), np.array([3.0])
    >>> state = optimizer.init(theta)
    >>> for g in (20.0, 10.0):
    ...     theta, state = optimizer.update(np.array([g]), state, theta, 0.5, 0)
    >>> theta  # 3 − 0.5 · 20/20 − 0.5 · 10/20
    array([2.25])
    """

    weight_decay: NotNegative = 0.0

    def init(self, theta: Array) -> State:
        return {name: zeros(theta) for name in ("mean", "squares", "largest")}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        g = decayed(g, theta, self.weight_decay)
        m = moving(state["mean"], g, self.beta1)
        v = moving(state["squares"], np.square(g), self.beta2)
        w = np.maximum(state["largest"], v)
        root = np.sqrt(w) * (1.0 / np.sqrt(one_less_power(self.beta2, step))) + self.eps
        rate = step_size / one_less_power(self.beta1, step)
        return theta - rate * (m / root), {"mean": m, "squares": v, "largest": w}


@dataclass(frozen=True)
class NAdam(_Moments):
    """Adam with Nesterov's look ahead, and a momentum that rises over the steps. Dozat, 2016.

    With μ_t = β1 (1 − ½ · 0.96^(tψ)) and Π_t = μ_1 ⋯ μ_t,

        θ ← θ − ε (μ_{t+1} m/(1 − Π_{t+1}) + (1 − μ_t) g/(1 − Π_t))/(√v̂ + eps)

    Args:
        beta1: β1, how slowly the mean m forgets.
        beta2: β2, how slowly the mean square v forgets.
        eps: a lower bound on the divisor.
        momentum_decay: ψ, how quickly μ rises to β1; PyTorch's and Keras's value.
        weight_decay: λ; g is g + λθ.

    >>> optimizer, theta = NAdam(), np.array([3.0])
    >>> optimizer.update(np.array([20.0]), optimizer.init(theta), theta, 0.5, 0)[0].round(4)
    array([2.4718])
    """

    momentum_decay: NotNegative = 4e-3
    weight_decay: NotNegative = 0.0

    def init(self, theta: Array) -> State:
        return {"mean": zeros(theta), "squares": zeros(theta), "product": np.ones(1, theta.dtype)}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        g = decayed(g, theta, self.weight_decay)
        m = moving(state["mean"], g, self.beta1)
        v = moving(state["squares"], np.square(g), self.beta2)
        now, then = self._momentum(step + 1), self._momentum(step + 2)
        product = state["product"] * now
        root = np.sqrt(v / one_less_power(self.beta2, step)) + self.eps
        ahead = (then / (1.0 - product * then)) * m + ((1.0 - now) / (1.0 - product)) * g
        return theta - step_size * (ahead / root), {"mean": m, "squares": v, "product": product}

    def _momentum(self, t: Numeric) -> Any:
        """μ_t."""
        return self.beta1 * (1.0 - 0.5 * np.exp(t * (self.momentum_decay * math.log(0.96))))


@dataclass(frozen=True)
class Adamax(_Moments):
    """Adam with the largest |g| of the fading past for its size: u ← max(β2 u, |g| + eps), θ ← θ − ε m̂/u.

    Kingma & Ba, 2015, section 7.1, with PyTorch's eps, which keeps u above 0; a maximum needs no correction.

    Args:
        beta1: β1, how slowly the mean m forgets.
        beta2: β2, how slowly the largest forgets.
        eps: a lower bound on u.
        weight_decay: λ; g is g + λθ.

    >>> optimizer, theta = Adamax(), np.array([3.0])
    >>> optimizer.update(np.array([20.0]), optimizer.init(theta), theta, 0.5, 0)[0]
    array([2.5])
    """

    weight_decay: NotNegative = 0.0

    def init(self, theta: Array) -> State:
        return {"mean": zeros(theta), "largest": zeros(theta)}

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        g = decayed(g, theta, self.weight_decay)
        m = moving(state["mean"], g, self.beta1)
        u = np.maximum(self.beta2 * state["largest"], np.absolute(g) + self.eps)
        rate = step_size / one_less_power(self.beta1, step)
        return theta - rate * (m / u), {"mean": m, "largest": u}
