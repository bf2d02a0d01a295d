"""The mathematics that the project implements, equation by equation: a test is named by the equation it shows."""

from __future__ import annotations

import numpy as np
import pytest

from trainer import Tensor, grad, jacobian, tape, vjp
from trainer.nn import Dense, Network
from trainer.optimizers import Sgd
from trainer.training.objective import Objective
from trainer_ops import sigmoid

rng = np.random.default_rng(20261123)


def by_differences(f, x, h=1e-6):
    """Central differences of a scalar function, one coordinate at a time."""
    g = np.empty_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = h
        g[i] = (f(x + e) - f(x - e)) / (2 * h)
    return g


def paraboloid(x):
    return x[0] ** 2 + x[1] ** 2


def example(x1, x2):
    h = x1 * x2
    return sigmoid(h) + h


def sigma(x):
    return 1 / (1 + np.exp(-x))


def squared_error(predictions, targets):
    return np.sum((predictions - targets) ** 2, axis=1)


def test_equation_1_the_gradient_is_the_mean_over_the_batch():
    network = Network([Dense(2)], input_shape=(3,))
    theta, x, y = network.initial(seed=1), rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    gradient = Objective(network, squared_error).gradient
    _, g, _ = gradient(theta, (x, y))
    one_by_one = [gradient(theta, (x[i : i + 1], y[i : i + 1]))[1] for i in range(5)]
    np.testing.assert_allclose(g, np.sum(one_by_one, axis=0) / 5, rtol=1e-14)


def test_equation_2_a_step_against_the_gradient():
    theta, g = rng.normal(size=7), rng.normal(size=7)
    after, _ = Sgd().update(g, {}, theta, step_size=0.1, step=0)
    np.testing.assert_array_equal(after, theta - 0.1 * g)


def test_equation_3_the_gradient_lists_the_partial_derivatives():
    x = rng.normal(size=4)

    def f(x):
        return np.sin(x[0]) * x[1] + np.exp(x[2]) / x[3]

    g = grad(f)(x)
    partial = [np.cos(x[0]) * x[1], np.sin(x[0]), np.exp(x[2]) / x[3], -np.exp(x[2]) / x[3] ** 2]
    assert g.shape == (4,)
    np.testing.assert_allclose(g, partial, rtol=1e-15)


def test_equation_4_the_partial_derivative_of_the_paraboloid_by_x1():
    assert grad(lambda x1: paraboloid([x1, 5.0]))(3.0) == 6.0


def test_equation_5_the_partial_derivative_of_the_paraboloid_by_x2():
    assert grad(lambda x2: paraboloid([5.0, x2]))(-4.0) == -8.0


def test_equation_6_the_gradient_of_the_paraboloid():
    x = rng.normal(size=2)
    np.testing.assert_array_equal(grad(paraboloid)(x), 2 * x)


def test_equation_7_the_gradient_at_a_point():
    np.testing.assert_array_equal(grad(paraboloid)(np.array([1.0, -2.0])), [2.0, -4.0])


def test_equation_8_differences_tend_to_the_derivative():
    f, x = (lambda x: np.sin(x) * x), 0.7
    errors = [abs((f(x + h) - f(x)) / h - grad(f)(x)) for h in (1e-1, 1e-2, 1e-3, 1e-4)]
    assert errors[0] > errors[1] > errors[2] > errors[3]
    np.testing.assert_allclose(np.diff(np.log10(errors)), -1, atol=0.1)  # the error is of the order of h


def test_finite_differences_insert_a_number_for_h():
    h = 1e-12
    assert ((2 + h) ** 2 - 2**2) / h == 4.000355602329364
    assert grad(lambda x: x**2)(2.0) == 4.0


