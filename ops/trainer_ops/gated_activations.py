"""Activations of several parts, where one part of x gates another or the largest of several wins; and two of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainer import Op, op
from trainer.errors import ShapeError
from trainer_ops._common import Array, draw, elementwise, shapes, with_axes
from trainer_ops.activations import gelu, relu, silu

__all__ = ["geglu", "maxout", "reglu", "swiglu", "tanhshrink", "threshold"]


def _halves(name: str, x: Array, axis: int) -> tuple[Array, Array]:
    with_axes(name, 1, x)
    length = x.shape[axis]
    if length % 2:
        raise ShapeError(f"{name} halves axis {axis}, whose length {length} is odd: x is {x.shape}")
    before = (slice(None),) * (axis % x.ndim)
    return x[(*before, slice(None, length // 2))], x[(*before, slice(length // 2, None))]


@op
def swiglu(x: Array, *, axis: int = -1) -> Array:
    """silu(a)·b for the halves a, b of x along `axis`, (…, 2k) → (…, k). Shazeer, *GLU variants*, 2020.

    >>> swiglu(np.array([0.0, 3.0]))
    array([0.])
    """
    a, b = _halves("swiglu", x, axis)
    return silu(a) * b


@op
def geglu(x: Array, *, axis: int = -1) -> Array:
    """gelu(a)·b, with the tanh form of gelu, for the halves a, b of x along `axis`. Shazeer, 2020.

    >>> geglu(np.array([0.0, 3.0]))
    array([0.])
    """
    a, b = _halves("geglu", x, axis)
    return gelu(a) * b


@op
def reglu(x: Array, *, axis: int = -1) -> Array:
    """relu(a)·b for the halves a, b of x along `axis`, (…, 2k) → (…, k). Shazeer, 2020.

    >>> reglu(np.array([-1.0, 2.0, 3.0, 3.0]))
    array([0., 6.])
    """
    a, b = _halves("reglu", x, axis)
    return relu(a) * b


def _gated(name: str, gate: Callable[[Array], Array], slope: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    """The rule of gate(a)·b, by (10); `slope` is the gate's own rule."""

    def rule(dy: Array, x: Array, *, axis: int) -> Array:
        a, b = _halves(name, x, axis)
        return np.concatenate([slope(dy * b, a), dy * gate(a)], axis=axis)

    return rule


def _rule_of(activation: Op) -> Callable[[Array, Array], Array]:
    """An activation's rule as a function of δy and x."""
    from trainer import vjp

    return lambda dy, x: vjp(activation, x)[1](dy)[0]


for _op, _gate in ((swiglu, silu), (geglu, gelu), (reglu, relu)):
    _op.defvjp(x=_gated(_op.name, _gate, _rule_of(_gate)))
    draw(_op, *shapes((3, 4), (2,)), [(4, 3), {"axis": 0}])
    _op.operations(lambda x, y: 6 * int(np.prod(y)))


@op
def maxout(x: Array, *, pieces: int = 2) -> Array:
    """The largest of `pieces` neighbouring features: (…, k·pieces) → (…, k). Goodfellow et al., 2013.

    The first of several maxima gets the gradient, as in pooling.

    >>> maxout(np.array([1.0, 3.0, 2.0, 0.0]))
    array([3., 2.])
    """
    return np.max(_pieces(x, pieces), axis=-1)


def _pieces(x: Array, pieces: int) -> Array:
    if not x.shape or pieces < 1 or x.shape[-1] % pieces:
        raise ShapeError(f"maxout takes (…, k·pieces): x is {np.shape(x)} and pieces={pieces}")
    return np.reshape(x, (*x.shape[:-1], x.shape[-1] // pieces, pieces))


@maxout.vjp("x")
def _(dy: Array, x: Array, *, pieces: int) -> Array:
    won = np.expand_dims(np.argmax(_pieces(x, pieces), axis=-1), -1) == np.arange(pieces)
    return np.reshape(np.expand_dims(dy, -1) * won, x.shape)


@maxout.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [rng.permutation(24).reshape(3, 8) / 7.0, (rng.permutation(6) / 3.0, {"pieces": 3})]


@op(elementwise=True)
def tanhshrink(x: Array) -> Array:
    """x − tanh x.

    >>> tanhshrink(np.array([0.0, 100.0]))
    array([ 0., 99.])
    """
    return x - np.tanh(x)


@op(elementwise=True)
def threshold(x: Array, *, level: float = 0.0, value: float = 0.0) -> Array:
    """x where it is above `level`, and `value` elsewhere, with derivative 0 there.

    >>> threshold(np.array([-1.0, 0.5, 2.0]), level=1.0, value=-5.0)
    array([-5., -5.,  2.])
    """
    return np.where(x > level, x, value)


def _tanhshrink(dy: Array, x: Array) -> Array:
    t = np.tanh(x)
    return dy * (t * t)


tanhshrink.defvjp(x=_tanhshrink)
threshold.defvjp(x=lambda dy, x, level: dy * (x > level))
elementwise(tanhshrink)
draw(threshold, *shapes((3, 4), ()), [(3, 4), {"level": 0.1, "value": 2.0}])
