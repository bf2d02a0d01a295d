"""Sorting and what follows from it. The result is a choice of elements, whose cotangents go back to where they were.
Equal elements keep their order, so the first of them is the first to be chosen."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from trainer import Op, op
from trainer_ops._common import Array, Axis, axes_of, draw, placed, reduced_size, shapes
from trainer_ops.indexing import scatter_along_axis
from trainer_ops.poles import times

Kind = Literal["quicksort", "mergesort", "heapsort", "stable"] | None


@op(implements=np.argsort)
def argsort(x: Array, *, axis: int | None = -1, kind: Kind = None, stable: bool | None = None) -> Array:
    """The indices that sort along an axis, as `np.argsort`."""
    return np.argsort(x, axis=axis, kind=kind, stable=stable)


@op(implements=np.argpartition)
def argpartition(x: Array, *, kth: int | tuple[int, ...], axis: int | None = -1) -> Array:
    """The indices that partition along an axis, as `np.argpartition`."""
    return np.argpartition(x, kth, axis=axis)


@op(implements=np.sort)
def sort(x: Array, *, axis: int | None = -1, kind: Kind = None, stable: bool | None = None) -> Array:
    """In ascending order along an axis, as `np.sort`."""
    return np.sort(x, axis=axis, kind=kind, stable=stable)


@op(implements=np.partition)
def partition(x: Array, *, kth: int | tuple[int, ...], axis: int | None = -1) -> Array:
    """With the kth elements along an axis in their sorted place, smaller ones before and larger ones behind, as
    `np.partition`."""
    return np.take_along_axis(x, np.argpartition(x, kth, axis=axis), axis)


@sort.vjp("x")
def _(dy: Array, x: Array, *, axis: int | None) -> Array:
    return scatter_along_axis(dy, np.argsort(x, axis=axis, kind="stable"), shape=x.shape, axis=axis)


@partition.vjp("x")
def _(dy: Array, x: Array, *, kth: Any, axis: int | None) -> Array:
    return scatter_along_axis(dy, np.argpartition(x, kth, axis=axis), shape=x.shape, axis=axis)


@op(implements=np.sort_complex)
def sort_complex(x: Array) -> Array:
    """In ascending order along the last axis, by real and then by imaginary part, as complex numbers."""
    return np.sort_complex(x)


@sort_complex.vjp("x")
def _(dy: Array, x: Array) -> Array:
    g = scatter_along_axis(dy, np.argsort(x, axis=-1, kind="stable"), shape=x.shape, axis=-1)
    return (g if x.dtype.kind == "c" else np.real(g)).astype(x.dtype)


for _op in (argsort, argpartition):
    _op.nondifferentiable("x")
for _op in (sort, argsort):
    draw(_op, *shapes((5,), (3, 4)), [(3, 4), {"axis": 0}], [(3, 4), {"axis": None}])
for _op in (partition, argpartition):
    draw(_op, [(5,), {"kth": 2}], [(3, 4), {"kth": (1, 2), "axis": 0}])


@sort_complex.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)),)]


# Quantiles. Every method interpolates between two neighbours in the sorted array. Which, and how far between them, the
# method says when it is asked for the same quantile of the elements' ranks 0, 1, 2, …; a nan has no rank.


def _quantile_rule(dy: Array, x: Array, quantile: Any, q: Any, axis: Axis, keepdims: bool) -> Array:
    if 0 in x.shape:
        return np.zeros(x.shape, dy.dtype)
    axes = axes_of(axis, x.ndim)
    others = tuple(a for a in range(x.ndim) if a not in axes)
    flat = _flat(x, axis)
    order = np.argsort(flat, axis=-1, kind="stable")
    ranks = np.where(np.isnan(flat), np.nan, np.argsort(order, axis=-1, kind="stable"))
    place = quantile(ranks)
    queries = int(np.size(q))
    place, dy = (
        np.moveaxis(np.reshape(a, (queries, *flat.shape[:-1])), 0, -1) for a in (place, dy)
    )  # whatever q's shape and keepdims, the elements are in this order
    nowhere = np.isnan(place)  # as the quantile of a nan is; its share, and so its gradient, is nan too
    lower = np.where(nowhere, 0, np.floor(place)).astype(np.intp)
    lower = np.minimum(lower, max(flat.shape[-1] - 2, 0))
    upper = np.minimum(lower + 1, flat.shape[-1] - 1)
    share = (place - lower).astype(dy.dtype)
    g = scatter_along_axis(times(dy, 1 - share), np.take_along_axis(order, lower, -1), shape=flat.shape, axis=-1)
    g = g + scatter_along_axis(times(dy, share), np.take_along_axis(order, upper, -1), shape=flat.shape, axis=-1)
    g = np.reshape(g, tuple(x.shape[a] for a in others + axes))
    return np.transpose(g, tuple(np.argsort(others + axes)))


def _flat(x: Array, axis: Axis) -> Array:
    """The elements over the axes as the last one."""
    axes = axes_of(axis, x.ndim)
    others = tuple(a for a in range(x.ndim) if a not in axes)
    return np.reshape(np.transpose(x, others + axes), (*(x.shape[a] for a in others), reduced_size(x.shape, axis)))


def _quantile(function: Any) -> Op:
    def forward(
        x: Array, *, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False, weights: Any = None
    ) -> Array:
        return function(x, q, axis=axis, method=method, keepdims=keepdims, weights=weights)

    forward.__doc__ = f"Order statistics, as `np.{function.__name__}`, by any of its methods; q and weights are static."
    made = op(forward, name=function.__name__, implements=function)

    @made.vjp("x")
    def _(dy: Array, x: Array, *, q: Any, axis: Axis, method: str, keepdims: bool, weights: Any) -> Array:
        if weights is not None:
            weights = _flat(np.broadcast_to(placed(np.asarray(weights), x.shape, axis), x.shape), axis)

        def quantile(ranks: Array) -> Array:
            return function(ranks, q, axis=-1, method=method, weights=weights)

        return _quantile_rule(dy, x, quantile, q, axis, keepdims)

    scale = 100 if "percentile" in function.__name__ else 1
    return draw(
        made, [(5,), {"q": 0.3 * scale}], [(3, 4), {"q": [0.2 * scale, 0.75 * scale], "axis": 0}],
        [(2, 3, 4), {"q": 0.6 * scale, "axis": (0, 2), "keepdims": True, "method": "hazen"}],
        [(6,), {"q": 0.4 * scale, "method": "nearest"}],
        [(4,), {"q": 0.6 * scale, "method": "inverted_cdf", "weights": (0.5, 2.0, 0.25, 1.0)}],
    )  # fmt: skip


def _median(function: Any) -> Op:
    def forward(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        return function(x, axis=axis, keepdims=keepdims)

    forward.__doc__ = f"The middle element, or the mean of the two, as `np.{function.__name__}`."
    made = op(forward, name=function.__name__, implements=function)

    @made.vjp("x")
    def _(dy: Array, x: Array, *, axis: Axis, keepdims: bool) -> Array:
        return _quantile_rule(dy, x, lambda ranks: function(ranks, axis=-1), 0.5, axis, keepdims)

    return draw(
        made, *shapes((5,), (6,), (3, 4)), [(3, 4), {"axis": 0}], [(2, 3, 4), {"axis": (0, 2), "keepdims": True}]
    )


QUANTILES = tuple(map(_quantile, (np.quantile, np.percentile, np.nanquantile, np.nanpercentile)))
MEDIANS = tuple(map(_median, (np.median, np.nanmedian)))
