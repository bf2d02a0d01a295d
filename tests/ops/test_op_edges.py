"""Where a derivative could be several things, or nan, it is what the docstrings say."""

import functools
import tracemalloc
from typing import Any

import numpy as np
import pytest

import trainer_ops
from tests.ops.op_checking import EXACT, compare
from trainer import Tensor, grad, hessian, jacobian
from trainer_ops import gelu, logsumexp, relu, scatter_add, sigmoid, softmax

OPS = {o.name: o for o in trainer_ops.ops()}


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (np.abs, 0.0, 0.0),
        (relu, 0.0, 0.0),
        (lambda x: np.maximum(x, 0.0), 0.0, 0.5),
        (lambda x: np.minimum(x, x * 1), 2.0, 1.0),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: x ** np.float64(0), 0.0, 0.0),
        (lambda x: 0.0**x, 2.0, 0.0),
        (lambda x: x**1, 0.0, 1.0),
        (lambda x: x**3, -2.0, 12.0),
        (np.sinc, 0.0, 0.0),
        (grad(np.sinc), 0.0, -(np.pi**2) / 3),
        (grad(grad(grad(np.sinc))), 0.0, np.pi**4 / 5),
        (lambda x: np.hypot(x, 0.0), 0.0, 0.0),
        (lambda x: np.std(np.stack([x, x])), 1.0, 0.0),
        (lambda x: np.where(x > 1, np.log(x), 2 * x), 0.5, 2.0),
        (lambda x: np.clip(x, 0.0, 1.0), 1.0, 1.0),
        (lambda x: np.floor(x) * x, 2.5, 2.0),
        (sigmoid, -1000.0, 0.0),
        (np.logaddexp.__call__, (800.0, 0.0), 1.0),
    ],
)
def test_edge_of_one_number(f: Any, x: Any, expected: float) -> None:
    x = x if isinstance(x, tuple) else (x,)
    assert grad(f)(*x) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_ties_for_an_extreme_share_the_gradient() -> None:
    x = np.array([3.0, 1.0, 3.0])
    assert grad(np.max)(x).tolist() == [0.5, 0.0, 0.5]
    assert grad(np.min)(x).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_products_with_zeros_have_their_derivatives_of_two_orders(zeros: int) -> None:
    x = np.array([2.0, 3.0, 5.0, 7.0])
    x[:zeros] = 0
    others = [np.prod(np.delete(x, i)) for i in range(4)]
    np.testing.assert_allclose(grad(np.prod)(x), others)
    np.testing.assert_allclose(grad(lambda x: np.cumprod(x)[-1])(x), others)
    pairs = [[0 if i == j else np.prod(np.delete(x, [i, j])) for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(hessian(np.prod)(x), pairs, atol=1e-12)


def test_what_a_mask_hides_contributes_exactly_zero() -> None:
    x, hidden = np.array([1.0, np.nan, np.inf, 2.0]), np.array([False, True, True, False])
    assert grad(lambda x: np.sum(np.where(hidden, 0.0, x)))(x).tolist() == [1, 0, 0, 1]
    for f in (np.sum, np.mean, np.prod, np.var, np.std):
        g = grad(lambda x, f=f: f(x, where=~hidden))(x)
        assert g[1] == g[2] == 0
        assert np.isfinite(g).all()
    assert grad(np.nansum)(np.array([1.0, np.nan])).tolist() == [1, 0]


def test_repeated_indices_add_up() -> None:
    x, i = np.zeros(3), np.array([0, 2, 0, 0])
    assert grad(lambda x: np.sum(x[i]))(x).tolist() == [3, 0, 1]
    assert grad(lambda x: np.sum(np.take(x, i)))(x).tolist() == [3, 0, 1]
    assert scatter_add(np.ones((4, 2)), i, shape=(3, 2)).tolist() == [[3, 3], [0, 0], [1, 1]]


def test_an_index_may_come_from_tensors() -> None:
    x = np.array([[3.0, 1.0], [2.0, 5.0]])
    assert grad(lambda x: np.sum(x[x > 2]))(x).tolist() == [[1, 0], [0, 1]]
    assert grad(lambda x: np.sum(np.take_along_axis(x, np.argmax(x, axis=1, keepdims=True), 1)))(x).tolist() == [
        [1, 0],
        [0, 1],
    ]
    assert grad(lambda x: np.sum(x[np.nonzero(x > 2)] ** 2))(x).tolist() == [[6, 0], [0, 10]]


def test_empty_arrays_have_empty_gradients() -> None:
    for f in (
        np.sum,
        np.prod,
        lambda x: np.sum(np.cumsum(x)),
        lambda x: np.sum(x[np.zeros(0, int)]),
        lambda x: np.sum(np.concatenate([x, x])),
    ):
        assert grad(f)(np.zeros(0)).shape == (0,)


def test_scalars_leave_float32_alone() -> None:
    x = np.array([0.5, 1.5], np.float32)
    for f in (
        lambda x: 2 * x, lambda x: x / 3, lambda x: 3 / x, lambda x: x**2, lambda x: x**2.5, lambda x: 2.0**x,
        lambda x: np.arctan2(x, 1.0), lambda x: np.hypot(3.0, x), lambda x: np.maximum(x, 1),
        lambda x: np.logaddexp(x, 0.0), lambda x: np.copysign(x, -2.0), lambda x: np.where(x > 1, x, 0.0),
        lambda x: np.clip(x, 0, 1), lambda x: x % 0.3,
        np.mean, np.std, np.var, softmax, logsumexp, gelu, np.deg2rad, np.log2, np.sinc, np.nanmean, np.median,
    ):  # fmt: skip
        g = grad(lambda x, f=f: np.sum(f(x)))(x)
        assert g.dtype == np.float32, f
    assert grad(lambda x: x * np.float64(2))(np.float32(1)).dtype == np.float32


def test_ufunc_reductions_take_the_first_axis_as_numpy_does() -> None:
    x = np.arange(1.0, 7.0).reshape(2, 3)
    for f in (np.add.reduce, np.multiply.reduce, np.maximum.reduce, np.add.accumulate, np.multiply.accumulate):
        assert np.array_equal(f(Tensor(x)).value, f(x))
        assert jacobian(f)(x).shape == f(x).shape + x.shape


def test_gradients_of_a_complex_parameter_point_where_jax_says() -> None:
    # f = |z|² = a² + b²: ∂f/∂a − i ∂f/∂b = 2·conj(z).
    z = np.complex128(3 + 4j)
    compare(grad(lambda z: np.real(z * np.conj(z)))(z), 6 - 8j, EXACT, "|z|²")
    compare(grad(np.abs)(z), (3 - 4j) / 5, EXACT, "|z|")
    compare(
        grad(lambda x: np.real(np.exp(1j * x) * (1 - 1j)))(0.5), np.cos(0.5) - np.sin(0.5), EXACT, "real of complex"
    )


def test_rules_keep_no_more_than_they_ask_for() -> None:
    x = np.zeros(100_000)

    def peak(step: Any, count: int) -> float:
        f = grad(lambda x: np.sum(functools.reduce(lambda a, _: step(a), range(count), x)))
        f(x)
        tracemalloc.start()
        try:
            f(x)
            return round(tracemalloc.get_traced_memory()[1] / x.nbytes, 1)  # the nodes' own bytes are rounded off
        finally:
            tracemalloc.stop()

    assert peak(np.tanh, 50) <= 52
    assert peak(lambda a: a + 1, 10) <= 3


def test_matrix_products_count_their_operations() -> None:
    assert OPS["matmul"].count_operations([(32, 784), (784, 256)], (32, 256)) == 2 * 32 * 784 * 256
    assert OPS["tensordot"].count_operations([(2, 3, 4), (4, 3, 5)], (2, 5)) == 2 * 2 * 3 * 4 * 5
    assert OPS["sum"].count_operations([(3, 4)], (3,)) == 12


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.sum(axis=0), lambda t: t.mean(0), lambda t: t.std(), lambda t: t.var(axis=1, ddof=1),
        lambda t: t.max(axis=0), lambda t: t.min(), lambda t: t.prod(axis=1), lambda t: t.argmax(axis=1),
        lambda t: t.cumsum(axis=0), lambda t: t.cumprod(1), lambda t: t.clip(0, 1), lambda t: t.round(1),
        lambda t: t.squeeze(), lambda t: t.swapaxes(0, 1), lambda t: t.ravel(), lambda t: t.repeat(2, axis=0),
        lambda t: t.take([0, 1], axis=1), lambda t: t.dot(np.ones(3)), lambda t: t.trace(), lambda t: t.diagonal(),
        lambda t: t.any(), lambda t: t.all(axis=0), lambda t: t.astype(np.float32), lambda t: t.copy(), lambda t: t.T,
        lambda t: t.transpose(1, 0), lambda t: t.reshape(3, -1), lambda t: t.flatten(), lambda t: t.real,
        lambda t: t.conj(), lambda t: t[:, 1], lambda t: t[t > 0], lambda t: sum(t), lambda t: -t // 2 % 3,
        lambda t: abs(t) ** 2 @ np.ones(3), lambda t: np.sum(t, where=t > 0), lambda t: np.max(t, initial=3.0),
        lambda t: np.clip(t, min=0), np.unique, lambda t: np.insert(t, 1, t[0], axis=0),
        lambda t: np.block([[t, t], [t, t]]), lambda t: np.pad(t, 1),
        lambda t: np.select([t > 1, t < 0], [t, -t], 5.0), lambda t: np.meshgrid(t[0], t[1])[0], lambda t: np.cov(t),
        lambda t: np.einsum(t, [0, 1], t, [0, 1], [1]), lambda t: np.einsum("ij,ij", t, t),
        lambda t: np.divmod(t, 2)[1], lambda t: np.gradient(t)[0], lambda t: np.quantile(t, 0.5, axis=0),
        lambda t: np.average(t, axis=0),
    ],
)  # fmt: skip
def test_a_call_on_a_tensor_is_numpys_call(call: Any) -> None:
    x = np.array([[0.5, -1.25, 2.0], [1.5, 0.75, -0.5]])
    y, expected = call(Tensor(x)), call(x)
    assert type(y) is Tensor
    assert y.shape == np.shape(expected)
    np.testing.assert_array_equal(y.value, expected)
