"""Every op that ships keeps the contract: documented, sampled, and right."""

import doctest
import sys
from typing import Any

import numpy as np
import pytest

import trainer_ops
from tests.ops import op_checking
from trainer import Op, grad, op
from trainer.engine.dispatch import TABLE
from trainer.errors import RuleError

OPS = [*trainer_ops.ops(), *trainer_ops.COSTS]
IDS = [o.name for o in OPS]


@pytest.mark.parametrize("one", OPS, ids=IDS)
def test_op_is_documented_and_sampled(one: Op) -> None:
    assert one.doc.strip()
    assert list(one.sample_calls(np.random.default_rng(0)))
    assert set(one.rules) == set(one.inputs), "every input has a rule, or is declared zero or not differentiable"


@pytest.mark.parametrize("one", OPS, ids=IDS)
def test_example_in_the_docstring_runs(one: Op) -> None:
    module = sys.modules[one.module]
    example = doctest.DocTestParser().get_doctest(one.doc, dict(vars(module)), one.name, module.__file__, 0)
    numpys_own = one in TABLE.values() or isinstance(one.forward, np.ufunc)
    assert example.examples or numpys_own, "an op that NumPy does not document has an example"
    if isinstance(one.forward, np.ufunc):
        return  # NumPy's docstring
    report: list[str] = []
    doctest.DocTestRunner().run(example, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize("one", OPS, ids=IDS)
def test_op_has_right_derivatives(one: Op) -> None:
    differentiated = op_checking.check(one)
    if any(one.rules[n].__class__.__name__ == "Rule" for n in one.inputs):
        assert differentiated, "no sample reaches a rule"


def test_names_are_unique() -> None:
    assert len(set(IDS)) == len(IDS)


# The checker itself, on rules that are slightly wrong.


def _cube(rule: object) -> Op:
    made = op(lambda x: x * x * x, name="cube").defvjp(x=rule)
    made.samples(lambda rng: [(rng.normal(size=(3, 2)),)])
    return made


def test_the_checker_passes_what_is_right() -> None:
    assert op_checking.check(_cube(lambda dy, x: 3 * x * x * dy)) == 1


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda dy, x: 3 * x * x * dy * (1 + 1e-9), "∂y/∂0 of cube"),
        (lambda dy, x: np.multiply(3 * _value(x) ** 2, dy), "second derivative of cube"),
        (lambda dy, x: np.float64(3) * x * x * dy, "returned dtype float64, where x has float32"),
        (lambda dy, x: (3 * x * x * dy)[:1], "returned shape"),
        (lambda dy, x: 3 * np.conj(x) * x * dy, "complex gradient of cube"),
    ],
)
def test_the_checker_notices_what_is_slightly_wrong(rule: object, message: str) -> None:
    with pytest.raises((AssertionError, RuleError)) as caught:
        op_checking.check(_cube(rule))
    assert message in str(caught.value)


def _value(x: Any) -> Any:
    return getattr(x, "value", x)


def test_the_checker_notices_an_op_that_writes_to_its_input() -> None:
    def forward(x: np.ndarray) -> np.ndarray:
        x *= 2
        return x

    made = op(forward, name="doubled").defvjp(x=lambda dy: 2 * dy)
    made.samples(lambda rng: [(rng.normal(size=3),)])
    with pytest.raises(ValueError, match="read-only"):
        op_checking.check(made)


def test_one_package_import_brings_every_rule() -> None:
    assert grad(np.tanh)(0.0) == 1.0
