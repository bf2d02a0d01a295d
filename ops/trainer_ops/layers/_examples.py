"""What the layers of images, sequences and volumes share: the axes of an example, and words for one that has others."""

from __future__ import annotations

import math

from trainer.errors import ShapeError
from trainer.types import Shape

__all__ = ["AXES", "Shape", "spatial"]

AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def spatial(name: str, shape: Shape, rank: int | None = None) -> Shape:
    """The spatial axes of examples (*spatial, channels): all but the last.

    Raises ShapeError where there are none, or not `rank` of them, and says what to put before the layer.

    >>> spatial("conv2d", (28, 20, 1), rank=2)
    (28, 20)
    """
    if len(shape) >= 2 and rank in (None, len(shape) - 1):
        return shape[:-1]
    axes = AXES[rank] if rank else "*spatial"
    count = f"{len(shape)} {'axis' if len(shape) == 1 else 'axes'}"
    raise ShapeError(
        f"{name} takes examples of shape ({axes}, channels), and these have {count}{_way_out(shape, rank or 2)}"
    )


def _way_out(shape: Shape, rank: int) -> str:
    if len(shape) == rank:
        return f"; put 'reshape: {[*shape, 1]}' before it, which adds an axis of channels"
    if len(shape) == 1:
        side = round(shape[0] ** (1 / rank))
        equal = [side] * rank if side > 1 and side**rank == shape[0] else None
        example = [*equal, 1] if equal else f"[{AXES[rank]}, channels]"
        return f"; put 'reshape: {example}' before it"
    if len(shape) > rank + 1:
        joined = [*shape[:rank], math.prod(shape[rank:])]
        return f"; put 'reshape: {joined}' before it, if the last axes are all channels"
    return ""
