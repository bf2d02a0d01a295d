"""Running sums, products and extremes along an axis; None flattens first."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer import op
from trainer.engine.dispatch import bind
from trainer_ops._common import Array, converted, draw, refuse, shapes
from trainer_ops.indexing import scatter_along_axis


def cumulating(function_axis: int | None) -> Any:
    """How NumPy's cumulative functions are called: (a, axis, dtype, out)."""

    def binder(a: Array, axis: int | None = function_axis, dtype: Any = None, out: None = None) -> Any:
        refuse("a cumulative function", out=out)
        return (a,), {"axis": axis} if dtype is None else {"axis": axis, "dtype": dtype}

    return binder


# y_i = Σ_{j≤i} x_j: δx_j = Σ_{i≥j} δy_i, the running sum from the other end.


@op(implements=np.cumsum, binder=cumulating(None))
def cumsum(x: Array, *, axis: int | None = None, dtype: Any = None) -> Array:
    """Running sums, as `np.cumsum`."""
    return np.cumsum(x, axis=axis, dtype=dtype)


@cumsum.vjp("x")
def _(dy: Array, x_shape: Any, x_dtype: Any, *, axis: int | None) -> Array:
    along = 0 if axis is None else axis
    return converted(np.reshape(np.flip(np.cumsum(np.flip(dy, along), axis=along), along), x_shape), x_dtype)


# y_i = Π_{l≤i} x_l: δx_j = L_j·R_j with L_j = Π_{l<j} x_l and R_j = Σ_{i≥j} δy_i Π_{j<l≤i} x_l, without division.
# R obeys R_j = δy_j + x_{j+1}·R_{j+1}, which is solved for all j at once by doubling: after k steps each R_j has its
# first 2ᵏ terms.


@op(implements=np.cumprod, binder=cumulating(None))
def cumprod(x: Array, *, axis: int | None = None, dtype: Any = None) -> Array:
    """Running products, as `np.cumprod`. Zeros are elements like any other."""
    return np.cumprod(x, axis=axis, dtype=dtype)


@cumprod.vjp("x")
def _(dy: Array, x: Array, *, axis: int | None) -> Array:
    along = 0 if axis is None else axis
    last = np.moveaxis(np.ravel(x) if axis is None or x.ndim == 0 else x, along, -1)
    one, zero = np.ones_like(last[..., :1]), np.zeros_like(last[..., :1])
    before = np.cumprod(np.concatenate([one, last[..., :-1]], axis=-1), axis=-1)
    rest, factor = np.moveaxis(dy, along, -1), np.concatenate([last[..., 1:], zero], axis=-1)
    step = 1
    while step < last.shape[-1]:
        pad = np.zeros_like(last[..., :step])
        rest = rest + factor * np.concatenate([rest[..., step:], pad], axis=-1)
        factor = factor * np.concatenate([factor[..., step:], pad], axis=-1)
        step *= 2
    return converted(np.reshape(np.moveaxis(before * rest, -1, along), x.shape), x.dtype)


@op(implements=getattr(np, "cumulative_sum", None))
def cumulative_sum(x: Array, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Array:
    """Running sums, from 0 if `include_initial`, as `np.cumulative_sum`."""
    return np.cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial)


@op(implements=getattr(np, "cumulative_prod", None))
def cumulative_prod(x: Array, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Array:
    """Running products, from 1 if `include_initial`, as `np.cumulative_prod`."""
    return np.cumulative_prod(x, axis=axis, dtype=dtype, include_initial=include_initial)


def _without_initial(dy: Array, axis: int | None, include_initial: bool) -> Array:
    if not include_initial:
        return dy
    axis = 0 if axis is None else axis % dy.ndim
    return dy[(slice(None),) * axis + (slice(1, None),)]


@cumulative_sum.vjp("x")
def _(dy: Array, x_shape: Any, x_dtype: Any, *, axis: int | None, include_initial: bool) -> Array:
    rule = cumsum.rule("x").function
    return rule(_without_initial(dy, axis, include_initial), x_shape, x_dtype, axis=axis)


@cumulative_prod.vjp("x")
def _(dy: Array, x: Array, *, axis: int | None, include_initial: bool) -> Array:
    rule = cumprod.rule("x").function
    return rule(_without_initial(dy, axis, include_initial), x, axis=axis)


# A running extreme is the element where it was first reached.


def _running(function: Any, name: str) -> Any:
    def forward(x: Array, *, axis: int = 0) -> Array:
        return function(x, axis=axis)

    forward.__doc__ = (
        f"The extreme so far along an axis, as `np.{name}`. Among ties the first element takes the gradient."
    )
    made = op(forward, name=name.replace(".", "_"))

    @made.vjp("x")
    def _(dy: Array, x: Array, y: Array, *, axis: int) -> Array:
        places = np.reshape(np.arange(x.shape[axis]), (-1,) + (1,) * (x.ndim - 1 - axis % x.ndim))
        return scatter_along_axis(
            dy, reached(np.where(_fresh(y, axis), places, 0), axis=axis), shape=x.shape, axis=axis
        )

    bind(function, made, cumulating(0))
    return draw(made, *shapes((5,), (4, 3)), [(3, 4), {"axis": 1}])


def _fresh(y: Array, axis: int) -> Array:
    """Whether the running extreme has just changed."""
    moved = np.moveaxis(y, axis, 0)
    return np.moveaxis(np.concatenate([moved[:1] == moved[:1], moved[1:] != moved[:-1]]), 0, axis)


@op
def reached(places: Array, *, axis: int = 0) -> Array:
    """The largest integer so far along an axis; no derivative.

    >>> reached(np.array([0, 3, 1]))
    array([0, 3, 3])
    """
    return np.maximum.accumulate(places, axis=axis)


reached.nondifferentiable("places")
draw(reached, [np.array([0, 3, 1])])

maximum_accumulate = _running(np.maximum.accumulate, "maximum.accumulate")
minimum_accumulate = _running(np.minimum.accumulate, "minimum.accumulate")
bind(np.add.accumulate, cumsum, cumulating(0))
bind(np.multiply.accumulate, cumprod, cumulating(0))

for _op in (cumsum, cumprod):
    draw(_op, *shapes((5,), (3, 4)), [(3, 4), {"axis": 0}], [(2, 3, 4), {"axis": -2}])
for _op in (cumulative_sum, cumulative_prod):
    draw(_op, *shapes((5,)), [(3, 4), {"axis": 0}], [(3, 4), {"axis": -1, "include_initial": True}])
