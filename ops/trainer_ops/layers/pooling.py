"""Windows of sequences, images and volumes reduced to a number per channel. No parameters; any number of spatial axes.

The ops of the same names say how edges, padding and equal maxima are dealt with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from trainer.limits import Checked
from trainer.nn.calls import name_of
from trainer.types import Shape
from trainer_ops._geometry import per_axis
from trainer_ops.layers._examples import spatial
from trainer_ops.layers.convolution import Counts, Edges
from trainer_ops.pooling import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
    windows,
)

__all__ = ["LAYERS"]

Nothing = dict[str, Any]


@dataclass(frozen=True)
class MaxPool(Checked):
    """The largest number of each window: (m, *spatial, channels) → (m, *windows, channels).

        - max_pool: 2
        - max_pool: {window: 3, stride: 2, padding: same}

    Args:
        window: its size, 2; one number, or one per axis.
        stride: from one window to the next; as the window, unless given.
        padding: −∞ around x: 'valid' (none), the default, 'same' (⌈size / stride⌉ windows along each axis), a number,
            one per axis, or a pair (before, after) per axis.
        dilation: from one element of a window to the next, 1.
    """

    window: Counts = 2
    stride: Counts | None = None
    padding: Literal["valid", "same"] | Edges = "valid"
    dilation: Counts = 1

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[Nothing, Shape]:
        spatial("max_pool", input_shape)
        g = windows("max_pool", (1, *input_shape), self.window, self.stride, self.padding, self.dilation)
        return {}, (*g.out, input_shape[-1])

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return max_pool(x, window=self.window, stride=self.stride, padding=self.padding, dilation=self.dilation)


@dataclass(frozen=True)
class AveragePool(Checked):
    """The mean of each window: (m, *spatial, channels) → (m, *windows, channels).

        - average_pool: 2
        - average_pool: {window: [2, 3], stride: 1, padding: same}

    Args:
        window: its size, 2; one number, or one per axis.
        stride: from one window to the next; as the window, unless given.
        padding: around x: 'valid' (none), the default, 'same', a number, one per axis, or a pair (before, after) per
            axis.
        count_padding: take padding for zeros that count, as PyTorch does, rather than leave it out of the mean; false.
    """

    window: Counts = 2
    stride: Counts | None = None
    padding: Literal["valid", "same"] | Edges = "valid"
    count_padding: bool = False

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[Nothing, Shape]:
        spatial("average_pool", input_shape)
        g = windows("average_pool", (1, *input_shape), self.window, self.stride, self.padding)
        return {}, (*g.out, input_shape[-1])

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return average_pool(
            x, window=self.window, stride=self.stride, padding=self.padding, count_padding=self.count_padding
        )


def _adapted(name: str, size: Counts, input_shape: Shape) -> tuple[Nothing, Shape]:
    return {}, (*per_axis("size", size, len(spatial(name, input_shape))), input_shape[-1])


@dataclass(frozen=True)
class AdaptiveAveragePool(Checked):
    """Means of as many windows as `size` says, which cover x evenly: (m, *spatial, channels) → (m, *size, channels).

        - adaptive_average_pool: [4, 4]

    Args:
        size: of the output, 1; one number, or one per axis. Where it does not divide x's, windows share numbers.
    """

    size: Counts = 1

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[Nothing, Shape]:
        return _adapted("adaptive_average_pool", self.size, input_shape)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return adaptive_average_pool(x, size=self.size)


@dataclass(frozen=True)
class AdaptiveMaxPool(Checked):
    """Maxima of as many windows as `size` says, which cover x evenly: (m, *spatial, channels) → (m, *size, channels).

        - adaptive_max_pool: 4

    Args:
        size: of the output, 1; one number, or one per axis. Where it does not divide x's, windows share numbers.
    """

    size: Counts = 1

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[Nothing, Shape]:
        return _adapted("adaptive_max_pool", self.size, input_shape)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return adaptive_max_pool(x, size=self.size)


class _Global:
    """All spatial axes at once."""

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[Nothing, Shape]:
        spatial(name_of(self), input_shape)
        return {}, input_shape[-1:]


@dataclass(frozen=True)
class GlobalAveragePool(_Global):
    """The mean over all spatial axes: (m, *spatial, channels) → (m, channels). Lin et al., *Network in network*, 2013.

        - global_average_pool

    Of sequences of unequal length take `mean_over_positions`.
    """

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return global_average_pool(x)


@dataclass(frozen=True)
class GlobalMaxPool(_Global):
    """The largest number over all spatial axes: (m, *spatial, channels) → (m, channels).

        - global_max_pool

    Of sequences of unequal length take `max_over_positions`.
    """

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return global_max_pool(x)


LAYERS = (MaxPool, AveragePool, AdaptiveAveragePool, AdaptiveMaxPool, GlobalAveragePool, GlobalMaxPool)
