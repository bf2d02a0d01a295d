"""numpy.linalg: inverses, determinants, systems of equations, norms, products. The decompositions are in
decompositions.py.

All work on stacks of matrices, the last two axes, and on complex ones, where the cotangent is the plain transpose's: no
conjugation, as everywhere. Formulas: M. B. Giles, "An extended collection of matrix derivative results" (2008); for the
pseudoinverse G. Golub and V. Pereyra (1973).

Edges. A norm that is 0 has gradient 0. Rows, columns, elements and singular values that tie for the largest or
smallest share the gradient; a singular value that is 0 has a corner there, and gradient 0, as `np.absolute` has.
`det` is right for singular matrices, from their cofactors. `pinv` and `lstsq` are differentiated as if the rank
stayed what it is. `inv`, `solve` and the gradient of `slogdet` raise NumPy's LinAlgError for a singular matrix.
With `hermitian=True` NumPy reads the lower triangle only, and the gradient lies there.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trainer import Op, op, stop_gradient, vjp
from trainer.engine.dispatch import bind
from trainer_ops._common import Array, Axis, axes_of, draw, restore, with_axes
from trainer_ops._composed import composed
from trainer_ops.indexing import diagonal, trace
from trainer_ops.poles import direction, divided, times
from trainer_ops.products import cross, matmul, outer, tensordot, vecdot
from trainer_ops.shaping import matrix_transpose, sum_to


def T(x: Array) -> Array:
    """The transpose of each matrix."""
    return np.swapaxes(x, -1, -2)


def H(x: Array) -> Array:
    """The conjugate transpose of each matrix."""
    return np.conjugate(np.swapaxes(x, -1, -2))


def eye(n: int, like: Array) -> Array:
    """The unit matrix in the dtype of `like`."""
    return np.eye(n, dtype=like.dtype)


def to_triangle(g: Array, uplo: str = "L") -> Array:
    """The cotangent of a Hermitian matrix, moved to the triangle that NumPy reads; of the diagonal, to its real part.

    >>> to_triangle(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 0.],
           [5., 4.]])
    """
    both = g + H(g)
    on_diagonal = (both / 2) * eye(g.shape[-1], g)
    return on_diagonal + (np.tril(both, -1) if uplo == "L" else np.triu(both, 1))


def matrices(one: Op, *cases: Sequence[Any], lift: float = 2.5) -> Op:
    """Give an op samples as `draw` does, where `lift` is added to the diagonal of the square matrices among them."""

    def samples(rng: np.random.Generator) -> list[tuple[Any, ...]]:
        return [tuple(_lifted(item, rng, lift) for item in case) for case in cases]

    one.samples(samples)
    return one


def _lifted(item: Any, rng: np.random.Generator, lift: float) -> Any:
    if type(item) is not tuple:
        return item
    x = rng.normal(size=item)
    return x + lift * np.eye(item[-1]) if len(item) > 1 and item[-1] == item[-2] else np.asarray(x)


# Inverse and determinant. From A·A⁻¹ = I: dA⁻¹ = −A⁻¹ dA A⁻¹. Jacobi: d det A = tr(cofᵀ dA), where cof = det(A)·A⁻ᵀ.


@op(implements=np.linalg.inv)
def inv(a: Array) -> Array:
    """The inverse of each matrix, as `np.linalg.inv`."""
    return np.linalg.inv(a)


@op(implements=np.linalg.det)
def det(a: Array) -> Array:
    """The determinant of each matrix, as `np.linalg.det`."""
    return np.linalg.det(a)


@op
def cofactor(a: Array) -> Array:
    """The matrix of cofactors, the gradient of the determinant: det(a)·a⁻ᵀ, and right for singular matrices.

    With a = U S Vᴴ it is det U · det Vᴴ · conj(U) cof(S) conj(Vᴴ), where cof(S) has on its
    diagonal the products of all other singular values.

    >>> cofactor(np.array([[1.0, 2.0], [2.0, 4.0]])).round(12).tolist()
    [[4.0, -2.0], [-2.0, 1.0]]
    """
    u, s, vh = np.linalg.svd(a)
    before, after = _products(s)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return sign[..., None, None] * ((np.conj(u) * (before * after)[..., None, :]) @ np.conj(vh))


def _products(s: Array) -> tuple[Array, Array]:
    """Of each number, the products of those before it and of those behind it."""
    ones = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([ones, s[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([ones, s[..., :0:-1]], -1), -1)[..., ::-1]
    return before[..., : s.shape[-1]], after[..., : s.shape[-1]]


@op
def cofactor_slope(g: Array, a: Array) -> Array:
    """The derivative of the cofactors of `a` along `g`, its own transpose; right for singular matrices.

    With T = Uᴴ g V, and P_ij the product of all singular values but the i-th and the j-th, 0 for i = j, it is
    det U · det Vᴴ · conj(U) (diag(P diag T) − P ∘ Tᵀ) conj(Vᴴ).

    >>> cofactor_slope(np.ones((2, 2)), np.array([[1.0, 2.0], [2.0, 4.0]])).round(12).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    u, s, vh = np.linalg.svd(a)
    before, after = _products(s)
    behind = np.triu(np.ones((s.shape[-1],) * 2, s.dtype), 1)
    up_to = np.cumprod(np.where(behind == 1, s[..., None, :], 1), -1)
    between = np.concatenate([np.ones_like(up_to[..., :1]), up_to[..., :-1]], -1)
    pairs = behind * before[..., :, None] * between * after[..., None, :]
    pairs = pairs + T(pairs)
    inner = H(u) @ g @ H(vh)
    middle = eye(s.shape[-1], a) * (pairs @ np.diagonal(inner, 0, -2, -1)[..., None]) - pairs * T(inner)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return sign[..., None, None] * (np.conj(u) @ middle @ np.conj(vh))


