"""Convolutions with weights of their own, over sequences, images and volumes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from trainer.errors import ShapeError
from trainer.limits import Checked, Limits
from trainer.nn.initial import Initial, draw
from trainer.types import Array, Shape
from trainer_ops._geometry import geometry, geometry_of_transposed, per_axis
from trainer_ops.convolution import (
    conv,
    conv1d,
    conv1d_transpose,
    conv2d,
    conv2d_transpose,
    conv3d,
    conv3d_transpose,
)
from trainer_ops.layers._examples import spatial

__all__ = ["LAYERS", "Count", "Edges"]

Count = Annotated[int, Limits(ge=1)]
Counts = Count | tuple[Count, ...]  # one, or one per axis
_Pad = Annotated[int, Limits(ge=0)]
Edges = _Pad | tuple[_Pad, ...] | tuple[tuple[_Pad, _Pad], ...]  # one, one per axis, or (before, after) per axis


class _Convolving(Checked):
    """What the convolutions share: a weighted sum of every window, and a bias per filter."""

    name: ClassVar[str]
    rank: ClassVar[int | None]
    op: ClassVar[Callable[..., Any]]
    bias: bool
    initial: Initial

    def _parameters(self, rng: np.random.Generator, weights: Shape, fans: tuple[int, int], filters: int) -> Any:
        parameters = {"weights": draw(self.initial, rng, weights, *fans)}
        if self.bias:
            parameters["bias"] = np.zeros(filters)
        return parameters

    def _attributes(self) -> dict[str, Any]:
        raise NotImplementedError

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return type(self).op(x, parameters["weights"], parameters.get("bias"), **self._attributes())

    def drawn_filters(self, parameters: Mapping[str, Any]) -> Array:
        return np.asarray(parameters["weights"])


class _Filtering(_Convolving):
    """Convolutions that are told how many filters they have."""

    filters: int
    kernel: int | tuple[int, ...]
    groups: int

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        places, channels = spatial(self.name, input_shape, self.rank), input_shape[-1]
        if channels % self.groups or self.filters % self.groups:
            raise ShapeError(
                f"groups: {self.groups} must divide the channels, {channels}, and the filters, {self.filters}"
            )
        window = per_axis("kernel", self.kernel, len(places))
        out = self._out(places, window)
        fans = math.prod(window) * channels // self.groups, math.prod(window) * self.filters
        weights = (*window, *self._channels(channels))
        return self._parameters(rng, weights, fans, self.filters), (*out, self.filters)

    def _out(self, places: Shape, window: Shape) -> Shape:
        """The spatial axes of what comes out."""
        raise NotImplementedError

    def _channels(self, channels: int) -> Shape:
        """The last two axes of the weights."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Convolution(_Filtering):
    filters: Count
    kernel: Counts = 3
    stride: Counts = 1
    padding: Literal["valid", "same"] | Edges = "valid"
    dilation: Counts = 1
    groups: Count = 1
    bias: bool = True
    initial: Initial = "glorot"

    def _out(self, places: Shape, window: Shape) -> Shape:
        return geometry(places, window, self.stride, self.padding, self.dilation).out

    def _channels(self, channels: int) -> Shape:
        return channels // self.groups, self.filters

    def _attributes(self) -> dict[str, Any]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}


class Conv1d(_Convolution):
    """Every window of a sequence times the weights, summed: (m, length, channels) → (m, windows, filters).

        - conv1d: {filters: 16, kernel: 5, padding: same}

    Options and parameters are those of `conv2d`, with one spatial axis.
    """

    name, rank, op = "conv1d", 1, conv1d


