"""Normalization with a scale and a shift that are learnt, and, over batches, with moving averages.

`scale` and `shift` are what Keras calls gamma and beta, and PyTorch weight and bias. They start at one and zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from trainer.errors import ShapeError
from trainer.limits import Checked, Limits
from trainer.nn import Draw, LayerState, Masked
from trainer.types import Shape
from trainer_ops._common import axes_of
from trainer_ops.layers._examples import spatial
from trainer_ops.normalization import (
    batch_norm,
    batch_norm_inference,
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
)

__all__ = ["LAYERS"]

Epsilon = Annotated[float, Limits(ge=0)]
LastAxis = Annotated[int, Limits(le=-1)]


class _Affine(Checked):
    """Scale and shift of one shape, where the options of these names ask for them."""

    scale: bool
    shift: bool

    def _parameters(self, shape: Shape) -> dict[str, Any]:
        scale = {"scale": np.ones(shape)} if self.scale else {}
        return {**scale, "shift": np.zeros(shape)} if self.shift else scale


def _channels(name: str, shape: Shape) -> Shape:
    if not shape:
        raise ShapeError(f"{name} needs an axis of features, and each example is a single number")
    return shape[-1:]


@dataclass(frozen=True)
class BatchNorm(_Affine):
    """Each channel with mean 0 and variance 1 over the batch and all places. Ioffe & Szegedy, 2015.

        - dense: {units: 64, bias: false}
        - batch_norm
        - relu

    In training with the statistics of the batch, which go into moving averages; in evaluation with the averages, and in
    training too where mean and variance are frozen. Of masked sequences only the positions that exist are counted.
    Parameters that no step was taken at, such as an average of θ, get the mean of all batches' statistics at them.

    Args:
        momentum: how much of a moving average stays at each step, 0.9: average ← momentum · average + (1 − momentum) ·
            the batch's. Keras writes it so, with 0.99; PyTorch writes 1 − momentum, 0.1.
        epsilon: added to the variance, 1e-5, as in PyTorch; Keras has 1e-3.
        scale, shift: whether these are learnt, true.
        unbiased: whether the variance that goes into the moving average is divided by n − 1, as in PyTorch, or by n, as
            in Keras and by default. The batch itself is always normalized with n.

    (m, …, channels) → the same. Parameters: scale and shift (channels,); kept: mean (channels,), from 0, and variance
    (channels,), from 1. A batch of one example at one place has variance 0, and gives the shift; since it says nothing
    of how channels vary, it leaves the averages as they are, and so does one without any position.
    """

    momentum: Annotated[float, Limits(ge=0, le=1)] = 0.9
    epsilon: Annotated[float, Limits(gt=0)] = 1e-5
    scale: bool = True
    shift: bool = True
    unbiased: bool = False
    masked: ClassVar[bool] = True
    needs_rows: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        channels = _channels("batch_norm", input_shape)
        kept = {"mean": LayerState(np.zeros(channels)), "variance": LayerState(np.ones(channels))}
        return {**self._parameters(channels), **kept}, tuple(input_shape)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        values = x.values if isinstance(x, Masked) else x
        scale, shift = parameters.get("scale"), parameters.get("shift")
        y = batch_norm_inference(values, parameters["mean"], parameters["variance"], scale, shift, epsilon=self.epsilon)
        return Masked(y, x.mask) if isinstance(x, Masked) else y

    def train(self, parameters: Mapping[str, Any], x: Any, draw: Draw) -> tuple[Any, dict[str, Any]]:
        scale, shift = parameters.get("scale"), parameters.get("shift")
        y: Any
        if isinstance(x, Masked):
            mean, variance, n = _of_existing(x)
            values = batch_norm_inference(x.values, mean, variance, scale, shift, epsilon=self.epsilon)
            y, correction = Masked(values, x.mask), n / np.maximum(n - 1, 1)
        else:
            y, mean, variance = batch_norm(x, scale, shift, epsilon=self.epsilon)
            n = math.prod(x.shape[:-1])
            correction = n / max(n - 1, 1)
        if self.unbiased:
            variance = variance * correction
        stays = self.momentum if draw.seen is None else draw.seen / (draw.seen + 1)
        moved = {
            name: _moved(parameters[name], new, stays, n) for name, new in (("mean", mean), ("variance", variance))
        }
        return y, moved


def _moved(average: Any, new: Any, stays: float, n: Any) -> Any:
    """The average after a batch of n elements per channel; n is a number, or an array where a mask decides."""
    if isinstance(n, int):
        return stays * average + (1 - stays) * new if n > 1 else average
    return np.where(n > 1, stays * average + (1 - stays) * new, average)


def _of_existing(x: Masked) -> tuple[Any, Any, Any]:
    """Mean and variance of each channel over the positions that exist, and how many elements those are averages of."""
    dtype, axes = x.values.dtype, tuple(range(x.values.ndim - 1))
    weights = np.reshape(x.mask.astype(dtype), (*x.mask.shape, *(1,) * (x.values.ndim - 2)))
    each = math.prod(x.values.shape[2:-1])
    n = np.maximum(np.sum(weights) * each, 1)
    mean = np.sum(x.values * weights, axis=axes) / n
    return mean, np.sum(np.square(x.values - mean) * weights, axis=axes) / n, n


@dataclass(frozen=True)
class LayerNorm(_Affine):
    """Each example, or each position, with mean 0 and variance 1 over its last axes. Ba, Kiros & Hinton, 2016.

        - layer_norm
        - layer_norm: {axis: [-2, -1]}

    Args:
        axis: what to normalize over: the last axis, -1, or a list of the last axes.
        epsilon: added to the variance, 1e-5, as in PyTorch; Keras has 1e-3.
        scale, shift: whether these are learnt, true.

    (m, …, features) → the same. Parameters: scale and shift, of the shape of the normalized axes.
    """

    axis: LastAxis | tuple[LastAxis, ...] = -1
    epsilon: Epsilon = 1e-5
    scale: bool = True
    shift: bool = True

    @property
    def positionwise(self) -> bool:
        """Whether every position of a sequence is normalized on its own."""
        return _is_last_alone(self.axis)

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        return self._parameters(_last("layer_norm", input_shape, self.axis)), tuple(input_shape)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return layer_norm(x, parameters.get("scale"), parameters.get("shift"), axis=self.axis, epsilon=self.epsilon)


def _is_last_alone(axis: int | tuple[int, ...]) -> bool:
    return axis in (-1, (-1,))


def _last(name: str, shape: Shape, axis: int | tuple[int, ...]) -> Shape:
    """The lengths of these last axes."""
    _channels(name, shape)
    count = 1 if isinstance(axis, int) else len(axis)
    if count > len(shape) or sorted(axes_of(axis, len(shape))) != list(range(len(shape) - count, len(shape))):
        raise ShapeError(f"axis: {axis} are not the last axes of an example, -1 or [-2, -1] and so on")
    return shape[len(shape) - count :]


@dataclass(frozen=True)
class RmsNorm(Checked):
    """x/√(⟨x²⟩ + ε) · scale over the last axes: `layer_norm` without a mean. Zhang & Sennrich, 2019.

        - rms_norm

    Args:
        axis: what to normalize over: the last axis, -1, or a list of the last axes.
        epsilon: added to the mean square, 1e-6, as in Keras; PyTorch has the dtype's own, 2.2e-16 for float64.
        scale: whether it is learnt, true.

    (m, …, features) → the same. Parameter: scale, of the shape of the normalized axes.
    """

    axis: LastAxis | tuple[LastAxis, ...] = -1
    epsilon: Epsilon = 1e-6
    scale: bool = True

    @property
    def positionwise(self) -> bool:
        """Whether every position of a sequence is normalized on its own."""
        return _is_last_alone(self.axis)

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        shape = _last("rms_norm", input_shape, self.axis)
        return {"scale": np.ones(shape)} if self.scale else {}, tuple(input_shape)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return rms_norm(x, parameters.get("scale"), axis=self.axis, epsilon=self.epsilon)


@dataclass(frozen=True)
class GroupNorm(_Affine):
    """Each group of channels of each example with mean 0 and variance 1 over its places. Wu & He, 2018.

        - group_norm: 4

    Args:
        groups: how many; they must divide the channels. Neighbouring channels are together.
        epsilon: added to the variance, 1e-5, as in PyTorch; Keras has 1e-3.
        scale, shift: whether these are learnt, true.

    (m, …, channels) → the same. Parameters: scale and shift (channels,).
    """

    groups: Annotated[int, Limits(ge=1)]
    epsilon: Epsilon = 1e-5
    scale: bool = True
    shift: bool = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        channels = _channels("group_norm", input_shape)
        if channels[0] % self.groups:
            raise ShapeError(f"groups: {self.groups} must divide the channels, {channels[0]}")
        return self._parameters(channels), tuple(input_shape)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        scale, shift = parameters.get("scale"), parameters.get("shift")
        return group_norm(x, scale, shift, groups=self.groups, epsilon=self.epsilon)


@dataclass(frozen=True)
class InstanceNorm(_Affine):
    """Each channel of each example with mean 0 and variance 1 over its places. Ulyanov et al., 2016.

        - instance_norm

    Args:
        epsilon: added to the variance, 1e-5, as in PyTorch.
        scale, shift: whether these are learnt, true; PyTorch has none unless asked (affine=True).

    (m, *spatial, channels) → the same. Parameters: scale and shift (channels,).
    """

    epsilon: Epsilon = 1e-5
    scale: bool = True
    shift: bool = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        spatial("instance_norm", input_shape)
        return self._parameters(input_shape[-1:]), tuple(input_shape)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return instance_norm(x, parameters.get("scale"), parameters.get("shift"), epsilon=self.epsilon)


LAYERS = (BatchNorm, LayerNorm, RmsNorm, GroupNorm, InstanceNorm)
