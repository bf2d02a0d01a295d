"""scipy.linalg: functions of matrices, matrix equations, triangular and banded systems, LU, and structured matrices.

SciPy's functions of matrices refuse a Tensor, so these ops are called themselves: `trainer_ops.scipy_linalg.expm(t)`.
What numpy.linalg has as well (inv, det, solve, svd …) is there. Stacks of matrices work where SciPy lets them. SciPy is
imported when it is first needed.

Sources: R. Mathias, "A chain rule for matrix functions" (1996); Giles (2008). Edges: `sqrtm`, `logm` and
`fractional_matrix_power` have no derivative at a singular matrix. They are complex for a real matrix with negative
eigenvalues, and the gradient is then the real part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainer import Op, op, stop_gradient, vjp
from trainer_ops._common import Array, draw
from trainer_ops._composed import composed
from trainer_ops._lazy import Lazy
from trainer_ops.linalg import H, T, along, matrices
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


def _matrix_function(name: str, doc: str) -> Op:
    def forward(a: Array) -> Array:
        return _precision(getattr(sl, name)(np.asarray(a, np.result_type(a, np.float64))), a)

    forward.__doc__ = f"{doc} of each matrix, as `scipy.linalg.{name}`."
    made = op(forward, name=name)
    return made.defvjp(a=lambda dy, a, y_dtype: _matrix_rule(made, dy, a, y_dtype))


expm = _matrix_function("expm", "The exponential")
cosm = _matrix_function("cosm", "The cosine")
sinm = _matrix_function("sinm", "The sine")
tanm = _matrix_function("tanm", "The tangent")
coshm = _matrix_function("coshm", "The hyperbolic cosine")
sinhm = _matrix_function("sinhm", "The hyperbolic sine")
tanhm = _matrix_function("tanhm", "The hyperbolic tangent")
sqrtm = _matrix_function("sqrtm", "The principal square root")


@op
def logm(a: Array) -> Array:
    """The principal logarithm of each matrix, as `scipy.linalg.logm`, which draws random numbers; this does not.

    Square roots are taken until a is near the unit matrix, where log(I + x) = ∫₀¹ x (I + tx)⁻¹ dt by Gauss' rule; that
    is the diagonal Padé approximant (N. Higham, "Functions of Matrices", 11.5). Raises LinAlgError where a is singular.
    """
    x, unit, roots = np.asarray(a, np.result_type(a, np.float64)), np.eye(a.shape[-1]), 0
    while np.max(np.abs(x - unit).sum(-2), initial=0) > 0.25:
        x, roots = sl.sqrtm(x), roots + 1
        if roots > 60:
            raise np.linalg.LinAlgError("a singular matrix has no logarithm")
    x = x - unit
    nodes, weights = np.polynomial.legendre.leggauss(8)
    y = sum(w / 2 * np.linalg.solve(unit + (t + 1) / 2 * x, x) for t, w in zip(nodes, weights, strict=True))
    return _precision(y * 2.0**roots, a)


@op
def fractional_matrix_power(a: Array, *, t: float) -> Array:
    """Each matrix to the power t, exp(t log a), as `scipy.linalg.fractional_matrix_power`; not for singular ones."""
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
    """The X for which a @ X + X @ b is q, as `scipy.linalg.solve_sylvester`."""
    return sl.solve_sylvester(a, b, q)


@solve_sylvester.vjp("a", "b", "q")
def _(dy: Array, a: Array, b: Array, y: Array) -> tuple[Array, Array, Array]:
    s = solve_sylvester(T(a), T(b), dy)
    return -s @ T(y), -T(y) @ s, s


@op
def solve_continuous_lyapunov(a: Array, q: Array) -> Array:
    """The X for which a @ X + X @ aᴴ is q, as `scipy.linalg.solve_continuous_lyapunov`."""
    return sl.solve_continuous_lyapunov(a, q)


@op
def solve_discrete_lyapunov(a: Array, q: Array) -> Array:
    """The X for which X − a @ X @ aᴴ is q, as `scipy.linalg.solve_discrete_lyapunov`."""
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


@op
def solve_toeplitz(c: Array, r: Array, b: Array) -> Array:
    """The x for which toeplitz(c, r) @ x is b, a vector, as `scipy.linalg.solve_toeplitz((c, r), b)`."""
    return _precision(sl.solve_toeplitz((c, r), b), c, r, b)


@solve_toeplitz.vjp("c", "r", "b")
def _(dy: Array, c: Array, r: Array, y: Array) -> tuple[Array, Array, Array]:
    """The transpose of toeplitz(c, r) is toeplitz(r, c), which takes the common element from its column."""
    turned = np.concatenate([c[:1], r[1:]])
    db = solve_toeplitz(turned, c, dy)
    dm = -db[:, None] * y[None, :]
    _, pullback = vjp(toeplitz, c, r)
    return (*pullback(dm), db)


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


draw(solve_toeplitz, [np.array([4.0, 0.5, -1.0, 0.3]), np.array([4.0, 1.0, 0.7, -0.4]), (4,)])

# LU: A = P L U, with L unit lower triangular. For a square matrix L⁻¹ Pᵀ dA U⁻¹ = L⁻¹dL + dU U⁻¹, a strictly lower
# and an upper triangle: δA = P L⁻ᵀ (tril₋₁(Lᵀ δL) + triu(δU Uᵀ)) U⁻ᵀ. Further rows are L₂ = A₂ U⁻¹, further columns
# U₂ = L⁻¹ A₂.


@op
def lu(a: Array) -> tuple[Array, Array, Array]:
    """(P, L, U): a permutation, a unit lower and an upper triangular matrix with product a, as `scipy.linalg.lu`."""
    return tuple(sl.lu(a))


@lu.vjp("a")
def _(dy: Any, y: Any) -> Array:
    (p, l, u), (_, dl, du) = y, dy
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


@op
def polar(a: Array) -> tuple[Array, Array]:
    """U with orthonormal columns and positive semidefinite P with product a, as `scipy.linalg.polar`."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return u @ vh, H(vh) * s[..., None, :] @ vh


