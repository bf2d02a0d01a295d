"""Initial values of parameters, by the name of who proposed them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

__all__ = ["Initial", "draw"]

Initial = Literal["glorot", "he", "lecun", "zeros"]


def draw(
    initial: Initial, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
) -> np.ndarray[Any, Any]:
    """Initial weights, uniform on ±√(3·variance), float64.

    | name     | variance             | source                                   |
    |----------|----------------------|------------------------------------------|
    | `glorot` | 2 / (fan_in+fan_out) | Glorot & Bengio 2010: linear, tanh       |
    | `he`     | 2 / fan_in           | He et al. 2015: relu                     |
    | `lecun`  | 1 / fan_in           | LeCun et al. 1998, *Efficient BackProp*  |
    | `zeros`  | 0                    | for biases and last layers               |

    >>> draw("zeros", np.random.default_rng(0), (2, 1), 2, 1).tolist()
    [[0.0], [0.0]]
    """
    variance = {"glorot": 2 / (fan_in + fan_out), "he": 2 / fan_in, "lecun": 1 / fan_in, "zeros": 0.0}[initial]
    limit = (3 * variance) ** 0.5
    return rng.uniform(-limit, limit, shape)
