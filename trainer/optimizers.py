"""Optimisers: pure functions of the gradient, their own state and θ. All three are vectors, or dicts of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

__all__ = ["Optimizer", "Sgd", "State"]

Array = np.ndarray[Any, Any]
State = dict[str, Array]


class Optimizer(Protocol):
    """What the loop asks of an optimiser."""

    def init(self, theta: Array) -> State:
        """The state before the first step."""

    def update(self, g: Array, state: State, theta: Array, step_size: Any, step: Any) -> tuple[Array, State]:
        """θ and the state after a step. `step` counts from 0; it and ε are scalars of θ's dtype.

        Written in NumPy without looking at values, so that a whole step can be recorded.
        """


@dataclass(frozen=True)
class Sgd:
    """Plain gradient descent, (2): θ ← θ − ε g.

    >>> Sgd().update(np.array([1.0]), {}, np.array([3.0]), 0.5, 0)
    (array([2.5]), {})
    """

    def init(self, theta: Array) -> State:
        return {}

    def update(self, g: Array, state: State, theta: Array, step_size: Any, step: Any) -> tuple[Array, State]:
        return theta - step_size * g, state
