"""Softmax and its kin along an axis, stable for any finite input: the largest element is subtracted first, which
changes nothing but the range. Goodfellow et al., *Deep Learning*, 4.1."""

from __future__ import annotations

import numpy as np

from trainer import op
from trainer.engine.dispatch import instead
from trainer_ops._common import Array, Axis, draw, restore, shapes, total
from trainer_ops.poles import times


@op
def softmax(x: Array, *, axis: int | tuple[int, ...] = -1) -> Array:
    """e^x / Σ e^x along the axis.

    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    if not x.size:  # a maximum of nothing is refused
        return np.zeros_like(x)
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return (e / total(e, axis)).astype(x.dtype, copy=False)


@op
def log_softmax(x: Array, *, axis: int | tuple[int, ...] = -1) -> Array:
    """x − log Σ e^x along the axis: the logarithm of `softmax`, without its underflow.

    >>> log_softmax(np.array([-1000.0, 0.0]))
    array([-1000.,     0.])
    """
    if not x.size:
        return np.zeros_like(x)
    z = x - np.max(x, axis=axis, keepdims=True)
    return z - log_total(np.exp(z), axis).astype(x.dtype, copy=False)


@op
def logsumexp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """log Σ e^x over the axes; −∞ where every element is.

    >>> logsumexp(np.array([1000.0, 1000.0])).round(6)
    np.float64(1000.693147)
    """
    top = _finite(np.max(x, axis=axis, keepdims=True))
    with np.errstate(divide="ignore"):  # log 0 is the −∞ that is meant
        y = log_total(np.exp(x - top), axis).astype(top.dtype, copy=False) + top
    return y if keepdims else np.squeeze(y, axis=axis)


def log_total(e: Array, axis: Axis) -> Array:
    """log Σ e with the axes kept, of numbers whose largest is 1. What the others add to it keeps its digits: they are
    summed by themselves, and how many ones there are besides the first is a whole number."""
    others = total(np.where(e < 1, e, 0), axis)
    return np.log1p(others + np.rint(total(e, axis) - 1 - others))


def _finite(x: Array) -> Array:
    """x with 0 for ±∞, which cannot be subtracted from itself."""
    return np.where(np.isfinite(x), x, 0)


# With y = softmax(x): ∂y_i/∂x_j = y_i(1[i=j] − y_j), so δx = y ⊙ (δy − Σ δy⊙y).
# With y = log_softmax(x): ∂y_i/∂x_j = 1[i=j] − e^(y_j), so δx = δy − e^y Σ δy.
# With y = logsumexp(x): ∂y/∂x_j = e^(x_j − y), the softmax.


@softmax.vjp("x")
def _(dy: Array, y: Array, *, axis: int | tuple[int, ...]) -> Array:
    return y * (dy - np.sum(dy * y, axis=axis, keepdims=True))


@log_softmax.vjp("x")
def _(dy: Array, y: Array, *, axis: int | tuple[int, ...]) -> Array:
    return dy - np.exp(y) * np.sum(dy, axis=axis, keepdims=True)


@logsumexp.vjp("x")
def _(dy: Array, x: Array, y: Array, *, axis: Axis, keepdims: bool) -> Array:
    dy, y = (restore(a, x.shape, axis, keepdims) for a in (dy, y))
    e = np.exp(np.where(x == np.inf, 0, x - np.where(y == -np.inf, 0, y)))  # ∞ − ∞ would be nan
    sums = total(e, axis)  # 1, but for the rounding of y; 0 where nothing has a share
    return times(dy, (e / np.where(sums == 0, 1, sums)).astype(dy.dtype, copy=False))


for _op in (softmax, log_softmax):
    draw(_op, *shapes((3, 4), (5,)), [(3, 4), {"axis": 0}], [(2, 3, 4), {"axis": (0, 2)}])
draw(logsumexp, *shapes((3, 4), ()), [(3, 4), {"axis": 0}], [(2, 3, 4), {"axis": (0, -1), "keepdims": True}])
for _op in (softmax, log_softmax, logsumexp):
    instead(f"scipy.special.{_op.name}", _op)
for _op, _each in ((softmax, 5), (log_softmax, 5), (logsumexp, 4)):
    _op.operations(lambda *shapes, each=_each: each * int(np.prod(shapes[0])))
