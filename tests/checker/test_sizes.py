"""No elements, one, and more than float16 counts: an op is asked about them, and a rule that forgot them is found."""

from __future__ import annotations

import numpy as np
import pytest

import trainer
from trainer.checker.checks.extremes import one_ulp
from trainer.checker.checks.sizes import few, many
from trainer.checker.run import examine

X = np.random.default_rng(0).normal(size=(3, 4))


def averaged(rule):
    return trainer.op(lambda x: np.mean(x, axis=-1), name="mine").defvjp(x=rule)


FORGETFUL = {
    "no row": (
        averaged(lambda dy, x: np.expand_dims(dy, -1) * x / np.max(x) / x.shape[-1]), few,
        "for no rows the forward function has a result, and the rules raise ValueError: zero-size array",
    ),
    "a number": (
        trainer.op(lambda x: np.sum(x), name="mine").defvjp(
            x=lambda dy, x_shape: np.full((x_shape[0], *x_shape[1:]), 1.0) * dy
        ), few,
        "for numbers the forward function has a result, and the rules raise IndexError: tuple index out of range",
    ),
    "a forward function's own tuple": (
        trainer.op(lambda x: np.sum(x.reshape(x.shape[0], -1), 1), name="mine").defvjp(
            x=lambda dy, x_shape: np.broadcast_to(np.expand_dims(dy, -1), x_shape)
        ), few, "raised IndexError: tuple index out of range",
    ),
    "a count": (
        averaged(lambda dy, x_shape: np.broadcast_to(np.expand_dims(dy / x_shape[-1], -1), x_shape)), many,
        "the rule for 'x' is wrong in float16 for 65,600 elements",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGETFUL)
def test_a_rule_that_forgets_it_is_found(what):
    op, check, message = FORGETFUL[what]
    (failure, *_) = examine(op, [X], (check,)).failures
    assert failure.what.startswith(message)


def test_a_forward_function_may_refuse_sizes_and_say_so():
    def forward(x):
        if np.ndim(x) < 1 or not x.size:
            raise ValueError("mine takes vectors of one element or more")
        return x / np.max(x)

    op = trainer.op(forward, name="mine").defvjp(
        x=lambda dy, x: (dy - (x == np.max(x)) / np.sum(x == np.max(x)) * np.sum(dy * x) / np.max(x)) / np.max(x)
    )
    assert not examine(op, [X[0]], (few, many)).failures


def test_what_numpy_says_of_its_arrays_is_an_answer():
    op = trainer.op(lambda x: x[1] * 2.0, name="mine").defvjp(
        x=lambda dy, x: np.stack([2.0 * dy if i == 1 else 0 * dy for i in range(x.shape[0])])
    )
    assert not examine(op, [X], (few,)).failures


BESIDE = {
    "below": lambda dy, x: dy * np.where(x > 1 - 1e-9, 3, 1),
    "above": lambda dy, x: dy * np.where(x > 1 + 3e-16, 3, 1),
}


@pytest.mark.parametrize("side", BESIDE)
def test_the_slope_one_float_beside_a_corner_is_that_sides(side):
    def bent(rule):
        return trainer.op(lambda x: np.where(x > 1, 3 * x - 2, x), name="mine", elementwise=True).defvjp(x=rule)

    assert not examine(bent(lambda dy, x: dy * np.where(x > 1, 3, 1)), [X], (one_ulp,)).failures
    (failure,) = examine(bent(BESIDE[side]), [X], (one_ulp,)).failures
    assert failure.what == "the rule for 'x' is wrong beside a corner"
