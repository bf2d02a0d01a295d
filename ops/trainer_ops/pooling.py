"""Pooling: windows of (n, *spatial, channels) reduced to one number per channel, for any number of spatial axes.

Memory is laid out as in `trainer_ops.convolution`, the batch innermost, so that every step is one over long runs.

Edges. The first of several maxima, in row-major order, gets the whole gradient, as in PyTorch. A window that holds a
nan gives nan. Padding never wins: it counts as −∞ under a maximum and is left out of an average, unless `count_padding`
asks for PyTorch's way. Windows that would hang over the end are dropped; `padding="same"` keeps them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any

import numpy as np

from trainer import op
from trainer.errors import ShapeError
from trainer_ops._common import Array, draw, shared
from trainer_ops._geometry import Geometry, Padding, Sizes, geometry, per_axis
from trainer_ops.indexing import scatter_take
from trainer_ops.windows import framed, overlap_add, turned

__all__ = [
    "adaptive_average_pool", "adaptive_max_pool", "average_pool", "global_average_pool", "global_max_pool", "max_pool",
    "windows",
]  # fmt: skip

_ALL = slice(None)


def windows(
    name: str, shape: tuple[int, ...], window: Sizes, stride: Sizes | None, padding: Padding, dilation: Sizes = 1
) -> Geometry:
    """The geometry of windows on images of `shape`; the stride is the window unless given."""
    rank = _rank(name, shape)
    sizes = per_axis("window", window, rank)
    g = geometry(shape[1:-1], sizes, sizes if stride is None else stride, padding, dilation)
    for (before, _), n, k, s, d, m in zip(g.padding, g.shape, g.window, g.stride, g.dilation, g.out, strict=True):
        places = np.arange(m)[:, None] * s + np.arange(k) * d - before
        if not ((places >= 0) & (places < n)).any(axis=1).all():
            raise ShapeError(f"{name}: padding={padding} leaves windows of {sizes} that hold nothing but padding")
    return g


def _rank(name: str, shape: tuple[int, ...]) -> int:
    """How many spatial axes there are."""
    if len(shape) < 3:
        hint = "; add an axis of channels: x[..., None]" if len(shape) == 2 else ""
        raise ShapeError(f"{name} takes (n, *spatial, channels), and x is {shape}{hint}")
    return len(shape) - 2


def _along(g: Geometry, axis: int) -> list[tuple[slice, ...]]:
    """Per element of a window along one spatial axis, where an array holds that element of all windows."""
    k, s, d, n = g.window[axis], g.stride[axis], g.dilation[axis], g.out[axis]
    return [(_ALL,) * (axis + 1) + (slice(i * d, i * d + (n - 1) * s + 1, s),) for i in range(k)]


# The largest.


@op
def max_pool(
    x: Array, *, window: Sizes = 2, stride: Sizes | None = None, padding: Padding = "valid", dilation: Sizes = 1
) -> Array:
    """The largest element of each window: (n, *spatial, channels) → (n, *windows, channels).

    Args:
        x: (n, *spatial, channels).
        window: its size; one number, or one per axis.
        stride: from one window to the next; as the window, unless given.
        padding: −∞ around x: a number, one per axis, a pair (before, after) per axis, 'valid' (none) or 'same'.
        dilation: from one element of a window to the next.

    >>> max_pool(np.array([[[1.0], [3.0], [2.0], [0.0]]])).ravel()
    array([3., 2.])
    """
    g = windows("max_pool", x.shape, window, stride, padding, dilation)
    y = framed(x, g, -math.inf)
    for axis in range(len(g.window)):  # a box is as good as its sides, one after the other, and cheaper
        y = reduce(np.maximum, [y[place] for place in _along(g, axis)])
    return np.swapaxes(y, 0, -1)


# Which element won is not kept but found again: the first that equals its window's maximum, the last if none does, as
# with nan. For one window of two, δx1 = δy·[x1 = y] and δx2 = δy·[x1 ≠ y].


def _place(dy: Array, x: Array, y: Array, g: Geometry) -> Array:
    """Zeros like x, with each element of dy added where its window's maximum, y, was found in x."""
    dy, x, y = turned(dy), framed(x, g, math.nan), turned(y)  # padding, a nan, equals no maximum, not even −∞
    parts, left = [], dy
    for tap in g.taps[:-1]:
        element = x[(_ALL, *tap)]
        parts.append(left * (element == y))
        left = left * (element != y)
    parts.append(left)
    places = tuple((_ALL, *tap) for tap in g.taps)
    dx = overlap_add(*parts, places=places, shape=x.shape, overlapping=g.overlapping)
    return np.swapaxes(dx[(_ALL, *g.inside)] if g.pads else dx, 0, -1)


