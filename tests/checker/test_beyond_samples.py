"""The checker tries what nobody drew samples for: ops that ship are right there, and a rule that forgot it is found."""

from __future__ import annotations

import numpy as np
import pytest

import trainer
from trainer.checker.checks.extremes import far_out, nothing_wanted, spoilt
from trainer.checker.checks.record import compiled
from trainer.checker.evidence import statement
from trainer.checker.run import examine
from trainer.plugins import shared

SHIPPED = ("interp", "median", "sign", "sqrt", "log", "divide", "arctan2", "getitem")


@pytest.mark.parametrize("name", SHIPPED)
def test_ops_that_ship_are_right_there(name):
    trainer.check(shared().get("ops", name).target).raise_()


def pick(logp, labels):
    return -np.mean(logp[np.arange(2), labels])


def test_a_program_is_called_again_with_other_labels():
    logp = np.log(np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert examine(pick, [(logp, np.array([0, 1]))], (compiled,)).ok


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