@polar.vjp("a")
def _(dy: Any, a: Array) -> Array:
    """Through the singular vectors: where singular values are equal, their terms that matter are finite."""
    _, pullback = vjp(polar.forward, a)
    return pullback(dy)[0]


matrices(polar, [(3, 3)], [(4, 3)], [(2, 2, 2)])

# Structured matrices, from the elements that they repeat. Their definitions are NumPy's indexing, and so are their
# rules.


def _structured(definition: Callable[..., Array]) -> Op:
    return composed(op(definition), definition)


@_structured
def toeplitz(c: Array, r: Array) -> Array:
    """The matrix of constant diagonals with column c and row r, as `scipy.linalg.toeplitz(c, r)`; r[0] is not used."""
    n, m = c.shape[0], r.shape[0]
    elements = np.concatenate([c[::-1], r[1:]])
    return elements[np.arange(m)[None, :] - np.arange(n)[:, None] + n - 1]


@_structured
def hankel(c: Array, r: Array) -> Array:
    """The matrix of constant antidiagonals with column c and last row r, as `scipy.linalg.hankel`; r[0] is not used."""
    n, m = c.shape[0], r.shape[0]
    return np.concatenate([c, r[1:]])[np.arange(n)[:, None] + np.arange(m)[None, :]]


@_structured
def circulant(c: Array) -> Array:
    """The matrix whose columns are c, each rolled one further, as `scipy.linalg.circulant`."""
    n = c.shape[-1]
    return c[..., (np.arange(n)[:, None] - np.arange(n)[None, :]) % n]


@_structured
def solve_circulant(c: Array, b: Array) -> Array:
    """The x for which circulant(c) @ x is b, as `scipy.linalg.solve_circulant`, for vectors."""
    x = np.fft.ifft(np.fft.fft(b) / np.fft.fft(c))
    return x if "c" in (c.dtype.kind, b.dtype.kind) else np.real(x)


