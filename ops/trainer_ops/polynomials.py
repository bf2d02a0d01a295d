"""Polynomials by their coefficients, highest power first, and grids of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer import op
from trainer_ops._common import Array, draw, shapes
from trainer_ops._composed import composed


@op(implements=np.polyval)
def polyval(p: Array, x: Array) -> Array:
    """The polynomial with coefficients p at x, as `np.polyval`."""
    return np.polyval(p, x)


def _derivative(p: Array, *, m: int) -> Array:
    for _ in range(m):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1).astype(p.dtype)
    return p


@polyval.vjp("p")
def _(dy: Array, p_shape: Any, x: Array) -> Array:
    x = dy.dtype.type(x) if isinstance(x, int | float | complex) else x
    powers = np.expand_dims(x, -1) ** np.arange(p_shape[0] - 1, -1, -1).astype(x.dtype)
    return np.tensordot(dy, powers, dy.ndim)


@polyval.vjp("x")
def _(dy: Array, p: Array, x: Array) -> Array:
    return dy * np.polyval(_derivative(p, m=1), x).astype(dy.dtype)


@op(implements=np.polyder)
def polyder(p: Array, *, m: int = 1) -> Array:
    """The coefficients of the m-th derivative, as `np.polyder`."""
    return np.polyder(p, m)


@op(implements=np.polyint)
def polyint(p: Array, *, m: int = 1) -> Array:
    """The coefficients of the m-th antiderivative that is 0 at 0, as `np.polyint`."""
    return np.polyint(p, m)


def _antiderivative(p: Array, *, m: int) -> Array:
    for _ in range(m):
        p = np.concatenate([p / np.arange(p.shape[0], 0, -1).astype(p.dtype), np.zeros(1, p.dtype)])
    return p


@op(implements=np.polyadd)
def polyadd(a1: Array, a2: Array) -> Array:
    """The coefficients of the sum, as `np.polyadd`."""
    return np.polyadd(a1, a2)


@op(implements=np.polysub)
def polysub(a1: Array, a2: Array) -> Array:
    """The coefficients of the difference, as `np.polysub`."""
    return np.polysub(a1, a2)


@op(implements=np.polymul)
def polymul(a1: Array, a2: Array) -> Array:
    """The coefficients of the product, as `np.polymul`."""
    return np.polymul(a1, a2)


def _last(dy: Array, shape: tuple[int, ...]) -> Array:
    """The last elements, as many as an array of this shape has; to NumPy a number is a polynomial of degree 0."""
    return np.reshape(dy[dy.shape[0] - math.prod(shape) :], shape)


def _correlated(dy: Array, a: Array, shape: tuple[int, ...]) -> Array:
    """The transpose of a product with `a`. NumPy leaves out zeros in front, which are no variables of the result."""
    size, other = math.prod(shape), np.size(a)
    if not size or not other:  # of no coefficients NumPy makes a 0
        return np.zeros(shape, dy.dtype)
    whole = np.concatenate([np.zeros(size + other - 1 - dy.shape[0], dy.dtype), dy])
    return np.reshape(np.convolve(whole, np.flip(np.reshape(a, -1)), "valid"), shape)


polyadd.defvjp(a1=lambda dy, a1_shape: _last(dy, a1_shape), a2=lambda dy, a2_shape: _last(dy, a2_shape))
polysub.defvjp(a1=lambda dy, a1_shape: _last(dy, a1_shape), a2=lambda dy, a2_shape: -_last(dy, a2_shape))
polymul.defvjp(
    a1=lambda dy, a1_shape, a2: _correlated(dy, a2, a1_shape), a2=lambda dy, a1, a2_shape: _correlated(dy, a1, a2_shape)
)
composed(polyder, _derivative)
composed(polyint, _antiderivative)
draw(polyval, [(4,), (3,)], [(3,), (2, 2)], [(1,), (3,)])
for _op in (polyder, polyint):
    draw(_op, *shapes((5,)), [(5,), {"m": 2}])
for _op in (polyadd, polysub, polymul):
    draw(_op, [(4,), (2,)], [(2,), (3,)])


@op(implements=np.vander)
def vander(x: Array, *, N: int | None = None, increasing: bool = False) -> Array:
    """The matrix of powers of x, as `np.vander`."""
    return np.vander(x, N, increasing)


def _powers(x: Array, *, N: int | None, increasing: bool) -> Array:
    n = x.shape[0] if N is None else N
    if n == 0:
        return x[:, None][:, :0]
    columns = [x**k for k in range(n)]
    return np.stack(columns if increasing else columns[::-1], axis=-1)


composed(vander, _powers)
draw(vander, *shapes((4,)), [(3,), {"N": 2, "increasing": True}])

# Points between two ends, which may be Tensors.


@op(implements=np.linspace)
def linspace(start: Array, stop: Array, *, num: int = 50, endpoint: bool = True, axis: int = 0) -> Array:
    """Evenly spaced numbers, as `np.linspace`."""
    return np.linspace(start, stop, num, endpoint=endpoint, axis=axis)


def _line(start: Array, stop: Array, *, num: int, endpoint: bool, axis: int) -> Array:
    shape = np.broadcast_shapes(np.shape(start), np.shape(stop))
    share = np.arange(num) / max(num - 1 if endpoint else num, 1)
    share = np.reshape(share.astype(np.result_type(start, stop)), (-1,) + (1,) * len(shape))
    return np.moveaxis(np.broadcast_to(start, shape) * (1 - share) + np.broadcast_to(stop, shape) * share, 0, axis)


@op(implements=np.logspace)
def logspace(
    start: Array, stop: Array, *, num: int = 50, endpoint: bool = True, base: float = 10.0, axis: int = 0
) -> Array:
    """Powers of the base with evenly spaced exponents, as `np.logspace`."""
    return np.logspace(start, stop, num, endpoint=endpoint, base=base, axis=axis)


@op(implements=np.geomspace)
def geomspace(start: Array, stop: Array, *, num: int = 50, endpoint: bool = True, axis: int = 0) -> Array:
    """Numbers with even ratios, as `np.geomspace`."""
    return np.geomspace(start, stop, num, endpoint=endpoint, axis=axis)


composed(linspace, _line)
composed(
    logspace,
    lambda start, stop, *, num, endpoint, base, axis: base ** _line(start, stop, num=num, endpoint=endpoint, axis=axis),
)
composed(
    geomspace,
    lambda start, stop, *, num, endpoint, axis: np.exp(
        _line(np.log(start), np.log(stop), num=num, endpoint=endpoint, axis=axis)
    ),
)
_ENDS: list[list[Any]] = [[(), (), {"num": 5}], [(3,), (2, 3), {"num": 4, "endpoint": False, "axis": -1}]]
for _op in (linspace, logspace):
    draw(_op, *_ENDS)
draw(geomspace, *_ENDS, low=0.5)