_S = Any  # a static attribute, passed on


@max_pool.vjp("x")
def _(dy: Array, x: Array, y: Array, *, window: _S, stride: _S, padding: _S, dilation: _S) -> Array:
    return _place(dy, x, y, windows("max_pool", x.shape, window, stride, padding, dilation))


# The average.


@op
def average_pool(
    x: Array, *, window: Sizes = 2, stride: Sizes | None = None, padding: Padding = "valid", count_padding: bool = False
) -> Array:
    """The mean of each window: (n, *spatial, channels) → (n, *windows, channels).

    Args:
        x: (n, *spatial, channels).
        window: its size; one number, or one per axis.
        stride: from one window to the next; as the window, unless given.
        padding: around x: a number, one per axis, a pair (before, after) per axis, 'valid' (none) or 'same'.
        count_padding: take padding for zeros that count, rather than leave it out of the mean.

    >>> average_pool(np.array([[[1.0], [3.0], [2.0], [0.0]]])).ravel()
    array([2., 1.])
    """
    g = windows("average_pool", x.shape, window, stride, padding)
    y = framed(x, g)
    for axis in range(len(g.window)):
        y = reduce(np.add, [y[place] for place in _along(g, axis)])
    return np.swapaxes(shared(y, _counts(g, count_padding, y.dtype)), 0, -1)


def _counts(g: Geometry, count_padding: bool, dtype: Any) -> Any:
    """How many elements each window averages: a number, or (*windows, 1)."""
    if count_padding or not g.pads:
        return math.prod(g.window)
    return _inner_counts(g).astype(np.result_type(dtype, np.float32))


@lru_cache(maxsize=64)
def _inner_counts(g: Geometry) -> Any:
    counts: Any = np.ones((1,) * len(g.out))
    for axis, ((before, _), k, s, n) in enumerate(zip(g.padding, g.window, g.stride, g.out, strict=True)):
        first = np.arange(n) * s - before
        here = np.minimum(first + k, g.shape[axis]) - np.maximum(first, 0)
        counts = counts * np.expand_dims(here, tuple(a for a in range(len(g.out)) if a != axis))
    return np.expand_dims(counts, -1)


@average_pool.vjp("x")
def _(dy: Array, x_shape: _S, *, window: _S, stride: _S, padding: _S, count_padding: bool) -> Array:
    g = windows("average_pool", x_shape, window, stride, padding)
    dx = shared(turned(dy), _counts(g, count_padding, dy.dtype))
    for axis, (k, s) in enumerate(zip(g.window, g.stride, strict=True)):
        shape = (*dx.shape[: axis + 1], g.padded[axis], *dx.shape[axis + 2 :])
        dx = overlap_add(*[dx] * k, places=tuple(_along(g, axis)), shape=shape, overlapping=k > s)
    return np.swapaxes(dx[(_ALL, *g.inside)] if g.pads else dx, 0, -1)


# Of a fixed output size: the i-th of m windows on n elements runs from ⌊i·n/m⌋ to ⌈(i + 1)·n/m⌉. Windows of unequal
# lengths become equal ones when the shorter repeat an element, which no maximum minds, and which an average masks.


