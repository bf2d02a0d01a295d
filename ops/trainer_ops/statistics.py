"""Weighted means, covariance, correlation, and counts, which have no derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer import op
from trainer_ops._common import Array, Axis, axes_of, draw, placed, reduced_size, refuse, restore, shapes, shared, total
from trainer_ops._composed import composed
from trainer_ops.poles import times
from trainer_ops.shaping import sum_to

# y = Σ w·x/Σ w: δx = δy·w/Σw and δw = δy·(x − y)/Σw.


def _average(
    a: Array, axis: Axis = None, weights: Array | None = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    refuse("np.average", returned=returned or None)
    return (a, weights), {"axis": axis, "keepdims": keepdims is True}


@op(implements=np.average, binder=_average)
def average(x: Array, weights: Array | None = None, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Σ w·x/Σ w over the axes, as `np.average`; weights have x's shape, or that of its axes `axis`."""
    return np.average(x, axis, weights, keepdims=keepdims)  # type: ignore[call-overload]


@average.vjp("x")
def _(dy: Array, x_shape: Any, weights: Array | None, *, axis: Axis, keepdims: bool) -> Array:
    dy = restore(dy, x_shape, axis, keepdims)
    if weights is None:
        return np.broadcast_to(shared(dy, max(reduced_size(x_shape, axis), 1)), x_shape)
    w = np.broadcast_to(placed(weights, x_shape, axis), x_shape)
    return times(dy, (w / total(w, axis)).astype(dy.dtype, copy=False))


@average.vjp("weights")
def _(dy: Array, x: Array, y: Array, weights: Array, *, axis: Axis, keepdims: bool) -> Array:
    w = placed(weights, x.shape, axis)
    sums = total(np.broadcast_to(w, x.shape), axis)
    share = restore(dy, x.shape, axis, keepdims) * (x - restore(y, x.shape, axis, keepdims)) / sums
    g = sum_to(share.astype(dy.dtype, copy=False), shape=w.shape)
    axes = axes_of(axis, x.ndim)
    return (
        g
        if weights.shape == x.shape
        else np.transpose(np.reshape(g, tuple(x.shape[a] for a in sorted(axes))), tuple(np.argsort(np.argsort(axes))))
    )


@average.samples
def _(rng: np.random.Generator) -> list[Any]:
    x, w = rng.normal(size=(3, 4)), rng.uniform(0.5, 2, (3, 4))
    wide = rng.normal(size=(2, 3, 4)), rng.uniform(0.5, 2, (4, 2))
    return [
        (x,),
        (x, {"axis": 0}),
        (x, w, {"axis": 1}),
        (x, w[0], {"axis": 1, "keepdims": True}),
        (*wide, {"axis": (2, 0)}),
    ]


# Covariance and correlation of the rows (of the columns unless `rowvar`).


@op(implements=np.cov)
def cov(
    m: Array,
    other: Array | None = None,
    *,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
) -> Array:
    """The covariance matrix of variables with their observations in rows, as `np.cov`; weights are static."""
    return np.cov(m, other, rowvar=rowvar, bias=bias, ddof=ddof, fweights=fweights, aweights=aweights)


def _covariance(
    m: Array,
    other: Array | None = None,
    *,
    rowvar: bool,
    bias: bool,
    ddof: int | None,
    fweights: Any = None,
    aweights: Any = None,
) -> Array:
    x = _variables(m, rowvar)
    if not x.shape[0]:  # NumPy then looks at nothing else
        return x @ np.transpose(x)
    if other is not None:
        x = np.concatenate([x, _variables(other, rowvar)], axis=0)
    ddof = ddof if ddof is not None else 0 if bias else 1
    if fweights is None and aweights is None:
        x = x - np.mean(x, axis=1, keepdims=True)
        return np.squeeze(x @ np.conjugate(np.transpose(x)) / (x.shape[1] - ddof))
    a = np.asarray(1 if aweights is None else aweights)
    w = np.broadcast_to(a * np.asarray(1 if fweights is None else fweights), x.shape[1:]).astype(x.real.dtype)
    total = float(np.sum(w))
    lost = ddof if aweights is None else ddof * float(np.sum(w * a)) / total
    x = x - np.sum(w * x, axis=1, keepdims=True) / total
    return np.squeeze(x @ np.conjugate(np.transpose(w * x)) / (total - lost))


def _variables(m: Array, rowvar: bool) -> Array:
    """The variables in rows, in the precision that NumPy takes for them."""
    m = m.astype(np.result_type(m.dtype, np.float64), copy=False)
    return np.atleast_2d(m) if rowvar or m.ndim <= 1 else np.transpose(m)


@op(implements=np.corrcoef)
def corrcoef(x: Array, other: Array | None = None, *, rowvar: bool = True) -> Array:
    """The correlation coefficients of variables with their observations in rows, as `np.corrcoef`."""
    return np.asarray(np.corrcoef(x, other, rowvar=rowvar))


def _correlation(x: Array, other: Array | None = None, *, rowvar: bool) -> Array:
    c = np.atleast_2d(_covariance(x, other, rowvar=rowvar, bias=False, ddof=None))
    deviation = np.sqrt(np.real(np.diagonal(c)))
    return np.squeeze(c / np.outer(deviation, deviation))


composed(cov, _covariance)
composed(corrcoef, _correlation)
draw(cov, *shapes((3, 5), (5,)), [(5, 3), {"rowvar": False, "bias": True}], [(2, 5), (5,)], [(3, 5), {"ddof": 2}],
     [(3, 4), {"fweights": np.array([1, 3, 0, 2])}], [(3, 4), {"aweights": np.array([0.5, 1.0, 2.0, 0.1]), "ddof": 1}],
     [(2, 4), (4,), {"fweights": np.array([1, 2, 1, 2]), "aweights": np.array([0.5, 1.0, 2.0, 0.1])}])  # fmt: skip
draw(corrcoef, *shapes((3, 5)), [(5, 3), {"rowvar": False}], [(2, 5), (5,)])