class Conv2d(_Convolution):
    """Every window of an image times the weights, summed: (m, height, width, channels) → (m, rows, columns, filters).

        - conv2d: 8
        - conv2d: {filters: 16, kernel: [3, 5], stride: 2, padding: same}

    Source: LeCun et al., *Backpropagation applied to handwritten zip code recognition*, 1989; see the op `conv2d`.

    Args:
        filters: how many numbers come out for each window.
        kernel: the window's size, 3; one number, or one per axis.
        stride: from one window to the next, 1.
        padding: zeros around x: 'valid' (none), the default, 'same' (⌈size / stride⌉ windows along each axis, the odd
            zero after), a number, one per axis, or a pair (before, after) per axis.
        dilation: from one element of a window to the next, 1.
        groups: channels and filters are split into so many groups, and each sees its own alone; 1.
        bias: whether a bias is added to each filter, true.
        initial: how the weights are drawn, `glorot` (see `trainer.nn.initial.draw`); fan_in is window · channels /
            groups and fan_out window · filters, as in Keras and PyTorch. The bias starts at zero.

    Parameters: weights (*kernel, channels / groups, filters) and bias (filters,).
    """

    name, rank, op = "conv2d", 2, conv2d


class Conv3d(_Convolution):
    """Every window of a volume times the weights, summed: (m, depth, height, width, channels) → (m, …, filters).

        - conv3d: {filters: 4, kernel: 3}

    Options and parameters are those of `conv2d`, with three spatial axes.
    """

    name, rank, op = "conv3d", 3, conv3d


@dataclass(frozen=True)
class _Transposed(_Filtering):
    filters: Count
    kernel: Counts = 3
    stride: Counts = 1
    padding: Literal["valid", "same"] | Edges = "valid"
    output_padding: _Pad | tuple[_Pad, ...] = 0
    dilation: Counts = 1
    groups: Count = 1
    bias: bool = True
    initial: Initial = "glorot"

    def _out(self, places: Shape, window: Shape) -> Shape:
        return geometry_of_transposed(
            places, window, self.stride, self.padding, self.output_padding, self.dilation
        ).shape

    def _channels(self, channels: int) -> Shape:
        return self.filters // self.groups, channels

    def drawn_filters(self, parameters: Mapping[str, Any]) -> Array:
        return np.swapaxes(super().drawn_filters(parameters), -1, -2)

    def _attributes(self) -> dict[str, Any]:
        return {
            "stride": self.stride, "padding": self.padding, "output_padding": self.output_padding,
            "dilation": self.dilation, "groups": self.groups,
        }  # fmt: skip


class Conv1dTranspose(_Transposed):
    """The transpose of `conv1d`, which makes a sequence longer: (m, length, channels) → (m, longer, filters).

        - conv1d_transpose: {filters: 8, kernel: 4, stride: 2, padding: same}

    Options and parameters are those of `conv2d_transpose`, with one spatial axis.
    """

    name, rank, op = "conv1d_transpose", 1, conv1d_transpose


class Conv2dTranspose(_Transposed):
    """The transpose of `conv2d`, which makes an image larger: (m, height, width, channels) → (m, …, filters).

        - conv2d_transpose: {filters: 8, kernel: 3, stride: 2, padding: same}

    Every element of x puts the weights, times itself, where the convolution would have taken its window from. Source:
    Dumoulin & Visin, *A guide to convolution arithmetic for deep learning*, 2016, chapter 4; see `conv_transpose`.

    Args:
        filters: how many channels come out.
        kernel: the window's size, 3; one number, or one per axis.
        stride: of the convolution that is transposed, and so how much larger the output is; 1.
        padding: of that convolution: so much is cut off around the output; 'valid' (nothing), the default, 'same' (the
            output is `stride` times x's size), a number, one per axis, or a pair (before, after) per axis.
        output_padding: how much larger than the smallest possible the output is at its end, less than `stride`; 0.
        dilation, groups: of that convolution, 1.
        bias: whether a bias is added to each filter, true.
        initial: how the weights are drawn, `glorot`; fan_in is window · channels / groups, what an output is a sum of
            at stride 1, and fan_out window · filters (Keras and PyTorch have the two the other way round, which
            `glorot` does not feel). The bias starts at zero.

    Parameters: weights (*kernel, filters / groups, channels) and bias (filters,).
    """

    name, rank, op = "conv2d_transpose", 2, conv2d_transpose


class Conv3dTranspose(_Transposed):
    """The transpose of `conv3d`, which makes a volume larger: (m, depth, height, width, channels) → (m, …, filters).

        - conv3d_transpose: {filters: 4, kernel: 2, stride: 2}

    Options and parameters are those of `conv2d_transpose`, with three spatial axes.
    """

    name, rank, op = "conv3d_transpose", 3, conv3d_transpose


