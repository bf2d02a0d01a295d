"""Positional encodings: what tells a network of layers that treat all positions alike where in a sequence it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import numpy as np

from trainer.errors import ShapeError
from trainer.limits import Checked, Limits
from trainer.nn.initial import Initial, draw
from trainer.types import Array, Shape
from trainer_ops.layers.masking import check_sequences

__all__ = ["LAYERS", "LearnedPositions", "SinusoidalPositions", "angles"]

Parameters = Mapping[str, Any]


def angles(positions: int, features: int, base: float) -> Array:
    """p·base^(−2i/features) for each position p and each i up to half the features: (positions, ⌈features/2⌉).

    >>> angles(2, 4, 100.0).tolist()
    [[0.0, 0.0], [1.0, 0.1]]
    """
    return np.arange(positions)[:, np.newaxis] * base ** (-np.arange(0, features, 2) / features)


@lru_cache(maxsize=64)
def _sinusoids(positions: int, features: int, base: float, dtype: str) -> Array:
    found = angles(positions, features, base)
    table = np.empty((positions, 2 * found.shape[1]))
    table[:, 0::2], table[:, 1::2] = np.sin(found), np.cos(found)
    table = np.ascontiguousarray(table[:, :features], dtype)
    table.flags.writeable = False  # many calls share it
    return table


@dataclass(frozen=True)
class SinusoidalPositions(Checked):
    """x plus sines and cosines of the position: sin(p·b^(−2i/n)) to feature 2i, cos of the same to feature 2i + 1.

        - sinusoidal_positions

    Vaswani et al., *Attention is all you need*, 2017, section 3.5. Nothing is learnt, and sequences have any length.

    Args:
        base: b; the slowest wave is 2π·b positions long.

    (m, positions, n) stays (m, positions, n).
    """

    base: Annotated[float, Limits(gt=1)] = 10000.0
    positionwise: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        check_sequences("sinusoidal_positions", input_shape)
        return {}, input_shape

    def apply(self, parameters: Parameters, x: Any) -> Any:
        return x + _sinusoids(*x.shape[1:], self.base, str(x.dtype))


@dataclass(frozen=True)
class LearnedPositions(Checked):
    """x plus a row for each position, which is learnt: (m, positions, n) stays (m, positions, n).

        - learned_positions
        - learned_positions: {longest: 128}

    Args:
        longest: how many positions there are rows for; by default those of the data set's sequences.
        initial: how the rows are drawn (see `trainer.nn.initial.draw`).

    Parameter table (longest, n).
    """

    longest: Annotated[int, Limits(ge=1)] | None = None
    initial: Initial = "normal"
    positionwise: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        positions, features = check_sequences("learned_positions", input_shape)
        longest = positions if self.longest is None else self.longest
        if positions > longest:
            raise ShapeError(f"learned_positions has longest: {longest}, and the sequences here have {positions}")
        return {"table": draw(self.initial, rng, (longest, features), features, features)}, input_shape

    def apply(self, parameters: Parameters, x: Any) -> Any:
        table = parameters["table"]
        if x.shape[1] == table.shape[0]:
            return x + table
        return x + table[: x.shape[1]]


LAYERS: tuple[type, ...] = (SinusoidalPositions, LearnedPositions)
