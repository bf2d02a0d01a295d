"""SciPy's special functions: high-precision references, edges, and that SciPy stays away until it is needed."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy.special

import trainer_ops
from trainer import Tensor, grad, op, vjp
from trainer.engine import dispatch
from trainer.errors import DetachError, NotDifferentiableError
from trainer_ops import bessel, hypergeometric, probability, special

OPS = {o.name: o for o in trainer_ops.ops()}


def slope(function: Any, x: float) -> float:
    return float(grad(function)(np.float64(x)))


# Derivatives from mpmath with 60 digits, at points where formulas cancel, overflow or meet a removable singularity.
REFERENCES = [
    ("erf", 5.5, 8.223316045262922e-14),
    ("erfc", 20.0, -2.1610374743867985e-174),
    ("erfcx", -3.0, -97237.061503164615),
    ("erfcx", 8.0, -0.0086165078814177303),
    ("erfcx", 30.0, -0.00062583541050748407),
    ("erfcx", 1e6, -5.6418958354691e-13),
    ("dawsn", 0.5, 0.5755636164979777),
    ("dawsn", 20.0, -0.0012547170561468779),
    ("dawsn", 1e5, -5.00000000075e-11),
    ("expit", -700.0, 9.8596765437597709e-305),
    ("expit", 40.0, 4.248354255291589e-18),
    ("exprel", -30.0, 0.0011111111111078879),
    ("exprel", 1e-9, 0.50000000033333333),
    ("exprel", 500.0, 2.8015700668342635e214),
    ("gammaln", 1e-5, -100000.57719921567),
    ("gammaln", 1e6, 13.815510057964191),
    ("rgamma", -3.0, -6.0),
    ("rgamma", -2.5, 1.1669802856379655),
    ("rgamma", 0.0, 1.0),
    ("rgamma", 50.0, -6.4147723352279226e-63),
    ("psi", -3.5, 9.6208792980503482),
    ("psi", 1e-5, 10000000001.644908),
    ("psi", 1e6, 1.0000005000001667e-6),
    ("spence", 1e-8, -18.420680928159175),
    ("spence", 1.0, -1.0),
    ("spence", 1.0000000001, -0.99999999995),
    ("spence", 1.7, -0.75804035866024343),
    ("log_ndtr", -1000.0, 1000.000999998),
    ("log_ndtr", -30.0, 30.033259667433677),
    ("log_ndtr", 8.0, 5.0522710835368954e-15),
    ("ellipk", -1000.0, 6.0676903231656356e-5),
    ("ellipk", 1e-9, 0.39269908214051062),
    ("ellipk", 0.999999, 499998.30147127788),
    ("ellipkm1", 1e-12, -499999999996.57456),
    ("ellipkm1", 1.0, -0.39269908169872415),
    ("ellipe", 0.999999, -3.6470274303148754),
    ("j1", 1e-8, 0.49999999999999998),
    ("j1", 50.0, 0.057762564231755318),
    ("y1", 0.001, 636617.69581452803),
    ("i1e", 1000.0, -6.300731294301514e-6),
    ("k1e", 1000.0, -1.9838918606966845e-5),
    ("wrightomega", -30.0, 9.3576229688384233e-14),
    ("wrightomega", 30.0, 0.96391817309654573),
]


@pytest.mark.parametrize(("name", "x", "expected"), REFERENCES)
def test_slopes_keep_their_digits(name: str, x: float, expected: float) -> None:
    assert slope(OPS[name], x) == pytest.approx(
        expected, rel=3e-11 if x > 0.9999 and name.startswith("ellip") else 1e-12
    )


# SciPy's own functions, called on Tensors.


@pytest.mark.parametrize("name", ["erf", "gammaln", "expit", "i0", "ndtr", "ellipk", "log1p", "cbrt", "exp2", "expm1"])
def test_scipys_ufuncs_are_recorded(name: str) -> None:
    function = getattr(scipy.special, name)
    y = function(Tensor(np.array([0.3, 0.6])))
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.value, function(np.array([0.3, 0.6])), rtol=1e-15)


def test_a_function_with_a_second_name_is_the_same_op() -> None:
    assert dispatch.find(scipy.special.digamma) is special.psi
    assert dispatch.find(scipy.special.jn) is bessel.jv


def test_an_op_takes_the_ufunc_for_its_forward_when_first_called() -> None:
    special.erf(0.5)
    assert special.erf.forward is scipy.special.erf


def test_a_strangers_function_of_the_same_name_is_not_taken_for_scipys() -> None:
    class Stranger:
        __name__ = "erf"

        def __call__(self, x: Any) -> Any:
            return x

    assert dispatch.find(Stranger()) is None


def test_a_scipy_function_without_rules_says_how_to_register_one() -> None:
    with pytest.raises(DetachError, match=r"scipy\.special\.zetac has no rule, so its result") as error:
        scipy.special.zetac(Tensor(2.0))
    assert "op(scipy.special.zetac).defvjp(x=lambda dy, x: ...)" in str(error.value)


def test_scipy_is_not_imported_before_it_is_called() -> None:
    code = (
        "import sys, numpy as np, trainer_ops\n"
        "from trainer import Tensor\n"
        "assert not [m for m in sys.modules if m.startswith('scipy')]\n"
        "assert list(trainer_ops.ops())\n"
        "assert not [m for m in sys.modules if m.startswith('scipy')]\n"
        "print(float(trainer_ops.special.erf(0.5)), trainer_ops.special.erf(Tensor(0.5)).value)\n"
        "assert 'scipy.special' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [repr(float(scipy.special.erf(0.5)))] * 2


def test_a_function_may_be_claimed_by_its_dotted_name() -> None:
    mine = op(lambda x: scipy.special.zetac(x), name="mine", implements="scipy.special.nothing_of_this_name")
    assert dispatch.TABLE.pop("scipy.special.nothing_of_this_name") is mine


def test_an_input_without_a_derivative_in_closed_form_says_so() -> None:
    with pytest.raises(NotDifferentiableError, match="input 'a' of op 'gammainc' is not differentiable"):
        grad(scipy.special.gammainc)(2.0, 1.0)


# Edges.


def test_xlogy_is_flat_in_its_second_argument_where_the_first_is_zero() -> None:
    x, y = np.array([0.0, 0.0, 2.0]), np.array([0.0, 3.0, 4.0])
    _, pullback = vjp(lambda y: scipy.special.xlogy(x, y), y)
    assert pullback(np.ones(3))[0].tolist() == [0.0, 0.0, 0.5]
    _, pullback = vjp(lambda y: scipy.special.xlog1py(x, y), y - 1)
    assert pullback(np.ones(3))[0].tolist() == [0.0, 0.0, 0.5]


def test_xlogy_has_its_mixed_derivative_where_the_first_argument_is_zero() -> None:
    mixed = grad(lambda x, y: grad(scipy.special.xlogy, 1)(x, y))(0.0, 4.0)
    assert mixed == 0.25


def test_entropies_have_their_true_slopes_at_zero() -> None:
    with np.errstate(divide="ignore"):
        assert slope(special.entr, 0.0) == np.inf
        assert slope(lambda x: special.rel_entr(x, 2.0), 0.0) == -np.inf
        assert slope(lambda x: special.kl_div(x, 2.0), 0.0) == -np.inf
    assert slope(lambda y: special.rel_entr(0.0, y), 2.0) == 0
    assert slope(lambda y: special.kl_div(0.0, y), 2.0) == 1


def test_boxcox_passes_into_the_logarithm() -> None:
    at_zero = slope(lambda lam: special.boxcox(3.0, lam), 0.0)
    assert at_zero == pytest.approx(np.log(3) ** 2 / 2, rel=1e-15)
    assert slope(lambda lam: special.boxcox(3.0, lam), 1e-9) == pytest.approx(at_zero, rel=1e-8)
    second = grad(grad(lambda lam: special.boxcox(3.0, lam)))(0.0)
    assert second == pytest.approx(np.log(3) ** 3 / 3, rel=1e-14)


def test_higher_derivatives_exist_in_removable_singularities() -> None:
    third = grad(grad(grad(special.exprel)))
    assert third(0.0) == pytest.approx(1 / 4, rel=1e-14)
    assert grad(grad(special.rgamma))(0.0) == pytest.approx(2 * np.euler_gamma, rel=1e-14)
    assert grad(grad(special.spence))(1.0) == pytest.approx(0.5, rel=1e-14)


def test_agm_is_smooth_where_its_arguments_are_equal() -> None:
    assert slope(lambda a: special.agm(a, 2.0), 2.0) == pytest.approx(0.5, rel=1e-15)


def test_huber_is_flat_in_delta_inside() -> None:
    r = np.array([-3.0, -1.0, 0.5, 1.0, 2.0])
    _, pullback = vjp(lambda d: special.scipy_huber(d, r), np.ones(5))
    assert pullback(np.ones(5))[0].tolist() == [2.0, 0.0, 0.0, 0.0, 1.0]


def test_scaled_bessel_functions_have_a_kink_at_zero_that_counts_zero() -> None:
    assert slope(bessel.i0e, 0.0) == 0
    assert slope(bessel.i1e, 0.0) == 0.5
    assert slope(bessel.j1, 0.0) == 0.5


@pytest.mark.parametrize("name", ["eval_legendre", "eval_chebyt", "eval_hermite", "eval_laguerre", "eval_chebyu"])
def test_a_polynomial_of_degree_zero_is_flat(name: str) -> None:
    assert slope(lambda x: OPS[name](0, x), 0.3) == 0


def test_elliptic_integrals_are_smooth_at_parameter_zero() -> None:
    assert slope(hypergeometric.ellipk, 0.0) == pytest.approx(np.pi / 8, rel=1e-15)
    assert slope(hypergeometric.ellipe, 0.0) == pytest.approx(-np.pi / 8, rel=1e-15)


def test_log_ndtr_has_a_slope_where_ndtr_underflows() -> None:
    assert slope(probability.log_ndtr, -1e5) == pytest.approx(1e5, rel=1e-9)


# dtypes.


def test_python_numbers_beside_float32_keep_it() -> None:
    x = np.array([0.2, 0.4], np.float32)
    for function in (
        lambda x: special.betainc(2.5, 1.5, x),
        lambda x: probability.stdtr(3.0, x),
        lambda x: special.boxcox(x, 0.5),
        hypergeometric.ellipk,
        lambda x: bessel.jv(1.5, x),
    ):
        y, pullback = vjp(function, x)
        assert y.dtype == np.float32
        assert pullback(np.ones(2, np.float32))[0].dtype == np.float32


def test_complex_gamma_functions_have_second_derivatives() -> None:
    z = np.array([0.4 + 0.7j, -2.3 - 1.1j, 30.0 + 2j])
    _, pullback = vjp(scipy.special.psi, z)
    h = 1e-5
    difference = (scipy.special.psi(z + h) - scipy.special.psi(z - h)) / (2 * h)
    np.testing.assert_allclose(pullback(np.ones(3, complex))[0], difference, rtol=1e-8)
    np.testing.assert_allclose(special.polygamma(1, z.real + 0j).real, special.polygamma(1, z.real), rtol=1e-13)


@pytest.mark.parametrize("scaled", [bessel.ive, bessel.jve, bessel.yve])
def test_scalings_that_are_not_analytic_have_real_gradients(scaled: Any) -> None:
    z, dy, h = np.array([1.2 - 0.7j, -0.4 + 2.0j]), np.array([0.3 + 0.5j, -1.0 + 0.2j]), 1e-6
    _, pullback = vjp(lambda z: scaled(1.5, z), z)
    g = pullback(dy)[0]
    for unit in (1, 1j):
        moved = np.real(dy * (scaled(1.5, z + h * unit) - scaled(1.5, z - h * unit))) / (2 * h)
        np.testing.assert_allclose(np.real(g * unit), moved, rtol=1e-6, atol=1e-8)