@op(implements=np.linalg.slogdet)
def slogdet(a: Array) -> Any:
    """Sign and logarithm of the absolute value of each determinant, as `np.linalg.slogdet`."""
    return np.linalg.slogdet(a)


inv.defvjp(a=lambda dy, y: -T(y) @ dy @ T(y))
det.defvjp(a=lambda dy, a: dy[..., None, None] * cofactor(a))


cofactor.defvjp(a=lambda dy, a: cofactor_slope(dy, a))


@cofactor_slope.vjp("a")
def _(dy: Array, g: Array, a: Array) -> Array:
    """The third derivative of det is symmetric, so this is the slope of `cofactor_slope(g, a + t·δy)` in t at 0: of a
    polynomial of degree n − 2, whose mean over as many roots of unity, each divided by its root, has no error."""
    count = max(2, a.shape[-1] - 2)
    roots = [cmath.exp(2j * math.pi * k / count) for k in range(count)] if count > 2 else [1.0, -1.0]
    size, length = (np.max(np.abs(stop_gradient(x)), axis=(-2, -1), keepdims=True) for x in (a, dy))
    step = np.where(length == 0, 1, size / np.where(length == 0, 1, length))
    step = np.where(step == 0, 1, step)
    slopes = [cofactor_slope(g + 0 * root, a + step * root * dy) / root for root in roots]
    found = sum(slopes) / (count * step)
    return found if a.dtype.kind == "c" else np.real(found)


cofactor_slope.defvjp(g=lambda dy, a: cofactor_slope(dy, a))


@slogdet.vjp("a")
def _(dy: Any, a: Array, y: Any) -> Array:
    """τ = tr(A⁻¹dA) has d log|det| = Re τ and d sign = i·sign·Im τ; and c·Im τ = Re(−i·c·τ)."""
    factor = dy[1] - 1j * np.real(1j * y[0] * dy[0]) if a.dtype.kind == "c" else dy[1]
    return factor[..., None, None] * T(np.linalg.inv(a))


