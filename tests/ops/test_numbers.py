"""Numbers at the ends of their range: nan, counts beyond float16, squares that overflow, small differences, corners."""

from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import trainer_ops
from trainer import compile, grad, hessian, vjp
from trainer.errors import ShapeError
from trainer.optimizers import ClipNorm, ClipParameterNorm, Sgd

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
X = np.array([-1.0, 0.0, 4.0])


@pytest.mark.parametrize(
    ("protected", "expected"),
    [
        (lambda x: np.where(x > 0, np.sqrt(x), 0.0), [0, 0, 0.25]),
        (lambda x: np.where(x > 0, np.log(x), 0.0), [0, 0, 0.25]),
        (lambda x: np.where(x > 0, x * np.log(x), 0.0), [0, 0, 1 + np.log(4)]),
        (lambda x: np.where(x != 0, x / x, 1.0), [0, 0, 0]),
        (lambda x: np.where(x != 0, 1 / x, 1.0), [-1, 0, -1 / 16]),
        (lambda x: np.where(x > 0, x**-0.5, 1.0), [0, 0, -1 / 16]),
        (lambda x: np.where(np.abs(x) < 1, np.arccos(x), 0.0), [0, -1, 0]),
        (lambda x: np.where(np.abs(x) < 1, np.arctanh(x), 0.0), [0, 1, 0]),
        (lambda x: np.where(x < 3, np.exp(x), 0.0), [np.exp(-1), 1, 0]),
        (lambda x: np.where(x < 1, np.exp(1e3 * x) / (1 + np.exp(1e3 * x)), 1.0), [0, 250, 0]),
        (lambda x: np.where(x > 0, np.cbrt(x), 0.0), [0, 0, 4 ** (-2 / 3) / 3]),
        (lambda x: np.nan_to_num(np.log(x), neginf=0.0), [0, 0, 0.25]),
        (lambda x: np.maximum(np.log(x), -1.0)[x > 0], [0, 0, 0.25]),
        (lambda x: np.clip(np.log(x), -1.0, 9.0)[1:], [0, 0, 0.25]),
        (lambda x: np.select([x > 0], [np.sqrt(x)], 0.0), [0, 0, 0.25]),
        (lambda x: np.sqrt(x)[2], [0, 0, 0.25]),
        (lambda x: np.log(x)[2:], [0, 0, 0.25]),
        (lambda x: np.sum(np.log(x), where=x > 0), [0, 0, 0.25]),
        (lambda x: np.prod(np.sqrt(x), where=x > 0), [0, 0, 0.25]),
        (lambda x: np.nansum(np.where(x > 0, np.sqrt(x), np.nan)), [0, 0, 0.25]),
        (lambda x: np.where(x > 0, sp.gammaln(x), 0.0), [0, 0, sp.psi(4)]),
    ],
)
def test_where_protects_from_poles_in_two_orders(protected: Any, expected: Any) -> None:
    def f(x: Any) -> Any:
        return np.sum(protected(x))

    np.testing.assert_allclose(grad(f)(X), expected, rtol=1e-12, atol=1e-12)
    second, unused = hessian(f)(X), np.array(expected) == 0
    assert np.isfinite(second).all()
    assert (second[unused] == 0).all()


@pytest.mark.parametrize(
    "length",
    [
        np.linalg.norm, np.linalg.vector_norm, lambda x: np.linalg.norm(x) ** 2, lambda x: np.hypot(x[0], x[1]), np.std,
        lambda x: np.std(x) ** 2, lambda x: np.linalg.norm(x, 3), lambda x: np.linalg.norm(x, 2.5),
        lambda x: np.linalg.norm(x, 1.5), lambda x: np.linalg.norm(x, 0.5),
        lambda x: np.linalg.norm(np.reshape(x, (1, 2)), "fro"), np.nanstd,
        lambda x: np.abs(x[0] + 1j * x[1]),
        lambda x: trainer_ops.triplet(np.reshape(x[0], (1, 1)) * np.ones((3, 1)), np.array([0, 0, 1]))[0],
    ],
)  # fmt: skip
def test_at_a_corner_the_gradient_is_zero_and_the_second_derivative_is_no_number(length: Any) -> None:
    x = np.zeros(2)
    assert (grad(length)(x) == 0).all()
    assert not np.isfinite(hessian(length)(x)).all()


