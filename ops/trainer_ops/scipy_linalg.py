"""scipy.linalg: functions of matrices, matrix equations, triangular and banded systems, LU, polar.

SciPy's functions of matrices refuse a Tensor, so these ops are called themselves: `trainer_ops.scipy_linalg.expm(t)`.
What numpy.linalg has as well (inv, det, solve, svd …) is there; structured matrices are in structured_matrices.py.
Stacks of matrices work where SciPy lets them. SciPy is imported when it is first needed.

Sources: R. Mathias, "A chain rule for matrix functions" (1996); Giles (2008). Edges: `sqrtm`, `logm` and
`fractional_matrix_power` have no derivative at a singular matrix. They are complex for a real matrix with negative
eigenvalues, and the gradient is then the real part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainer import Op, op, stop_gradient, vjp
from trainer.engine.dispatch import instead
from trainer.errors import ShapeError
from trainer_ops._common import Array, draw, with_axes
from trainer_ops._composed import composed
from trainer_ops._lazy import Lazy
from trainer_ops.decompositions import cholesky, eig, eigh, eigvals, eigvalsh, qr, svd, svdvals
from trainer_ops.linalg import H, T, along, det, inv, lstsq, matrices, norm, pinv, solve
from trainer_ops.shaping import sum_to

sl = Lazy("scipy.linalg")


def _precision(y: Array, *arrays: Array) -> Array:
    """`y` in the precision of the arrays; SciPy computes some functions in float64 whatever comes."""
    real = np.finfo(np.result_type(*arrays, np.float16)).dtype
    return np.asarray(y, np.result_type(real, np.complex64) if np.iscomplexobj(y) else real)


# Functions of matrices: the transposed derivative is the corner of the function of a block matrix, see linalg.along. It
# is linear in δy, which is brought to size 1 first, lest it decide how the function is approximated. For the square
# root it is simpler: Y Y = A gives dY Y + Y dY = dA, a Sylvester equation.


def _matrix_rule(function: Callable[[Array], Array], dy: Array, a: Array, y_dtype: Any) -> Array:
    """δa of y = function(a). The size is a constant: the result does not depend on it."""
    size = stop_gradient(np.max(np.abs(dy), axis=(-2, -1), keepdims=True, initial=0))
    size = np.where(size == 0, 1, size)
    g = along(function, a, dy / size) * size
    return g if y_dtype.kind == "c" else np.real(g)  # complex by rounding, where the block's eigenvalues have split


def _matrix_function(name: str, doc: str, example: str, shown: str) -> Op:
    def forward(a: Array) -> Array:
        if np.ndim(a) < 2:
            raise ShapeError(f"{name} takes square matrices (…, n, n), and a is {np.shape(a)}")
        return _precision(getattr(sl, name)(np.asarray(a, np.result_type(a, np.float64))), a)

    forward.__doc__ = (
        f"{doc} of each matrix, as `scipy.linalg.{name}`.\n\n"
        f"    >>> {name}(np.diag({example})).round(6).tolist()\n    {shown}\n    "
    )
    made = op(forward, name=name)
    return made.defvjp(a=lambda dy, a, y_dtype: _matrix_rule(made, dy, a, y_dtype))


expm = _matrix_function("expm", "The exponential", "[0.0, 1.0]", "[[1.0, 0.0], [0.0, 2.718282]]")
cosm = _matrix_function("cosm", "The cosine", "[0.0, 1.0]", "[[1.0, 0.0], [0.0, 0.540302]]")
sinm = _matrix_function("sinm", "The sine", "[0.0, 1.0]", "[[0.0, 0.0], [0.0, 0.841471]]")
tanm = _matrix_function("tanm", "The tangent", "[0.0, 1.0]", "[[0.0, 0.0], [0.0, 1.557408]]")
coshm = _matrix_function("coshm", "The hyperbolic cosine", "[0.0, 1.0]", "[[1.0, 0.0], [0.0, 1.543081]]")
sinhm = _matrix_function("sinhm", "The hyperbolic sine", "[0.0, 1.0]", "[[0.0, 0.0], [0.0, 1.175201]]")
tanhm = _matrix_function("tanhm", "The hyperbolic tangent", "[0.0, 1.0]", "[[0.0, 0.0], [0.0, 0.761594]]")
sqrtm = _matrix_function("sqrtm", "The principal square root", "[4.0, 9.0]", "[[2.0, 0.0], [0.0, 3.0]]")


@op
def logm(a: Array) -> Array:
    """The principal logarithm of each matrix, as `scipy.linalg.logm`, which draws random numbers; this does not.

    Square roots are taken until a is near the unit matrix, where log(I + x) = ∫₀¹ x (I + tx)⁻¹ dt by Gauss' rule; that
    is the diagonal Padé approximant (N. Higham, "Functions of Matrices", 11.5). Raises LinAlgError where a is singular.

    >>> logm(np.diag([1.0, np.e])).round(6).tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    with_axes("logm", 2, a)
    x, unit, roots = np.asarray(a, np.result_type(a, np.float64)), np.eye(a.shape[-1]), 0
    if np.any(np.linalg.slogdet(x).sign == 0):
        raise np.linalg.LinAlgError("a singular matrix has no logarithm")
    while np.max(np.abs(x - unit).sum(-2), initial=0) > 0.25:
        x, roots = sl.sqrtm(x), roots + 1
    x = x - unit
    nodes, weights = np.polynomial.legendre.leggauss(8)
    y = sum(w / 2 * np.linalg.solve(unit + (t + 1) / 2 * x, x) for t, w in zip(nodes, weights, strict=True))
    return _precision(y * 2.0**roots, a)


