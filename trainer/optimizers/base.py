"""What an optimiser is, and the few pieces of arithmetic that several share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Protocol, cast

import numpy as np

from trainer.limits import Limits
from trainer.types import Array

__all__ = [
    "Array",
    "NotNegative",
    "Optimizer",
    "Positive",
    "Share",
    "State",
    "decayed",
    "evaluated",
    "finished",
    "moving",
    "norm",
    "one_less_power",
    "prepared",
    "scaled_norm",
]

State = dict[str, Array]

Share = Annotated[float, Limits(ge=0, lt=1)]  # a factor under which the past fades: β, ρ, μ
NotNegative = Annotated[float, Limits(ge=0)]
Positive = Annotated[float, Limits(gt=0)]


class Optimizer(Protocol):
    """What the loop asks of an optimiser. Three more methods are optional, see `prepared`, `evaluated`, `finished`."""

    def init(self, theta: Array) -> State:
        """The state before the first step: arrays by name, all of θ's dtype."""

    def update(self, g: Array, state: State, theta: Array, step_size: Any, step: Any) -> tuple[Array, State]:
        """θ and the state after a step. `step` counts from 0; it and ε are scalars of θ's dtype.

        Written in NumPy without looking at values, so that a whole step can be recorded.
        """


def prepared(optimizer: Optimizer, parts: Sequence[slice]) -> Optimizer:
    """The optimiser for a θ whose parameters lie in these slices.

    An optimiser that treats each parameter on its own (LAMB does) has a method `prepare(parts)`, which returns it with
    the slices in mind. For any other this is the optimiser itself.
    """
    prepare = getattr(optimizer, "prepare", None)
    return optimizer if prepare is None else cast("Optimizer", prepare(parts))


def evaluated(optimizer: Optimizer, theta: Array, state: State) -> Array:
    """The parameters to evaluate and to save: θ, unless the optimiser says otherwise.

    One that keeps better ones beside θ (an average does) has a method `evaluated(theta, state)`, which returns them.
    """
    own = getattr(optimizer, "evaluated", None)
    return theta if own is None else cast("Array", own(theta, state))


def finished(optimizer: Optimizer, theta: Array, state: State, step_size: Any, step: Any) -> tuple[Array, State]:
    """θ and the state at the end of a run of `step` steps: the same, unless the optimiser holds something back.

    One that does (accumulated gradients that no update has used) has a method `finished(theta, state, step_size, step)`
    on plain arrays, which uses it.
    """
    own = getattr(optimizer, "finished", None)
    return (theta, state) if own is None else cast("tuple[Array, State]", own(theta, state, step_size, step))


def decayed(g: Array, theta: Array, weight_decay: float) -> Array:
    """g + λθ, the gradient of the cost plus ½λ‖θ‖²."""
    return g + weight_decay * theta if weight_decay else g


def moving(average: Array, value: Array, beta: float) -> Array:
    """β · average + (1 − β) · value, the step of an exponential moving average.

    >>> moving(np.array([1.0]), np.array([3.0]), 0.75)
    array([1.5])
    """
    return beta * average + (1 - beta) * value


def one_less_power(beta: float, step: Any) -> Any:
    """1 − β^(τ+1), what an average that started at 0 has seen of its values after step τ, τ = 0, 1, …

    By expm1, which keeps every digit: in float32, 1 less the power 0.999 has lost half of them.

    >>> f"{one_less_power(0.999, np.float32(0)):.8f}", f"{1 - np.float32(0.999):.8f}"
    ('0.00100000', '0.00099999')
    """
    return -np.expm1((step + 1) * math.log(beta)) if beta else 1.0


def norm(x: Any) -> Any:
    """‖x‖, the root of the sum of squares, of values that are first brought below 1, so that no square overflows.

    >>> f"{norm(np.array([3e30, 4e30], np.float32)):.6g}"
    '5e+30'
    """
    largest, root = scaled_norm(x)
    return largest * root


def scaled_norm(x: Any) -> tuple[Any, Any]:
    """‖x‖ as the product of the largest |x| and the norm in units of it, for where the product leaves the range."""
    largest = np.maximum(np.max(np.absolute(x)), np.finfo(x.dtype).tiny)
    return largest, np.sqrt(np.sum(np.square(x / largest)))
