"""Differences, integrals, interpolation, convolution."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from trainer import op
from trainer.errors import OpError
from trainer_ops._common import Array, axes_of, draw, restore, shapes
from trainer_ops.indexing import scatter_add, scatter_take, take
from trainer_ops.shaping import sum_to

Mode = Literal["full", "same", "valid"]

# y_i = x_{i+1} − x_i: δx_j = δy_{j−1} − δy_j, the negative difference of δy between zeros.


def _diff(a: Array, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """What comes before and behind is joined to the array; a number counts as a slice of length 1."""
    shape = tuple(1 if i == axis % np.ndim(a) else m for i, m in enumerate(np.shape(a)))
    ends = [None if e is None or e is np._NoValue else e for e in (prepend, append)]
    before, behind = ([] if e is None else [e if np.ndim(e) else np.broadcast_to(e, shape)] for e in ends)
    return (np.concatenate([*before, a, *behind], axis=axis) if before or behind else a,), {"n": n, "axis": axis}


@op(implements=np.diff, binder=_diff)
def diff(x: Array, *, n: int = 1, axis: int = -1) -> Array:
    """The n-th differences of neighbours, as `np.diff`."""
    return np.diff(x, n, axis)


@diff.vjp("x")
def _(dy: Array, x_shape: Any, *, n: int, axis: int) -> Array:
    if n > x_shape[axis]:  # nothing is left, however often
        return np.zeros(x_shape, dy.dtype)
    for _ in range(n):
        frame = [(int(a == axis % dy.ndim),) * 2 for a in range(dy.ndim)]
        dy = -np.diff(np.pad(dy, frame), axis=axis)
    return dy


def _slice(x: Array, axis: int, start: int | None, stop: int | None) -> Array:
    return x[(slice(None),) * (axis % x.ndim) + (slice(start, stop),)]


@op(implements=np.ediff1d)
def ediff1d(x: Array, to_end: Array | None = None, to_begin: Array | None = None) -> Array:
    """The differences of neighbours in the flattened array, between `to_begin` and `to_end`, as `np.ediff1d`."""
    return np.ediff1d(x, to_end, to_begin)


def _parts(x_shape: Any, to_begin_shape: Any) -> tuple[int, int]:
    """Where the differences begin and end."""
    start = 0 if to_begin_shape is None else math.prod(to_begin_shape)
    return start, start + max(math.prod(x_shape) - 1, 0)


@ediff1d.vjp("x")
def _(dy: Array, x_shape: Any, to_begin_shape: Any) -> Array:
    if 0 in x_shape:
        return np.zeros(x_shape, dy.dtype)
    start, end = _parts(x_shape, to_begin_shape)
    return np.reshape(-np.diff(np.pad(dy[start:end], 1)), x_shape)


ediff1d.defvjp(
    to_begin=lambda dy, to_begin_shape: np.reshape(dy[: math.prod(to_begin_shape)], to_begin_shape),
    to_end=lambda dy, x_shape, to_end_shape, to_begin_shape: np.reshape(
        dy[_parts(x_shape, to_begin_shape)[1] :], to_end_shape
    ),
)
draw(diff, *shapes((5,), (3, 4)), [(3, 4), {"n": 2}], [(4, 3), {"axis": 0, "n": 3}])
draw(ediff1d, *shapes((5,), (3, 4)), [(5,), (2,), (3,)], [(2, 2), (), ()])

# Numerical gradient. Each result takes at most three neighbours. Their coefficients, for any spacing, are what
# `np.gradient` makes of three combs, of which each neighbour is in one.


@op(
    implements=np.gradient,
    binder=lambda f, *spacing, axis=None, edge_order=1: (
        (f,),
        {"spacing": spacing, "axis": axis, "edge_order": edge_order},
    ),
)
def gradient(
    x: Array, *, spacing: tuple[Any, ...] = (), axis: int | tuple[int, ...] | None = None, edge_order: Literal[1, 2] = 1
) -> Any:
    """Differences between neighbours over their distance, as `np.gradient`: an array, or for several axes a tuple."""
    y = np.gradient(x, *spacing, axis=axis, edge_order=edge_order)
    return tuple(y) if isinstance(y, list | tuple) else y


@gradient.vjp("x")
def _(dy: Any, x_shape: Any, *, spacing: tuple[Any, ...], axis: Any, edge_order: Literal[1, 2]) -> Array:
    axes = axes_of(axis, len(x_shape))
    several = spacing if len(spacing) == len(axes) else spacing * len(axes)
    total: Any = 0
    for i, a in enumerate(axes):
        n = x_shape[a]
        rows = np.arange(n)
        start = np.clip(rows - 1, 0, max(n - 3, 0))
        combs = [np.gradient((rows % 3 == k) * 1.0, *several[i : i + 1], edge_order=edge_order) for k in range(3)]
        g = dy if len(axes) == 1 else dy[i]
        for s in range(min(3, n)):
            columns = start + s
            coefficients = np.choose(columns % 3, combs).astype(g.dtype)
            part = g * np.reshape(coefficients, (-1,) + (1,) * (len(x_shape) - 1 - a))
            total = total + scatter_take(part, columns, shape=x_shape, axis=a)
    return total


draw(
    gradient, *shapes((6,), (3, 4)), [(5,), {"spacing": (0.5,), "edge_order": 2}], [(2,)],
    [(4, 5), {"spacing": (np.array([0.0, 1.0, 1.5, 3.0]),), "axis": 0, "edge_order": 2}],
    [(3, 4), {"spacing": (2.0, 0.5)}],
)  # fmt: skip

# The trapezoid rule, Σ d_i·(y_i + y_{i+1})/2 with d_i = x_{i+1} − x_i.


def _trapezoid(y: Array, x: Array | None = None, dx: float = 1.0, axis: int = -1) -> Any:
    return (y, x), {"dx": dx, "axis": axis}


@op(implements=np.trapezoid, binder=_trapezoid)
def trapezoid(samples: Array, x: Array | None = None, *, dx: float = 1.0, axis: int = -1) -> Array:
    """The integral of samples at x, or at distances dx, along an axis, as `np.trapezoid`."""
    return np.trapezoid(samples, x, dx=dx, axis=axis)


@trapezoid.vjp("samples")
def _(dy: Array, samples_shape: Any, x: Array | None, *, dx: float, axis: int) -> Array:
    n, ndim = samples_shape[axis], len(samples_shape)
    spread = np.broadcast_to(restore(dy, samples_shape, axis, False), samples_shape)
    if n < 2:
        return np.zeros(samples_shape, dy.dtype)
    width = np.full(n - 1, dx, dy.dtype) if x is None else np.diff(x, axis=-1 if np.ndim(x) == 1 else axis)
    if np.ndim(width) == 1:
        width = np.reshape(width, (-1,) + (1,) * (ndim - 1 - axis % ndim))
    along = axis % ndim - ndim if np.ndim(width) == ndim else -np.ndim(width)
    zero = np.zeros_like(_slice(width, along, 0, 1))
    ends = np.concatenate([zero, width], axis=along) + np.concatenate([width, zero], axis=along)
    return spread * (ends / 2)


@trapezoid.vjp("x")
def _(dy: Array, samples: Array, x: Array, *, axis: int) -> Array:
    middle = (
        restore(dy, samples.shape, axis, False) * (_slice(samples, axis, 1, None) + _slice(samples, axis, None, -1)) / 2
    )
    zero = np.zeros_like(_slice(middle, axis, 0, 1))
    g = -np.diff(np.concatenate([zero, middle, zero], axis=axis), axis=axis)
    return sum_to(np.moveaxis(g, axis, -1), shape=x.shape) if x.ndim == 1 else sum_to(g, shape=x.shape)


draw(
    trapezoid,
    *shapes((5,), (3, 4)),
    [(3, 4), {"dx": 0.5, "axis": 0}],
    [(3, 4), (4,)],
    [(3, 4), (3,), {"axis": 0}],
    [(3, 4), (3, 4)],
)

# Linear interpolation between knots. On a knot the slope is that to its right; beyond the ends it is 0.


def _interp(
    x: Array,
    xp: Array,
    fp: Array,
    left: float | None = None,
    right: float | None = None,
    period: float | None = None,
) -> Any:
    """Knots that repeat with a period are brought into the first one, and a neighbour's stands at either end."""
    if period is None:
        return (x, xp, fp), {"left": left, "right": right}
    if not period:
        raise OpError("np.interp: period must not be 0")
    x, xp = np.remainder(x, abs(period)), np.remainder(xp, abs(period))
    order = np.argsort(xp)
    xp, fp = take(xp, order), take(np.asarray(fp) if isinstance(fp, list | tuple) else fp, order)
    xp = np.concatenate([xp[-1:] - abs(period), xp, xp[:1] + abs(period)])
    return (x, xp, np.concatenate([fp[-1:], fp, fp[:1]])), {"left": None, "right": None}


