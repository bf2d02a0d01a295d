"""scipy.linalg: values against SciPy's, gradients by hand, edges."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg

from trainer import Op, Tensor, grad, vjp
from trainer.errors import DetachError, ShapeError
from trainer_ops import scipy_linalg as sl
from trainer_ops import structured_matrices as sm

rng = np.random.default_rng(0)
A = rng.normal(size=(3, 3)) + 3 * np.eye(3)
W = rng.normal(size=(3, 3))
c, r, b = rng.normal(size=(3, 4))

MODES = ("full", "same", "valid")
CALLS: list[tuple[Op, tuple[Any, ...], dict[str, Any], tuple[Any, ...]]] = [
    *((o, (A,), {}, (A,)) for o in (sl.expm, sl.logm, sl.sqrtm, sl.cosm, sl.sinm, sl.tanm)),
    *((o, (A,), {}, (A,)) for o in (sl.coshm, sl.sinhm, sl.tanhm)),
    (sl.fractional_matrix_power, (A,), {"t": 0.3}, (A, 0.3)),
    (sl.solve_sylvester, (A, A, A), {}, (A, A, A)),
    (sl.solve_continuous_lyapunov, (A, A), {}, (A, A)),
    (sl.solve_discrete_lyapunov, (A / 9, A), {}, (A / 9, A)),
    (sl.solve_triangular, (A, A), {"lower": True, "trans": 1}, (A, A, 1, True)),
    (sl.cho_solve, (A, A), {"lower": True}, ((A, True), A)),
    (sl.solve_banded, (A, A), {"l_and_u": (1, 1)}, ((1, 1), A, A)),
    (sm.solve_toeplitz, (c, r, b), {}, ((c, r), b)),
    (sm.solve_circulant, (c, b), {}, (c, b)),
    (sl.lu, (A,), {}, (A,)),
    (sl.polar, (A,), {}, (A,)),
    (sm.toeplitz, (c, r[:3]), {}, (c, r[:3])),
    (sm.hankel, (c, r[:3]), {}, (c, r[:3])),
    (sm.circulant, (c,), {}, (c,)),
    (sm.companion, (c,), {}, (c,)),
    (sm.leslie, (c, b[:3]), {}, (c, b[:3])),
    (sm.fiedler, (c,), {}, (c,)),
    (sm.khatri_rao, (A, A[:2]), {}, (A, A[:2])),
    *((sm.convolution_matrix, (c,), {"n": n, "mode": m}, (c, n, m)) for n in (3, 4, 6) for m in MODES),
    (sm.block_diag, (A, c), {}, (A, c)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "arrays", "attributes", "theirs"), CALLS, ids=lambda v: v.name if isinstance(v, Op) else ""
)
def test_values_are_scipys(one: Op, arrays: Any, attributes: Any, theirs: Any) -> None:
    got, want = one(*arrays, **attributes), getattr(scipy.linalg, one.name)(*theirs)
    for g, w in zip(*(v if isinstance(v, tuple) else (v,) for v in (got, want)), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-11, atol=1e-13)


def test_every_op_is_compared_with_scipys() -> None:
    ours = {v.name for m in (sl, sm) for v in vars(m).values() if isinstance(v, Op) and v.module == m.__name__}
    assert ours == {one.name for one, *_ in CALLS}


def test_scipys_function_refuses_a_tensor() -> None:
    with pytest.raises(DetachError):
        scipy.linalg.expm(Tensor(A))


def test_the_trace_of_the_exponential() -> None:
    np.testing.assert_allclose(grad(lambda a: np.trace(sl.expm(a)))(A), scipy.linalg.expm(A).T, rtol=1e-12)


def test_the_derivative_of_the_exponential_is_scipys() -> None:
    e = rng.normal(size=(3, 3))
    _, pullback = vjp(sl.expm, A)
    np.testing.assert_allclose(pullback(e)[0], scipy.linalg.expm_frechet(A.T, e, compute_expm=False), rtol=1e-12)


@pytest.mark.parametrize("scale", [0.0, 1e-8, 1e8])
def test_the_size_of_the_cotangent_does_not_matter(scale: float) -> None:
    e = rng.normal(size=(3, 3))
    for function in (sl.expm, sl.logm):
        _, pullback = vjp(function, A)
        np.testing.assert_allclose(pullback(scale * e)[0], scale * pullback(e)[0], rtol=1e-12, atol=1e-300)


def test_logarithm_and_exponential_undo_each_other() -> None:
    e = rng.normal(size=(3, 3))
    _, pullback = vjp(lambda a: sl.expm(sl.logm(a)), A)
    np.testing.assert_allclose(pullback(e)[0], e, rtol=1e-11, atol=1e-12)


def test_a_matrix_with_negative_eigenvalues_has_a_complex_logarithm() -> None:
    a = np.diag([-1.0, 2.0])
    y = sl.logm(a)
    assert y.dtype == np.complex128
    np.testing.assert_allclose(np.diag(y), [np.pi * 1j, np.log(2)], atol=1e-14)
    g = grad(lambda a: np.real(sl.logm(a)[1, 1] + sl.logm(a)[0, 0]))(a)
    np.testing.assert_allclose(g, np.diag([-1.0, 0.5]), atol=1e-13)


def test_a_singular_matrix_has_no_logarithm() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="a singular matrix has no logarithm"):
        sl.logm(np.diag([1.0, 0.0]))
    with pytest.raises(ShapeError, match=r"op 'logm' .*a singular matrix has no logarithm"):
        sl.logm(Tensor(np.diag([1.0, 0.0])))


def test_logm_leaves_numpys_random_state_alone() -> None:
    before = np.random.get_state()[1].tolist()
    grad(lambda a: np.sum(sl.logm(a)))(np.eye(6) + np.diag(np.full(5, 0.7), 1))
    assert np.random.get_state()[1].tolist() == before


def test_the_triangle_that_is_not_read_has_gradient_zero() -> None:
    g = grad(lambda a: np.sum(sl.solve_triangular(a, c[:3], lower=True)))(A)
    assert not np.any(np.triu(g, 1))
    g = grad(lambda a: np.sum(sl.solve_triangular(a, c[:3], unit_diagonal=True)))(A)
    assert not np.any(np.tril(g))


def test_polar_is_smooth_where_singular_values_are_equal() -> None:
    np.testing.assert_allclose(grad(lambda a: sl.polar(a)[0][0, 1])(np.eye(2)), [[0, 0.5], [-0.5, 0]], atol=1e-15)
    np.testing.assert_allclose(grad(lambda a: sl.polar(a)[1][0, 1])(np.eye(2)), [[0, 0.5], [0.5, 0]], atol=1e-15)


def test_float32_stays() -> None:
    for function in (sl.expm, sl.logm, sl.sqrtm, sl.tanm):
        y, pullback = vjp(function, A.astype(np.float32))
        assert y.dtype == np.float32
        assert pullback(y)[0].dtype == np.float32


@pytest.mark.parametrize(
    "function",
    [
        sl.expm,
        sl.logm,
        sl.sqrtm,
        lambda a: sl.solve_continuous_lyapunov(a, W),
        lambda a: sl.solve_discrete_lyapunov(a / 9, W),
        lambda a: sl.cho_solve(a, W),
        lambda a: sl.cho_solve(a, W, lower=True),
        lambda a: sl.solve_triangular(a, W, trans=2),
        lambda a: sl.polar(a)[0],
        lambda a: sl.polar(a)[1],
        lambda a: sl.polar(a[:, :2])[0] @ W[:2],
        lambda a: sl.polar(a[:2])[1],
    ],
)
def test_complex_arguments(function: Any) -> None:
    z, h = A + 1j * np.random.default_rng(1).normal(size=(3, 3)), 1e-6
    g = grad(lambda a: np.real(np.sum(W * function(a))))(z)
    for unit in (1, 1j):
        e = rng.normal(size=(3, 3)) * unit
        moved = np.real(np.sum(W * (function(z + h * e) - function(z - h * e)))) / (2 * h)
        assert np.real(np.sum(g * e)) == pytest.approx(moved, rel=1e-6, abs=1e-8)