@lru_cache(maxsize=64)
def _members(n: int, m: int) -> tuple[Any, Any]:
    """Which elements the m windows on n hold, (m, longest), short ones repeating their last, and their lengths (m,)."""
    first, end = np.arange(m) * n // m, -(-np.arange(1, m + 1) * n // m)
    longest = int(np.max(end - first))
    return np.minimum(first[:, None] + np.arange(longest), end[:, None] - 1), end - first


def _adaptive(name: str, shape: tuple[int, ...], size: Sizes) -> list[tuple[int, int, int]]:
    """The spatial axes to be pooled, each with its length and its number of windows."""
    sizes = per_axis("size", size, _rank(name, shape))
    for n, m in zip(shape[1:-1], sizes, strict=True):
        if n < 1:
            raise ShapeError(f"{name} cannot pool an empty axis: x is {shape}")
        _members(n, m)
    return [(axis + 1, shape[axis + 1], m) for axis, m in enumerate(sizes)]


@op
def adaptive_average_pool(x: Array, *, size: Sizes = 1) -> Array:
    """Means of as many windows as `size` says, which cover x evenly: (n, *spatial, channels) → (n, *size, channels).

    Args:
        x: (n, *spatial, channels).
        size: of the output; one number, or one per axis. Where it does not divide x's, windows share elements.

    >>> adaptive_average_pool(np.array([[[1.0], [3.0], [2.0]]]), size=2).ravel()
    array([2. , 2.5])
    """
    for axis, n, m in _adaptive("adaptive_average_pool", x.shape, size):
        x = _average(x, axis, *_members(n, m))
    return x


def _average(x: Array, axis: int, members: Any, lengths: Any) -> Array:
    m, longest = members.shape
    x = np.take(x, members.ravel(), axis=axis)
    x = np.reshape(x, (*x.shape[:axis], m, longest, *x.shape[axis + 1 :]))
    own, count = _ownership(longest, lengths, x.ndim - axis - 2, x.dtype)
    return np.sum(x * own, axis=axis + 1) / count


def _ownership(longest: int, lengths: Any, after: int, dtype: Any) -> tuple[Any, Any]:
    """Which of the members are a window's own, (m, longest, 1, …), and how many, (m, 1, …)."""
    own = np.arange(longest) < lengths[:, None]
    return own.reshape(*own.shape, *(1,) * after), lengths.reshape(-1, *(1,) * after).astype(dtype)


@adaptive_average_pool.vjp("x")
def _(dy: Array, x_shape: _S, *, size: _S) -> Array:
    for axis, n, m in reversed(_adaptive("adaptive_average_pool", x_shape, size)):
        members, lengths = _members(n, m)
        own, count = _ownership(members.shape[1], lengths, dy.ndim - axis - 1, dy.dtype)
        spread = np.expand_dims(dy / count, axis + 1) * own
        spread = np.reshape(spread, (*dy.shape[:axis], members.size, *dy.shape[axis + 1 :]))
        dy = scatter_take(spread, members.ravel(), shape=(*dy.shape[:axis], n, *dy.shape[axis + 1 :]), axis=axis)
    return dy


@op
def adaptive_max_pool(x: Array, *, size: Sizes = 1) -> Array:
    """Maxima of as many windows as `size` says, which cover x evenly: (n, *spatial, channels) → (n, *size, channels).

    Args:
        x: (n, *spatial, channels).
        size: of the output; one number, or one per axis. Where it does not divide x's, windows share elements.

    >>> adaptive_max_pool(np.array([[[1.0], [3.0], [2.0]]]), size=2).ravel()
    array([3., 3.])
    """
    axes = _adaptive("adaptive_max_pool", x.shape, size)
    return max_pool(_spread(x, axes), window=_longest(axes))


def _spread(x: Array, axes: Sequence[tuple[int, int, int]]) -> Array:
    """x with the windows' members side by side, so that windows of equal length lie next to each other."""
    for axis, n, m in axes:
        if n % m:
            x = np.take(x, _members(n, m)[0].ravel(), axis=axis)
    return x


