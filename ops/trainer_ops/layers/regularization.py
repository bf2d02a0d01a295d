"""Layers that disturb what passes through them in training, and pass it on as it is in evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from trainer.limits import Checked, Limits
from trainer.nn import Draw
from trainer.types import Shape
from trainer_ops.layers._examples import spatial
from trainer_ops.regularization import dropout

__all__ = ["LAYERS", "InTraining", "normal"]

Rate = Annotated[float, Limits(ge=0, lt=1)]
Deviation = Annotated[float, Limits(ge=0)]


class InTraining(Checked):
    """A layer without parameters that keeps the shape and acts in training alone. `change` says how."""

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        return {}, tuple(input_shape)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return x

    def change(self, x: Any, draw: Draw) -> Any:
        raise NotImplementedError

    def train(self, parameters: Mapping[str, Any], x: Any, draw: Draw) -> tuple[Any, dict[str, Any]]:
        return self.change(x, draw), {}


def normal(draw: Draw, shape: Shape) -> Any:
    """Standard normal numbers of two uniform ones, by Box & Muller, 1958."""
    radius = np.sqrt(-2 * np.log1p(-draw(shape)))  # 1 − u lies in (0, 1]
    return radius * np.cos(2 * math.pi * draw(shape))


@dataclass(frozen=True)
class Dropout(InTraining):
    """In training each number is set to 0 with probability `rate`, and the others are divided by 1 − rate.

        - dropout: 0.3

    Nothing happens in evaluation. Source: Srivastava et al., *Dropout: a simple way to prevent neural networks from
    overfitting*, 2014; divided in training, as in Keras and PyTorch.

    Args:
        rate: the part that is dropped, 0.5.

    Any shape (m, …); no parameters.
    """

    rate: Rate = 0.5
    positionwise: ClassVar[bool] = True

    def change(self, x: Any, draw: Draw) -> Any:
        return dropout(x, draw(x.shape), rate=self.rate)


@dataclass(frozen=True)
class SpatialDropout(InTraining):
    """`dropout` of whole channels: what is dropped is 0 at all places of an example.

        - spatial_dropout: 0.2

    Source: Tompson et al., *Efficient object localization using convolutional networks*, 2015; Keras' SpatialDropout
    and PyTorch's Dropout1d to 3d.

    Args:
        rate: the part that is dropped, 0.5.

    (m, *spatial, channels); no parameters.
    """

    rate: Rate = 0.5
    positionwise: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        spatial("spatial_dropout", input_shape)
        return {}, tuple(input_shape)

    def change(self, x: Any, draw: Draw) -> Any:
        return dropout(x, draw((x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])), rate=self.rate)


@dataclass(frozen=True)
class GaussianNoise(InTraining):
    """In training a normal number of mean 0 is added to each number. Bishop, 1995.

        - gaussian_noise: 0.1

    Args:
        deviation: of the noise.

    Any shape (m, …); no parameters. Keras' GaussianNoise.
    """

    deviation: Deviation
    positionwise: ClassVar[bool] = True

    def change(self, x: Any, draw: Draw) -> Any:
        return x + self.deviation * normal(draw, x.shape)


@dataclass(frozen=True)
class GaussianDropout(InTraining):
    """In training each number is multiplied by a normal one of mean 1 and variance rate / (1 − rate), as dropout's.

        - gaussian_dropout: 0.3

    Source: Srivastava et al., 2014, section 10; Keras' GaussianDropout.

    Args:
        rate: of the dropout whose variance it has, 0.5.

    Any shape (m, …); no parameters.
    """

    rate: Rate = 0.5
    positionwise: ClassVar[bool] = True

    def change(self, x: Any, draw: Draw) -> Any:
        return x * (1 + math.sqrt(self.rate / (1 - self.rate)) * normal(draw, x.shape))


# What selu tends to for −∞, −λα, and takes dropped numbers to.
_SATURATED = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


@dataclass(frozen=True)
class AlphaDropout(InTraining):
    """Dropout after selu: keeps the mean 0 and the variance 1 that selu brings about.

        - dense: {units: 64, initial: lecun_normal}
        - selu
        - alpha_dropout: 0.1

    Dropped numbers become −λα = −1.758, and all are then scaled and shifted. Source: Klambauer et al.,
    *Self-normalizing neural networks*, 2017; Keras' and PyTorch's AlphaDropout.

    Args:
        rate: the part that is dropped, 0.5.

    Any shape (m, …); no parameters.
    """

    rate: Rate = 0.5
    positionwise: ClassVar[bool] = True

    def change(self, x: Any, draw: Draw) -> Any:
        kept = (draw(x.shape) >= self.rate).astype(x.dtype)
        scale = ((1 - self.rate) * (1 + self.rate * _SATURATED**2)) ** -0.5
        return scale * (x * kept + _SATURATED * (1 - kept) - _SATURATED * self.rate)


LAYERS = (Dropout, SpatialDropout, GaussianNoise, GaussianDropout, AlphaDropout)