@pytest.mark.parametrize("p", [2.5, 3, 4, 7])
def test_a_norm_with_zeros_among_the_elements_has_a_second_derivative(p: float) -> None:
    x = np.array([0.0, 3.0, -2.0])
    y = np.sum(np.abs(x) ** p) ** (1 / p)
    u = np.sign(x) * (np.abs(x) / y) ** (p - 1)
    expected = (p - 1) / y * (np.diag((np.abs(x) / y) ** (p - 2)) - np.outer(u, u))
    np.testing.assert_allclose(hessian(lambda x: np.linalg.norm(x, p))(x), expected, atol=1e-12)


def minors(a: Any) -> Any:
    """The second derivative of det by its definition: what is left without two rows and two columns."""
    n = len(a)
    h = np.zeros((n,) * 4)
    for i, j, k, m in np.ndindex(h.shape):
        if i != k and j != m:
            rest = np.delete(np.delete(a, [i, k], 0), [j, m], 1)
            sign = (-1) ** (i + j + k + m) * (-1 if (i < k) != (j < m) else 1)
            h[i, j, k, m] = sign * (np.linalg.det(rest) if rest.size else 1)
    return h


@pytest.mark.parametrize(
    "a",
    [
        np.array([[1.0, 2.0], [2.0, 4.0]]), np.zeros((2, 2)), np.zeros((3, 3)), np.eye(3),
        np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]]), np.ones((4, 4)), np.diag([1.0, 1e-14, 2.0]),
        np.diag([1.0, 2.0, 3.0, 0.0]) + np.eye(4, k=1),
    ],
)  # fmt: skip
def test_det_has_its_second_derivative_at_every_matrix(a: Any) -> None:
    np.testing.assert_allclose(hessian(np.linalg.det)(a), minors(a), atol=1e-12)


@pytest.mark.parametrize("f", [np.median, np.quantile, np.percentile])
def test_the_median_of_a_nan_leaves_the_other_rows_alone(f: Any) -> None:
    x = np.array([[1.0, 2.0, 3.0], [np.nan, 1.0, 2.0]])
    arguments = () if f is np.median else (0.5,) if f is np.quantile else (50,)
    g = grad(lambda x: f(x, *arguments, axis=1)[0])(x)
    assert g.tolist() == [[0, 1, 0], [0, 0, 0]]
    g = grad(lambda x: np.sum(f(x, *arguments, axis=1)))(x)
    assert g[0].tolist() == [0, 1, 0]
    assert not np.isfinite(g[1]).all()


def test_interp_has_a_second_derivative() -> None:
    xp, fp = np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 2.0])
    assert hessian(lambda x: np.interp(x, xp, fp) ** 2)(0.5) == 8
    assert grad(grad(lambda x: np.interp(x, xp, fp)))(0.5) == 0


@pytest.mark.parametrize("attributes", [{}, {"causal": True}])
def test_attention_does_not_see_what_is_masked(attributes: Any) -> None:
    q, k, v = np.random.default_rng(0).normal(size=(3, 1, 4, 3))
    mask = np.ones((1, 4, 4), bool)
    mask[:, :, 2] = False

    def attend(q: Any, k: Any, v: Any) -> Any:
        return np.sum(trainer_ops.scaled_dot_product_attention(q, k, v, mask, **attributes) ** 2)

    expected = attend(q, k, v), grad(attend, (0, 1, 2))(q, k, v)
    for bad in (np.nan, np.inf, -np.inf):
        k[:, 2] = v[:, 2] = bad
        assert attend(q, k, v) == expected[0]
        np.testing.assert_array_equal(grad(attend, (0, 1, 2))(q, k, v), expected[1])


def test_attention_to_a_nan_spoils_the_queries_that_look_at_it() -> None:
    q, k, v = np.random.default_rng(0).normal(size=(3, 4, 3))
    v[2, 0] = np.nan
    y = trainer_ops.scaled_dot_product_attention(q, k, v, causal=True)
    assert np.isfinite(y[:2]).all()
    assert np.isnan(y[2:]).all()


MANY = 70_000