def _longest(axes: Sequence[tuple[int, int, int]]) -> tuple[int, ...]:
    return tuple(_members(n, m)[0].shape[1] for _, n, m in axes)


@adaptive_max_pool.vjp("x")
def _(dy: Array, x: Array, y: Array, *, size: _S) -> Array:
    axes = _adaptive("adaptive_max_pool", x.shape, size)
    spread, window = _spread(x, axes), _longest(axes)
    dx = _place(dy, spread, y, geometry(spread.shape[1:-1], window, window, "valid"))
    for axis, n, m in reversed(axes):
        if n % m:
            shape = (*dx.shape[:axis], n, *dx.shape[axis + 1 :])
            dx = scatter_take(dx, _members(n, m)[0].ravel(), shape=shape, axis=axis)
    return dx


# Of everything there is.


@op
def global_average_pool(x: Array) -> Array:
    """The mean over all spatial axes: (n, *spatial, channels) → (n, channels). Lin et al., *Network in network*, 2013.

    >>> global_average_pool(np.array([[[1.0], [3.0], [2.0]]]))
    array([[2.]])
    """
    return np.mean(x, axis=_spatial("global_average_pool", x.shape))


def _spatial(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(1, _rank(name, shape) + 1))


@global_average_pool.vjp("x")
def _(dy: Array, x_shape: _S) -> Array:
    spatial = tuple(range(1, len(x_shape) - 1))
    return np.broadcast_to(np.expand_dims(shared(dy, math.prod(x_shape[1:-1])), spatial), x_shape)


@op
def global_max_pool(x: Array) -> Array:
    """The maximum over all spatial axes: (n, *spatial, channels) → (n, channels).

    >>> global_max_pool(np.array([[[1.0], [3.0], [2.0]]]))
    array([[3.]])
    """
    return np.max(x, axis=_spatial("global_max_pool", x.shape))


@global_max_pool.vjp("x")
def _(dy: Array, x: Array) -> Array:
    places = math.prod(x.shape[1:-1])
    flat = np.reshape(x, (x.shape[0], places, x.shape[-1]))
    won = np.expand_dims(np.argmax(flat, axis=1), 1) == np.expand_dims(np.arange(places), 1)
    return np.reshape(np.expand_dims(dy, 1) * won, x.shape)


# Samples. A shuffled range keeps maxima apart, so that small changes do not change who wins.


def _apart(rng: np.random.Generator, *shape: int) -> Any:
    return rng.permutation(math.prod(shape)).reshape(shape) / 7.0


@max_pool.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [
        _apart(rng, 2, 4, 5, 2),
        (_apart(rng, 1, 5, 4, 2), {"window": 3, "stride": 2, "padding": "same"}),
        (_apart(rng, 2, 7, 1), {"window": 2, "stride": 1, "padding": 1, "dilation": 2}),
    ]


draw(
    average_pool,
    [(2, 4, 5, 2)],
    [(1, 5, 4, 2), {"window": (3, 2), "stride": 2, "padding": "same"}],
    [(2, 5, 1), {"stride": 1, "padding": 1, "count_padding": True}],
)
draw(adaptive_average_pool, [(2, 4, 2)], [(1, 5, 4, 2), {"size": (3, 2)}], [(1, 2, 1), {"size": 3}])


@adaptive_max_pool.samples
def _(rng: np.random.Generator) -> list[Any]:
    return [_apart(rng, 2, 4, 2), (_apart(rng, 1, 5, 4, 2), {"size": (3, 2)}), (_apart(rng, 1, 2, 1), {"size": 3})]


draw(global_average_pool, [(2, 3, 2)], [(2, 3, 2, 2)])
global_max_pool.samples(lambda rng: [_apart(rng, 2, 3, 2), _apart(rng, 2, 3, 2, 2)])
