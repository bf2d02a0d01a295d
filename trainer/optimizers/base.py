"""What an optimiser is, and the few pieces of arithmetic that several share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Protocol, runtime_checkable

import numpy as np

from trainer.limits import Limits
from trainer.types import Array, Numeric

__all__ = [
    "Array",
    "Averaging",
    "Finishing",
    "NotNegative",
    "Optimizer",
    "PerParameter",
    "Positive",
    "Share",
    "State",
    "averaged",
    "decayed",
    "finished",
    "moving",
    "norm",
    "one_less_power",
    "prepared",
    "scaled_norm",
    "zeros",
]

State = dict[str, Array]

Share = Annotated[float, Limits(ge=0, lt=1)]  # a factor under which the past fades: β, ρ, μ
NotNegative = Annotated[float, Limits(ge=0)]
Positive = Annotated[float, Limits(gt=0)]


class Optimizer(Protocol):
    """What every optimiser has. `PerParameter`, `Averaging` and `Finishing` are what one may be besides."""

    def init(self, theta: Array) -> State:
        """The state before the first step: arrays by name, all of θ's dtype."""

    def update(self, g: Array, state: State, theta: Array, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        """θ and the state after a step. `step` counts from 0; it and ε are scalars of θ's dtype.

        Written in NumPy without looking at values, so that a whole step can be recorded.
        """


@runtime_checkable
class PerParameter(Optimizer, Protocol):
    """One that treats each parameter on its own, as LAMB does, and has to know where each lies in θ."""

    def prepare(self, parts: Sequence[slice]) -> Optimizer:
        """The optimiser for a θ whose parameters lie in these slices."""


@runtime_checkable
class Averaging(Optimizer, Protocol):
    """One that keeps better parameters beside θ, such as an average, to evaluate and to save instead."""

    def averaged(self, theta: Array, state: State) -> Array:
        """Those parameters, after the step that gave θ and the state."""


@runtime_checkable
class Finishing(Optimizer, Protocol):
    """One that holds something back at the end of a run, such as accumulated gradients that no update has used."""

    def finished(self, theta: Array, state: State, step_size: Numeric, step: Numeric) -> tuple[Array, State]:
        """θ and the state after it is used, on plain arrays; `step` steps were taken."""


def prepared(optimizer: Optimizer, parts: Sequence[slice]) -> Optimizer:
    """The optimiser for a θ whose parameters lie in these slices: itself, unless it is `PerParameter`."""
    return optimizer.prepare(parts) if isinstance(optimizer, PerParameter) else optimizer


def zeros(theta: Array) -> Array:
    """As many zeros as θ has numbers; the system hands out the memory when they are first read or written."""
    return np.zeros(theta.shape, theta.dtype)


def averaged(optimizer: Optimizer, theta: Array, state: State) -> Array:
    """The parameters to evaluate and to save: θ, unless the optimiser is `Averaging`."""
    return optimizer.averaged(theta, state) if isinstance(optimizer, Averaging) else theta


def finished(
    optimizer: Optimizer, theta: Array, state: State, step_size: Numeric, step: Numeric
) -> tuple[Array, State]:
    """θ and the state at the end of a run of `step` steps: the same, unless the optimiser is `Finishing`."""
    return optimizer.finished(theta, state, step_size, step) if isinstance(optimizer, Finishing) else (theta, state)


def decayed(g: Array, theta: Array, weight_decay: float) -> Array:
    """g + λθ, the gradient of the cost plus ½λ‖θ‖²."""
    return g + weight_decay * theta if weight_decay else g


def moving(average: Array, value: Array, beta: float) -> Array:
    """β · average + (1 − β) · value, the step of an exponential moving average.

    >>> moving(np.array([1.0]), np.array([3.0]), 0.75)
    array([1.5])
    """
    return beta * average + (1 - beta) * value


def one_less_power(beta: float, step: Numeric) -> Any:
    """1 − β^(τ+1), what an average that started at 0 has seen of its values after step τ, τ = 0, 1, …

    By expm1, which keeps every digit: in float32, 1 less the power 0.999 has lost half of them.

    >>> f"{one_less_power(0.999, np.float32(0)):.8f}", f"{1 - np.float32(0.999):.8f}"
    ('0.00100000', '0.00099999')
    """
    return -np.expm1((step + 1) * math.log(beta)) if beta else 1.0


def norm(x: Array) -> Any:
    """‖x‖, the root of the sum of squares, of values that are first brought below 1, so that no square overflows.

    >>> f"{norm(np.array([3e30, 4e30], np.float32)):.6g}"
    '5e+30'
    """
    largest, root = scaled_norm(x)
    return largest * root


def scaled_norm(x: Array) -> tuple[Any, Any]:
    """‖x‖ as the product of the largest |x| and the norm in units of it, for where the product leaves the range."""
    largest = np.maximum(np.max(np.absolute(x)), np.finfo(x.dtype).tiny)
    return largest, np.sqrt(np.sum(np.square(x / largest)))
