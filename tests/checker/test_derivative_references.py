"""The numerical derivatives: how sharp they are, and that they are not used where they do not apply."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.checker.references import derive, differences, one_sided

X = np.array([0.3, 1.7, -0.8])


def of(f, *xs):
    return derive(lambda values: (f(*values),), [np.array(x) for x in xs], range(sum(np.size(x) for x in xs)))


def test_the_complex_step_is_exact_to_rounding():
    found = of(lambda x: np.exp(x) * np.sin(x), X)
    assert found.source == "complex step"
    np.testing.assert_allclose(np.diag(found.values), np.exp(X) * (np.sin(X) + np.cos(X)), rtol=2e-15)


NOT_ANALYTIC = {
    "abs": np.abs,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "conj": lambda x: np.conj(x) * x,
    "real": lambda x: np.real(x) * x,
    "a cast": lambda x: x.astype(float) * x if x.dtype.kind == "f" else np.real(x).astype(complex),
    "a branch on the imaginary part": lambda x: x * np.where(np.imag(x) == 0, 1, 2),
    "one element": lambda x: np.where(np.arange(3) == 1, np.conj(x), x),
}


@pytest.mark.parametrize("name", NOT_ANALYTIC)
def test_a_function_that_is_not_analytic_is_not_stepped_into_the_complex_plane(name):
    found = of(NOT_ANALYTIC[name], X)
    assert found.source == "central differences"


def test_a_comparison_of_complex_numbers_is_no_obstacle_away_from_the_kink():
    found = of(lambda x: np.maximum(x, 0), X)
    assert found.source == "complex step"
    np.testing.assert_array_equal(np.diag(found.values), [1, 1, 0])


def test_cauchys_formula_serves_holomorphic_functions_of_complex_numbers():
    z = X + 0.4j
    found = derive(lambda zs: (np.exp(zs[0]) / zs[0],), [z], range(6))
    assert found.source == "Cauchy's formula"
    slope = np.exp(z) / z - np.exp(z) / z**2
    np.testing.assert_allclose(np.diag(found.values[:3, :3]), slope.real, rtol=1e-12)
    np.testing.assert_allclose(np.diag(found.values[:3, 3:]), -slope.imag, rtol=1e-12)


def test_conj_is_not_taken_for_holomorphic():
    found = derive(lambda zs: (np.conj(zs[0]),), [X + 0.4j], range(6))
    assert found.source == "central differences"
    np.testing.assert_allclose(found.values, np.diag([1, 1, 1, -1, -1, -1]), atol=1e-12)


def test_differences_reach_eleven_digits_and_know_their_error():
    found = differences(lambda xs: (np.exp(xs[0]) * np.sin(xs[0]),), [X], range(3))
    want = np.diag(np.exp(X) * (np.sin(X) + np.cos(X)))
    assert np.max(np.abs(found.values - want)) < 1e-11
    assert np.all(np.abs(found.values - want) <= 10 * found.errors + 1e-14)


def test_differences_beside_a_kink_come_closer_until_they_miss_it():
    found = differences(lambda xs: (np.abs(xs[0]),), [np.array([1e-4, -2e-3])], range(2))
    np.testing.assert_allclose(found.values, np.diag([1, -1]), atol=1e-9)


def test_slopes_of_both_sides_tell_a_kink():
    left, right = one_sided(lambda xs: (np.abs(xs[0]),), [np.array([0.0])], 0)
    np.testing.assert_allclose([left[0], right[0]], [-1, 1], atol=1e-9)


def test_a_result_that_changes_its_shape_has_no_derivative_there():
    found = differences(lambda xs: (np.trim_zeros(xs[0]),), [np.array([0.0, 1.0, 2.0])], range(3))
    assert np.all(np.isinf(found.errors[:, 0]))
    np.testing.assert_allclose(found.values[:, 1:], np.eye(2), atol=1e-12)