@pytest.mark.parametrize(
    "f",
    [
        np.mean, np.average, np.nanmean, lambda x: np.mean(x, where=np.ones(MANY, bool)), lambda x: np.mean(x, axis=0),
        lambda x: trainer_ops.mean_squared_error(x[None], np.zeros((1, MANY), np.float16))[0] / 2,
        lambda x: trainer_ops.mean_absolute_error(x[None], np.zeros((1, MANY), np.float16))[0],
        lambda x: trainer_ops.global_average_pool(x[None, :, None])[0, 0],
        lambda x: trainer_ops.average_pool(x[None, :, None], window=MANY)[0, 0, 0],
        lambda x: trainer_ops.logsumexp(x), np.max, np.min,
    ],
)  # fmt: skip
def test_a_mean_of_more_numbers_than_float16_counts_has_its_gradient(f: Any) -> None:
    g = grad(f)(np.ones(MANY, np.float16))
    assert g.dtype == np.float16
    np.testing.assert_allclose(g.astype(float) * MANY, 1, rtol=0.01)


def test_softmaxes_of_more_numbers_than_float16_counts() -> None:
    x = np.zeros(MANY, np.float16)
    for f in (trainer_ops.softmax, trainer_ops.masked_softmax):
        np.testing.assert_allclose(f(x).astype(float) * MANY, 1, rtol=0.01)
    for y in (-trainer_ops.log_softmax(x), trainer_ops.logsumexp(x)):
        assert y.dtype == np.float16
        np.testing.assert_allclose(y, np.log(MANY), rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("power", [-1, 1])
def test_slopes_whose_squares_leave_the_range(dtype: Any, power: int) -> None:
    x = dtype((1e25 if dtype is np.float32 else 1e200) ** power)
    tolerance = 10 * np.finfo(dtype).eps
    for across, first in ((x, 0), (dtype(3) * x, 1)):
        g = grad(np.arctan2.__call__, (0, 1))(across, x)
        r2 = 1 + float(across / x) ** 2
        np.testing.assert_allclose([float(v) * float(x) for v in g], [1 / r2, -float(across / x) / r2], rtol=tolerance)
        assert first in (0, 1)
    np.testing.assert_allclose(float(grad(np.arcsinh)(x)) * float(np.hypot(x, dtype(1))), 1, rtol=tolerance)
    np.testing.assert_allclose(
        grad(lambda r: sp.pseudo_huber(dtype(1), r))(x), float(x) / np.hypot(float(x), 1.0), rtol=tolerance
    )
    for f in (trainer_ops.squareplus, trainer_ops.gelu, trainer_ops.silu, trainer_ops.mish, trainer_ops.softplus):
        assert np.isfinite(grad(f)(x))
        assert np.isfinite(grad(f)(-x))


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (sp.spence, 1e20, -4.605170185988091e-19), (sp.spence, 1e3, np.log(1e3) / (1 - 1e3)),
        (sp.spence, 1e-300, np.log(1e-300)), (sp.ellipk, -1e19, 3.6604e-29), (sp.i0e, 1e8, -sp.i0e(1e8) / 2e8),
        (sp.i0e, 1e20, -sp.i0e(1e20) / 2e20), (sp.i0e, -1e20, sp.i0e(1e20) / 2e20),
        (sp.i1e, 1e20, -sp.i1e(1e20) / 2e20), (sp.k0e, 1e20, -sp.k0e(1e20) / 2e20),
        (sp.k1e, 1e20, -sp.k1e(1e20) / 2e20),
        (lambda z: sp.poch(z, 2.0), 1e10, 2e10 + 1), (lambda z: sp.betaln(z, 0.5), 1e10, -0.5e-10 - 1.25e-21),
        (lambda z: sp.betaln(1e10, z), 0.5, sp.psi(0.5) - np.log(1e10)), (lambda n: sp.binom(n, 1.0), 1e10, 1.0),
        (lambda z: sp.beta(z, 1.0), 1e200, -0.0), (lambda z: sp.poch(z, 1.0), 5e3, 1.0),
        (np.expm1, -40.0, np.exp(-40.0)), (np.expm1, 1e-9, np.exp(1e-9)), (trainer_ops.squareplus, -1e8, 1e-16),
        (sp.expit, 50.0, np.exp(-50.0)), (trainer_ops.squareplus, 1e200, 1.0),
    ],
)  # fmt: skip
def test_slopes_far_out_keep_their_digits(f: Any, x: float, expected: float) -> None:
    if f is sp.ellipk:  # K'(m) for m → −∞, DLMF 19.12
        expected = (np.log(4 * np.sqrt(-x)) - 1) / (2 * (-x) ** 1.5)
    np.testing.assert_allclose(grad(f)(x), expected, rtol=1e-8 if abs(x) < 1e9 and f is sp.i0e else 1e-12)


