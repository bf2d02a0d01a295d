"""Sums, means, products, extremes and spreads over axes.

All take `axis` (an int, a tuple, or None for all), `keepdims`, and `where`, a mask of the elements that take part; an
element that does not take part has gradient 0, whatever its value. Edges: the elements that tie for an extreme share
the gradient in equal parts, as in JAX; `prod` is right with any number of zeros; `std` of equal elements, where it has
a corner, has gradient 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainer import op
from trainer.engine.dispatch import bind
from trainer_ops._common import Array, Axis, axes_of, converted, draw, reduced_size, refuse, restore, shapes, shared
from trainer_ops.poles import direction, times

_add: Any = np.add.reduce  # what np.sum and its kin come down to; Any, for its overloads want a literal keepdims
_multiply: Any = np.multiply.reduce
_maximum: Any = np.maximum.reduce
_minimum: Any = np.minimum.reduce


def summing(function_axis: Axis = None) -> Callable[..., Any]:
    """How NumPy's reductions are called: (a, axis, dtype, out, keepdims, initial, where)."""

    def binder(
        a: Array, axis: Axis = function_axis, dtype: Any = None, out: None = None, keepdims: bool = False,
        initial: Any = None, where: Any = True,
    ) -> Any:  # fmt: skip
        refuse("a reduction", out=out)
        attributes = {"axis": axis, "keepdims": keepdims, "dtype": dtype, "initial": initial}
        attributes = {n: v for n, v in attributes.items() if v is not None and v is not np._NoValue}
        return ((a,) if where is True or where is np._NoValue else (a, where)), attributes

    return binder


def extreme(function_axis: Axis = None) -> Callable[..., Any]:
    """As `summing`, for the functions without a dtype: (a, axis, out, keepdims, initial, where)."""

    def binder(
        a: Array, axis: Axis = function_axis, out: None = None, keepdims: bool = False, initial: Any = None,
        where: Any = True,
    ) -> Any:  # fmt: skip
        return summing()(a, axis, None, out, keepdims, initial, where)

    return binder


def spread(
    a: Array, axis: Axis = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False, *,
    where: Any = True, mean: Any = None, correction: Any = np._NoValue,
) -> Any:  # fmt: skip
    """How `np.var` and `np.std` are called."""
    refuse("np.var or np.std", mean=mean)
    arrays, attributes = summing()(a, axis, dtype, out, keepdims, where=where)
    ddof = ddof if correction is np._NoValue else correction
    return arrays, attributes | {"ddof": ddof}


def _everywhere(dy: Array, shape: tuple[int, ...], where: Array | None) -> Array:
    """`dy` at each element that takes part, 0 at the others."""
    dy = np.broadcast_to(dy, shape)
    return dy if where is None else np.where(where, dy, 0)


def mask_of(where: Array | None) -> Array:
    return True if where is None else where


def started(initial: float | None) -> dict[str, Any]:
    """What a ufunc's reduction is told to start from: for a sum None would mean the first element."""
    return {} if initial is None else {"initial": initial}


# Sums and means.


@op(name="sum", implements=np.sum, binder=summing())
def sum_(
    x: Array,
    where: Array | None = None,
    *,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: Any = None,
    initial: float | None = None,
) -> Array:
    """Σ x over the axes, (11), from `initial` where it is given, as `np.sum`."""
    return _add(x, axis=axis, dtype=dtype, keepdims=keepdims, where=mask_of(where), **started(initial))


@sum_.vjp("x")
def _(dy: Array, x_shape: Any, x_dtype: Any, where: Array, *, axis: Axis, keepdims: bool) -> Array:
    return converted(_everywhere(restore(dy, x_shape, axis, keepdims), x_shape, where), x_dtype)


@op(implements=np.mean, binder=summing())
def mean(
    x: Array, where: Array | None = None, *, axis: Axis = None, keepdims: bool = False, dtype: Any = None
) -> Array:
    """(1/n) Σ x over the axes, as `np.mean`."""
    return np.mean(x, axis=axis, dtype=dtype, keepdims=keepdims, where=mask_of(where))


@mean.vjp("x")
def _(dy: Array, x_shape: Any, x_dtype: Any, where: Array, *, axis: Axis, keepdims: bool) -> Array:
    share = shared(restore(dy, x_shape, axis, keepdims), _count(x_shape, where, axis, dy.dtype))
    return converted(_everywhere(share, x_shape, where), x_dtype)


