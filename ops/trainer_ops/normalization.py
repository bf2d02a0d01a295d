"""Normalization: x̂ = (x − mean)/√(variance + ε) over some axes, then a learnable scale and shift.

The families differ in the axes alone. With r = 1/√(variance + ε) and means ⟨·⟩ over those axes,

    δx = r (δx̂ − ⟨δx̂⟩ − x̂ ⟨δx̂ x̂⟩),   δscale = Σ δy x̂,   δshift = Σ δy,   δx̂ = scale · δy.

Conventions. Variances are biased, divided by n, and so are those that `batch_norm` returns for moving averages (Keras
and Flax; PyTorch's moving average is of the unbiased one). Where the variance is zero, x̂ is 0 and r is 1/√ε: finite for
every ε > 0. What is kept for the backward sweep is x and the scale; mean and variance are computed again. Squares are
not conjugated: a complex x is carried through analytically, which has no statistical meaning and proves derivatives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer import op
from trainer.errors import ShapeError
from trainer_ops._common import Array, axes_of, draw, with_axes
from trainer_ops.shaping import sum_to

__all__ = ["batch_norm", "batch_norm_inference", "group_norm", "instance_norm", "layer_norm", "rms_norm"]

Axes = int | tuple[int, ...]
Cotangents = tuple[Array | None, Array | None, Array | None]


def _statistics(x: Array, axes: Any) -> tuple[Array, Array, Array]:
    """x less its mean, the mean, and the variance; the last two with their axes kept."""
    mean = np.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    return centred, mean, np.mean(np.square(centred), axis=axes, keepdims=True)


def _affine(x: Array, scale: Array | None, shift: Array | None) -> Array:
    """x · scale + shift, where they are given."""
    if scale is not None:
        x = x * scale
    return x if shift is None else x + shift


def _affine_rule(
    dy: Array, normalized: Array, scale: Array | None, shapes: tuple[Any, Any], wanted: Any
) -> tuple[Array, Array | None, Array | None]:
    """The cotangents of the normalized x, the scale and the shift."""
    return (
        dy if scale is None else dy * scale,
        sum_to(dy * normalized, shape=shapes[0]) if wanted[1] else None,
        sum_to(dy, shape=shapes[1]) if wanted[2] else None,
    )


def _centred_rule(dn: Array, normalized: Array, r: Array, axes: Any) -> Array:
    """δx from δx̂."""
    return r * (
        dn - np.mean(dn, axis=axes, keepdims=True) - normalized * np.mean(dn * normalized, axis=axes, keepdims=True)
    )


def _check(name: str, x: tuple[int, ...], right: tuple[int, ...], **parameters: Array | None) -> None:
    """Refuse a scale or shift that is not of the right shape."""
    for parameter, value in parameters.items():
        if value is not None and np.shape(value) != right:
            raise ShapeError(f"{name}: {parameter} is {np.shape(value)}; for x {x} right would be {right}")


def _check_axes(name: str, x: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a scale over the last axes, which `axes` must be."""
    if sorted(axes) != list(range(len(x) - len(axes), len(x))):
        raise ShapeError(
            f"{name} normalizes over the last axes, -1 or (-2, -1) and so on; axes {axes} of x {x} are not"
        )
    return x[len(x) - len(axes) :]


# Over the features of each example.


@op
def layer_norm(
    x: Array, scale: Array | None = None, shift: Array | None = None, *, axis: Axes = -1, epsilon: float = 1e-5
) -> Array:
    """Each example with mean 0 and variance 1 over its last axes. Ba, Kiros & Hinton, 2016.

    Args:
        x: (…, features).
        scale, shift: of the shape of the normalized axes, or none.
        axis: what to normalize over: the last axis, or a tuple of last axes.
        epsilon: added to the variance.

    >>> layer_norm(np.array([[1.0, 3.0]]), epsilon=0.0)
    array([[-1.,  1.]])
    """
    axes = axes_of(axis, x.ndim)
    _check("layer_norm", x.shape, _check_axes("layer_norm", x.shape, axes), scale=scale, shift=shift)
    centred, _, variance = _statistics(x, axes)
    return _affine(centred / np.sqrt(variance + epsilon), scale, shift)


