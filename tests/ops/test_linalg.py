# mypy: disable-error-code="attr-defined, operator, call-overload"
# NumPy's stubs know nothing of Tensors.
"""numpy.linalg: by hand, edges, complex matrices, and what does not depend on a choice of basis."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trainer import Tensor, grad, hessian
from trainer.errors import OpError
from trainer_ops import decompositions, linalg
from trainer_ops.linalg import cofactor

rng = np.random.default_rng(0)
A = rng.normal(size=(3, 3)) + 2 * np.eye(3)
Z = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
HERMITIAN = Z + Z.conj().T


def differences(f: Callable[[Any], Any], x: Any, h: float = 1e-6) -> Any:
    """The gradient of a real function of a complex matrix in the plain-transpose convention, ∂f/∂a − i ∂f/∂b."""
    g = np.zeros(x.shape, complex)
    for k in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[k] = h
        g[k] = (f(x + e) - f(x - e)) / (2 * h) - 1j * (f(x + 1j * e) - f(x - 1j * e)) / (2 * h)
    return g


def assert_right_for_complex(f: Callable[[Any], Any], x: Any) -> None:
    np.testing.assert_allclose(grad(f)(x), differences(f, x), rtol=1e-6, atol=1e-7)


# By hand.


def test_the_determinants_gradient_is_the_matrix_of_cofactors() -> None:
    np.testing.assert_allclose(grad(np.linalg.det)(np.array([[1.0, 2.0], [3.0, 4.0]])), [[4, -3], [-2, 1]], rtol=1e-14)


def test_the_logarithm_of_a_determinant_has_the_inverse_for_its_gradient() -> None:
    np.testing.assert_allclose(grad(lambda a: np.linalg.slogdet(a)[1])(A), np.linalg.inv(A).T, rtol=1e-13)


def test_solve_by_hand() -> None:
    # x = b/a has ∂x/∂b = 1/a and ∂x/∂a = −x/a.
    da, db = grad(lambda a, b: np.linalg.solve(a, b)[0], (0, 1))(np.array([[4.0]]), np.array([8.0]))
    assert (da.tolist(), db.tolist()) == ([[-0.5]], [0.25])


def test_the_trace_of_a_power() -> None:
    np.testing.assert_allclose(
        grad(lambda a: np.linalg.trace(np.linalg.matrix_power(a, 5)))(A), 5 * np.linalg.matrix_power(A, 4).T
    )


def test_the_spectral_norm_is_the_outer_product_of_singular_vectors() -> None:
    u, _, vh = np.linalg.svd(A)
    np.testing.assert_allclose(grad(lambda a: np.linalg.norm(a, 2))(A), np.outer(u[:, 0], vh[0]), rtol=1e-13)


# Edges.


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_det_is_right_for_singular_matrices(rank: int) -> None:
    a = A[:, :rank] @ A[:rank, :]
    minors = [
        [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(3)] for i in range(3)
    ]
    np.testing.assert_allclose(grad(np.linalg.det)(a), minors, atol=1e-13)
    np.testing.assert_allclose(cofactor(a), minors, atol=1e-13)


@pytest.mark.parametrize("shape", [(0, 0), (1, 1)])
def test_cofactors_of_the_smallest_matrices_are_ones(shape: tuple[int, int]) -> None:
    assert cofactor(np.full(shape, 7.0)).tolist() == np.ones(shape).tolist()


@pytest.mark.parametrize(
    ("ord", "shape"),
    [(None, (3,)), (None, (2, 3)), ("fro", (2, 3)), ("nuc", (2, 3)), (2, (2, 3)), (3, (3,)), (1.5, (3,)), (1, (3,))],
)
def test_a_norm_that_is_zero_has_gradient_zero(ord: Any, shape: tuple[int, ...]) -> None:
    assert not np.any(grad(lambda x: np.linalg.norm(x, ord))(np.zeros(shape)))


def test_ties_for_the_largest_share_the_gradient() -> None:
    g = grad(lambda x: np.linalg.norm(x, np.inf))(np.array([2.0, -2.0, 1.0]))
    assert g.tolist() == [0.5, -0.5, 0.0]
    np.testing.assert_allclose(grad(lambda x: np.linalg.norm(x, 2))(np.eye(2)), np.eye(2) / 2, atol=1e-15)


def test_a_norm_of_which_one_element_is_zero_is_differentiable_there() -> None:
    np.testing.assert_allclose(grad(lambda x: np.linalg.norm(x, 3))(np.array([0.0, 2.0])), [0.0, 1.0])


def test_a_singular_value_that_is_zero_has_gradient_zero() -> None:
    g = grad(lambda a: np.sum(np.linalg.svdvals(a)))(np.diag([2.0, 0.0]))
    np.testing.assert_allclose(np.abs(g), [[1.0, 0.0], [0.0, 0.0]])


def test_the_pseudoinverse_of_a_matrix_of_low_rank() -> None:
    # Along directions that keep the rank: a → (I + tX) a.
    a, x, h = A[:, :1] @ A[:1, :], rng.normal(size=(3, 3)), 1e-6
    moved = [np.sum(np.sin(np.linalg.pinv((np.eye(3) + s * h * x) @ a, rcond=1e-10))) for s in (1, -1)]
    g = grad(lambda a: np.sum(np.sin(np.linalg.pinv(a, rcond=1e-10))))(a)
    assert np.sum(g * (x @ a)) == pytest.approx((moved[0] - moved[1]) / (2 * h), rel=1e-6)


def test_inverting_a_singular_matrix_says_so() -> None:
    with pytest.raises(Exception, match=r"op 'inv' \(a: float64 \(2, 2\)\): Singular matrix"):
        np.linalg.inv(Tensor(np.ones((2, 2))))


# One triangle is read, and has the gradient.


@pytest.mark.parametrize(("function", "lower"), [
    (lambda a: np.sum(np.linalg.cholesky(a)), True),
    (lambda a: np.sum(np.linalg.cholesky(a, upper=True)), False),
    (lambda a: np.linalg.eigvalsh(a)[0], True),
    (lambda a: np.linalg.eigh(a, "U")[0][0], False),
    (lambda a: np.sum(np.linalg.pinv(a, hermitian=True)), True),
])  # fmt: skip
def test_the_gradient_lies_in_the_triangle_that_is_read(function: Any, lower: bool) -> None:
    g = grad(function)(A @ A.T)
    assert not np.any(np.triu(g, 1) if lower else np.tril(g, -1))
    assert np.any(np.tril(g, -1) if lower else np.triu(g, 1))


def test_along_symmetric_changes_it_agrees_with_the_symmetrised_gradient() -> None:
    g = grad(lambda a: 2 * np.sum(np.log(np.diagonal(np.linalg.cholesky(a)))))(A @ A.T)  # log det
    np.testing.assert_allclose((g + g.T) / 2, np.linalg.inv(A @ A.T), rtol=1e-12)


# Equal eigenvalues and singular values: the values have a gradient, their vectors none.


@pytest.mark.parametrize(
    "f",
    [
        lambda a: np.sum(np.linalg.eigh(a)[0] ** 2),
        lambda a: np.sum(np.linalg.eigvalsh(a) ** 2),
        lambda a: np.sum(np.linalg.svd(a)[1] ** 2),
        lambda a: np.sum(np.linalg.eig(a)[0] ** 2),
    ],
)
def test_equal_values_have_a_gradient(f: Any) -> None:
    np.testing.assert_allclose(grad(f)(np.eye(3)), 2 * np.eye(3), atol=1e-14)


@pytest.mark.parametrize(
    "f",
    [
        lambda a: (lambda w, v: np.sum(A * ((v * w) @ v.T)))(*np.linalg.eigh(a)),
        lambda a: np.sum(A * np.linalg.eig(a)[1]),
        lambda a: np.sum(A * np.linalg.svd(a)[0]),
    ],
)
def test_vectors_of_equal_values_have_none(f: Any) -> None:
    assert np.isnan(grad(f)(np.eye(3))).any()


def test_vectors_of_other_values_are_not_concerned() -> None:
    g = grad(lambda a: np.linalg.eigh(a)[1][0, 2] ** 2)(np.array([[1.0, 0, 0], [0, 1, 0], [0.5, 0, 2]]))
    assert np.isfinite(g).all()


def test_second_derivatives_of_equal_eigenvalues_are_not_invented() -> None:
    assert np.isnan(hessian(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(np.eye(2))).any()


def test_null_spaces_are_differentiated_as_subspaces() -> None:
    weights = rng.normal(size=(4, 4))

    def null_projector(a: Any) -> Any:
        vh = np.linalg.svd(a)[2]
        return np.sum(weights * (vh[2:].T @ vh[2:]))

    def complement(a: Any) -> Any:
        q = np.linalg.qr(a.T, mode="complete")[0]
        return np.sum(weights * (q[:, 2:] @ q[:, 2:].T))

    a = rng.normal(size=(2, 4))
    expected = grad(lambda a: np.sum(weights * (np.eye(4) - np.linalg.pinv(a) @ a)))(a)
    np.testing.assert_allclose(grad(null_projector)(a), expected, rtol=1e-11)
    np.testing.assert_allclose(grad(complement)(a), expected, rtol=1e-11)


# Complex matrices, through functions that do not depend on phases.

W = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))


@pytest.mark.parametrize("f", [
    lambda a: np.real(np.linalg.det(a)),
    lambda a: np.linalg.slogdet(a)[1] + np.imag(np.linalg.slogdet(a)[0]),
    lambda a: np.real(np.sum(W * np.linalg.inv(a))),
    lambda a: np.real(np.sum(W[:, :2] * np.linalg.solve(a, W[:, 2:]))),
    lambda a: np.real(np.sum(W[:3] * np.linalg.pinv(a[:, :3]))),
    lambda a: np.imag(np.sum(W * np.linalg.matrix_power(a, 3))),
    lambda a: np.linalg.norm(a, "nuc") + np.linalg.norm(a, 2) + np.linalg.norm(a, 1) + np.linalg.norm(a),
    lambda a: np.linalg.norm(a[0], 3) + np.linalg.norm(a[1], 1) + np.linalg.norm(a[2], np.inf),
    lambda a: np.linalg.cond(a),
    lambda a: np.real(np.sum(np.linalg.lstsq(a[:, :2], W[:, 0])[0] * W[:2, 1])),
    lambda a: np.sum(np.linalg.lstsq(a[:, :2], W[:, :2])[1]) + np.sum(np.linalg.lstsq(a[:, :2], W)[3] ** 2),
    lambda a: np.real(np.sum(W * (lambda q, r: np.conj(q) @ r)(*np.linalg.qr(a)))),
    lambda a: np.real(np.sum(W[:2] * np.linalg.qr(a[:2])[1])),
    lambda a: np.real(np.sum(W[:, :2] * np.linalg.qr(a[:, :2])[0])),
    lambda a: np.real(np.sum(W * np.linalg.cholesky(a @ np.conj(a.T)))),
    lambda a: np.real(np.sum(W * (lambda w, v: (v * np.exp(w)) @ np.conj(v.T))(*np.linalg.eigh(a)))),
    lambda a: np.real(np.sum(W * (lambda u, s, v: u @ v)(*np.linalg.svd(a)))),
    lambda a: np.real(np.sum(W[:3] * (lambda u, s, v: (u * np.sin(s)) @ v[:3])(*np.linalg.svd(a[:3])))),
    lambda a: np.sum(np.abs(np.linalg.svd(a[:, :2])[0][0, :2]) ** 2 * np.array([1.0, 2.0])),
    lambda a: np.real(np.sum(np.linalg.eigvals(a) ** 3)),
    lambda a: np.real(np.sum(W * (lambda w, v: (v * np.exp(w)) @ np.linalg.inv(v))(*np.linalg.eig(a)))),
    lambda a: np.sum(np.abs(np.linalg.eig(a)[1]) ** 3),
])  # fmt: skip
def test_complex_matrices(f: Any) -> None:
    assert_right_for_complex(f, Z)


def test_real_matrices_with_complex_eigenvalues() -> None:
    a = np.array([[0.0, 1.0], [-2.0, 0.3]])
    np.testing.assert_allclose(grad(lambda a: np.real(np.sum(np.linalg.eigvals(a))))(a), np.eye(2), atol=1e-14)
    np.testing.assert_allclose(
        grad(lambda a: np.real(np.prod(np.linalg.eig(a)[0])))(a), [[0.3, 2.0], [-1.0, 0.0]], atol=1e-14
    )


# The rest.


def test_lstsq_of_more_unknowns_than_equations() -> None:
    a, b, w = rng.normal(size=(2, 4)), rng.normal(size=2), rng.normal(size=4)
    got = grad(lambda a, b: np.sum(w * np.linalg.lstsq(a, b)[0]), (0, 1))(a, b)
    want = grad(lambda a, b: np.sum(w * (np.linalg.pinv(a) @ b)), (0, 1))(a, b)
    for g, h in zip(got, want, strict=True):
        np.testing.assert_allclose(g, h, rtol=1e-11)


def test_results_keep_their_names() -> None:
    t = Tensor(A @ A.T)
    assert np.linalg.eigh(t).eigenvalues.shape == (3,)
    assert np.linalg.svd(t).S.shape == (3,)
    assert np.linalg.slogdet(t).logabsdet.shape == ()


def test_functions_that_numpy_has_twice_are_the_same_ops() -> None:
    t, x = Tensor(np.arange(18.0).reshape(2, 3, 3)), np.arange(18.0).reshape(2, 3, 3)
    assert np.linalg.trace(t).value.tolist() == np.linalg.trace(x).tolist()
    assert np.linalg.diagonal(t, offset=1).value.tolist() == np.linalg.diagonal(x, offset=1).tolist()
    assert np.linalg.matrix_transpose(t).value.tolist() == np.linalg.matrix_transpose(x).tolist()
    assert np.linalg.matmul(t, x).value.tolist() == (x @ x).tolist()
    assert np.linalg.vecdot(t, x, axis=1).value.tolist() == np.linalg.vecdot(x, x, axis=1).tolist()
    assert np.linalg.cross(t, x[::-1]).value.tolist() == np.linalg.cross(x, x[::-1]).tolist()
    assert np.linalg.cross(t, x[::-1], axis=1).value.tolist() == np.linalg.cross(x, x[::-1], axis=1).tolist()
    assert np.linalg.outer(t[0, 0], x[0, 1]).value.tolist() == np.linalg.outer(x[0, 0], x[0, 1]).tolist()
    assert np.linalg.tensordot(t, x[0], axes=2).value.tolist() == np.linalg.tensordot(x, x[0], axes=2).tolist()


def test_the_hessian_of_log_det_is_minus_the_inverses_product() -> None:
    inverse = np.linalg.inv(A)
    h = hessian(lambda a: np.linalg.slogdet(a)[1])(A)
    np.testing.assert_allclose(h, -np.einsum("li,jk->ijkl", inverse, inverse), rtol=1e-11, atol=1e-13)


def test_raw_mode_of_qr_is_refused() -> None:
    with pytest.raises(OpError, match="mode 'raw' cannot be used on a Tensor; use 'reduced', 'complete' or 'r'"):
        np.linalg.qr(Tensor(A), mode="raw")


def test_what_is_kept_is_what_is_needed() -> None:
    assert linalg.inv.rules["a"].residuals == ("y",)
    assert linalg.det.rules["a"].residuals == ("a",)
    assert linalg.solve.rules["b"].residuals == ("a", "b_shape", "y")
    assert decompositions.cholesky.rules["a"].residuals == ("y", "upper")


def test_a_singular_value_that_is_zero_has_no_second_derivative_and_leaves_the_others_theirs() -> None:
    a = np.diag([2.0, 1.0, 0.0])
    for values in (np.linalg.svdvals, lambda a: np.linalg.svd(a, compute_uv=False)):
        second = grad(lambda a, f=values: np.sum(np.sin(grad(lambda a: np.sum(f(a)))(a))))
        assert np.isnan(second(a)).any()
        largest = grad(lambda a, f=values: np.sum(np.sin(grad(lambda a: np.square(f(a)[0]))(a))))
        assert np.isfinite(largest(a)).all()