@pytest.mark.parametrize("z", [20.0, 40.0, 80.0])
def test_small_losses_are_not_rounded_away(z: float) -> None:
    for sign, target in ((1, 1.0), (-1, 0.0)):
        x, t = np.array([[sign * z]], np.float32), np.array([[target]], np.float32)
        np.testing.assert_allclose(trainer_ops.sigmoid_cross_entropy(x, t), np.exp(-z), rtol=1e-6)


ONE = np.array([[0.0, 1.0]], np.float32)
SURE = {  # of logits 0 and z, what is small where z is large
    "negative_log_likelihood": lambda z: trainer_ops.negative_log_likelihood(trainer_ops.log_softmax(z), np.array([1])),
    "softmax_cross_entropy, probabilities": lambda z: trainer_ops.softmax_cross_entropy(z, ONE),
    "log_softmax": lambda z: -trainer_ops.log_softmax(z)[:, 1],
    "log_softmax, axis": lambda z: -trainer_ops.log_softmax(z.T, axis=0)[1],
    "logsumexp": lambda z: trainer_ops.logsumexp(z - z[:, 1:], axis=1),
    "log_sigmoid": lambda z: -trainer_ops.log_sigmoid(z[:, 1]),
    "softplus": lambda z: trainer_ops.softplus(-z[:, 1]),
    "logaddexp": lambda z: np.logaddexp(-z[:, 1], z[:, 0]),
}


@pytest.mark.parametrize("name", SURE)
@pytest.mark.parametrize("z", [5.0, 20.0, 40.0, 80.0])
def test_what_is_sure_and_right_has_a_small_loss_and_no_loss_of_digits(name: str, z: float) -> None:
    x, call = np.array([[0.0, z]], np.float32), SURE[name]
    np.testing.assert_allclose(call(x), np.log1p(np.exp(-z)), rtol=1e-6)
    np.testing.assert_allclose(compile(call)(x), np.log1p(np.exp(-z)), rtol=1e-6)


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "negative_log_likelihood", "softmax_focal"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_position_without_a_class_has_no_part_in_cost_and_slopes_whatever_stands_there(name: str, bad: float) -> None:
    cost, targets = getattr(trainer_ops, name), np.array([[1, -1, 2], [0, 3, -1]])
    x = trainer_ops.log_softmax(np.random.default_rng(0).normal(size=(2, 3, 4)))
    spoilt = np.where(targets[..., None] < 0, bad, x)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(cost(spoilt, targets), cost(x, targets))
        for f in (
            lambda x: np.sum(cost(x, targets)),
            lambda x: np.sum(grad(lambda x: np.sum(cost(x, targets)))(x) ** 2),
        ):
            slopes = grad(f)(spoilt)
            np.testing.assert_allclose(slopes, grad(f)(x))
            assert not slopes[targets < 0].any()


def test_equal_logits_each_count() -> None:
    z = np.array([[3.0, 3.0, 3.0, -97.0]])
    np.testing.assert_allclose(trainer_ops.logsumexp(z), 3 + np.log(3), rtol=1e-15)
    np.testing.assert_allclose(trainer_ops.log_softmax(z)[0, 1], -np.log(3), rtol=1e-15)
    for label in (0, 1, 2):
        np.testing.assert_allclose(trainer_ops.softmax_cross_entropy(z, np.array([label])), np.log(3), rtol=1e-15)
    np.testing.assert_allclose(trainer_ops.softmax_cross_entropy(z, np.array([3])), 100 + np.log(3), rtol=1e-15)