@layer_norm.vjp("x", "scale", "shift")
def _(
    dy: Array, x: Array, scale: Any, scale_shape: Any, shift_shape: Any, wanted: Any, *, axis: Axes, epsilon: float
) -> Cotangents:
    axes = axes_of(axis, x.ndim)
    centred, _, variance = _statistics(x, axes)
    r = 1 / np.sqrt(variance + epsilon)
    normalized = centred * r
    dn, dscale, dshift = _affine_rule(dy, normalized, scale, (scale_shape, shift_shape), wanted)
    return _centred_rule(dn, normalized, r, axes) if wanted[0] else None, dscale, dshift


@op
def rms_norm(x: Array, scale: Array | None = None, *, axis: Axes = -1, epsilon: float = 1e-6) -> Array:
    """x/√(⟨x²⟩ + ε) · scale, over the last axes: `layer_norm` without a mean. Zhang & Sennrich, 2019.

    Args:
        x: (…, features).
        scale: of the shape of the normalized axes, or none.
        axis: what to normalize over: the last axis, or a tuple of last axes.
        epsilon: added to the mean square.

    >>> rms_norm(np.array([[3.0, 4.0, 0.0, 0.0]]), epsilon=0.0)
    array([[1.2, 1.6, 0. , 0. ]])
    """
    axes = axes_of(axis, x.ndim)
    _check("rms_norm", x.shape, _check_axes("rms_norm", x.shape, axes), scale=scale)
    return _affine(x / np.sqrt(np.mean(np.square(x), axis=axes, keepdims=True) + epsilon), scale, None)


@rms_norm.vjp("x", "scale")
def _(
    dy: Array, x: Array, scale: Any, scale_shape: Any, wanted: Any, *, axis: Axes, epsilon: float
) -> tuple[Array | None, Array | None]:
    axes = axes_of(axis, x.ndim)
    r = 1 / np.sqrt(np.mean(np.square(x), axis=axes, keepdims=True) + epsilon)
    normalized = x * r
    dn, dscale, _ = _affine_rule(dy, normalized, scale, (scale_shape, ()), (*wanted, False))
    dx = r * (dn - normalized * np.mean(dn * normalized, axis=axes, keepdims=True)) if wanted[0] else None
    return dx, dscale


# Over the examples of a batch.