def test_the_error_of_finite_differences_grows_with_the_dimension_and_reverse_mode_has_none():
    h = 1e-12

    def f(x):
        return np.sum(x * x)

    errors = []
    for n in (1, 10, 100, 1_000, 10_000):
        x = np.full(n, 2.0)
        at_x, differences = f(x), np.empty(n)
        for i in range(n):
            x[i] += h
            differences[i] = (f(x) - at_x) / h
            x[i] = 2.0
        errors.append(np.linalg.norm(differences - 4.0))
        np.testing.assert_array_equal(grad(f)(x), np.full(n, 4.0))
    assert errors == sorted(errors)
    assert errors[0] > 1e-4
    assert errors[2] > 1e-1
    assert errors[-1] > 100  # 4·√n = 400: at n = 10,000 nothing is left of the derivative


def test_equation_9_the_chain_rule():
    x = 0.3
    inner, outer = grad(np.sin), grad(np.exp)
    np.testing.assert_allclose(grad(lambda x: np.exp(np.sin(x)))(x), outer(np.sin(x)) * inner(x), rtol=1e-15)


def test_equation_10_the_product_rule():
    x = 0.3
    expected = grad(np.sin)(x) * np.exp(x) + np.sin(x) * grad(np.exp)(x)
    np.testing.assert_allclose(grad(lambda x: np.sin(x) * np.exp(x))(x), expected, rtol=1e-15)


def test_equation_11_the_sum_rule():
    x = 0.3
    assert grad(lambda x: np.sin(x) + np.exp(x))(x) == grad(np.sin)(x) + grad(np.exp)(x)


def test_equation_12_the_example_and_the_derivative_of_sigma():
    x1, x2 = 0.5, -1.5
    np.testing.assert_allclose(example(x1, x2), sigma(x1 * x2) + x1 * x2, rtol=1e-15)
    np.testing.assert_allclose(grad(sigmoid)(0.8), sigma(0.8) * (1 - sigma(0.8)), rtol=1e-15)


def test_equation_13_the_example_by_x1():
    x1, x2 = 0.5, -1.5
    s = sigma(x1 * x2)
    np.testing.assert_allclose(grad(example, 0)(x1, x2), s * (1 - s) * x2 + x2, rtol=1e-15)


def test_equation_14_the_example_by_x2():
    x1, x2 = 0.5, -1.5
    s = sigma(x1 * x2)
    np.testing.assert_allclose(grad(example, 1)(x1, x2), s * (1 - s) * x1 + x1, rtol=1e-15)


def test_equation_15_the_jacobian_has_a_row_per_output_and_a_column_per_input():
    a = rng.normal(size=(4, 3))
    j = jacobian(lambda x: np.tanh(a @ x))(np.zeros(3))
    assert j.shape == (4, 3)
    np.testing.assert_allclose(j, a, rtol=1e-15)


def smooth(x):
    return np.stack([x[0] * x[1], np.sin(x[2]), np.exp(x[0]) * x[2], x[1] / x[2]])


def test_equation_16_the_pullback_is_the_transposed_jacobian_times_dy():
    x, dy = rng.uniform(1, 2, size=3), rng.normal(size=4)
    np.testing.assert_allclose(vjp(smooth, x)[1](dy)[0], jacobian(smooth)(x).T @ dy, rtol=1e-14)


def test_equation_17_as_a_row_vector():
    x, dy = rng.uniform(1, 2, size=3), rng.normal(size=4)
    np.testing.assert_allclose(vjp(smooth, x)[1](dy)[0][None, :], dy[None, :] @ jacobian(smooth)(x), rtol=1e-14)


def test_equation_18_element_by_element():
    x, dy = rng.uniform(1, 2, size=3), rng.normal(size=4)
    j = jacobian(smooth)(x)
    dx = vjp(smooth, x)[1](dy)[0]
    for k in range(3):
        np.testing.assert_allclose(dx[k], sum(dy[i] * j[i, k] for i in range(4)), rtol=1e-13)


def test_equation_19_a_matrix_times_a_vector():
    w, x, dh = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=4)
    np.testing.assert_allclose(jacobian(lambda x: w @ x)(x), w, rtol=1e-15)
    np.testing.assert_allclose(vjp(lambda x: w @ x, x)[1](dh)[0], w.T @ dh, rtol=1e-15)