@pytest.mark.parametrize("v", [0.0, 0.5, 1.0, 2.5, 10.0])
@pytest.mark.parametrize("x", [600.0, 1e4, 1e6, 1e9])
def test_scaled_bessel_functions_of_any_order_keep_their_digits_far_out(v: float, x: float) -> None:
    # y = √(c/x)·(1 ∓ (4v² − 1)/8x + …): what is left of y' + y/2x is of the order 1/x² and known to some digits.
    for f, sign in ((sp.ive, 1), (sp.kve, -1)):
        small = sign * (4 * v * v - 1) / (8 * x)
        expected = -f(v, x) / (2 * x) * (1 - 2 * small)
        np.testing.assert_allclose(grad(lambda x, f=f: f(v, x))(x), expected, rtol=3 * (v + 1) ** 4 / x**2 + 1e-14)
        twice = grad(grad(lambda x, f=f: f(v, x)))(x)
        np.testing.assert_allclose(twice, 0.75 * f(v, x) / x**2, rtol=9 * (v + 1) ** 2 / x)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("at", [0.0, 1e3, 1e4, -1e4])
def test_equal_terms_of_a_log_of_a_sum_share_alike_wherever_they_stand(dtype: Any, at: float) -> None:
    at = at if dtype == np.float16 else at * 1e12  # beyond what the result can tell from its largest term
    x = np.array([at, at], dtype)
    for f in (trainer_ops.logsumexp, lambda x: np.logaddexp(x[0], x[1]), lambda x: np.logaddexp2(x[0], x[1])):
        assert grad(f)(x).tolist() == [0.5, 0.5]
    far = np.array([at, np.inf, -np.inf, np.inf], dtype)
    assert grad(trainer_ops.logsumexp)(far).tolist() == [0, 0.5, 0, 0.5]


def test_a_covariance_of_many_small_numbers_has_slopes() -> None:
    x = (np.arange(70000) % 7).astype(np.float16)
    np.testing.assert_allclose(grad(np.cov)(x), 2 * (x.astype(float) - 3) / 70000, rtol=0.02, atol=1e-7)


def test_a_step_is_its_second_argument_where_it_steps() -> None:
    x = np.array([-1.0, 0.0, -0.0, 2.0, np.nan])
    first, second = grad(lambda a, b: np.sum(np.heaviside(a, b)), (0, 1))(x, np.full(5, 0.5))
    assert first.tolist() == [0] * 5
    assert second.tolist() == [0, 1, 1, 0, 0]