def _count(shape: tuple[int, ...], where: Array | None, axis: Axis, dtype: Any) -> Any:
    """How many elements take part in each result: a number, or with a mask an array that broadcasts to the input."""
    if where is None:
        return max(reduced_size(shape, axis), 1)
    return np.sum(np.broadcast_to(where, shape), axis=axis, keepdims=True, dtype=np.result_type(dtype, np.float32))


# Variance and standard deviation. y = Σ|x − x̄|²/(n − d) has δx = 2·conj(x − x̄)/(n − d)·δy; that x̄ depends on x too adds
# Σ(x − x̄) = 0.


@op(implements=np.var, binder=spread)
def var(
    x: Array,
    where: Array | None = None,
    *,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: Any = None,
    ddof: float = 0,
) -> Array:
    """Σ|x − x̄|²/(n − ddof) over the axes, as `np.var`."""
    return np.var(x, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims, where=mask_of(where))


@op(implements=np.std, binder=spread)
def std(
    x: Array,
    where: Array | None = None,
    *,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: Any = None,
    ddof: float = 0,
) -> Array:
    """√(Σ|x − x̄|²/(n − ddof)) over the axes, as `np.std`. Where all elements are equal the gradient is 0."""
    return np.std(x, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims, where=mask_of(where))


@var.vjp("x")
def _(dy: Array, x: Array, where: Array, *, axis: Axis, keepdims: bool, ddof: float) -> Array:
    return _from_mean(2 * restore(dy, x.shape, axis, keepdims), x, where, axis, ddof)


@std.vjp("x")
def _(dy: Array, x: Array, y: Array, where: Array, *, axis: Axis, keepdims: bool, ddof: float) -> Array:
    return _from_mean(restore(direction(dy, y), x.shape, axis, keepdims), x, where, axis, ddof)


def _from_mean(dy: Array, x: Array, where: Array | None, axis: Axis, ddof: float) -> Array:
    """conj(x − x̄)/(n − d)·δy."""
    if where is not None:
        x = np.where(where, x, 0)  # a nan that does not take part must not take part in the second derivative either
    centre = np.mean(x, axis=axis, keepdims=True, where=mask_of(where))
    n = _count(x.shape, where, axis, dy.dtype) - ddof
    return converted(_everywhere(np.conjugate(x - centre) * shared(dy, n), x.shape, where), x.dtype)


# Extremes.


@op(name="max", implements=(np.max, np.amax), binder=extreme())
def max_(
    x: Array, where: Array | None = None, *, axis: Axis = None, keepdims: bool = False, initial: Any = None
) -> Array:
    """The largest element over the axes, as `np.max`. Ties share the gradient."""
    return _maximum(x, axis=axis, keepdims=keepdims, initial=initial, where=mask_of(where))


@op(name="min", implements=(np.min, np.amin), binder=extreme())
def min_(
    x: Array, where: Array | None = None, *, axis: Axis = None, keepdims: bool = False, initial: Any = None
) -> Array:
    """The smallest element over the axes, as `np.min`. Ties share the gradient."""
    return _minimum(x, axis=axis, keepdims=keepdims, initial=initial, where=mask_of(where))


def _share(dy: Array, x: Array, y: Array, where: Array | None, axis: Axis, keepdims: bool) -> Array:
    """δy to the elements of x that equal the extreme y, in equal parts."""
    chosen = x == restore(y, x.shape, axis, keepdims)
    chosen = chosen if where is None else chosen & where
    n = np.sum(chosen, axis=axis, keepdims=True, dtype=np.result_type(x.dtype, np.float32))
    return np.where(chosen, shared(restore(dy, x.shape, axis, keepdims), np.maximum(n, 1)), 0)


for _op in (max_, min_):
    _op.defvjp(x=lambda dy, x, y, where, axis, keepdims: _share(dy, x, y, where, axis, keepdims))


