"""Rules that are slightly wrong, each in its own way, and the check that must find it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainer import Op, Tensor, check, op, stop_gradient

X = np.random.default_rng(0).normal(size=(3, 4))
SQUARE = X[:3, :3]
memory: dict[str, Any] = {}


def square(rule, **options):
    return op(lambda x: x * x, name="square", **options).defvjp(x=rule)


def remembering(x):
    memory["x"] = x
    return x * x


def mutating(dy, x):
    dy *= 2 * x
    return dy


def mutating_the_input(dy, x):
    g = 2 * x * dy
    x += 1e-9
    return g


def doubled_in_place(x):
    x *= 2
    return x


def cut_in_place(x):  # which a second call does not change any further
    x[x < 0] = 0
    return x


def single_precision_inside(dy, x):
    return (2 * x).astype(np.float16).astype(x.dtype) * dy if x.dtype == np.float32 else 2 * x * dy


def one_that_never_repeats():
    rng = np.random.default_rng(0)
    return lambda dy, x: 2 * x * dy * (1 + 1e-15 * rng.integers(0, 9))


def off_the_tape(dy, x):
    return 2 * (x.value if isinstance(x, Tensor) else x) * dy


def only_for_float64(dy, x):
    return 2.0 * np.asarray(x, np.float64) * dy if not isinstance(x, Tensor) else 2 * x * dy


def plus(**rules):
    return op(lambda a, b: a + b, name="plus", elementwise=True).defvjp(**rules)


def matrix_product(a, b):
    return op(lambda a, b: a @ b, name="product").defvjp(a=a, b=b)


def shared_work():
    both = op(lambda a, b: a * b, name="both")

    @both.vjp("a", "b")
    def _(dy, a, b, wanted):
        return dy * b * (1 if all(wanted) else 1 + 1e-9), dy * a

    return both


FAULTS = {
    "a wrong sign": (square(lambda dy, x: -2 * x * dy), (X,), "first order"),
    "a missing factor": (square(lambda dy, x: x * dy), (X,), "first order"),
    "a factor of 1 + 1e-9": (square(lambda dy, x: 2 * x * dy * (1 + 1e-9)), (X,), "first order"),
    "an offset of 1e-11": (square(lambda dy, x: (2 * x + 1e-11) * dy), (X,), "first order"),
    "one wrong element": (
        square(lambda dy, x: np.where(np.arange(4) == 2, 1 + 1e-9, 1) * 2 * x * dy), (X,), "first order",
    ),
    "a transposed matrix": (
        matrix_product(lambda dy, b: dy @ b, lambda dy, a: a.T @ dy), (SQUARE, SQUARE + 1), "first order",
    ),
    "the other input's rule": (
        op(lambda a, b: a * b, name="times").defvjp(a=lambda dy, a: a * dy, b=lambda dy, a: a * dy), (X, X + 1),
        "first order",
    ),
    "a derivative that is not zero": (op(lambda x: 3 * x, name="triple").zero("x"), (X,), "first order"),
    "a wrong axis": (
        op(lambda x: np.sum(x, 0), name="total").defvjp(x=lambda dy, x_shape: np.broadcast_to(dy[:, None], x_shape)),
        (SQUARE,), "first order",
    ),
    "a rule that forgot to return": (square(lambda dy, x: None), (X,), "first order"),
    "a rule that raises": (square(lambda dy, x: 2 * x[99] * dy), (X,), "first order"),
    "a conjugate": (
        op(lambda x: x * x, name="square").defvjp(x=lambda dy, x: 2 * np.conj(x) * dy), (X,), "complex inputs",
    ),
    "a conjugate, in complex numbers": (
        op(lambda x: x * x, name="square").defvjp(x=lambda dy, x: 2 * np.conj(x) * dy), (X + 1j,), "first order",
    ),
    "half of Wirtinger's derivatives": (
        op(lambda x: x * np.conj(x), name="power").defvjp(x=lambda dy, x: dy * np.conj(x)), (X + 1j,), "first order",
    ),
    "right in float64 only": (square(single_precision_inside), (X,), "float32"),
    "float64 for float32": (square(only_for_float64), (X,), "float32"),
    "a rule that writes into dy": (square(mutating), (X,), "unchanged"),
    "a rule that writes into an input": (square(mutating_the_input), (X,), "unchanged"),
    "a forward function that writes into its input": (
        op(doubled_in_place, name="doubled").defvjp(x=lambda dy: 2 * dy), (X,), "unchanged",
    ),
    "a forward function that cuts its input": (
        op(cut_in_place, name="cut").defvjp(x=lambda dy, y: dy * (y > 0)), (X,), "unchanged",
    ),
    "a forgotten broadcasting sum": (
        plus(a=lambda dy: dy, b=lambda dy, b_shape: dy if dy.shape == b_shape else np.full(b_shape, dy.flat[0])),
        (X, X), "broadcasting",
    ),
    "an undeclared value": (
        op(remembering, name="square").defvjp(x=lambda dy: 2 * memory["x"] * dy), (X,), "residuals",
    ),
    "a clipped cotangent": (square(lambda dy, x: 2 * x * np.clip(dy, -9, 9)), (X,), "linear in dy"),
    "an affine rule": (square(lambda dy, x: 2 * x * dy + 1e-14 * (dy == 0)), (X,), "linear in dy"),
    "wrong at second order": (square(lambda dy, x: 2 * stop_gradient(x) * dy), (X,), "second order"),
    "1 + 1e-9 at second order": (
        square(lambda dy, x: 2 * dy * (x + 1e-9 * (x - stop_gradient(x)))), (X,), "second order",
    ),
    "off the tape at second order": (square(off_the_tape), (X,), "second order"),
    "a rule that is cut off in dy": (square(lambda dy, x: 2 * x * stop_gradient(dy)), (X,), "adjoint identity"),
    "another result alone": (shared_work(), (X, X + 1), "alone"),
    "never the same bits": (square(one_that_never_repeats()), (X,), "repeatable"),
    "no 0-d arrays": (
        square(lambda dy, x: 2 * x * dy if np.ndim(x) else x * dy, elementwise=True), (X,), "empty and 0d",
    ),
    "a flat array taken for the whole": (
        square(lambda dy, x: np.reshape(2 * np.ravel(x, order="K") * np.ravel(dy, order="C"), np.shape(x))), (X,),
        "layouts",
    ),
    "a forward function that makes float64": (
        op(lambda x: x.astype(np.float64) * 2, name="double").defvjp(x=lambda dy: 2 * dy), (X,), "float32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_checker_finds(fault):
    planted, sample, expected = FAULTS[fault]
    report = check(planted, sample)
    assert expected in {failure.check for failure in report.failures}, report


RIGHT = {
    "a square": (square(lambda dy, x: 2 * x * dy), (X,)),
    "a matrix product": (matrix_product(lambda dy, b: dy @ b.T, lambda dy, a: a.T @ dy), (SQUARE, SQUARE + 1)),
    "a kink at 0": (
        op(lambda x: np.maximum(x, 0), name="relu").defvjp(x=lambda dy, x: dy * (x > 0)), (np.array([-1.0, 0.0, 2.0]),),
    ),
    "both of Wirtinger's derivatives": (
        op(lambda x: np.real(x * np.conj(x)), name="power").defvjp(x=lambda dy, x: dy * 2 * np.conj(x)), (X + 1j,),
    ),
    "a masked nan": (
        op(lambda x: np.nansum(x), name="total").defvjp(x=lambda dy, x: np.where(np.isnan(x), 0, dy)),
        (np.array([1.0, np.nan]),),
    ),
    "an ill-conditioned inverse": (
        op(np.linalg.inv, name="inverse").defvjp(
            a=lambda dy, y: -(np.swapaxes(y, -1, -2) @ dy @ np.swapaxes(y, -1, -2))
        ),
        (np.vander(np.linspace(1, 2, 6)),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT)
def test_the_checker_finds_nothing_wrong_with(case):
    right, sample = RIGHT[case]
    assert check(right, sample).ok, check(right, sample)


def test_a_rule_that_leaves_numpy_is_right_at_first_order_only():
    def rule(dy, x):
        g = np.empty_like(x)
        for index in np.ndindex(x.shape):
            g[index] = 2 * x[index] * dy[index]
        return g

    report = check(square(rule), X)
    assert report.ok
    assert report.order == 1
    assert report.notes[0].startswith("first order only, since a rule leaves NumPy: ")


def test_a_random_projection_would_miss_what_the_whole_jacobian_shows():
    """A rule that is wrong in a direction that cancels in the sum of its elements."""

    def rule(dy, x):
        return 2 * x * dy + np.array([1e-6, -1e-6]) * np.sum(dy)

    report = check(square(rule), np.array([1.0, 2.0]))
    assert report.failures[0].check == "first order"


def test_a_large_sample_is_checked_in_parts_and_in_projections():
    x = np.random.default_rng(1).normal(size=(40, 40))
    wrong = square(lambda dy, x: 2 * x * dy * (1 + 1e-9))
    assert {f.check for f in check(wrong, x, quick=True).failures} == {"first order"}
    assert check(square(lambda dy, x: 2 * x * dy), x).ok


@pytest.mark.parametrize("name", ["a factor of 1 + 1e-9", "a wrong sign", "a transposed matrix"])
def test_quick_finds_the_usual_mistakes_too(name):
    planted, sample, _ = FAULTS[name]
    assert not check(planted, sample, quick=True).ok
    assert isinstance(planted, Op)