matrices(inv, [(3, 3)], [(2, 3, 3)], [(1, 1)], [(0, 0)])
matrices(det, [(3, 3)], [(2, 3, 3)], [(1, 1)])
matrices(cofactor, [(3, 3)], [(2, 3, 3)])
matrices(cofactor_slope, [(3, 3), (3, 3)], [(2, 3, 3), (2, 3, 3)])
matrices(slogdet, [(3, 3)], [(2, 3, 3)])

# Systems of equations. From A x = b: δb = A⁻ᵀ δx and δA = −δb xᵀ. A one-dimensional b is a vector, any other a matrix
# or a stack of them; stacks broadcast, so what was repeated is summed.


@op(implements=np.linalg.solve)
def solve(a: Array, b: Array) -> Array:
    """The x for which a @ x is b, as `np.linalg.solve`."""
    return np.linalg.solve(a, b)


@solve.vjp("a", "b")
def _(dy: Array, a: Array, b_shape: Any, y: Array) -> tuple[Array, Array]:
    if len(b_shape) == 1:
        db = np.linalg.solve(T(a), dy[..., None])
        return sum_to(-db @ y[..., None, :], shape=a.shape), sum_to(db[..., 0], shape=b_shape)
    db = np.linalg.solve(T(a), dy)
    return sum_to(-db @ T(y), shape=a.shape), sum_to(db, shape=b_shape)


@op(implements=np.linalg.pinv)
def pinv(a: Array, *, rcond: float | None = None, hermitian: bool = False, rtol: float | None = None) -> Array:
    """The pseudoinverse of each matrix, as `np.linalg.pinv`. Its rank is taken as fixed."""
    tolerance = {} if rtol is None else {"rtol": rtol}
    return np.linalg.pinv(a, rcond, hermitian, **tolerance)


def _pinv(dy: Array, a: Array, y: Array) -> Array:
    """dA⁺ = −A⁺ dA A⁺ + A⁺A⁺ᴴ dAᴴ (I − AA⁺) + (I − A⁺A) dAᴴ A⁺ᴴA⁺."""
    off_range, off_rows = eye(a.shape[-2], a) - a @ y, eye(a.shape[-1], a) - y @ a
    other = off_range @ T(dy) @ (y @ H(y)) + (H(y) @ y) @ T(dy) @ off_rows
    return np.conjugate(other) - T(y) @ dy @ T(y)


pinv.defvjp(a=lambda dy, a, y, hermitian: to_triangle(_pinv(dy, a, y)) if hermitian else _pinv(dy, a, y))


@op(implements=np.linalg.lstsq)
def lstsq(a: Array, b: Array, *, rcond: float | None = None) -> tuple[Array, Array, Array, Array]:
    """The x of least |a @ x − b|, sums of squared residuals, rank and singular values, as `np.linalg.lstsq`."""
    x, residuals, rank, s = np.linalg.lstsq(a, b, rcond)
    return x, residuals, np.asarray(rank), s


@lstsq.vjp("a", "b")
def _(dy: Any, a: Array, b: Array, y: Any, rcond: float | None) -> tuple[Array, Array]:
    """x = A⁺b. At the minimum the residuals r = b − Ax do not change with x: d|r|² = 2 Re r̄ᵀ(db − dA x)."""
    columns, x, dx = (v[:, None] if b.ndim == 1 else v for v in (b, y[0], dy[0]))
    tolerance = float(np.finfo(a.dtype).eps) * max(a.shape) if rcond is None else rcond
    inverse = np.linalg.pinv(a, tolerance)
    da, db = _pinv(dx @ T(columns), a, inverse), T(inverse) @ dx
    if y[1].shape[0]:  # as many residuals as columns of b; NumPy gives none where they are all 0
        dr = 2 * np.conjugate(columns - a @ x) * dy[1]
        da, db = da - dr @ T(x), db + dr
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    return da + np.conjugate((u * dy[3]) @ vh), np.reshape(db, b.shape)