@op
def batch_norm(
    x: Array, scale: Array | None = None, shift: Array | None = None, *, epsilon: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Each channel with mean 0 and variance 1 over the batch and all places. Ioffe & Szegedy, 2015.

    The form for training. For evaluation keep moving averages of the statistics and use `batch_norm_inference`.

    Args:
        x: (n, …, channels).
        scale, shift: (channels,), or none.
        epsilon: added to the variance.

    Returns:
        The normalized x, and the batch's mean and (biased) variance, (channels,) each.

    >>> y, mean, variance = batch_norm(np.array([[1.0], [3.0]]), epsilon=0.0)
    >>> y.ravel(), mean, variance
    (array([-1.,  1.]), array([2.]), array([1.]))
    """
    _check("batch_norm", x.shape, x.shape[-1:], scale=scale, shift=shift)
    axes = tuple(range(x.ndim - 1))
    centred, mean, variance = _statistics(x, axes)
    r = 1 / np.sqrt(variance + epsilon)
    y = _affine(centred, r if scale is None else r * scale, shift)  # one pass over x for both factors
    return y, np.reshape(mean, x.shape[-1:]), np.reshape(variance, x.shape[-1:])


@batch_norm.vjp("x", "scale", "shift")
def _(dy: Any, x: Array, scale: Any, scale_shape: Any, shift_shape: Any, wanted: Any, *, epsilon: float) -> Cotangents:
    axes = tuple(range(x.ndim - 1))
    centred, _, variance = _statistics(x, axes)
    r = 1 / np.sqrt(variance + epsilon)
    normalized = centred * r
    dn, dscale, dshift = _affine_rule(dy[0], normalized, scale, (scale_shape, shift_shape), wanted)
    if not wanted[0]:
        return None, dscale, dshift
    # ∂mean/∂x = 1/n and ∂variance/∂x = 2(x − mean)/n.
    of_statistics = (dy[1] + 2 * centred * dy[2]) / math.prod(x.shape[:-1])
    return _centred_rule(dn, normalized, r, axes) + of_statistics, dscale, dshift


@op
def batch_norm_inference(
    x: Array, mean: Array, variance: Array, scale: Array | None = None, shift: Array | None = None, *,
    epsilon: float = 1e-5,
) -> Array:  # fmt: skip
    """(x − mean)/√(variance + ε) · scale + shift with given statistics: `batch_norm` as it is evaluated.

    Args:
        x: (n, …, channels).
        mean, variance: (channels,), such as moving averages of the batches'.
        scale, shift: (channels,), or none.
        epsilon: added to the variance.

    >>> batch_norm_inference(np.array([[5.0]]), np.array([1.0]), np.array([4.0]), epsilon=0.0)
    array([[2.]])
    """
    _check("batch_norm_inference", x.shape, x.shape[-1:], mean=mean, variance=variance, scale=scale, shift=shift)
    r = 1 / np.sqrt(variance + epsilon)
    return _affine(x - mean, r if scale is None else r * scale, shift)


@batch_norm_inference.vjp("x", "mean", "variance", "scale", "shift")
def _(
    dy: Array, x: Array, mean: Array, variance: Array, scale: Any, wanted: Any, *, epsilon: float
) -> tuple[Array | None, ...]:
    axes = tuple(range(x.ndim - 1))
    r = 1 / np.sqrt(variance + epsilon)
    factor = r if scale is None else r * scale
    total: Any = np.sum(dy, axis=axes) if wanted[1] or wanted[4] else None
    along: Any = np.sum(dy * (x - mean), axis=axes) if wanted[2] or wanted[3] else None
    return (
        dy * factor if wanted[0] else None,
        -total * factor if wanted[1] else None,
        -0.5 * along * factor * (r * r) if wanted[2] else None,
        along * r if wanted[3] else None,
        total if wanted[4] else None,
    )


# Over places and groups of channels of each example.


@op
def group_norm(
    x: Array, scale: Array | None = None, shift: Array | None = None, *, groups: int, epsilon: float = 1e-5
) -> Array:
    """Each group of channels of each example with mean 0 and variance 1. Wu & He, 2018.

    Args:
        x: (n, …, channels).
        scale, shift: (channels,), or none.
        groups: how many; neighbouring channels are together.
        epsilon: added to the variance.

    >>> group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), groups=2, epsilon=0.0)
    array([[-1.,  1., -1.,  1.]])
    """
    with_axes("group_norm", 2, x)
    _check("group_norm", x.shape, x.shape[-1:], scale=scale, shift=shift)
    split, axes = _groups(x, groups)
    centred, _, variance = _statistics(split, axes)
    return _affine(np.reshape(centred / np.sqrt(variance + epsilon), x.shape), scale, shift)


def _groups(x: Array, groups: int) -> tuple[Array, tuple[int, ...]]:
    """x as (n, …, groups, channels of a group), and the axes of one group."""
    channels = x.shape[-1]
    if x.ndim < 2 or groups < 1 or channels % groups:
        raise ShapeError(
            "group_norm takes x (n, …, channels) and groups that divide the channels: "
            f"x is {x.shape} and groups={groups}"
        )
    return np.reshape(x, (*x.shape[:-1], groups, channels // groups)), (*range(1, x.ndim - 1), x.ndim)


def _group_rule(
    dy: Array, x: Array, scale: Any, scale_shape: Any, shift_shape: Any, wanted: Any, groups: int, epsilon: float
) -> Cotangents:
    split, axes = _groups(x, groups)
    centred, _, variance = _statistics(split, axes)
    r = 1 / np.sqrt(variance + epsilon)
    normalized = centred * r
    dn, dscale, dshift = _affine_rule(dy, np.reshape(normalized, x.shape), scale, (scale_shape, shift_shape), wanted)
    if not wanted[0]:
        return None, dscale, dshift
    dx = _centred_rule(np.reshape(dn, split.shape), normalized, r, axes)
    return np.reshape(dx, x.shape), dscale, dshift


@group_norm.vjp("x", "scale", "shift")
def _(
    dy: Array, x: Array, scale: Any, scale_shape: Any, shift_shape: Any, wanted: Any, *, groups: int, epsilon: float
) -> Cotangents:
    return _group_rule(dy, x, scale, scale_shape, shift_shape, wanted, groups, epsilon)


@op
def instance_norm(x: Array, scale: Array | None = None, shift: Array | None = None, *, epsilon: float = 1e-5) -> Array:
    """Each channel of each example with mean 0 and variance 1 over its places. Ulyanov et al., 2016.

    Args:
        x: (n, *spatial, channels).
        scale, shift: (channels,), or none.
        epsilon: added to the variance.

    >>> instance_norm(np.array([[[1.0, 10.0], [3.0, 30.0]]]), epsilon=0.0)
    array([[[-1., -1.],
            [ 1.,  1.]]])
    """
    if x.ndim < 3:
        raise ShapeError(f"instance_norm takes (n, *spatial, channels), and x {x.shape} has no spatial axis")
    _check("instance_norm", x.shape, x.shape[-1:], scale=scale, shift=shift)
    centred, _, variance = _statistics(x, tuple(range(1, x.ndim - 1)))
    return _affine(centred / np.sqrt(variance + epsilon), scale, shift)


@instance_norm.vjp("x", "scale", "shift")
def _(
    dy: Array, x: Array, scale: Any, scale_shape: Any, shift_shape: Any, wanted: Any, *, epsilon: float
) -> Cotangents:
    return _group_rule(dy, x, scale, scale_shape, shift_shape, wanted, max(1, x.shape[-1]), epsilon)


# Operations: about six per element for the statistics and the quotient, two for scale and shift. Samples.

for _op in (layer_norm, rms_norm, batch_norm, batch_norm_inference, group_norm, instance_norm):
    _op.operations(lambda x, *rest: 8 * int(np.prod(x)))

_MANY = {"epsilon": 1e-3}
draw(layer_norm, [(3, 4), (4,), (4,)], [(2, 3, 4), (3, 4), None, {"axis": (-2, -1)}], [(2, 3), None, (3,), _MANY])
draw(rms_norm, [(3, 4), (4,)], [(2, 3, 2), {"axis": (1, 2)}], [(2, 3), (3,), _MANY])
draw(batch_norm, [(5, 3), (3,), (3,)], [(2, 3, 2, 2), None, None], [(4, 2), (2,), None, _MANY])
draw(group_norm, [(2, 3, 4), (4,), (4,), {"groups": 2}], [(2, 3, 6), None, (6,), {"groups": 3}])
draw(instance_norm, [(2, 4, 3), (3,), (3,)], [(2, 2, 3, 2), None, None, _MANY])


@batch_norm_inference.samples
def _(rng: np.random.Generator) -> list[Any]:
    mean, scale, shift = rng.normal(size=(3, 2))
    variance = rng.uniform(0.5, 2, 2)
    return [(rng.normal(size=(3, 2)), mean, variance, scale, shift), (rng.normal(size=(2, 3, 2)), mean, variance)]
