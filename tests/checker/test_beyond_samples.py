"""The checker tries what nobody drew samples for: ops that ship are right there, and a rule that forgot it is found."""

from __future__ import annotations

import re

import numpy as np
import pytest

import trainer
from trainer.checker.checks.complexes import REMEDY, complex_inputs
from trainer.checker.checks.extremes import far_out, nothing_wanted, spoilt
from trainer.checker.checks.kinks import corners
from trainer.checker.evidence import statement
from trainer.checker.run import examine
from trainer.plugins import shared

SHIPPED = (
    "absolute", "arctan2", "cofactor", "divide", "eigvals", "getitem", "hypot", "interp", "log", "median", "norm",
    "power", "sign", "sqrt",
)  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_ops_that_ship_are_right_there(name):
    trainer.check(shared().get("ops", name).target).raise_()


def unary(forward, rule):
    return trainer.op(forward, name="mine", elementwise=True).defvjp(x=rule)


FORGETFUL = {
    "a square that overflows": (
        unary(lambda x: np.arcsinh(x), lambda dy, x: dy / np.sqrt(1 + x * x)), far_out,
        "the rule for 'x' is wrong far out in float64",
    ),
    "a pole": (
        unary(lambda x: np.sqrt(x), lambda dy, y: dy / (2 * y)), nothing_wanted,
        "the rule for 'x' gives nan for a cotangent of 0",
    ),
    "a neighbour": (
        unary(lambda x: np.exp(x), lambda dy, y: dy * y + 0 * np.sum(y)), spoilt,
        "nan in one element of 'x' changes another's gradient",
    ),
    "a nan cast to an index": (
        trainer.op(lambda x: np.max(x) * 1.0, name="mine").defvjp(
            x=lambda dy, x: dy * (np.arange(x.shape[0]) == np.arange(x.shape[0])[np.flatnonzero(x == np.max(x))[0]])
        ), spoilt, "with nan in 'x' the sweep raises IndexError",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGETFUL)
def test_a_rule_that_forgets_it_is_found(what):
    op, check, message = FORGETFUL[what]
    report = examine(op, [np.array([0.5, 1.5, 2.5])], (check,))
    assert message in report.failures[0].what
    assert report.failures[0].rows[0] == ("proves", statement(check))


def length(second):
    """A vector's length; `second` stands where a second derivative divides by a length of 0."""
    return trainer.op(lambda x: np.sqrt(np.sum(x * x)), name="mine").defvjp(
        x=lambda dy, x, y: dy * x / np.where(y == 0, second, y)
    )


MADE_UP = {
    "a number at a pole": (
        length(1.0), np.ones(3),
        "the second derivative by 'x' is .* at x full of 0, where there is none: beside it, it grows to .*; give nan",
    ),
    "a nan in a smooth function": (
        unary(lambda x: x * x * x, lambda dy, x, y: dy * 3 * y / x), np.array([0.5]),
        "the derivative by 'x' is nan at x = 0, and .* at a distance of 1e-06 on all sides",
    ),
    "another value at one point": (
        unary(lambda x: x * x * x, lambda dy, x: dy * np.where(x == 3, 26.0, 3 * x * x)), np.array([0.5]),
        "the derivative by 'x' is .* at x = 3, and beside it between .* and ",
    ),
    "another exponent where it is 0": (
        trainer.op(lambda x, p: np.power(x, p), name="mine", elementwise=True).defvjp(
            x=lambda dy, x, p: dy * p * x ** np.where(p == 0, 1, p - 1), p=lambda dy, x, y: dy * y * np.log(x)
        ), (np.array([0.5]), np.array([1.5])), "the second derivative by 'p' is",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MADE_UP)
def test_what_a_rule_gives_at_a_corner_fits_to_what_it_gives_beside_it(what):
    op, sample, message = MADE_UP[what]
    (failure,) = examine(op, [sample], (corners,)).failures
    assert re.match(message, failure.what)


CHOSEN = {
    "a length with no second derivative": length(np.nan),
    "a corner of lines": unary(lambda x: np.maximum(x, 0), lambda dy, x: dy * (x > 0)),
    "a pole": unary(lambda x: np.cbrt(x), lambda dy, y: dy / (3 * y * y)),
    "a jump": unary(lambda x: np.floor(x) * x, lambda dy, x: dy * np.floor(x)),
    "a tie": trainer.op(lambda x: np.max(x), name="mine").defvjp(
        x=lambda dy, x, y: dy * (x == y) / np.sum(x == y)
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHOSEN)
def test_a_choice_between_its_sides_is_none_of_the_checkers_business(what):
    assert not examine(CHOSEN[what], [np.array([0.5, 1.5, -2.5])], (corners,)).failures


REAL = {
    "a sign that turns": unary(lambda x: np.sign(x), lambda dy, x: 0 * dy),
    "a length of both parts": unary(lambda x: np.abs(x), lambda dy, x: dy * np.sign(x)),
    "a square of the length": unary(lambda x: np.real(x * np.conj(x)), lambda dy, x: 2 * dy * x),
    "a conjugate": unary(lambda x: np.conj(x), lambda dy: dy),
}


@pytest.mark.parametrize("what", REAL)
def test_a_rule_that_is_right_for_real_numbers_alone_refuses_others(what):
    (failure,) = examine(REAL[what], [np.array([0.5, 1.5])], (complex_inputs,)).failures
    assert failure.what == "the rule for 'x' is not the derivative of complex numbers"
    assert ("write", REMEDY) in failure.rows


def test_the_second_derivative_of_complex_numbers_is_asked_for_too():
    rule = trainer.op(lambda g, x: np.conj(np.sign(x)) * g, name="slope").defvjp(
        g=lambda dy, x: np.conj(np.sign(x)) * dy, x=lambda dy, x: 0 * x * dy
    )
    size = unary(lambda x: np.abs(x), lambda dy, x: rule(dy, x))
    (failure,) = examine(size, [np.array([0.5, 1.5])], (complex_inputs,)).failures
    assert failure.what == "the rule for 'x' is right for complex numbers, and its own derivative is not"


def test_an_op_that_refuses_complex_numbers_is_not_asked():
    def forward(x):
        if np.iscomplexobj(x):
            raise TypeError("mine is a function of real numbers")
        return np.abs(x)

    report = examine(unary(forward, lambda dy, x: dy * np.sign(x)), [np.array([0.5])], (complex_inputs,))
    assert report.ok
    assert "complex128" not in report.dtypes