matrices(
    solve, [(3, 3), (3,)], [(3, 3), (3, 2)], [(2, 3, 3), (3,)], [(2, 3, 3), (2, 3, 4)], [(3, 3), (2, 3, 1)],
    [(2, 3, 3), (3, 2)],
)  # fmt: skip
matrices(pinv, [(4, 3)], [(3, 4)], [(3, 3)], [(2, 4, 3)])
matrices(lstsq, [(5, 3), (5,)], [(5, 3), (5, 2)], [(3, 4), (3,)], [(3, 3), (3, 2)])


@op(implements=np.linalg.tensorinv)
def tensorinv(a: Array, *, ind: int = 2) -> Array:
    """The inverse of `tensordot(a, ·, ind)`, as `np.linalg.tensorinv`."""
    return np.linalg.tensorinv(a, ind)


@op(implements=np.linalg.tensorsolve)
def tensorsolve(a: Array, b: Array, *, axes: tuple[int, ...] | None = None) -> Array:
    """The x for which tensordot(a, x, x.ndim) is b, as `np.linalg.tensorsolve`; `axes` of a go to its end first."""
    return np.linalg.tensorsolve(a, b, axes)


def _tensorinv(a: Array, *, ind: int) -> Array:
    rows = math.prod(a.shape[:ind])
    return np.reshape(np.linalg.inv(np.reshape(a, (rows, rows))), a.shape[ind:] + a.shape[:ind])


def _tensorsolve(a: Array, b: Array, *, axes: tuple[int, ...] | None) -> Array:
    last = axes_of(axes, a.ndim) if axes is not None else ()
    a = np.transpose(a, (*(i for i in range(a.ndim) if i not in last), *last))
    matrix = np.reshape(a, (b.size, b.size))
    return np.reshape(np.linalg.solve(matrix, np.reshape(b, (-1,))), a.shape[b.ndim :])


composed(tensorinv, _tensorinv)
composed(tensorsolve, _tensorsolve)


@tensorinv.samples
def _(rng: np.random.Generator) -> Any:
    square = rng.normal(size=(6, 6)) + 4 * np.eye(6)
    yield square.reshape(2, 3, 3, 2)
    yield square.reshape(6, 2, 3), {"ind": 1}


@tensorsolve.samples
def _(rng: np.random.Generator) -> Any:
    square = rng.normal(size=(6, 6)) + 4 * np.eye(6)
    yield square.reshape(2, 3, 6), rng.normal(size=(2, 3))
    yield square.reshape(6, 2, 3), rng.normal(size=6)
    yield np.moveaxis(square.reshape(6, 2, 3), 0, 1), rng.normal(size=6), {"axes": (0, 2)}


# Powers and chains. A function f of a matrix has, as its transposed derivative along E, the corner of f of a block
# matrix: f([[Aᵀ, E], [0, Aᵀ]]) = [[f(Aᵀ), L(Aᵀ, E)], [0, f(Aᵀ)]] (R. Mathias 1996).


def along(function: Callable[[Array], Array], a: Array, dy: Array) -> Array:
    """δa for y = function(a), a matrix function such as a power or the exponential."""
    n = a.shape[-1]
    top = np.concatenate([T(a), dy], axis=-1)
    bottom = np.concatenate([np.zeros(a.shape, dy.dtype), T(a)], axis=-1)
    return function(np.concatenate([top, bottom], axis=-2))[..., :n, n:]


@op(implements=np.linalg.matrix_power)
def matrix_power(a: Array, *, n: int) -> Array:
    """Each matrix times itself, n factors, as `np.linalg.matrix_power`; a negative n takes the inverse."""
    return np.linalg.matrix_power(a, n)


matrix_power.defvjp(a=lambda dy, a, n: along(lambda block: np.linalg.matrix_power(block, n), a, dy))
matrices(matrix_power, *([(3, 3), {"n": n}] for n in (0, 1, 2, 5, -2)), [(2, 2, 2), {"n": 3}])


@op(implements=np.linalg.multi_dot)
def multi_dot(*arrays: Array) -> Array:
    """The product of all, in the cheapest order, as `np.linalg.multi_dot`. The first and the last may be vectors."""
    with_axes("multi_dot", 1, *arrays)
    return np.linalg.multi_dot(arrays)