@op(implements=np.interp, binder=_interp)
def interp(x: Array, xp: Array, fp: Array, *, left: float | None = None, right: float | None = None) -> Array:
    """The piecewise linear function through the points (xp, fp), xp ascending, at x, as `np.interp`."""
    return np.asarray(np.interp(x, xp, fp, left=left, right=right))[()]


@interp.vjp("x", "xp", "fp")
def _(dy: Array, x: Array, xp: Array, fp: Array, wanted: Any, *, left: float | None, right: float | None) -> Any:
    n = xp.shape[0]
    i = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, n - 2)
    (x0, x1), (y0, y1) = ((take(a, i), take(a, i + 1)) for a in (xp, fp))  # np.take looks at its first array alone
    low, high = x < xp[0], x > xp[-1]
    slope, share = (y1 - y0) / (x1 - x0), (x - x0) / (x1 - x0)
    share = np.where(low, 0, np.where(high, 1, share))
    slope = np.where(low | high, 0, slope)
    end = np.where((low & (left is not None)) | (high & (right is not None)), 0, dy)

    def knots(a: Array, b: Array) -> Array:
        return scatter_take(a, i, shape=(n,)) + scatter_take(b, i + 1, shape=(n,))

    # y = y0 + slope·(x − x0): ∂y/∂x0 = −slope·(1 − share) and ∂y/∂x1 = −slope·share.
    return (
        dy * slope if wanted[0] else None,
        knots(-dy * slope * (1 - share), -dy * slope * share) if wanted[1] else None,
        knots(end * (1 - share), end * share) if wanted[2] else None,
    )


