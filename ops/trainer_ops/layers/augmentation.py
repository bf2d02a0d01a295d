"""Images and sequences changed a little at each step of training, so that a network learns what does not matter.

Every example is changed by draws of its own, which are a function of the seed, the layer and the step. Gradients pass:
each result is a weighted sum of numbers of x, and the weights depend on the draws alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from trainer.errors import ShapeError
from trainer.limits import Limits
from trainer.nn import Draw
from trainer.types import Shape
from trainer_ops._geometry import per_axis
from trainer_ops.layers._examples import spatial
from trainer_ops.layers.regularization import InTraining

__all__ = ["LAYERS"]

Pixels = Annotated[int, Limits(ge=0)]
Fill = Literal["edge", "zero"]


@dataclass(frozen=True)
class RandomShift(InTraining):
    """In training each example is moved by whole pixels along each of its spatial axes.

        - random_shift: 1
        - random_shift: {pixels: [2, 0], fill: zero}

    All whole numbers from −pixels to pixels are equally likely. Keras' RandomTranslation, whose factor is a part of the
    size.

    Args:
        pixels: the largest shift, 1; one number, or one per axis.
        fill: what comes in: the number at the 'edge', again and again, which is the default, or 'zero'.

    (m, *spatial, channels) → the same; no parameters.
    """

    pixels: Pixels | tuple[Pixels, ...] = 1
    fill: Fill = "edge"

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        per_axis("pixels", self.pixels, len(spatial("random_shift", input_shape)), least=0)
        return {}, tuple(input_shape)

    def change(self, x: Any, draw: Draw) -> Any:
        for axis, pixels in enumerate(per_axis("pixels", self.pixels, x.ndim - 2, least=0), start=1):
            if pixels:
                places = np.arange(x.shape[axis], dtype=x.dtype) - _whole(draw((x.shape[0], 1)), pixels)  # (m, n)
                x = _taken(x, axis, places, self.fill)
        return x


def _whole(uniform: Any, largest: int) -> Any:
    """Whole numbers from −largest to largest, in float arrays."""
    return np.minimum(np.floor(uniform * (2 * largest + 1)), 2 * largest) - largest


def _taken(x: Any, axis: int, places: Any, fill: Fill) -> Any:
    """x at these whole places (m, n) along an axis, and what `fill` says where there are none."""
    size = x.shape[axis]
    shape = [places.shape[1] if a == axis else 1 for a in range(1, x.ndim)]
    index = np.reshape(np.clip(places, 0, size - 1).astype(np.int64), (x.shape[0], *shape))
    full = (x.shape[0], *(places.shape[1] if a == axis else x.shape[a] for a in range(1, x.ndim)))
    y = np.take_along_axis(x, np.broadcast_to(index, full), axis=axis)
    if fill == "zero":
        y = y * np.reshape(((places >= 0) & (places < size)).astype(x.dtype), (x.shape[0], *shape))
    return y


@dataclass(frozen=True)
class RandomFlip(InTraining):
    """In training every second example, by chance, is mirrored.

        - random_flip
        - random_flip: both

    Args:
        axis: 'horizontal', which exchanges left and right, the default; 'vertical', which exchanges top and bottom; or
            'both', each with a chance of its own. Of sequences, 'horizontal' reverses the positions.

    (m, height, width, channels) → the same; no parameters. Keras' RandomFlip, whose default is both.
    """

    axis: Literal["horizontal", "vertical", "both"] = "horizontal"

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        rank = len(spatial("random_flip", input_shape))
        if rank == 1 and self.axis != "horizontal":
            raise ShapeError(f"axis: {self.axis} needs examples (height, width, channels), and these are sequences")
        return {}, tuple(input_shape)

    def change(self, x: Any, draw: Draw) -> Any:
        axes = {"horizontal": (-2,), "vertical": (-3,), "both": (-2, -3)}[self.axis]
        for axis in axes:
            mirrored = draw((x.shape[0], *(1,) * (x.ndim - 1))) < 0.5
            x = np.where(mirrored, np.flip(x, axis), x)
        return x


@dataclass(frozen=True)
class RandomRotation(InTraining):
    """In training each image is turned about its centre by an angle, uniform on ±degrees.

        - random_rotation: 10

    A new pixel is the bilinear mean of the four old ones around the place that it came from. Keras' RandomRotation,
    whose factor is a part of 2π.

    Args:
        degrees: the largest angle.
        fill: what lies around the image: the number at the 'edge', again and again, which is the default, or 'zero'.

    (m, height, width, channels) → the same; no parameters.
    """

    degrees: Annotated[float, Limits(gt=0, le=180)]
    fill: Fill = "edge"

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        spatial("random_rotation", input_shape, rank=2)
        return {}, tuple(input_shape)

    def change(self, x: Any, draw: Draw) -> Any:
        angle = (2 * draw((x.shape[0], 1, 1)) - 1) * math.radians(self.degrees)
        cos, sin = np.cos(angle), np.sin(angle)
        middle = [(n - 1) / 2 for n in x.shape[1:3]]
        down, right = (np.arange(n, dtype=x.dtype) - c for n, c in zip(x.shape[1:3], middle, strict=True))
        down, right = down[:, None], right[None, :]
        rows, columns = cos * down - sin * right + middle[0], sin * down + cos * right + middle[1]
        return _bilinear(x, rows, columns, self.fill)


def _bilinear(x: Any, rows: Any, columns: Any, fill: Fill) -> Any:
    """x (m, height, width, channels) at places (m, h, w) between its pixels."""
    top, left = np.floor(rows), np.floor(columns)
    below, beside = np.expand_dims(rows - top, -1), np.expand_dims(columns - left, -1)
    near: Sequence[Any] = [
        _pixels(x, top + i, left + j, fill) * (below if i else 1 - below) * (beside if j else 1 - beside)
        for i in (0, 1)
        for j in (0, 1)
    ]
    return near[0] + near[1] + near[2] + near[3]


def _pixels(x: Any, rows: Any, columns: Any, fill: Fill) -> Any:
    """x at whole places (m, h, w)."""
    m, height, width, channels = x.shape
    inside = np.clip(rows, 0, height - 1) * width + np.clip(columns, 0, width - 1)
    index = np.reshape(inside.astype(np.int64), (m, -1, 1))
    flat = np.reshape(x, (m, height * width, channels))
    y = np.take_along_axis(flat, np.broadcast_to(index, (m, index.shape[1], channels)), axis=1)
    y = np.reshape(y, (m, *rows.shape[1:], channels))
    if fill == "zero":
        there = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        y = y * np.expand_dims(there.astype(x.dtype), -1)
    return y


LAYERS = (RandomShift, RandomFlip, RandomRotation)