@op
def fractional_matrix_power(a: Array, *, t: float) -> Array:
    """Each matrix to the power t, exp(t log a), as `scipy.linalg.fractional_matrix_power`; not for singular ones.

    >>> fractional_matrix_power(np.diag([1.0, 8.0]), t=1 / 3).round(6).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    with_axes("fractional_matrix_power", 2, a)
    return expm(t * logm(a))


logm.defvjp(a=lambda dy, a, y_dtype: _matrix_rule(logm, dy, a, y_dtype))
fractional_matrix_power.defvjp(
    a=lambda dy, a, y_dtype, t: _matrix_rule(lambda block: fractional_matrix_power(block, t=t), dy, a, y_dtype)
)
for _op in (expm, cosm, sinm, coshm, sinhm, tanhm):
    matrices(_op, [(3, 3)], [(2, 2, 2)], lift=0.0)
matrices(tanm, [0.3 * np.array([[1.0, -0.5], [2.0, 0.3]])])
for _op in (logm, sqrtm):
    matrices(_op, [(3, 3)], [(2, 2, 2)], lift=5.0)
matrices(fractional_matrix_power, [(3, 3), {"t": 0.3}], [(2, 2), {"t": -1.5}], lift=5.0)

# Matrix equations. From A X + X B = Q: Aᵀ S + S Bᵀ = δX gives δQ = S, δA = −S Xᵀ and δB = −Xᵀ S.


@op
def solve_sylvester(a: Array, b: Array, q: Array) -> Array:
    """The X for which a @ X + X @ b is q, as `scipy.linalg.solve_sylvester`.

    >>> solve_sylvester(np.array([[2.0]]), np.array([[3.0]]), np.array([[10.0]])).tolist()
    [[2.0]]
    """
    with_axes("solve_sylvester", 2, a, b, q)
    n, m = np.shape(a)[-2:], np.shape(b)[-2:]
    if n != n[::-1] or m != m[::-1] or np.shape(q)[-2:] != (n[0], m[0]):
        raise ShapeError(f"solve_sylvester takes a (n, n), b (m, m) and q (n, m): {n}, {m} and {np.shape(q)[-2:]} came")
    return sl.solve_sylvester(a, b, q) if np.size(q) else np.zeros(np.shape(q), np.result_type(a, b, q))


@solve_sylvester.vjp("a", "b", "q")
def _(dy: Array, a: Array, b: Array, y: Array) -> tuple[Array, Array, Array]:
    s = solve_sylvester(T(a), T(b), dy)
    return -s @ T(y), -T(y) @ s, s


@op
def solve_continuous_lyapunov(a: Array, q: Array) -> Array:
    """The X for which a @ X + X @ aᴴ is q, as `scipy.linalg.solve_continuous_lyapunov`.

    >>> solve_continuous_lyapunov(np.array([[2.0]]), np.array([[8.0]])).tolist()
    [[2.0]]
    """
    with_axes("solve_continuous_lyapunov", 2, a, q)
    return sl.solve_continuous_lyapunov(a, q)


@op
def solve_discrete_lyapunov(a: Array, q: Array) -> Array:
    """The X for which X − a @ X @ aᴴ is q, as `scipy.linalg.solve_discrete_lyapunov`.

    >>> solve_discrete_lyapunov(np.array([[0.5]]), np.array([[3.0]])).tolist()
    [[4.0]]
    """
    return _precision(sl.solve_discrete_lyapunov(a, q), a, q)


sqrtm.defvjp(a=lambda dy, y: solve_sylvester(T(y), T(y), dy))
composed(solve_continuous_lyapunov, lambda a, q: solve_sylvester(a, H(a), q))


@solve_discrete_lyapunov.vjp("a", "q")
def _(dy: Array, a: Array, y: Array) -> tuple[Array, Array]:
    """δQ = S with S − Aᵀ S conj(A) = δX; and dX = A dX Aᴴ + dA X Aᴴ + A X dAᴴ + dQ."""
    s = solve_discrete_lyapunov(T(a), dy)
    return s @ np.conjugate(a) @ T(y) + np.conjugate(T(s) @ a @ y), s


matrices(solve_sylvester, [(3, 3), (2, 2), (3, 2)], [(2, 2, 2), (2, 3, 3), (2, 2, 3)], lift=3.0)
matrices(solve_continuous_lyapunov, [(3, 3), (3, 3)], [(2, 2, 2), (2, 2, 2)], lift=3.0)
draw(solve_discrete_lyapunov, [(3, 3), (3, 3)], low=-0.4, high=0.4)

# Systems of special matrices M x = b: δb = M⁻ᵀ δx, δM = −δb xᵀ, of which each takes the elements that it has.


@op
def solve_triangular(
    a: Array, b: Array, *, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> Array:
    """The x for which a @ x is b, for a triangular a, as `scipy.linalg.solve_triangular`.

    `trans` 1 or "T" solves with aᵀ, 2 or "C" with aᴴ. The other triangle, and with `unit_diagonal` the diagonal, is not
    read and has gradient 0.

    >>> solve_triangular(np.array([[2.0, 0.0], [1.0, 4.0]]), np.array([2.0, 9.0]), lower=True).tolist()
    [1.0, 2.0]
    """
    return sl.solve_triangular(a, b, trans, lower, unit_diagonal)


@solve_triangular.vjp("a", "b")
def _(
    dy: Array, a: Array, b_shape: Any, y: Array, trans: int | str, lower: bool, unit_diagonal: bool
) -> tuple[Array, Array]:
    kind = {"N": 0, "T": 1, "C": 2}.get(str(trans), trans)
    matrix = np.conjugate(a) if kind == 2 else a
    db = solve_triangular(matrix, dy, trans=1 if kind == 0 else 0, lower=lower, unit_diagonal=unit_diagonal)
    dm = -db[..., None] * y[..., None, :] if len(b_shape) == 1 else -db @ T(y)
    dm = (dm, T(dm), H(dm))[int(kind)]
    k = int(unit_diagonal)
    return sum_to(np.tril(dm, -k) if lower else np.triu(dm, k), shape=a.shape), sum_to(db, shape=b_shape)


@op
def cho_solve(c: Array, b: Array, *, lower: bool = False) -> Array:
    """The x for which A @ x is b, from a Cholesky factor c of A, as `scipy.linalg.cho_solve((c, lower), b)`.

    A is cᴴ @ c, or with `lower` c @ cᴴ; the other triangle of c is not read.

    >>> cho_solve(np.array([[2.0, 0.0], [1.0, 3.0]]), np.array([4.0, 2.0]), lower=True).round(6).tolist()
    [1.0, 0.0]
    """
    return sl.cho_solve((c, lower), b)


@cho_solve.vjp("c", "b")
def _(dy: Array, c: Array, b_shape: Any, y: Array, lower: bool) -> tuple[Array, Array]:
    """A = L Lᴴ has δL = (δA + δAᴴ) conj(L), and A = Uᴴ U has δU = conj(U) (δA + δAᴴ)."""
    db = np.conjugate(cho_solve(c, np.conjugate(dy), lower=lower))
    da = -db[:, None] * y[None, :] if len(b_shape) == 1 else -db @ T(y)
    if lower:
        return np.tril((da + H(da)) @ np.conjugate(np.tril(c))), db
    return np.triu(np.conjugate(np.triu(c)) @ (da + H(da))), db


@op
def solve_banded(ab: Array, b: Array, *, l_and_u: tuple[int, int]) -> Array:
    """The x of a system with l diagonals below and u above the main one, as `scipy.linalg.solve_banded`.

    `ab` holds the diagonals in its rows, the uppermost first, each element in its column.

    >>> ab = np.array([[0.0, 1.0], [2.0, 3.0]])  # [[2, 1], [0, 3]]
    >>> solve_banded(ab, np.array([4.0, 6.0]), l_and_u=(0, 1)).tolist()
    [1.0, 2.0]
    """
    return sl.solve_banded(l_and_u, ab, b)


@solve_banded.vjp("ab", "b")
def _(dy: Array, ab: Array, y: Array, l_and_u: tuple[int, int]) -> tuple[Array, Array]:
    """Diagonal d = i − j is row u + d, and in the transposed matrix row l − d, moved by d places."""
    (below, above), n = l_and_u, ab.shape[1]
    turned = np.stack([np.roll(ab[above + d], d) for d in range(below, -above - 1, -1)])
    db = solve_banded(turned, dy, l_and_u=(above, below))
    rows = []
    for d in range(-above, below + 1):
        inside = (np.arange(n) + d >= 0) & (np.arange(n) + d < n)
        product = np.roll(db, -d, axis=0) * y
        rows.append(np.where(inside, -(product if y.ndim == 1 else np.sum(product, axis=1)), 0))
    return np.stack(rows), db


matrices(
    solve_triangular, [(3, 3), (3,)], [(3, 3), (3, 2), {"lower": True}], [(2, 3, 3), (2, 3, 2), {"trans": 1}],
    [(3, 3), (3,), {"unit_diagonal": True, "trans": "T", "lower": True}], [(3, 3), (3, 1), {"trans": "C"}],
)  # fmt: skip
matrices(cho_solve, [(3, 3), (3,)], [(3, 3), (3, 2), {"lower": True}])


@solve_banded.samples
def _(rng: np.random.Generator) -> Any:
    for (below, above), shape in (((1, 1), (4,)), ((2, 1), (5, 2)), ((0, 2), (4,))):
        diagonals = rng.normal(size=(below + above + 1, shape[0]))
        diagonals[above] += 5
        yield diagonals, rng.normal(size=shape), {"l_and_u": (below, above)}


# LU: A = P L U, with L unit lower triangular. For a square matrix L⁻¹ Pᵀ dA U⁻¹ = L⁻¹dL + dU U⁻¹, a strictly lower
# and an upper triangle: δA = P L⁻ᵀ (tril₋₁(Lᵀ δL) + triu(δU Uᵀ)) U⁻ᵀ. Further rows are L₂ = A₂ U⁻¹, further columns
# U₂ = L⁻¹ A₂.


@op
def lu(a: Array) -> tuple[Array, Array, Array]:
    """(P, L, U): a permutation, a unit lower and an upper triangular matrix with product a, as `scipy.linalg.lu`.

    >>> p, l, u = lu(np.array([[1.0, 2.0], [2.0, 2.0]]))
    >>> l.tolist(), u.tolist()
    ([[1.0, 0.0], [0.5, 1.0]], [[2.0, 2.0], [0.0, 1.0]])
    """
    return tuple(sl.lu(a))


@lu.vjp("a")
def _(dy: Any, y: Any, a_shape: Any) -> Array:
    (p, l, u), (_, dl, du) = y, dy
    if 0 in a_shape:
        return np.zeros(a_shape, dl.dtype)
    k = min(l.shape[-2], u.shape[-1])
    upper, du_upper, du_rest = u[..., :k], du[..., :k], du[..., k:]
    lower, dl_lower, dl_rest = l[..., :k, :], dl[..., :k, :], dl[..., k:, :]
    rows = T(np.linalg.solve(upper, T(dl_rest)))
    columns = np.linalg.solve(T(lower), du_rest)
    dl_lower = dl_lower - columns @ T(u[..., k:])
    du_upper = du_upper - T(l[..., k:, :]) @ rows
    inner = np.tril(T(lower) @ dl_lower, -1) + np.triu(du_upper @ T(upper))
    square = np.linalg.solve(T(lower), T(np.linalg.solve(upper, T(inner))))
    return p @ np.concatenate([np.concatenate([square, columns], -1), _padded(rows, columns)], -2)


def _padded(rows: Array, columns: Array) -> Array:
    """The rows below, with zeros where there are further columns (then there are no rows)."""
    zeros = np.zeros((*rows.shape[:-1], columns.shape[-1]), rows.dtype)
    return np.concatenate([rows, zeros], -1)


matrices(lu, [(3, 3)], [(4, 3)], [(3, 4)], [(2, 3, 3)])


# The polar decomposition A = U P: with Ω = Uᴴ dU, antisymmetric, P Ω + Ω P = Uᴴ dA − dAᴴ U, dP = Uᴴ dA − Ω P, and
# outside the columns of U (I − UUᴴ) dU = (I − UUᴴ) dA P⁻¹. No gap between singular values is divided by.


@op
def polar(a: Array) -> tuple[Array, Array]:
    """U with orthonormal columns and positive semidefinite P with product a, as `scipy.linalg.polar`.

    For more columns than rows the rows of U are orthonormal, and P has no full rank.

    >>> u, p = polar(np.array([[0.0, -3.0], [2.0, 0.0]]))
    >>> u.round(6).tolist(), p.round(6).tolist()
    ([[0.0, -1.0], [1.0, 0.0]], [[2.0, 0.0], [0.0, 3.0]])
    """
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return u @ vh, H(vh) * s[..., None, :] @ vh


@polar.vjp("a")
def _(dy: Any, a: Array, y: Any) -> Array:
    if a.shape[-2] < a.shape[-1]:
        _, pullback = vjp(_wide_polar, a)
        return pullback(dy)[0]
    (u, p), gu, gp = y, np.conjugate(dy[0]), np.conjugate(dy[1] + H(dy[1])) / 2
    inside = H(u) @ gu
    s = solve_sylvester(p, p, inside - gp @ p)
    outside = H(np.linalg.solve(p, H(gu - u @ inside)))
    return np.conjugate(u @ (gp + s - H(s)) + outside)


def _wide_polar(a: Array) -> tuple[Array, Array]:
    """Aᴴ = W P' has as many rows as columns, or more: U = Wᴴ and P = Uᴴ P' U."""
    w, p = polar(H(a))
    return H(w), w @ p @ H(w)


matrices(polar, [(3, 3)], [(4, 3)], [(2, 3)], [(2, 2, 2)])

# What SciPy's own functions, which refuse a Tensor, are told to call instead; some of it is numpy.linalg's.

_NUMPYS = (cholesky, det, eig, eigh, eigvals, eigvalsh, inv, lstsq, norm, pinv, qr, solve, svd, svdvals)
for _op in (*_NUMPYS, *[value for value in vars().values() if isinstance(value, Op) and value.module == __name__]):
    instead(f"scipy.linalg.{_op.name}", _op)
