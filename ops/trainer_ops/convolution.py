"""Convolution (cross-correlation, as all of deep learning has it) over any number of spatial axes, and its transposes.

**Layout.** Images are (n, *spatial, channels) and weights (*window, channels, filters), as in Keras and Flax: channels
are the last axis everywhere in this library, for dense layers, attention and normalization alike. In memory, results
lie the other way round, channels first and the batch last: the returned array is a transposed view of that. A row of
all examples at one pixel is then one contiguous run, so cutting out windows copies long runs, the matrix product gets
its operands as they are, and pooling works on whole runs whatever its stride. Element-wise NumPy keeps the order of
memory, so it lasts through a network. Each layout in its best arrangement, a batch of 64 in float32 on one thread, µs:

    28 × 28 × 1, 8 filters of          3 × 3    5 × 5        13 × 13 × 8, 16 filters of    3 × 3
    this                                 151      274                                        271
    channels first in memory             173      416                                        364
    channels last in memory              287      448                                        300
    gradient for x, this                 191      416                                        322
    gradient for x, channels last        438    1,350                                        954

**Algebra.** y = conv(x, w) is linear in each argument, so one trilinear form T(x, w, δy) = Σ δy ⊙ conv(x, w) says it
all: `conv` is its derivative by δy, `conv_input` by x, `conv_weights` by w. Each one's rules are the other two, which
closes derivatives of every order. What is kept for the backward sweep is x and the weights, never the windows of x,
which are several times larger and quick to cut out again.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer import op
from trainer.errors import ShapeError
from trainer_ops._common import Array, draw
from trainer_ops._geometry import Geometry, Padding, Sizes, geometry, geometry_of_transposed
from trainer_ops.windows import framed, overlap_add, turned

__all__ = [
    "conv", "conv1d", "conv1d_transpose", "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose", "conv_input",
    "conv_transpose", "conv_weights",
]  # fmt: skip

_ALL = slice(None)

# The three forms, on arrays turned to (channels, *spatial, n).


def _columns(x: Array, g: Geometry, groups: int) -> Array:
    """The windows of x, (n, *spatial, channels), as columns of a matrix per group: (groups, taps·channels, places)."""
    x = framed(x, g)
    x = np.reshape(x, (groups, x.shape[0] // groups, *x.shape[1:]))
    taps = g.taps
    windows = np.stack([x[(_ALL, _ALL, *tap)] for tap in taps], axis=1) if len(taps) > 1 else x[(_ALL, _ALL, *taps[0])]
    return np.reshape(windows, (groups, len(taps) * x.shape[1], math.prod(g.out) * x.shape[-1]))


def _rows(y: Array, groups: int) -> Array:
    """(n, *spatial, filters) as a matrix per group: (groups, filters, places)."""
    return np.reshape(turned(y), (groups, y.shape[-1] // groups, math.prod(y.shape[:-1])))


def _matrices(weights: Array, groups: int) -> Array:
    """(*window, channels, filters) as a matrix per group: (groups, taps·channels, filters)."""
    *taps, filters = weights.shape
    return np.swapaxes(np.reshape(weights, (math.prod(taps), groups, filters // groups)), 0, 1)


def _convolve(x: Array, weights: Array, g: Geometry, groups: int) -> Array:
    y = np.matmul(np.swapaxes(_matrices(weights, groups), 1, 2), _columns(x, g, groups))
    return np.swapaxes(np.reshape(y, (weights.shape[-1], *g.out, x.shape[0])), 0, -1)


def _to_input(dy: Array, weights: Array, g: Geometry, groups: int) -> Array:
    windows = np.matmul(_matrices(weights, groups), _rows(dy, groups))
    n, taps, channels = dy.shape[0], g.taps, weights.shape[-2]
    windows = np.reshape(windows, (groups, len(taps), channels, *g.out, n))
    places = tuple((_ALL, _ALL, *tap) for tap in taps)
    parts = [windows[:, i] for i in range(len(taps))]
    x = overlap_add(*parts, places=places, shape=(groups, channels, *g.padded, n), overlapping=g.overlapping)
    x = x[(_ALL, _ALL, *g.inside)] if g.pads else x
    return np.swapaxes(np.reshape(x, (groups * channels, *g.shape, n)), 0, -1)


def _to_weights(x: Array, dy: Array, g: Geometry, groups: int) -> Array:
    w = np.matmul(_columns(x, g, groups), np.swapaxes(_rows(dy, groups), 1, 2))
    return np.reshape(np.swapaxes(w, 0, 1), (*g.window, x.shape[-1] // groups, dy.shape[-1]))


# The ops. The plain three take any rank, which the weights tell.


@op
def conv(
    x: Array, weights: Array, bias: Array | None = None, *,
    stride: Sizes = 1, padding: Padding = "valid", dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """Every window of x times the weights, summed: (n, *spatial, channels) → (n, *windows, filters), for any rank.

    y[n, p, o] = b[o] + Σ_{k, c} x[n, stride·p + dilation·k − padding, c] · w[k, c, o]. Source: Dumoulin & Visin,
    *A guide to convolution arithmetic for deep learning*, 2016.

    Args:
        x: (n, *spatial, channels).
        weights: (*window, channels / groups, filters).
        bias: (filters,), or none.
        stride: from one window to the next; one number, or one per axis.
        padding: zeros around x: a number, one per axis, a pair (before, after) per axis, 'valid' (none) or 'same'
            (⌈size / stride⌉ windows along each axis, the odd zero after).
        dilation: from one element of a window to the next.
        groups: channels and filters are split into so many groups, and each sees its own alone.

    >>> conv(np.array([[[1.0], [2.0], [4.0]]]), np.array([[[1.0]], [[10.0]]])).ravel()
    array([21., 42.])
    """
    return _conv(x, weights, bias, stride, padding, dilation, groups)


def _conv(
    x: Array, weights: Array, bias: Array | None, stride: Sizes, padding: Padding, dilation: Sizes, groups: int,
    rank: int | None = None,
) -> Array:  # fmt: skip
    _check(x.shape, weights.shape, None if bias is None else np.shape(bias), groups, rank)
    g = geometry(x.shape[1:-1], weights.shape[:-2], stride, padding, dilation)
    y = _convolve(x, weights, g, groups)
    if bias is None:
        return y
    if type(bias) is type(y) and bias.dtype == y.dtype:
        y += bias  # y is this function's own
        return y
    return y + bias


def _check(
    x: tuple[int, ...], weights: tuple[int, ...], bias: tuple[int, ...] | None, groups: int, rank: int | None
) -> None:
    """Refuse shapes that do not fit, with the shapes that would."""
    spatial = _axes(rank)
    if len(x) != len(weights) or len(x) < 3 or rank not in (None, len(x) - 2):
        raise ShapeError(
            f"convolution takes x (n, {spatial}, channels) and weights ({spatial}, channels, filters); "
            f"x is {x} and weights are {weights}" + _channel_hint(x, weights)
        )
    channels, filters = x[-1], weights[-1]
    if groups < 1 or channels % groups or filters % groups:
        raise ShapeError(f"groups={groups} must divide the channels, {channels}, and the filters, {filters}")
    if weights[-2] != channels // groups:
        each = f" / {groups} groups" if groups > 1 else ""
        raise ShapeError(
            f"x {x} has {channels} channels{each}, its last axis, and weights {weights} take {weights[-2]}; "
            f"right would be weights {(*weights[:-2], channels // groups, filters)}"
        )
    if bias is not None and bias != (filters,):
        raise ShapeError(f"bias is {bias}, and there are {filters} filters: right would be ({filters},)")


def _axes(rank: int | None) -> str:
    return {None: "*spatial", 1: "length", 2: "height, width", 3: "depth, height, width"}[rank]


def _channel_hint(x: tuple[int, ...], weights: tuple[int, ...]) -> str:
    if len(x) != len(weights) - 1:
        return ""
    if x and x[-1] == weights[-2] != 1:
        return "; one example is a batch of one: x[None]"
    return "; add an axis of channels: x[..., None]"


@op
def conv_input(
    u: Array, weights: Array, *,
    shape: tuple[int, ...], stride: Sizes = 1, padding: Padding = "valid", dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """The gradient u of `conv`'s output carried back to an input of spatial `shape`; linear in both arrays.

    >>> conv_input(np.ones((1, 2, 1)), np.array([[[1.0]], [[10.0]]]), shape=(3,)).ravel()
    array([ 1., 11., 10.])
    """
    g = geometry(shape, weights.shape[:-2], stride, padding, dilation)
    _check_gradient(u.shape, g)
    return _to_input(u, weights, g, groups)


def _check_gradient(u: tuple[int, ...], g: Geometry) -> None:
    if u[1:-1] != g.out:
        raise ShapeError(
            f"windows {g.window} on a grid {g.shape} are {g.out}, and their gradient u has {u[1:-1]} of them"
        )


@op
def conv_weights(
    x: Array, u: Array, *,
    window: tuple[int, ...], stride: Sizes = 1, padding: Padding = "valid", dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """The gradient u of `conv`'s output carried back to weights of that window; linear in both arrays.

    >>> conv_weights(np.array([[[1.0], [2.0], [4.0]]]), np.ones((1, 2, 1)), window=(2,)).ravel()
    array([3., 6.])
    """
    g = geometry(x.shape[1:-1], window, stride, padding, dilation)
    _check_gradient(u.shape, g)
    return _to_weights(x, u, g, groups)


_S = Any  # a static attribute, passed on


def _x(dy: Array, weights: Array, x_shape: _S, *, stride: _S, padding: _S, dilation: _S, groups: _S) -> Array:
    shape = x_shape[1:-1]
    return conv_input(dy, weights, shape=shape, stride=stride, padding=padding, dilation=dilation, groups=groups)


def _weights(dy: Array, x: Array, weights_shape: _S, *, stride: _S, padding: _S, dilation: _S, groups: _S) -> Array:
    window = weights_shape[:-2]
    return conv_weights(x, dy, window=window, stride=stride, padding=padding, dilation=dilation, groups=groups)


def _bias(dy: Array) -> Array:
    return np.sum(dy, axis=tuple(range(dy.ndim - 1)))


conv.defvjp(x=_x, weights=_weights, bias=_bias)


@conv_input.vjp("u")
def _(dy: Array, weights: Array, *, stride: _S, padding: _S, dilation: _S, groups: _S) -> Array:
    return conv(dy, weights, stride=stride, padding=padding, dilation=dilation, groups=groups)


@conv_input.vjp("weights")
def _(dy: Array, u: Array, weights_shape: _S, *, stride: _S, padding: _S, dilation: _S, groups: _S) -> Array:
    window = weights_shape[:-2]
    return conv_weights(dy, u, window=window, stride=stride, padding=padding, dilation=dilation, groups=groups)


@conv_weights.vjp("x")
def _(dy: Array, u: Array, x_shape: _S, *, stride: _S, padding: _S, dilation: _S, groups: _S) -> Array:
    shape = x_shape[1:-1]
    return conv_input(u, dy, shape=shape, stride=stride, padding=padding, dilation=dilation, groups=groups)


@conv_weights.vjp("u")
def _(dy: Array, x: Array, *, stride: _S, padding: _S, dilation: _S, groups: _S) -> Array:
    return conv(x, dy, stride=stride, padding=padding, dilation=dilation, groups=groups)


# Of a given rank, so that a wrong number of axes is an error with a name.


@op
def conv1d(
    x: Array, weights: Array, bias: Array | None = None, *,
    stride: Sizes = 1, padding: Padding = "valid", dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """`conv` of sequences: x (n, length, channels), weights (window, channels / groups, filters), bias (filters,).

    >>> conv1d(np.ones((2, 10, 3)), np.ones((4, 3, 5)), stride=2, padding="same").shape
    (2, 5, 5)
    """
    return _conv(x, weights, bias, stride, padding, dilation, groups, rank=1)


@op
def conv2d(
    x: Array, weights: Array, bias: Array | None = None, *,
    stride: Sizes = 1, padding: Padding = "valid", dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """`conv` of images: x (n, height, width, channels), weights (height, width, channels / groups, filters).

    >>> conv2d(np.ones((64, 28, 28, 1)), np.ones((3, 3, 1, 8)), np.zeros(8)).shape
    (64, 26, 26, 8)
    """
    return _conv(x, weights, bias, stride, padding, dilation, groups, rank=2)


@op
def conv3d(
    x: Array, weights: Array, bias: Array | None = None, *,
    stride: Sizes = 1, padding: Padding = "valid", dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """`conv` of volumes: x (n, depth, height, width, channels), weights (depth, height, width, channels / groups,
    filters).

    >>> conv3d(np.ones((2, 8, 8, 8, 1)), np.ones((3, 3, 3, 1, 4))).shape
    (2, 6, 6, 6, 4)
    """
    return _conv(x, weights, bias, stride, padding, dilation, groups, rank=3)


for _op in (conv1d, conv2d, conv3d):
    _op.defvjp(x=_x, weights=_weights, bias=_bias)

# Transposed.


@op
def conv_transpose(
    x: Array, weights: Array, bias: Array | None = None, *,
    stride: Sizes = 1, padding: Padding = "valid", output_padding: Sizes = 0, dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """The transpose of a convolution with these weights: (n, *spatial, channels) → (n, *larger, filters), for any rank.

    Every element of x puts the weights, times itself, where the convolution would have taken its window from. Source:
    Dumoulin & Visin, 2016, chapter 4; Zeiler et al., *Deconvolutional networks*, 2010.

    Args:
        x: (n, *spatial, channels).
        weights: (*window, filters / groups, channels): those of the convolution that takes the output to x.
        bias: (filters,), or none.
        stride, dilation, groups: of that convolution.
        padding: of that convolution: so much is cut off around the output; 'same' makes it `stride` times x's size.
        output_padding: how much larger than the smallest possible the output is at its end, less than `stride`.

    >>> conv_transpose(np.array([[[1.0], [2.0]]]), np.array([[[1.0]], [[10.0]]]), stride=2).ravel()
    array([ 1., 10.,  2., 20.])
    """
    return _transpose(x, weights, bias, stride, padding, output_padding, dilation, groups)


def _transpose(
    x: Array, weights: Array, bias: Array | None, stride: Sizes, padding: Padding, output_padding: Sizes,
    dilation: Sizes, groups: int, rank: int | None = None,
) -> Array:  # fmt: skip
    if len(x.shape) != len(weights.shape) or len(x.shape) < 3 or rank not in (None, len(x.shape) - 2):
        axes = _axes(rank)
        raise ShapeError(
            f"a transposed convolution takes x (n, {axes}, channels) and weights ({axes}, filters, channels); "
            f"x is {x.shape} and weights are {weights.shape}" + _channel_hint(x.shape, weights.shape)
        )
    channels, filters = x.shape[-1], weights.shape[-2] * groups
    if groups < 1 or channels % groups:
        raise ShapeError(f"groups={groups} must divide the channels, {channels}")
    if weights.shape[-1] != channels:
        raise ShapeError(
            f"x {x.shape} has {channels} channels, its last axis, and weights {weights.shape} take "
            f"{weights.shape[-1]}; right would be weights {(*weights.shape[:-1], channels)}"
        )
    if bias is not None and np.shape(bias) != (filters,):
        raise ShapeError(f"bias is {np.shape(bias)}, and there are {filters} filters: right would be ({filters},)")
    g = geometry_of_transposed(x.shape[1:-1], weights.shape[:-2], stride, padding, output_padding, dilation)
    y = _to_input(x, weights, g, groups)
    return y if bias is None else y + bias


@op
def conv1d_transpose(
    x: Array, weights: Array, bias: Array | None = None, *,
    stride: Sizes = 1, padding: Padding = "valid", output_padding: Sizes = 0, dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """`conv_transpose` of sequences: x (n, length, channels), weights (window, filters / groups, channels).

    >>> conv1d_transpose(np.ones((2, 5, 3)), np.ones((4, 6, 3)), stride=2).shape
    (2, 12, 6)
    """
    return _transpose(x, weights, bias, stride, padding, output_padding, dilation, groups, rank=1)


@op
def conv2d_transpose(
    x: Array, weights: Array, bias: Array | None = None, *,
    stride: Sizes = 1, padding: Padding = "valid", output_padding: Sizes = 0, dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """`conv_transpose` of images: x (n, height, width, channels), weights (height, width, filters / groups, channels).

    >>> conv2d_transpose(np.ones((2, 7, 7, 16)), np.ones((3, 3, 8, 16)), stride=2, padding="same").shape
    (2, 14, 14, 8)
    """
    return _transpose(x, weights, bias, stride, padding, output_padding, dilation, groups, rank=2)


@op
def conv3d_transpose(
    x: Array, weights: Array, bias: Array | None = None, *,
    stride: Sizes = 1, padding: Padding = "valid", output_padding: Sizes = 0, dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """`conv_transpose` of volumes: x (n, depth, height, width, channels).

    >>> conv3d_transpose(np.ones((1, 3, 3, 3, 2)), np.ones((2, 2, 2, 4, 2)), stride=2).shape
    (1, 6, 6, 6, 4)
    """
    return _transpose(x, weights, bias, stride, padding, output_padding, dilation, groups, rank=3)


def _transposed_x(
    dy: Array, weights: Array, x_shape: _S, *,
    stride: _S, padding: _S, output_padding: _S, dilation: _S, groups: _S,
) -> Array:  # fmt: skip
    g = geometry_of_transposed(x_shape[1:-1], weights.shape[:-2], stride, padding, output_padding, dilation)
    return conv(dy, weights, stride=g.stride, padding=g.padding, dilation=g.dilation, groups=groups)


def _transposed_weights(
    dy: Array, x: Array, weights_shape: _S, *,
    stride: _S, padding: _S, output_padding: _S, dilation: _S, groups: _S,
) -> Array:  # fmt: skip
    g = geometry_of_transposed(x.shape[1:-1], weights_shape[:-2], stride, padding, output_padding, dilation)
    return conv_weights(dy, x, window=g.window, stride=g.stride, padding=g.padding, dilation=g.dilation, groups=groups)


for _op in (conv_transpose, conv1d_transpose, conv2d_transpose, conv3d_transpose):
    _op.defvjp(x=_transposed_x, weights=_transposed_weights, bias=_bias)

# Operations: a multiplication and an addition per element of a window, channel, filter and place.


def _count(places: tuple[int, ...], weights: tuple[int, ...]) -> int:
    return 2 * math.prod(places[:-1]) * math.prod(weights)


for _op in (conv, conv1d, conv2d, conv3d):
    _op.operations(lambda x, w, *rest: _count(rest[-1], w))
for _op in (conv_transpose, conv1d_transpose, conv2d_transpose, conv3d_transpose):
    _op.operations(lambda x, w, *rest: _count(x, w))
conv_input.operations(lambda u, w, y: _count(u, w))
conv_weights.operations(lambda x, u, w: _count(u, w))

# Samples.

draw(
    conv,
    [(2, 4, 2), (2, 2, 3)],
    [(1, 5, 4, 1), (2, 3, 1, 2), (2,), {"stride": (2, 1), "padding": 1}],
)
draw(
    conv1d,
    [(2, 5, 2), (3, 2, 2), (2,)],
    [(2, 6, 4), (2, 2, 2), None, {"groups": 2, "dilation": 2}],
    [(1, 6, 1), (3, 1, 2), None, {"stride": 2, "padding": "same"}],
)
draw(
    conv2d,
    [(2, 4, 3, 2), (2, 2, 2, 2), (2,)],
    [(1, 5, 4, 2), (3, 2, 1, 2), None, {"stride": 2, "padding": ((1, 0), (0, 2)), "groups": 2}],
    [(1, 4, 4, 1), (2, 2, 1, 2), None, {"dilation": 2, "padding": "same"}],
)
draw(
    conv3d,
    [(1, 3, 3, 2, 1), (2, 2, 2, 1, 2), (2,)],
    [(1, 3, 2, 3, 2), (1, 2, 3, 2, 1), None, {"stride": 2, "padding": 1}],
)
draw(
    conv_input,
    [(1, 2, 2, 2), (2, 2, 1, 2), {"shape": (3, 3)}],
    [(1, 3, 2), (3, 1, 2), {"shape": (6,), "stride": 2, "padding": ((1, 0),), "groups": 2}],
)
draw(
    conv_weights,
    [(2, 3, 3, 1), (2, 2, 2, 2), {"window": (2, 2)}],
    [(1, 6, 2), (1, 3, 2), {"window": (3,), "stride": 2, "padding": ((1, 0),), "groups": 2}],
)
draw(conv_transpose, [(2, 3, 2), (2, 3, 2)], [(1, 2, 2, 2), (2, 3, 1, 2), (1,), {"stride": 2, "padding": (1, 0)}])
draw(
    conv1d_transpose,
    [(2, 3, 2), (3, 1, 2), (1,)],
    [(1, 3, 2), (2, 2, 2), None, {"stride": 2, "output_padding": 1, "groups": 2}],
)
draw(
    conv2d_transpose,
    [(1, 2, 2, 2), (2, 2, 1, 2), (1,)],
    [(1, 2, 3, 1), (3, 3, 2, 1), None, {"stride": 2, "padding": "same"}],
    [(1, 2, 2, 1), (2, 2, 1, 1), None, {"dilation": 2, "stride": (2, 1), "output_padding": (1, 0)}],
)
draw(
    conv3d_transpose, [(1, 2, 1, 2, 1), (2, 2, 2, 2, 1), (2,)], [(1, 1, 2, 2, 2), (1, 2, 1, 1, 2), None, {"stride": 2}]
)
