"""Random numbers inside a network: a function of the seed, the layer and the step, so that any step can be redone."""

from __future__ import annotations

from typing import Any

from trainer.engine.random import uniform
from trainer.rng import key
from trainer.types import Numeric

__all__ = ["Draw"]


class Draw:
    """What a layer's `train` draws from: `draw(shape)` are uniform numbers in [0, 1).

    Each call gives others, in the next step others again, and the same step always the same.

    Attributes:
        seen: how many batches came before this one in a pass that takes what layers keep anew, for parameters that
            are no longer those of the steps (see `trainer.training.settling`); None in a step of training. A layer
            that keeps an average forgets it at 0, and then weighs the batches alike.

    >>> import numpy as np
    >>> draw = Draw(seed=0, step=np.int64(5), dtype="float64", path="1")
    >>> draw((2, 3)).shape
    (2, 3)
    """

    def __init__(self, seed: int, step: Numeric | int, dtype: str, path: str, seen: int | None = None) -> None:
        self.seed, self.step, self.dtype, self.path, self.seen = seed, step, dtype, path, seen
        self.calls = 0

    def __call__(self, shape: tuple[int, ...]) -> Any:
        self.calls += 1
        return uniform(
            self.step, key=key(self.seed, f"draw {self.calls} of layer {self.path}"), shape=tuple(shape),
            dtype=self.dtype,
        )  # fmt: skip

    def inside(self, name: str) -> Draw:
        """The draws of a layer within this one."""
        return Draw(self.seed, self.step, self.dtype, f"{self.path}.{name}", self.seen)