@multi_dot.vjp("arrays")
def _(dy: Array, arrays: Any) -> list[Array]:
    """y = L·A·R has δA = Lᵀ δy Rᵀ, with L and R the products of what stands left and right of A."""
    first, last = arrays[0].ndim == 1, arrays[-1].ndim == 1
    chain = list(arrays)
    chain[0] = chain[0][None, :] if first else chain[0]
    chain[-1] = chain[-1][:, None] if last else chain[-1]
    dy = np.reshape(dy, (chain[0].shape[0], chain[-1].shape[1]))
    left = [dy]  # Lᵀ δy for each place
    for a in chain[:-1]:
        left.append(T(a) @ left[-1])
    right: list[Array] = []
    for a in reversed(chain[1:]):
        right.append(a if not right else a @ right[-1])
    cotangents = [g @ T(r) for g, r in zip(left, reversed(right), strict=False)] + [left[-1]]
    return [np.reshape(g, a.shape) for g, a in zip(cotangents, arrays, strict=True)]


draw(multi_dot, [(3, 4), (4, 2)], [(2, 3), (3, 4), (4, 2)], [(3,), (3, 2), (2, 4), (4,)], [(3,), (3, 3), (3, 2)])

# Norms. A vector's: y = (Σ|x|^p)^(1/p) has ∂y/∂x = (|x|/y)^(p−1)·sign x, and x/y for p = 2. The others follow from
# their definitions as maxima and sums of |x| or of singular values.