@dataclass(frozen=True)
class DepthwiseConv(_Convolving):
    """Every channel convolved by itself, along any axes: (m, *spatial, c) → (m, *windows, c · multiplier).

        - depthwise_conv: 3

    A convolution with as many groups as there are channels. Keras' DepthwiseConv1D and 2D.

    Args:
        kernel: the window's size, 3; one number, or one per axis.
        multiplier: how many filters each channel gets, 1; they come out next to each other.
        stride, padding, dilation, bias: as for `conv2d`.
        initial: how the weights are drawn, `glorot`, with fan_in window and fan_out window · c · multiplier.

    Parameters: weights (*kernel, 1, c · multiplier) and bias (c · multiplier,).
    """

    kernel: Counts = 3
    multiplier: Count = 1
    stride: Counts = 1
    padding: Literal["valid", "same"] | Edges = "valid"
    dilation: Counts = 1
    bias: bool = True
    initial: Initial = "glorot"
    name: ClassVar[str] = "depthwise_conv"

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        places, channels = spatial(self.name, input_shape), input_shape[-1]
        window = per_axis("kernel", self.kernel, len(places))
        g = geometry(places, window, self.stride, self.padding, self.dilation)
        filters = channels * self.multiplier
        fans = math.prod(window), math.prod(window) * filters
        return self._parameters(rng, (*window, 1, filters), fans, filters), (*g.out, filters)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return conv(
            x, parameters["weights"], parameters.get("bias"),
            stride=self.stride, padding=self.padding, dilation=self.dilation, groups=x.shape[-1],
        )  # fmt: skip


@dataclass(frozen=True)
class SeparableConv(Checked):
    """A `depthwise_conv`, then weighted sums of its channels: (m, *spatial, c) → (m, *windows, filters).

        - separable_conv: 16
        - separable_conv: {filters: 16, kernel: 5, padding: same}

    Nearly what a convolution can say, with fewer parameters. Source: Chollet, *Xception*, 2017; Keras'
    SeparableConv1D and 2D.

    Args:
        filters: how many numbers come out for each window.
        kernel, multiplier, stride, padding, dilation: of the depthwise convolution, with its defaults.
        bias: whether a bias is added to each filter, true.
        initial: how both weights are drawn, `glorot`, each with its own fans; the bias starts at zero.

    Parameters: depthwise (*kernel, 1, c · multiplier), pointwise (c · multiplier, filters) and bias (filters,).
    """

    filters: Count
    kernel: Counts = 3
    multiplier: Count = 1
    stride: Counts = 1
    padding: Literal["valid", "same"] | Edges = "valid"
    dilation: Counts = 1
    bias: bool = True
    initial: Initial = "glorot"
    name: ClassVar[str] = "separable_conv"

    def _depthwise(self) -> DepthwiseConv:
        return DepthwiseConv(
            self.kernel, self.multiplier, self.stride, self.padding, self.dilation, bias=False, initial=self.initial
        )

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        spatial(self.name, input_shape)
        depthwise, between = self._depthwise().init(rng, input_shape)
        channels = between[-1]
        parameters = {
            "depthwise": depthwise["weights"],
            "pointwise": draw(self.initial, rng, (channels, self.filters), channels, self.filters),
        }
        if self.bias:
            parameters["bias"] = np.zeros(self.filters)
        return parameters, (*between[:-1], self.filters)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        h = self._depthwise().apply({"weights": parameters["depthwise"]}, x)
        pointwise = np.reshape(parameters["pointwise"], (*(1,) * (x.ndim - 2), h.shape[-1], self.filters))
        return conv(h, pointwise, parameters.get("bias"))

    def drawn_filters(self, parameters: Mapping[str, Any]) -> Array:
        return self._depthwise().drawn_filters({"weights": parameters["depthwise"]})


LAYERS = (
    Conv1d, Conv2d, Conv3d, Conv1dTranspose, Conv2dTranspose, Conv3dTranspose, DepthwiseConv, SeparableConv,
)  # fmt: skip
