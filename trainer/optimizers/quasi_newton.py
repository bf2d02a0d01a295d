"""Steps that learn the curvature from the gradients that they meet, for full batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from trainer.limits import Checked, Limits
from trainer.optimizers.base import State, zeros
from trainer.types import Array, Numeric

__all__ = ["Lbfgs"]


@dataclass(frozen=True)
class Lbfgs(Checked):
    """A quasi-Newton step: θ ← θ − ε H g, with H from the last steps and their changes of g. Liu & Nocedal, 1989.

    H is applied by the two-loop recursion from H₀ = (sᵀy/yᵀy) I, with s = θ_τ − θ_{τ−1} and y = g_τ − g_{τ−1}; a pair
    enters only where sᵀy > 1e-10, so H stays positive definite. As PyTorch's LBFGS without a line search, one iteration
    a step: the first step is ε min(1, 1/‖g‖₁) g. g has to be that of all rows (`batch_size: all`): between two batches,
    y is mostly noise. ε = 1 is the natural size; without a line search, a smaller one is safer far from the minimum.

    Args:
        history: how many pairs (s, y) are kept, twice as many vectors of θ's size.

    >>> curvature = np.array([1.0, 100.0])  # of the bowl ½ Σ curvature · θ²
    >>> optimizer, theta = Lbfgs(), np.array([1.0, 1.0])
    >>> state = optimizer.init(theta)
    >>> for step in range(12):
    ...     theta, state = optimizer.update(curvature * theta, state, theta, 1.0, step)
    >>> bool(np.max(np.abs(theta)) < 1e-9)
    True
    """

    history: Annotated[int, Limits(ge=1)] = 10

    def init(self, theta: Array) -> State:
        rows = (self.history, theta.size)
        return {
            "gradient": zeros(theta),
            "step": zeros(theta),
            "scale": np.ones(1, theta.dtype),
            "steps": np.zeros(rows, theta.dtype),
            "changes": np.zeros(rows, theta.dtype),
        }

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        s, y = state["step"], g - state["gradient"]
        sy = np.sum(s * y)
        enters = sy > 1e-10  # never at the first step, where s is 0
        steps, changes = (
            np.where(enters, np.concatenate([past[1:], np.reshape(new, (1, -1))]), past)
            for past, new in ((state["steps"], s), (state["changes"], y))
        )
        scale = np.where(enters, sy / np.where(enters, np.sum(y * y), 1.0), state["scale"])
        d = _two_loops(-g, steps, changes, scale, self.history)
        first = np.minimum(1.0, 1.0 / np.sum(np.absolute(g)))
        moved = (np.where(step > 0, 1.0, first) * step_size) * d
        after = {"gradient": g, "step": moved, "scale": scale, "steps": steps, "changes": changes}
        return theta + moved, after


def _two_loops(q: Array, steps: Array, changes: Array, scale: Array, history: int) -> Any:
    """H q. A row of zeros, which stands for a pair that is not there yet, changes nothing."""
    products = np.sum(steps * changes, axis=1)
    weights = np.where(products > 0, 1.0 / np.where(products > 0, products, 1.0), 0.0)
    shares: list[Any] = [None] * history
    for i in reversed(range(history)):
        shares[i] = np.sum(steps[i] * q) * weights[i]
        q = q - shares[i] * changes[i]
    q = q * scale
    for i in range(history):
        q = q + (shares[i] - np.sum(changes[i] * q) * weights[i]) * steps[i]
    return q
