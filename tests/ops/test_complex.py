"""Functions of complex numbers that are not analytic: two orders, against five-point differences."""

from typing import Any

import numpy as np
import pytest

import trainer_ops
from trainer import grad, jvp
from trainer.errors import OpError
from trainer_ops.structured_matrices import fiedler

RNG = np.random.default_rng(0)
Z, V = (RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3)) for _ in range(2))
ONES = np.ones((3, 3), complex)


def differences(f: Any, z: Any, h: float = 1e-3) -> Any:
    """∂f/∂a − i ∂f/∂b of a real function, to the fourth order of h."""
    g = np.zeros(z.shape, complex)
    for i in np.ndindex(z.shape):
        for unit in (1, 1j):
            e = np.zeros(z.shape, complex)
            e[i] = unit * h
            g[i] += np.conj(unit) * (f(z - 2 * e) - 8 * f(z - e) + 8 * f(z + e) - f(z + 2 * e)) / (12 * h)
    return g


def real(x: Any) -> Any:
    """A real number of x in which no element stands for another."""
    return np.sum(np.real(x) * np.arange(1.0, 1 + np.size(x)).reshape(np.shape(x)))


def hermitian(z: Any) -> Any:
    return z + np.conj(np.swapaxes(z, 0, 1))


FUNCTIONS = {
    "abs": np.abs, "sign": np.sign, "imaginary sign": lambda z: np.imag(np.sign(z)), "angle": np.angle,
    "softsign": trainer_ops.softsign, "std": np.std, "var": np.var, "min": np.min, "max": lambda z: np.max(z, axis=0),
    "ptp": np.ptp, "norm": np.linalg.norm, "vector norm": lambda z: np.linalg.norm(z, axis=0),
    **{f"norm {p}": lambda z, p=p: np.linalg.norm(z[0], p) for p in (1, 1.5, 2, 3, np.inf, -np.inf, 0.5, -1)},
    **{f"matrix norm {p}": lambda z, p=p: np.linalg.norm(z, p) for p in ("nuc", 2, -2, 1, -1, np.inf, -np.inf)},
    **{f"cond {p}": lambda z, p=p: np.linalg.cond(z, p) for p in (None, "fro", 1, -2)},
    "eigvalsh": lambda z: np.linalg.eigvalsh(hermitian(z)),
    "eigh": lambda z: np.abs(np.linalg.eigh(hermitian(z))[1]) ** 2,
    "eigvals": lambda z: np.linalg.eigvals(z) ** 2, "eig": lambda z: np.abs(np.linalg.eig(z)[1]) ** 2,
    "svdvals": np.linalg.svdvals, "svd": lambda z: np.abs(np.linalg.svd(z)[0]) ** 2,
    "hermitian svd": lambda z: np.linalg.svd(hermitian(z), compute_uv=False, hermitian=True),
    "qr": lambda z: np.abs(np.linalg.qr(z)[0]) ** 2, "r": lambda z: np.linalg.qr(z, mode="r"),
    "slogdet": lambda z: np.linalg.slogdet(z)[1] + np.linalg.slogdet(z)[0], "det": np.linalg.det,
    "pinv": lambda z: np.linalg.pinv(z[:2]), "cholesky": lambda z: np.linalg.cholesky(hermitian(z) @ hermitian(z)),
    "fiedler": lambda z: fiedler(z[0]), "mean_absolute_error": lambda z: trainer_ops.mean_absolute_error(z, ONES),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_complex_numbers_have_right_derivatives_of_two_orders_in_both_modes(name: str) -> None:
    def f(z: Any) -> Any:
        return real(FUNCTIONS[name](z))

    def along(z: Any) -> Any:
        return np.sum(np.real(grad(f)(z) * V))

    first, second = grad(f)(Z), grad(along)(Z)
    np.testing.assert_allclose(first, differences(f, Z), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(second, differences(along, Z), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(jvp(f, (Z,), (V,))[1], np.sum(np.real(first * V)), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(jvp(along, (Z,), (V,))[1], np.sum(np.real(second * V)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cost", [trainer_ops.huber, trainer_ops.log_cosh, trainer_ops.cosine, trainer_ops.triplet])
def test_costs_of_real_numbers_say_so(cost: Any) -> None:
    targets = np.array([0, 0, 1]) if cost is trainer_ops.triplet else ONES
    with pytest.raises(OpError, match=f"{cost.name} is a cost of real numbers, not of complex128"):
        grad(lambda z: np.sum(np.real(cost(z, targets))))(Z)