@op(implements=np.ptp)
def ptp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element less the smallest, as `np.ptp`. Ties share the gradient."""
    return np.ptp(x, axis=axis, keepdims=keepdims)


@ptp.vjp("x")
def _(dy: Array, x: Array, *, axis: Axis, keepdims: bool) -> Array:
    high, low = (f(x, axis=axis, keepdims=keepdims) for f in (np.max, np.min))
    return _share(dy, x, high, None, axis, keepdims) - _share(dy, x, low, None, axis, keepdims)


# Products. δx_j = δy·Π_{l≠j} x_l, from the products of what is before and of what is behind: no division, so zeros are
# elements like any other.


@op(implements=np.prod, binder=summing())
def prod(
    x: Array,
    where: Array | None = None,
    *,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: Any = None,
    initial: float | None = None,
) -> Array:
    """Π x over the axes, times `initial` where it is given, as `np.prod`."""
    return _multiply(x, axis=axis, dtype=dtype, keepdims=keepdims, where=mask_of(where), **started(initial))


@prod.vjp("x")
def _(dy: Array, x: Array, where: Array, *, axis: Axis, keepdims: bool, initial: float | None = None) -> Array:
    factors = x if where is None else np.where(where, x, 1)
    dy = dy if initial is None else dy * initial
    axes = axes_of(axis, x.ndim)
    others = tuple(a for a in range(x.ndim) if a not in axes)
    last = np.transpose(factors, others + axes)
    flat = np.reshape(last, (*last.shape[: len(others)], reduced_size(x.shape, axis)))
    products = np.reshape(_before(flat) * np.flip(_before(np.flip(flat, -1)), -1), last.shape)
    products = np.transpose(products, tuple(np.argsort(others + axes)))
    g = times(restore(dy, x.shape, axis, keepdims), products)
    return converted(_everywhere(g, x.shape, where), x.dtype)


def _before(x: Array) -> Array:
    """Along the last axis, the product of the elements before each."""
    return np.cumprod(np.concatenate([np.ones_like(x[..., :1]), x[..., :-1]], axis=-1), axis=-1)


# Answers without a derivative.


@op(name="any", implements=np.any, binder=extreme())
def any_(x: Array, where: Array | None = None, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether any element over the axes is true, as `np.any`."""
    return np.any(x, axis=axis, keepdims=keepdims, where=mask_of(where))


@op(name="all", implements=np.all, binder=extreme())
def all_(x: Array, where: Array | None = None, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether every element over the axes is true, as `np.all`."""
    return np.all(x, axis=axis, keepdims=keepdims, where=mask_of(where))


@op(implements=np.count_nonzero)
def count_nonzero(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """How many elements over the axes are not zero, as `np.count_nonzero`."""
    return np.asarray(np.count_nonzero(x, axis=axis, keepdims=keepdims))[()]


@op(implements=np.argmax)
def argmax(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the largest element is, as `np.argmax`: the first of several."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


@op(implements=np.argmin)
def argmin(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the smallest element is, as `np.argmin`: the first of several."""
    return np.argmin(x, axis=axis, keepdims=keepdims)


for _op in (sum_, mean, var, std, max_, min_, prod, any_, all_):
    _op.nondifferentiable("where")
for _op in (any_, all_, count_nonzero, argmax, argmin):
    _op.nondifferentiable("x")

# A ufunc's own reduction goes over the first axis unless told otherwise.
for _function, _op in (
    (np.add, sum_), (np.multiply, prod), (np.maximum, max_), (np.minimum, min_), (np.logical_or, any_),
    (np.logical_and, all_),
):  # fmt: skip
    bind(_function.reduce, _op, summing(0))

# One operation per element that goes in, and what each mean or spread does besides.
for _op, _each in ((sum_, 1), (mean, 1), (prod, 1), (max_, 1), (min_, 1), (ptp, 2), (var, 4), (std, 4)):
    _op.operations(lambda *shapes, each=_each: each * int(np.prod(shapes[0])))

_CASES = [
    *shapes((3, 4), (5,), ()),
    [(3, 4), {"axis": 0}],
    [(2, 3, 4), {"axis": (0, -1)}],
    [(2, 3, 4), {"axis": 1, "keepdims": True}],
]
_MASK = np.array([[True, False, True, True], [True, True, False, False], [False, True, True, True]])
_MASKED: list[list[Any]] = [[(3, 4), _MASK], [(3, 4), _MASK, {"axis": 1}]]
for _op in (mean, any_, all_):
    draw(_op, *_CASES, *_MASKED)
for _op in (sum_, prod):
    draw(_op, *_CASES, *_MASKED, [(3, 4), {"axis": 0, "initial": 2.5}], [(3, 4), _MASK, {"initial": -0.5}])
for _op in (ptp, count_nonzero):
    draw(_op, *_CASES)
for _op in (argmax, argmin):
    draw(_op, *shapes((3, 4), (5,)), [(3, 4), {"axis": 0}])
for _op in (max_, min_):
    draw(_op, *_CASES, [(3, 4), _MASK, {"axis": 1, "initial": 0.25}])
for _op in (var, std):
    draw(
        _op, *shapes((3, 4), (5,)), [(3, 4), {"axis": 0}], [(2, 3, 4), {"axis": (0, -1), "ddof": 1}],
        [(3, 4), _MASK, {"axis": 1, "ddof": 0.5, "keepdims": True}],
    )  # fmt: skip