@pytest.mark.parametrize("s", [-1000.0, -89.0, -2000.0, 1000.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gaussian_that_is_right_and_sure_costs_what_it_says(s: float, dtype: Any) -> None:
    p, t = np.array([[1.0, s]], dtype), np.array([[1.0]], dtype)
    assert trainer_ops.gaussian(p, t) == s / 2
    assert grad(lambda p: trainer_ops.gaussian(p, t)[0])(p).tolist() == [[0, 0.5]]


def test_a_gaussian_that_is_nearly_right_and_sure_costs_what_it_says() -> None:
    p, t = np.array([[1e-20, -100.0]], np.float32), np.zeros((1, 1), np.float32)
    squared = (1e-20 * np.exp(50.0)) ** 2  # e^100 is beyond float32
    np.testing.assert_allclose(trainer_ops.gaussian(p, t), (squared - 100) / 2, rtol=1e-5)
    slopes = [1e-20 * np.exp(50.0) * np.exp(50.0), (1 - squared) / 2]
    np.testing.assert_allclose(grad(lambda p: trainer_ops.gaussian(p, t)[0])(p)[0], slopes, rtol=1e-5)


@pytest.mark.parametrize("clip", [ClipNorm, ClipParameterNorm])
@pytest.mark.parametrize("large", [3e38, 3e30, 1.0, 1e-30])
def test_clipping_keeps_the_direction_of_every_length(clip: Any, large: float) -> None:
    g = np.array([large, large], np.float32)
    step = -clip(Sgd(), 1.0).update(g, {}, np.zeros(2, np.float32), 1.0, 0)[0]
    np.testing.assert_allclose(step, min(large, np.sqrt(0.5)), rtol=1e-5)


@pytest.mark.parametrize("pool", [trainer_ops.max_pool, trainer_ops.average_pool])
def test_no_window_is_padding_alone(pool: Any) -> None:
    with pytest.raises(ShapeError, match="hold nothing but padding"):
        pool(np.ones((1, 1, 1)), window=2, stride=2, padding=2)
    with pytest.raises(ShapeError, match="hold nothing but padding"):
        trainer_ops.max_pool(np.ones((1, 1, 1)), window=2, stride=1, padding=1, dilation=2)


def test_padding_never_wins_not_even_against_minus_infinity() -> None:
    x = np.array([-np.inf, -np.inf, 1.0, 0.0])[None, :, None]
    g = grad(lambda x: np.sum(trainer_ops.max_pool(x, window=2, stride=1, padding=1)))(x)
    assert g.ravel().tolist() == [2, 0, 2, 1]


def test_infinite_terms_of_a_logaddexp_take_it_all() -> None:
    for f in (np.logaddexp, np.logaddexp2):
        _, pullback = vjp(f, np.array([np.inf, -np.inf, 0.0]), np.array([0.0, 0.0, np.inf]))
        assert [g.tolist() for g in pullback(np.ones(3))] == [[1, 0, 0], [0, 1, 1]]


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda x: np.arctan2(x, 0.0), 0.0, np.nan), (np.cbrt, 0.0, np.inf), (lambda x: np.clip(x, 0.0, 1.0), 0.0, 1.0),
        (lambda x: np.copysign(x, 1.0), 0.0, 1.0), (lambda x: np.copysign(x, 1.0), -0.0, -1.0),
        (lambda x: np.copysign(x, -0.0), 0.0, -1.0), (lambda x: np.logaddexp(x, -np.inf), -np.inf, np.nan),
        (lambda x: trainer_ops.softmax(np.stack([x, x]))[0], -np.inf, np.nan),
        (lambda x: trainer_ops.log_softmax(np.stack([x, x]))[0], -np.inf, np.nan),
        (lambda x: trainer_ops.logsumexp(np.stack([x, x])), -np.inf, 0.0),
        (lambda x: np.max(np.stack([x, 1.0 * x])), np.nan, 0.0),
        (lambda x: np.ptp(np.stack([x, 2.0 + x])), np.nan, 0.0),
        (lambda p: 0.0**p, 0.0, 0.0), (grad(lambda x: x**2.0), 0.0, 2.0), (grad(lambda x: x**1.5), 0.0, np.inf),
        (grad(lambda x: x**1.0), 0.0, 0.0), (grad(np.abs), 0.0, 0.0), (grad(trainer_ops.relu), 0.0, 0.0),
        (np.tanh, 25.0, 0.0), (trainer_ops.sigmoid, 40.0, 0.0), (lambda x: np.sqrt(x) * np.sqrt(x), 0.0, 0.0),
    ],
)  # fmt: skip
def test_choices_of_the_page_on_edges(f: Any, x: float, expected: float) -> None:
    np.testing.assert_equal(grad(f)(x), expected)


def test_sign_of_complex_numbers_has_its_derivatives() -> None:
    z = np.array([3 + 4j, -1 + 0.5j, 2.0 + 0j])
    a, b, r = z.real, z.imag, np.abs(z)
    np.testing.assert_allclose(
        grad(lambda z: np.sum(np.real(np.sign(z))))(z), b**2 / r**3 + 1j * a * b / r**3, rtol=1e-12
    )
    first = grad(lambda z: np.sum(np.abs(z)))
    np.testing.assert_allclose(
        grad(lambda z: np.sum(np.real(first(z))))(z), b**2 / r**3 + 1j * a * b / r**3, rtol=1e-12
    )
    assert np.isnan(grad(lambda z: np.real(np.sign(z)))(0j))


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (trainer_ops.softmax, [(5, 0, 0)]), (trainer_ops.log_softmax, [(5, 0)]), (trainer_ops.masked_softmax, [(0, 5)]),
        (trainer_ops.masked_softmax, [(5, 0)]), (np.matmul, [(5, 5, 0), (0, 5)]), (np.matmul, [(5, 0, 5), (5, 3)]),
        (np.matmul, [(0, 5), (5, 3)]), (np.dot, [(5, 0), (0, 5)]), (lambda x: np.diff(x, 3, axis=1), [(3, 3, 3)]),
        (lambda x: np.diff(x, 7, axis=1), [(3, 3, 3)]), (np.diff, [(3, 0)]),
    ],
)  # fmt: skip
def test_what_is_empty_has_an_empty_answer_and_gradients_of_its_shapes(f: Any, shapes: Any) -> None:
    arrays = [np.zeros(shape) for shape in shapes]
    gradients = grad(lambda *a: np.sum(f(*a)), tuple(range(len(arrays))))(*arrays)
    assert [g.shape for g in gradients] == shapes