@interp.samples
def _(rng: np.random.Generator) -> list[Any]:
    xp, fp = np.sort(rng.normal(size=6)), rng.normal(size=6)
    x = rng.uniform(xp[0] - 1, xp[-1] + 1, (3, 4))
    return [(x, xp, fp), (x, xp, fp, {"left": 0.0, "right": 1.0})]


# Convolution in one dimension, y_k = Σ_j a_j·v_{k−j}: δa is δy convolved with v backwards, and δv with a. Modes other
# than "full" cut the ends off, where δy is 0.


@op(implements=np.convolve)
def convolve(a: Array, v: Array, *, mode: Mode = "full") -> Array:
    """The convolution of two vectors, as `np.convolve`."""
    return np.convolve(a, v, mode)


@op(implements=np.correlate)
def correlate(a: Array, v: Array, *, mode: Mode = "valid") -> Array:
    """The correlation of two vectors, Σ a_{n+k}·conj(v_n), as `np.correlate`."""
    return np.correlate(a, v, mode)


def _full(dy: Array, n: int, m: int, mode: Mode, longer_first: bool = True) -> Array:
    """δy of the full convolution of n and m elements."""
    if mode == "full":
        return dy
    short = min(n, m) - 1
    start = short if mode == "valid" else (short // 2 if longer_first else (short + 1) // 2)
    return scatter_add(dy, slice(start, start + dy.shape[0]), shape=(n + m - 1,))


def _slid(full: Array, over: Array, shape: tuple[int, ...]) -> Array:
    """The elements of a vector that has slid over another; to NumPy a number is a vector of one."""
    return np.reshape(np.convolve(full, np.reshape(over, -1), "valid"), shape)


convolve.defvjp(
    a=lambda dy, a_shape, v, mode: _slid(_full(dy, math.prod(a_shape), np.size(v), mode), np.flip(v), a_shape),
    v=lambda dy, a, v_shape, mode: _slid(_full(dy, np.size(a), math.prod(v_shape), mode), np.flip(a), v_shape),
)


@correlate.vjp("a")
def _(dy: Array, a_shape: Any, v: Array, *, mode: Mode) -> Array:
    n = math.prod(a_shape)
    return _slid(_full(dy, n, v.size, mode, n >= v.size), np.conjugate(v), a_shape)


@correlate.vjp("v")
def _(dy: Array, a: Array, v_shape: Any, v_dtype: Any, *, mode: Mode) -> Array:
    m = math.prod(v_shape)
    g = np.flip(_slid(_full(dy, a.size, m, mode, a.size >= m), np.flip(a), v_shape))
    return np.conjugate(g) if v_dtype.kind == "c" else g


for _op in (convolve, correlate):
    draw(
        _op,
        *(
            [(n,), (m,), {"mode": mode}]
            for n, m in ((5, 3), (2, 5), (6, 4), (4, 4), (5, 2))
            for mode in ("full", "same", "valid")
        ),
    )
    _op.operations(lambda a, v, y: 2 * min(a[0], v[0]) * y[0])