@op(implements=np.linalg.norm)
def norm(x: Array, *, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """The norm of vectors or matrices, of every kind that `np.linalg.norm` has."""
    return np.linalg.norm(x, ord, axis, keepdims)


@op(implements=np.linalg.vector_norm)
def vector_norm(x: Array, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Array:
    """The norm of vectors along the axes, all of them by default, as `np.linalg.vector_norm`."""
    return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)


@op(implements=np.linalg.matrix_norm)
def matrix_norm(x: Array, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """The norm of each matrix, as `np.linalg.matrix_norm`."""
    return np.linalg.matrix_norm(x, keepdims=keepdims, ord=ord)


def _vector(dy: Array, x: Array, y: Array, ord: Any, axis: Axis, keepdims: bool) -> Array:
    """δx of a vector norm, over all axes at once."""
    dy, y = restore(dy, x.shape, axis, keepdims), restore(y, x.shape, axis, keepdims)
    if ord in (None, 2, "fro"):
        return times(dy, np.conjugate(direction(x, y)))
    if ord == 0:  # the number of elements that are not 0
        return np.zeros(x.shape, x.dtype)
    if abs(ord) == math.inf:
        extreme = np.max if ord > 0 else np.min
        _, pullback = vjp(lambda x: extreme(np.abs(x), axis=axis, keepdims=True), x)
        return pullback(dy * np.ones_like(y) if axis is not None else np.reshape(dy, (1,) * x.ndim))[0]
    if ord == 1:
        return times(dy, np.conjugate(np.sign(x)))
    size = np.abs(x)
    if ord > 2:
        return times(dy, np.conjugate(direction(x, y)) * direction(size, y) ** (ord - 2))
    some = np.where(size == 0, 1, size)
    ratio = direction(some, y) ** (ord - 1) if ord > 1 else direction(y, y) * (y / some) ** (1 - ord)
    return times(dy, ratio * np.conjugate(divided(x, size)))


def _matrix(x: Array, ord: Any, axis: tuple[int, ...], keepdims: bool) -> Array:
    """The definition of the matrix norms other than Frobenius'."""
    row, column = axis
    extreme = np.min if ord != "nuc" and ord < 0 else np.max
    if ord in ("nuc", 2, -2):
        s = np.linalg.svdvals(np.moveaxis(x, (row, column), (-2, -1)))
        y = np.sum(s, axis=-1) if ord == "nuc" else extreme(s, axis=-1)
        return restore(y, x.shape, axis, False) if keepdims else y
    inner, outside = (row, column) if abs(ord) == 1 else (column, row)
    y = extreme(np.sum(np.abs(x), axis=inner, keepdims=True), axis=outside, keepdims=True)
    return y if keepdims else np.squeeze(y, axis)


def _norm(dy: Array, x: Array, y: Array, ord: Any, axis: Axis, keepdims: bool) -> Array:
    axes = axes_of(axis, x.ndim)
    if 0 in x.shape:
        return np.zeros(x.shape, x.dtype)
    if len(axes) == 1 or ord in (None, "fro"):
        return _vector(dy, x, y, ord, axis, keepdims)
    _, pullback = vjp(lambda x: _matrix(x, ord, axes, keepdims), x)
    return pullback(dy)[0]


norm.defvjp(x=_norm)
vector_norm.defvjp(x=_vector)
matrix_norm.defvjp(x=lambda dy, x, y, keepdims, ord: _norm(dy, x, y, ord, (-2, -1), keepdims))

_INF = math.inf
draw(
    norm, [(3, 4)], [(4,)], [(2, 3, 4)], [(3, 4), {"axis": 1}], [(2, 3, 4), {"axis": (0, 2), "keepdims": True}],
    *([(5,), {"ord": p}] for p in (1, 2, 3, 2.5, -1, -2, 0, _INF, -_INF)),
    *([(3, 4), {"ord": p, "axis": 0, "keepdims": True}] for p in (1, 3, _INF)),
    *([(3, 4), {"ord": p}] for p in ("fro", "nuc", 1, -1, 2, -2, _INF, -_INF)),
    *([(2, 3, 4), {"ord": p, "axis": (2, 0), "keepdims": k}] for p, k in (("nuc", True), (1, False), (2, True))),
)  # fmt: skip
draw(vector_norm, [(3, 4)], [(2, 3, 4), {"axis": (0, 2)}], [(3, 4), {"ord": 3, "axis": 0, "keepdims": True}],
     [(3, 4), {"ord": 1}], [(3, 4), {"ord": _INF}], [(2, 3, 4), {"ord": -_INF, "axis": (1, 2)}])  # fmt: skip
draw(
    matrix_norm, [(3, 4)], [(2, 3, 4), {"ord": "nuc"}], [(2, 3, 4), {"ord": 1, "keepdims": True}], [(3, 3), {"ord": -2}]
)


@op(implements=np.linalg.cond)
def cond(x: Array, *, p: Any = None) -> Array:
    """The condition number of each matrix, by default the ratio of singular values, as `np.linalg.cond`."""
    return np.linalg.cond(x, p)


def _cond(x: Array, *, p: Any) -> Array:
    if p in (None, 2, -2):
        s = np.linalg.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, axis=(-2, -1))


composed(cond, _cond)
matrices(cond, [(3, 3)], [(2, 3, 4)], *([(3, 3), {"p": p}] for p in (2, -2, "fro", "nuc", 1, -1, _INF, -_INF)))


@op(implements=np.linalg.matrix_rank)
def matrix_rank(A: Array, *, tol: Any = None, hermitian: bool = False, rtol: Any = None) -> Array:
    """The number of singular values above a tolerance, as `np.linalg.matrix_rank`; no derivative."""
    return np.asarray(np.linalg.matrix_rank(A, tol, hermitian, rtol=rtol))[()]


draw(matrix_rank.nondifferentiable("A"), [(3, 4)], [(2, 3, 3)])

# Functions that numpy.linalg has a second time.


def _last_axes(x: Array, /, **others: Any) -> Any:
    return (x,), {"axis1": -2, "axis2": -1, **others}


bind(np.linalg.trace, trace, _last_axes)
bind(np.linalg.diagonal, diagonal, _last_axes)
bind(np.linalg.matmul, matmul)
bind(np.linalg.matrix_transpose, matrix_transpose)
bind(np.linalg.outer, outer)
bind(np.linalg.tensordot, tensordot)
bind(np.linalg.cross, cross)
bind(
    np.linalg.vecdot, vecdot, lambda x1, x2, /, *, axis=-1: ((np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1)), {})
)