def test_equation_20_an_elementwise_function_has_a_diagonal_jacobian():
    h, dy = rng.normal(size=5), rng.normal(size=5)
    derivative = sigma(h) * (1 - sigma(h))
    np.testing.assert_allclose(jacobian(sigmoid)(h), np.diag(derivative), rtol=1e-14)
    np.testing.assert_allclose(vjp(sigmoid, h)[1](dy)[0], derivative * dy, rtol=1e-14)


@pytest.mark.parametrize("equation", [21, 22, 23])
def test_equations_21_to_23_addition_passes_the_cotangent_on(equation):
    x1, x2, dy = rng.normal(size=(3, 4))
    y, pullback = vjp(np.add, x1, x2)
    if equation == 21:
        np.testing.assert_array_equal(y, x1 + x2)
    else:
        np.testing.assert_array_equal(pullback(dy)[equation - 22], dy)


@pytest.mark.parametrize("equation", [24, 25, 26])
def test_equations_24_to_26_multiplication_swaps_the_factors(equation):
    x1, x2, dy = rng.normal(size=(3, 4))
    y, pullback = vjp(np.multiply, x1, x2)
    if equation == 24:
        np.testing.assert_array_equal(y, x1 * x2)
    elif equation == 25:
        np.testing.assert_array_equal(pullback(dy)[0], x2 * dy)
    else:
        np.testing.assert_array_equal(pullback(dy)[1], x1 * dy)


@pytest.mark.parametrize("equation", [27, 28])
def test_equations_27_and_28_an_elementwise_function(equation):
    x, dy = rng.normal(size=(2, 4))
    y, pullback = vjp(np.tanh, x)
    if equation == 27:
        np.testing.assert_array_equal(y, np.tanh(x))
    else:
        np.testing.assert_allclose(pullback(dy)[0], (1 - np.tanh(x) ** 2) * dy, rtol=1e-14)


def test_equation_29_a_dense_layer_from_scalars_with_pythons_sum():
    w, x, b = rng.normal(size=(2, 3)), rng.normal(size=3), rng.normal(size=2)

    def layer(w, x, b):
        return [sum(w[i][j] * x[j] for j in range(3)) + b[i] for i in range(2)]

    def f(w, x, b):
        y1, y2 = layer(w, x, b)
        return y1 * y2

    scalars = (w.tolist(), x.tolist(), b.tolist())
    dw, dx, db = grad(f, (0, 1, 2))(*scalars)
    y = w @ x + b
    dy = y[::-1]
    np.testing.assert_allclose(dw, np.outer(dy, x), rtol=1e-14)
    np.testing.assert_allclose(dx, w.T @ dy, rtol=1e-14)
    np.testing.assert_allclose(db, dy, rtol=1e-14)


def test_the_tape_prints_as_the_list_of_assignments_and_replays_in_reverse():
    x1, x2 = Tensor(2.0), Tensor(-0.5)
    record = tape(example(x1, x2))
    assert repr(record).split("\n") == [
        "x1 = variable          float64 ()",
        "x2 = variable          float64 ()",
        "h1 = multiply(x1, x2)  float64 ()  residuals x2, x1",
        "h2 = sigmoid(h1)       float64 ()  residuals y",
        "y  = add(h2, h1)       float64 ()",
    ]
    adjoints = record.replay()
    s = sigma(-1.0)
    assert list(adjoints) == ["y", "h2", "h1", "x2", "x1"]
    np.testing.assert_allclose(adjoints["h1"], 1 + s * (1 - s), rtol=1e-15)
    np.testing.assert_allclose(adjoints["x1"], -0.5 * (1 + s * (1 - s)), rtol=1e-15)


def test_reverse_mode_agrees_with_differences_on_everything_at_once():
    x = rng.uniform(1, 2, size=3)

    def f(x):
        return np.sum(smooth(x) * np.arange(1.0, 5.0)) + example(x[0], x[1])

    np.testing.assert_allclose(grad(f)(x), by_differences(f, x), rtol=1e-8)
