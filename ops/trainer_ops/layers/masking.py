"""Sequences of unequal length: positions that do not exist, and what sums up those that do.

Shorter sequences are padded to the length of the longest. A layer that knows the padding, `masking` here or an
embedding's `mask`, says so with a mask, which goes along with the values until a layer has no positions any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trainer.errors import ShapeError
from trainer.nn import Masked
from trainer.nn.calls import name_of
from trainer.types import Shape

__all__ = ["LAYERS", "LastPosition", "Masking", "MaxOverPositions", "MeanOverPositions", "check_sequences"]

Parameters = Mapping[str, Any]


def check_sequences(name: str, shape: Shape) -> tuple[int, int]:
    """The positions and features of an example, which must be a sequence.

    Raises ShapeError where it is none, and says what to put before the layer.

    >>> check_sequences("lstm", (28, 8))
    (28, 8)
    """
    if len(shape) == 2 and 0 not in shape:
        return shape[0], shape[1]
    way_out = ""
    if len(shape) == 1:
        way_out = f"; put 'reshape: [{shape[0]}, 1]' before it for {shape[0]} positions of one number"
    elif len(shape) == 3:
        way_out = f"; put 'reshape: [{shape[0]}, {shape[1] * shape[2]}]' before it for {shape[0]} positions"
    raise ShapeError(f"{name} takes sequences, (positions, features) per example, and an example is {shape}{way_out}")


@dataclass(frozen=True)
class Masking:
    """Positions all of whose features are `value` do not exist: the padding of sequences of unequal length.

        - masking
        - masking: -1

    Args:
        value: what padding is made of.

    Input (m, positions, features), passed on as it is, with a mask (m, positions). Keras's Masking. Behind
    `standardize: true` padding is no longer what it was; leave one of the two out.
    """

    value: float = 0.0
    masked: ClassVar[bool] = True
    reads_padding: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        check_sequences("masking", input_shape)
        return {}, input_shape

    def apply(self, parameters: Parameters, x: Any) -> Masked:
        values, before = (x.values, x.mask) if isinstance(x, Masked) else (x, None)
        mask = np.any(values != self.value, axis=-1)
        return Masked(values, mask if before is None else np.logical_and(mask, before))


class _Over:
    """From sequences to one row of features per example."""

    masked: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        check_sequences(name_of(self), input_shape)
        return {}, input_shape[1:]

    def apply(self, parameters: Parameters, x: Any) -> Any:
        return self._of(x.values, np.expand_dims(x.mask, -1)) if isinstance(x, Masked) else self._of(x, None)

    def _of(self, x: Any, mask: Any) -> Any:
        """The row, of all positions or of those that the mask (m, positions, 1) keeps; zeros where it keeps none."""
        raise NotImplementedError


@dataclass(frozen=True)
class MeanOverPositions(_Over):
    """The mean of each feature over the positions that exist.

        - mean_over_positions

    (m, positions, features) → (m, features); zeros for an example without any.
    """

    def _of(self, x: Any, mask: Any) -> Any:
        if mask is None:
            return np.mean(x, axis=1)
        return np.sum(np.where(mask, x, 0), axis=1) / np.maximum(np.sum(mask.astype(x.dtype), axis=1), 1)


@dataclass(frozen=True)
class MaxOverPositions(_Over):
    """The largest of each feature over the positions that exist.

        - max_over_positions

    (m, positions, features) → (m, features); zeros for an example without any.
    """

    def _of(self, x: Any, mask: Any) -> Any:
        if mask is None:
            return np.max(x, axis=1)
        return np.where(np.any(mask, axis=1), np.max(np.where(mask, x, -np.inf), axis=1), 0)


@dataclass(frozen=True)
class LastPosition(_Over):
    """The features of the last position that exists.

        - last_position

    (m, positions, features) → (m, features); zeros for an example without any.
    """

    def _of(self, x: Any, mask: Any) -> Any:
        if mask is None:
            return x[:, -1]
        last = x.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1, keepdims=True)  # (m, 1, 1)
        row = np.take_along_axis(x, np.broadcast_to(last, (x.shape[0], 1, x.shape[2])), axis=1)[:, 0]
        return np.where(np.any(mask, axis=1), row, 0)


LAYERS: tuple[type, ...] = (Masking, MeanOverPositions, MaxOverPositions, LastPosition)
