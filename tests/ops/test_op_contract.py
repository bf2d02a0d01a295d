"""Every op that ships keeps the contract: documented, sampled, and right."""

import numpy as np
import op_checking
import pytest
import trainer_ops
from trainer import Op, op
from trainer_ops import costs

OPS = [*trainer_ops.ops(), *costs.COSTS]
IDS = [o.name for o in OPS]


@pytest.mark.parametrize("one", OPS, ids=IDS)
def test_op_is_documented_and_sampled(one: Op) -> None:
    assert one.doc.strip()
    assert list(one.sample_calls(np.random.default_rng(0)))
    assert set(one.rules) == set(one.inputs), "every input has a rule, or is declared zero or not differentiable"


@pytest.mark.parametrize("one", OPS, ids=IDS)
def test_op_has_right_derivatives(one: Op) -> None:
    differentiated = op_checking.check(one)
    if any(one.rules[n].__class__.__name__ == "Rule" for n in one.inputs):
        assert differentiated, "no sample reaches a rule"


def test_names_are_unique() -> None:
    assert len(set(IDS)) == len(IDS)
