"""Products of vectors, matrices and arrays of any rank. Operations count multiplications and additions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainer import op
from trainer_ops._common import Array, axes_of, draw
from trainer_ops.shaping import sum_to

# The matrix product, (19): h = W x has δx = Wᵀ δh and δW = δh xᵀ. A vector counts as a row on the left and as a column
# on the right; further axes in front run over several products and broadcast, so what was repeated is summed.


def _left(dy: Array, x1_shape: Sequence[int], x2: Array) -> Array:
    """δx1 = δy x2ᵀ."""
    if x2.ndim == 1:
        return (np.expand_dims(dy, -1) if len(x1_shape) > 1 else dy) * x2
    if len(x1_shape) == 1:
        return sum_to(np.squeeze(x2 @ np.expand_dims(dy, -1), -1), shape=x1_shape)
    if x2.ndim == 2:
        return dy @ x2.T
    return _fitted(dy @ np.swapaxes(x2, -1, -2), x1_shape)


def _right(dy: Array, x1: Array, x2_shape: Sequence[int]) -> Array:
    """δx2 = x1ᵀ δy."""
    if len(x2_shape) <= 2 <= x1.ndim:  # one matrix for every product: all of them are one product with more rows
        if x1.ndim == 2:
            return x1.T @ dy
        count = math.prod(x1.shape[:-1])  # said, for −1 has no meaning where an axis is empty
        return np.reshape(x1, (count, x1.shape[-1])).T @ np.reshape(dy, (count, *x2_shape[1:]))
    if len(x2_shape) == 1:
        return dy * x1
    if x1.ndim == 1:
        return np.expand_dims(x1, -1) * np.expand_dims(dy, -2)
    return _fitted(np.swapaxes(x1, -1, -2) @ dy, x2_shape)


def _fitted(g: Array, shape: Sequence[int]) -> Array:
    return g if g.shape == shape else sum_to(g, shape=tuple(shape))


matmul = op(np.matmul).defvjp(x1=_left, x2=_right)


@matmul.operations
def _(x1: Any, x2: Any, y: Any) -> int:
    return 2 * int(np.prod(y)) * int(x1[-1] if x1 else x2[-2:][0])  # whichever has a shape on the tape


draw(
    matmul, [(3, 4), (4, 2)], [(4,), (4,)], [(3, 4), (4,)], [(4,), (4, 2)], [(2, 3, 4), (4, 5)], [(2, 3, 4), (4,)],
    [(4,), (2, 4, 3)], [(2, 3, 4), (2, 4, 2)], [(5, 1, 3, 4), (2, 4, 2)], [(3, 4), (2, 4, 3)],
)  # fmt: skip

# Contractions of any axes. `tensordot` moves the summed axes of x1 to its end and those of x2 to its front, and
# multiplies matrices; its rule contracts δy with the other factor over the axes that are left and moves the axes back.


@op(implements=np.tensordot)
def tensordot(x1: Array, x2: Array, *, axes: Any = 2) -> Array:
    """Σ over pairs of axes, as `np.tensordot`."""
    return np.tensordot(x1, x2, axes)


def _pairs(axes: Any, ndim1: int, ndim2: int) -> tuple[list[int], list[int]]:
    """The summed axes of both factors, from 0."""
    if isinstance(axes, int | np.integer):
        count = int(axes)
        return list(range(ndim1 - count, ndim1)), list(range(count))
    first, second = axes
    return list(axes_of(first, ndim1)), list(axes_of(second, ndim2))


def _rest(ndim: int, axes: Sequence[int]) -> list[int]:
    return [a for a in range(ndim) if a not in axes]


def _contract_left(dy: Array, ndim1: int, x2: Array, axes: Any) -> Array:
    summed1, summed2 = _pairs(axes, ndim1, np.ndim(x2))
    rest1, rest2 = _rest(ndim1, summed1), _rest(np.ndim(x2), summed2)
    g = np.tensordot(dy, x2, (list(range(len(rest1), dy.ndim)), rest2))
    # Its axes: those of x1 that were not summed, then the summed ones in x2's order.
    order = rest1 + [summed1[summed2.index(a)] for a in sorted(summed2)]
    return np.transpose(g, tuple(np.argsort(order)))


def _contract_right(dy: Array, x1: Array, ndim2: int, axes: Any) -> Array:
    summed1, summed2 = _pairs(axes, np.ndim(x1), ndim2)
    rest1, rest2 = _rest(np.ndim(x1), summed1), _rest(ndim2, summed2)
    g = np.tensordot(x1, dy, (rest1, list(range(len(rest1)))))
    order = [summed2[summed1.index(a)] for a in sorted(summed1)] + rest2
    return np.transpose(g, tuple(np.argsort(order)))


tensordot.defvjp(
    x1=lambda dy, x1_shape, x2, axes: _contract_left(dy, len(x1_shape), x2, axes),
    x2=lambda dy, x1, x2_shape, axes: _contract_right(dy, x1, len(x2_shape), axes),
)


@tensordot.operations
def _(x1: Any, x2: Any, y: Any) -> int:
    # |x1|·|x2| counts each summed index twice and |y| not at all, so its root with |y| is the number of products.
    return 2 * round(math.sqrt(math.prod(x1) * math.prod(x2) * math.prod(y)))


@op(implements=np.dot)
def dot(x1: Array, x2: Array) -> Array:
    """Σ over the last axis of x1 and the last but one of x2 (the only one of a vector), as `np.dot`."""
    return np.dot(x1, x2)


@op(implements=np.inner)
def inner(x1: Array, x2: Array) -> Array:
    """Σ over the last axes of both, as `np.inner`."""
    return np.inner(x1, x2)


for _op in (dot, inner):
    _op.operations(lambda x1, x2, y: 2 * int(np.prod(y)) * (x1[-1] if x1 and x2 else 1))


def _dot_axes(shape: Sequence[int]) -> tuple[int, int]:
    return (-1, -min(len(shape), 2))


def _number(dy: Array, shape: Sequence[int], other: Array) -> Array:
    """The rule of a product in which one factor is a number."""
    return sum_to(dy * other, shape=tuple(shape))


@dot.vjp("x1")
def _(dy: Array, x1_shape: Any, x2: Array) -> Array:
    if not x1_shape or not np.ndim(x2):
        return _number(dy, x1_shape, x2)
    return _contract_left(dy, len(x1_shape), x2, _dot_axes(x2.shape))


@dot.vjp("x2")
def _(dy: Array, x1: Array, x2_shape: Any) -> Array:
    if not x2_shape or not np.ndim(x1):
        return _number(dy, x2_shape, x1)
    return _contract_right(dy, x1, len(x2_shape), _dot_axes(x2_shape))


@inner.vjp("x1")
def _(dy: Array, x1_shape: Any, x2: Array) -> Array:
    if not x1_shape or not np.ndim(x2):
        return _number(dy, x1_shape, x2)
    return _contract_left(dy, len(x1_shape), x2, (-1, -1))


@inner.vjp("x2")
def _(dy: Array, x1: Array, x2_shape: Any) -> Array:
    if not x2_shape or not np.ndim(x1):
        return _number(dy, x2_shape, x1)
    return _contract_right(dy, x1, len(x2_shape), (-1, -1))


@op(implements=np.vdot)
def vdot(x1: Array, x2: Array) -> Array:
    """Σ conj(x1)·x2 over all elements, as `np.vdot`."""
    return np.vdot(x1, x2)


vdot.defvjp(
    x1=lambda dy, x1_shape, x1_dtype, x2: np.reshape(_conjugate(dy * x2, x1_dtype), x1_shape),
    x2=lambda dy, x1, x2_shape: np.reshape(dy * np.conjugate(x1), x2_shape),
)


def _conjugate(g: Array, dtype: Any) -> Array:
    """The cotangent of conj(x), (Re, −Im), from that of x; there is nothing to turn where x is real."""
    return np.conjugate(g) if dtype.kind == "c" else g


@op(implements=np.outer)
def outer(x1: Array, x2: Array) -> Array:
    """Every product of an element of x1 with one of x2, both flattened, as `np.outer`."""
    return np.outer(x1, x2)


outer.defvjp(
    x1=lambda dy, x1_shape, x2: np.reshape(dy @ np.ravel(x2), x1_shape),
    x2=lambda dy, x1, x2_shape: np.reshape(np.ravel(x1) @ dy, x2_shape),
)

for _op in (dot, inner):
    draw(
        _op,
        [(4,), (4,)],
        [(3, 4), (4,)],
        [(), (3,)],
        [(3,), ()],
        [(3, 4), (4, 4)],
        [(2, 3, 4), (5, 4, 4)],
        [(4,), (2, 4, 4)],
    )
draw(tensordot, [(3, 4), (3, 4)], [(2, 3, 4), (4, 3, 5), {"axes": ([2, 1], [0, 1])}], [(3,), (2,), {"axes": 0}],
     [(2, 3, 4), (3, 2, 5), {"axes": ((0, -2), (-2, 0))}], [(3, 4), (5, 4), {"axes": (1, 1)}])  # fmt: skip
draw(vdot, [(4,), (4,)], [(2, 3), (3, 2)])
draw(outer, [(3,), (4,)], [(2, 2), (3,)])

# Products of the last axes, broadcasting over the others. The first factor of vecdot and vecmat is conjugated.


def _vecdot(dy: Array, x1: Array, x2_shape: Any) -> Array:
    return sum_to(np.expand_dims(dy, -1) * np.conjugate(x1), shape=x2_shape)


vecdot = op(np.vecdot).defvjp(
    x1=lambda dy, x1_shape, x1_dtype, x2: sum_to(_conjugate(np.expand_dims(dy, -1) * x2, x1_dtype), shape=x1_shape),
    x2=_vecdot,
)
draw(vecdot, [(3, 4), (3, 4)], [(3, 4), (4,)], [(4,), (4,)])

if hasattr(np, "matvec"):  # NumPy 2.2 and later
    matvec = op(np.matvec).defvjp(
        x1=lambda dy, x1_shape, x2: sum_to(np.expand_dims(dy, -1) * np.expand_dims(x2, -2), shape=x1_shape),
        x2=lambda dy, x1, x2_shape: sum_to(np.matvec(np.swapaxes(x1, -1, -2), dy), shape=x2_shape),
    )
    vecmat = op(np.vecmat).defvjp(
        x1=lambda dy, x1_shape, x1_dtype, x2: sum_to(_conjugate(np.matvec(x2, dy), x1_dtype), shape=x1_shape),
        x2=lambda dy, x1, x2_shape: sum_to(
            np.expand_dims(np.conjugate(x1), -1) * np.expand_dims(dy, -2), shape=x2_shape
        ),
    )
    draw(matvec, [(3, 4), (4,)], [(2, 3, 4), (2, 4)], [(3, 4), (2, 4)])
    draw(vecmat, [(4,), (4, 3)], [(2, 4), (2, 4, 3)], [(2, 4), (4, 3)])


@op(implements=np.kron)
def kron(x1: Array, x2: Array) -> Array:
    """Blocks x1[i]·x2, as `np.kron`."""
    return np.kron(x1, x2)


def _blocks(
    dy: Array, x1_shape: Sequence[int], x2_shape: Sequence[int]
) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
    """δy with axes (those of x1, those of x2), and both shapes with as many axes as δy has."""
    n = dy.ndim
    first, second = (1,) * (n - len(x1_shape)) + tuple(x1_shape), (1,) * (n - len(x2_shape)) + tuple(x2_shape)
    paired = np.reshape(dy, tuple(m for pair in zip(first, second, strict=True) for m in pair))
    return np.transpose(paired, (*range(0, 2 * n, 2), *range(1, 2 * n, 2))), first, second


@kron.vjp("x1")
def _(dy: Array, x1_shape: Any, x2: Array) -> Array:
    blocks, _, second = _blocks(dy, x1_shape, np.shape(x2))
    return np.reshape(np.tensordot(blocks, np.reshape(x2, second), dy.ndim), x1_shape)


@kron.vjp("x2")
def _(dy: Array, x1: Array, x2_shape: Any) -> Array:
    blocks, first, _ = _blocks(dy, np.shape(x1), x2_shape)
    return np.reshape(np.tensordot(np.reshape(x1, first), blocks, dy.ndim), x2_shape)


draw(kron, [(2,), (3,)], [(2, 3), (3, 2)], [(2, 2), (3,)], [(3,), (2, 2)])

# a × b: from c·(a × b) = a·(b × c) = b·(c × a) follow δa = b × δy and δb = δy × a.


@op(implements=np.cross)
def cross(x1: Array, x2: Array, *, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Array:
    """The vector product in three dimensions, as `np.cross`."""
    return np.cross(x1, x2, axisa, axisb, axisc, axis)


def _cross(
    dy: Array, other: Array, shape: Any, own: int, others: int, axisc: int, axis: int | None, sign: int
) -> Array:
    own, others, axisc = (own, others, axisc) if axis is None else (axis, axis, axis)
    g = sign * np.cross(np.moveaxis(other, others, -1), np.moveaxis(dy, axisc, -1))
    places = list(shape)
    places.append(places.pop(own))  # the shape with the vectors in the last axis
    return np.moveaxis(sum_to(g, shape=tuple(places)), -1, own)


cross.defvjp(
    x1=lambda dy, x1_shape, x2, axisa, axisb, axisc, axis: _cross(dy, x2, x1_shape, axisa, axisb, axisc, axis, 1),
    x2=lambda dy, x2_shape, x1, axisa, axisb, axisc, axis: _cross(dy, x1, x2_shape, axisb, axisa, axisc, axis, -1),
)
draw(cross, [(3,), (3,)], [(4, 3), (3,)], [(3, 4), (4, 3), {"axisa": 0, "axisc": 0}], [(3, 2), (3, 2), {"axis": 0}])
