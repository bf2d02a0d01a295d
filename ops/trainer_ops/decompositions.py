"""numpy.linalg's decompositions: Cholesky, QR, eigenvalues, singular values, of stacks of matrices, also complex.

Sources: I. Murray, "Differentiation of the Cholesky decomposition" (2016); S. Walter, L. Lehmann and R. Lamour (2010)
and D. Roberts and L. Roberts (2020) for QR; Giles (2008) and C. Boeddeker et al. (2017) for eigenvectors; J. Townsend
(2016) and Z.-Q. Wan and S.-X. Zhang (2019) for singular vectors. There δx is the conjugate of what those with complex
matrices call the gradient.

Edges.
- `cholesky`, `eigh` and `eigvalsh` read one triangle of their matrix, and so the gradient lies in that triangle. Along
  symmetric changes it agrees with the symmetrised gradient of JAX and PyTorch.
- Signs and phases of vectors, and the bases of null spaces (`full_matrices=True`, `mode="complete"`), are a choice,
  made anew by every call. The gradient is right for functions that do not depend on it.
- Eigenvalues and singular values have a gradient where some are equal: that of the vectors that came out. Vectors of
  equal values have none, for their mutual terms are divided by λⱼ − λᵢ: where a function uses them, the gradient is
  nan rather than wrong. `trainer_ops.scipy_linalg`'s expm, logm, sqrtm and polar are smooth there.
- A singular value that is 0 has gradient 0, as `np.absolute` has at 0, and its vectors have nan.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer import op
from trainer.errors import OpError
from trainer_ops._common import Array
from trainer_ops.linalg import H, T, eye, matrices, to_triangle
from trainer_ops.poles import direction, divided

_linalg: Any = np.linalg  # its overloads want literal modes


def over_gaps(x: Array, w: Array) -> Array:
    """The elements of x off the diagonal over wⱼ − wᵢ."""
    unit = np.eye(w.shape[-1], dtype=w.dtype)
    return divided(x * (1 - unit), w[..., None, :] - w[..., :, None] + unit)


def diagonal_matrix(x: Array) -> Array:
    """Matrices with the vectors of x on their diagonals."""
    return x[..., :, None] * np.eye(x.shape[-1], dtype=x.dtype)


# Cholesky: A = L Lᴴ gives L⁻¹ dA L⁻ᴴ = L⁻¹dL + (L⁻¹dL)ᴴ, so dL = L Φ(L⁻¹ dA L⁻ᴴ), where Φ takes the lower triangle
# and half of the diagonal. Transposed: S = L⁻ᵀ Φ(Lᵀ δL) conj(L)⁻¹.


@op(implements=np.linalg.cholesky)
def cholesky(a: Array, *, upper: bool = False) -> Array:
    """The lower triangular L for which L Lᴴ is a, or with `upper` its Lᴴ, as `np.linalg.cholesky`.

    Only the lower triangle of `a` is read (with `upper`, the upper one), and so the gradient lies there.
    """
    return np.linalg.cholesky(a, upper=upper)


@cholesky.vjp("a")
def _(dy: Array, y: Array, upper: bool) -> Array:
    lower, dl = (H(y), H(dy)) if upper else (y, dy)
    product = T(lower) @ dl
    phi = np.tril(product) - diagonal_half(product)
    half = np.linalg.solve(T(lower), phi)
    s = T(np.linalg.solve(H(lower), T(half)))  # half · conj(L)⁻¹
    return to_triangle(s, "U" if upper else "L")


def diagonal_half(x: Array) -> Array:
    """Half the diagonal of each matrix, and 0 elsewhere."""
    return x * (eye(x.shape[-1], x) / 2)


@cholesky.samples
def _(rng: np.random.Generator) -> Any:
    x = rng.normal(size=(2, 3, 3))
    z = x[0] + 1j * x[1]
    yield x[0] @ x[0].T + np.eye(3)
    yield x @ np.swapaxes(x, 1, 2) + np.eye(3)
    yield x[1] @ x[1].T + np.eye(3), {"upper": True}
    yield z @ z.conj().T + np.eye(3)
    yield z @ z.conj().T + np.eye(3), {"upper": True}


# QR, with gQ = conj(δQ) and so on. For at least as many rows as columns, gA = (gQ + Q·sym(M))·R⁻ᴴ, where M = gR Rᴴ −
# Qᴴ gQ, and sym(M) has the upper triangle of M above its (real) diagonal and that one's conjugate below. For fewer
# rows A = [X Y] = Q [U V]: X = Q U is square and V = Qᴴ Y, so that gY = Q gV and gQ gains Y gVᴴ. The further columns
# Q₂ of mode "complete" only turn with the others: dQ₂ = −Q₁ dQ₁ᴴ Q₂.


@op(implements=np.linalg.qr)
def qr(a: Array, *, mode: str = "reduced") -> Any:
    """Orthonormal Q and upper triangular R with Q R = a, as `np.linalg.qr`; with mode "r", R alone.

    Raises OpError for mode "raw", LAPACK's own form.
    """
    if mode == "raw":
        raise OpError("np.linalg.qr with mode 'raw' cannot be used on a Tensor; use 'reduced', 'complete' or 'r'")
    return _linalg.qr(a, mode)


@qr.vjp("a")
def _(dy: Any, a: Array, y: Any, mode: str) -> Array:
    k = min(a.shape[-2:])
    if mode == "r":
        (q, r), gr = np.linalg.qr(a), np.conjugate(dy)
        gq = np.zeros(q.shape, q.dtype)
    else:
        (q, r), (gq, gr) = y, (np.conjugate(dy[0]), np.conjugate(dy[1]))
    if q.shape[-1] > k:  # mode "complete"
        free, q, g_free, gq = q[..., k:], q[..., :k], gq[..., k:], gq[..., :k]
        r, gr, gq = r[..., :k, :], gr[..., :k, :], gq - free @ (H(g_free) @ q)
    u, gu, gv = r[..., :k], gr[..., :k], gr[..., k:]
    wide = a.shape[-1] > k
    g = _tall_qr(q, u, gq + a[..., k:] @ H(gv) if wide else gq, np.triu(gu))
    return np.conjugate(np.concatenate([g, q @ gv], axis=-1) if wide else g)


def _tall_qr(q: Array, r: Array, gq: Array, gr: Array) -> Array:
    m = np.triu(gr @ H(r) - H(q) @ gq)
    m = m + H(m) - m * eye(m.shape[-1], m)
    if m.dtype.kind == "c":  # the diagonal of R is real
        m = m - 1j * np.imag(m * eye(m.shape[-1], m))
    return H(np.linalg.solve(r, H(gq + q @ m)))


matrices(
    qr, [(3, 3)], [(4, 3)], [(3, 5)], [(2, 4, 3)], [(3, 3), {"mode": "complete"}], [(4, 3), {"mode": "complete"}],
    [(2, 4), {"mode": "complete"}], [(4, 3), {"mode": "r"}], [(2, 3, 4), {"mode": "r"}],
)  # fmt: skip

# Eigenvalues of Hermitian matrices: with M = Vᴴ dA V, dλ = diag M and dV = V (F∘M), F = 1/(λⱼ − λᵢ) off the diagonal.
# Transposed: δA = conj(V) (diag δλ + F∘(Vᵀ δV)) Vᵀ, moved to the triangle that is read.


@op(implements=np.linalg.eigh)
def eigh(a: Array, *, UPLO: str = "L") -> Any:
    """Eigenvalues, ascending, and eigenvectors of Hermitian matrices, as `np.linalg.eigh`, which reads one triangle."""
    return _linalg.eigh(a, UPLO)


@op(implements=np.linalg.eigvalsh)
def eigvalsh(a: Array, *, UPLO: str = "L") -> Array:
    """Eigenvalues, ascending, of Hermitian matrices, as `np.linalg.eigvalsh`, which reads one triangle."""
    return _linalg.eigvalsh(a, UPLO)


@eigh.vjp("a")
def _(dy: Any, y: Any, UPLO: str) -> Array:
    (w, v), (dw, dv) = y, dy
    inner = diagonal_matrix(dw) + over_gaps(T(v) @ dv, w)
    return to_triangle(np.conjugate(v) @ inner @ T(v), UPLO.upper())


@eigvalsh.vjp("a")
def _(dy: Array, a: Array, UPLO: str) -> Array:
    _, v = _linalg.eigh(a, UPLO)
    return to_triangle(np.conjugate(v) * dy[..., None, :] @ T(v), UPLO.upper())


def _symmetric(rng: np.random.Generator) -> Any:
    x = rng.normal(size=(2, 3, 3))
    yield x[0] + x[0].T
    yield x + np.swapaxes(x, 1, 2)
    yield x[1] + x[1].T, {"UPLO": "U"}


eigh.samples(_symmetric)
eigvalsh.samples(_symmetric)

# Eigenvalues of any matrices: A V = V Λ gives, with M = V⁻¹ dA V, dλ = diag M and dV = V (F∘M + D), where D scales
# every column back to length 1: D = −diag Re(Vᴴ V (F∘M)). Transposed: δA = V⁻ᵀ (diag δλ + F∘(Vᵀ (δV − conj(V) diag
# Re(Vᵀ δV)))) Vᵀ.


@op(implements=np.linalg.eig)
def eig(a: Array) -> Any:
    """Eigenvalues and eigenvectors of length 1, as `np.linalg.eig`: real if all eigenvalues are, otherwise complex."""
    return _linalg.eig(a)


@op(implements=np.linalg.eigvals)
def eigvals(a: Array) -> Array:
    """Eigenvalues, as `np.linalg.eigvals`: real if all of them are, otherwise complex."""
    return np.linalg.eigvals(a)


@eig.vjp("a")
def _(dy: Any, y: Any, a_dtype: Any) -> Array:
    (w, v), (dw, dv) = y, dy
    along_itself = np.real(np.sum(v * dv, axis=-2, keepdims=True))
    inner = diagonal_matrix(dw) + over_gaps(T(v) @ (dv - np.conjugate(v) * along_itself), w)
    g = np.linalg.solve(T(v), inner @ T(v))
    return g if a_dtype.kind == "c" else np.real(g)


@eigvals.vjp("a")
def _(dy: Array, a: Array) -> Array:
    _, v = np.linalg.eig(a)
    return np.linalg.solve(T(v), dy[..., None] * T(v))


def _real_spectrum(rng: np.random.Generator) -> Any:
    for shape in ((3, 3), (2, 3, 3)):
        yield 0.2 * rng.normal(size=shape) + np.diag([1.0, 3.0, -2.0])


eig.samples(_real_spectrum)


@eigvals.samples
def _(rng: np.random.Generator) -> Any:
    yield from _real_spectrum(rng)
    yield rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))


# Singular values: A = U S Vᴴ. With P = Uᴴ dA V: ds = Re diag P, and off the diagonal, with F = 1/(sⱼ² − sᵢ²),
# Uᴴ dU = F∘(P S + S Pᴴ) and Vᴴ dV = F∘(S P + Pᴴ S); outside the columns (I − UUᴴ) dA V S⁻¹ and (I − VVᴴ) dAᴴ U S⁻¹.
# Transposed, with gU = conj(δU), gV = (δVᴴ)ᵀ, X = Uᴴ gU − gUᴴ U and Z = Vᴴ gV − gVᴴ V, P gets F∘(sⱼ X + sᵢ Z), half
# of (X + Z)/(sⱼ − sᵢ) + (X − Z)/(sⱼ + sᵢ). On the diagonal the second term is what phases of complex vectors ask for.
# Further columns U₂ only turn with the others, dU₂ = −U₁ dU₁ᴴ U₂, so gU₁ gains −U₂ gU₂ᴴ U₁.


@op(implements=np.linalg.svd)
def svd(a: Array, *, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """U, the singular values in descending order, and Vᴴ, as `np.linalg.svd`; the values alone without `compute_uv`."""
    return _linalg.svd(a, full_matrices, compute_uv, hermitian)


@op(implements=np.linalg.svdvals)
def svdvals(x: Array) -> Array:
    """The singular values in descending order, as `np.linalg.svdvals`."""
    return np.linalg.svdvals(x)


@svd.vjp("a")
def _(dy: Any, a: Array, y: Any, compute_uv: bool, hermitian: bool) -> Array:
    g = _svd(dy, y, min(a.shape[-2:])) if compute_uv else _svdvals(dy, a)
    return to_triangle(g) if hermitian else g


def _svd(dy: Any, y: Any, k: int) -> Array:
    (u, s, vh), gu, gv = y, np.conjugate(dy[0]), T(dy[2])
    u, gu = _thin(u, gu, k)
    v, gv = _thin(H(vh), gv, k)
    x, z = H(u) @ gu, H(v) @ gv
    x, z = x - H(x), z - H(z)
    sums = s[..., None, :] + s[..., :, None]
    p = (over_gaps(x + z, s) + divided(x - z, sums)) / 2 + diagonal_matrix(_of_lengths(dy[1], s))
    g = u @ p @ H(v)
    if u.shape[-2] > k:
        g = g + divided(gu - u @ (H(u) @ gu), s[..., None, :]) @ H(v)
    if v.shape[-2] > k:
        g = g + u @ H(divided(gv - v @ (H(v) @ gv), s[..., None, :]))
    return np.conjugate(g)


def _thin(u: Array, gu: Array, k: int) -> tuple[Array, Array]:
    """The first k columns, and their gradient, which takes in that of the others."""
    if u.shape[-1] == k:
        return u, gu
    return u[..., :k], gu[..., :k] - u[..., k:] @ (H(gu[..., k:]) @ u[..., :k])


def _of_lengths(ds: Array, s: Array) -> Array:
    """δs, and 0 for a singular value that is 0, where it has a corner: a second derivative there is nan."""
    return ds * np.sign(s) + direction(np.zeros_like(s), np.where(ds == 0, 1, s))


def _svdvals(dy: Array, a: Array) -> Array:
    """dsᵢ = Re(uᵢᴴ dA vᵢ)."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.conjugate((u * _of_lengths(dy, s)[..., None, :]) @ vh)


svdvals.defvjp(x=lambda dy, x: _svdvals(dy, x))
matrices(
    svd, [(3, 3)], [(4, 3)], [(3, 4)], [(2, 4, 2), {"full_matrices": False}], [(2, 4), {"full_matrices": False}],
    [(3, 4), {"compute_uv": False}],
)  # fmt: skip
matrices(svdvals, [(3, 3)], [(2, 4, 3)], [(2, 4)])
