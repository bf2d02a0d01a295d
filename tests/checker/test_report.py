"""What a report says, to the letter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer import check, op
from trainer.errors import RuleError

HERE = Path(__file__)
X = np.array([[0.5, 1.0], [2.0, -4.0]])


def line_of(function):
    return function.__code__.co_firstlineno


def rule(dy, x, *, beta):
    return dy * 2 * beta * x * np.where(np.abs(x) > 2.5, 1.5, 1).astype(x.dtype)


def samples(rng):
    yield X
    yield np.array([1.0, 3.0]), {"beta": 2.0}


parabola = op(lambda x, *, beta=1.0: beta * x * x, name="parabola").defvjp(x=rule)
parabola.samples(samples)


def test_a_failure_shows_everything():
    report = check(parabola)
    assert str(report) == (
        f"parabola fails 2 of 44 checks on 2 samples\n"
        f"({parabola.origin})\n"
        f"\n"
        f"first order: the rule for 'x' is not the derivative\n"
        f"  proves    Every element of the rules' Jacobian is the derivative's.\n"
        f"  op        parabola, from {parabola.origin}\n"
        f"  rule      {HERE}:{line_of(rule)}\n"
        f"  worst     ∂y[1, 1]/∂x[1, 1]\n"
        f"  got       -12.0\n"
        f"  expected  -8.0, by complex step\n"
        f"  off by    4, 0.5 of it; 8e-12 is allowed\n"
        f"  where     x[1, 1] = -4.0\n"
        f"  sample    1: x float64 (2, 2)\n"
        f"  drawn     {HERE}:{line_of(samples) + 1}\n"
        f"  also      on 1 more sample"
    )
    second = report.failures[1]
    assert (second.check, second.input, second.index) == ("first order", "x", (1,))
    assert (second.got, second.expected) == (18.0, 12.0)
    assert ("sample", "2: x float64 (2,), beta=2.0") in second.rows
    assert ("drawn", f"{HERE}:{line_of(samples) + 2}") in second.rows


def test_given_samples_are_located_at_the_call_of_check():
    report = check(parabola, X)
    assert ("drawn", f"{HERE}:{line_of(test_given_samples_are_located_at_the_call_of_check) + 1}") in (
        report.failures[0].rows
    )


def test_a_wrong_shape_shows_what_the_engine_says():
    short = op(lambda x: x * x, name="square").defvjp(x=lambda dy, x: (dy * 2 * x)[:1])
    report = check(short, X)
    function = short.rules["x"].function
    assert str(report.failures[0]) == (
        f"first order: the rule of op 'square' for 'x' returned shape (1, 2), where x has (2, 2)\n"
        f"  proves    Every element of the rules' Jacobian is the derivative's.\n"
        f"  op        square, from {short.origin}\n"
        f"  rule      {HERE}:{line_of(function)}\n"
        f"  input     x\n"
        f"  expected  float64 (2, 2), as the input\n"
        f"  got       float64 (1, 2)\n"
        f"  sample    1: x float64 (2, 2)\n"
        f"  drawn     {HERE}:{line_of(test_a_wrong_shape_shows_what_the_engine_says) + 2}"
    )
    assert len(report.failures) == 1


def test_a_rule_that_raises_shows_its_own_line():
    def broken(dy, x):
        return dy * np.linalg.inv(x[:0])

    report = check(op(lambda x: x * x, name="square").defvjp(x=broken), X)
    text = str(report.failures[0])
    assert text.startswith("first order: raised LinAlgError: ")
    assert f"  raised at {HERE}:{line_of(broken) + 1}\n" in text


def test_an_op_of_several_arrays_without_samples_cannot_be_checked():
    bare = op(lambda x, w: x * w, name="bare").defvjp(x=lambda dy, w: dy * w)
    assert str(check(bare)) == (
        f"bare fails 1 of 1 check on 0 samples\n"
        f"({bare.origin})\n"
        f"\n"
        f"samples: 'bare' cannot be checked: it has no samples, and none were given\n"
        f"  op        bare, from {bare.origin}\n"
        f"  write     @bare.samples\n"
        f"            def _(rng):\n"
        f"                yield rng.normal(size=(3, 4))"
    )


def test_samples_that_raise_are_a_failure_too():
    bare = op(lambda x: x, name="bare").defvjp(x=lambda dy: dy)

    @bare.samples
    def _(rng):
        raise ValueError("no luck")
        yield

    assert check(bare).failures[0].what == "'bare' cannot be checked: its samples raised ValueError: no luck"


def test_what_passes_takes_a_line():
    square = op(lambda x: x * x, name="square").defvjp(x=lambda dy, x: 2 * x * dy)
    report = check(square, X)
    assert str(report) == "square passes 26 checks on 1 sample; derivatives of order 1 and 2; by complex step"
    assert report.raise_() is report
    assert report.dtypes == ("float32", "float64", "complex64", "complex128")
    assert 0 < report.seconds < 10


def test_raise_carries_the_report():
    report = check(parabola)
    with pytest.raises(RuleError) as caught:
        report.raise_()
    assert str(caught.value) == str(report)


def test_a_function_is_checked_like_an_op():
    def f(parameters, *, power):
        return np.sum(np.tanh(parameters["x"] @ parameters["w"]) ** power)

    report = check(f, ({"x": X, "w": X[0]}, {"power": 2}))
    assert str(report) == "f passes 26 checks on 1 sample; derivatives of order 1 and 2; by complex step"
    assert report.origin == f"the function at {HERE}:{line_of(f)}"
    assert check(np.sin, 0.5).ok


def test_an_op_without_a_derivative_has_nothing_to_fail():
    sign = op(lambda x: x > 0, name="positive").nondifferentiable("x")
    report = check(sign, X)
    assert report.ok
    assert report.summary() == "positive passes 0 checks on 1 sample; no derivative"
