"""The one op that draws: uniform numbers as a function of a key and a step, so that any step can be redone."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.engine.op import op
from trainer.types import Array

__all__ = ["uniform"]


@op
def uniform(step: Any, *, key: tuple[int, int], shape: tuple[int, ...], dtype: str) -> Array:
    """Numbers from [0, 1), uniform: Philox under `key`, its counter at `step` (see `trainer.rng`).

    >>> uniform(np.int64(3), key=(0, 1), shape=(2,), dtype="float64").round(3)
    array([0.799, 0.023])
    """
    generator = np.random.Generator(np.random.Philox(key=list(key), counter=[0, 0, 0, int(step)]))
    return generator.random(shape, dtype=np.dtype(dtype).type)


uniform.nondifferentiable("step")