@_structured
def companion(a: Array) -> Array:
    """The companion matrix of the polynomial with coefficients a, highest first, as `scipy.linalg.companion`."""
    n = a.shape[-1] - 1
    below = np.broadcast_to(np.eye(n - 1, n, dtype=a.dtype), (*a.shape[:-1], n - 1, n))
    return np.concatenate([(-a[..., 1:] / a[..., :1])[..., None, :], below], axis=-2)


@_structured
def leslie(f: Array, s: Array) -> Array:
    """The matrix of fecundities f in its first row and survivals s below the diagonal, as `scipy.linalg.leslie`."""
    n = f.shape[0]
    below = np.concatenate([s[:, None] * np.eye(n - 1, dtype=s.dtype), np.zeros((n - 1, 1), s.dtype)], axis=1)
    return np.concatenate([f[None, :], below])


@_structured
def fiedler(a: Array) -> Array:
    """The matrix |aᵢ − aⱼ|, as `scipy.linalg.fiedler`."""
    return np.abs(a[..., :, None] - a[..., None, :])


@_structured
def khatri_rao(a: Array, b: Array) -> Array:
    """The Kronecker product of each column of a with the same of b, as `scipy.linalg.khatri_rao`."""
    product = a[..., :, None, :] * b[..., None, :, :]
    return np.reshape(product, (*product.shape[:-3], -1, product.shape[-1]))


@op
def convolution_matrix(a: Array, *, n: int, mode: str = "full") -> Array:
    """The matrix that convolves vectors of length n with a, as `scipy.linalg.convolution_matrix`."""
    return _convolution_matrix(a, n=n, mode=mode)


def _convolution_matrix(a: Array, *, n: int, mode: str) -> Array:
    m = a.shape[-1]
    short, long = min(m, n), max(m, n)
    first, rows = {
        "full": (0, m + n - 1),
        "same": ((short - 1) // 2, long),
        "valid": (short - 1, long - short + 1),
    }[mode]
    place = np.arange(first, first + rows)[:, None] - np.arange(n)[None, :]
    return np.where((place >= 0) & (place < m), a[..., np.clip(place, 0, m - 1)], 0)


composed(convolution_matrix, _convolution_matrix)


@op
def block_diag(*arrays: Array) -> Array:
    """The matrix with the given ones on its diagonal and zeros elsewhere, as `scipy.linalg.block_diag`."""
    return sl.block_diag(*arrays)


@block_diag.vjp("arrays")
def _(dy: Array, arrays_shape: Any) -> list[Array]:
    i = j = 0
    found = []
    for shape in arrays_shape:
        n, m = ((1, 1)[: 2 - len(shape)] + tuple(shape))[-2:]
        found.append(np.reshape(dy[i : i + n, j : j + m], shape))
        i, j = i + n, j + m
    return found


draw(toeplitz, [(3,), (4,)], [(4,), (2,)], [(1,), (1,)])
draw(hankel, [(3,), (4,)], [(4,), (2,)])
draw(circulant, [(4,)], [(2, 3)])
draw(solve_circulant, [np.array([4.0, 1.0, 0.5]), (3,)], [np.array([4.0, 1.0, -0.5, 0.3]), (4,)])
draw(companion, [np.array([2.0, -1.0, 3.0, 0.5])], [(2, 4)], low=0.5)
draw(leslie, [(4,), (3,)])
draw(fiedler, [(4,)])
draw(khatri_rao, [(2, 3), (4, 3)], [(2, 2, 3), (2, 1, 3)])
draw(convolution_matrix, *([(3,), {"n": n, "mode": mode}] for n in (2, 4) for mode in ("full", "same", "valid")))
draw(block_diag, [(2, 3), (1, 2)], [(2, 2)], [(3,), (2, 2), ()])
