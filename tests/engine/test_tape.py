"""The tape as an object: counted, drawn, replayed."""

from __future__ import annotations

import numpy as np
import pytest

from trainer import Tensor, tape
from trainer.errors import UsageError


def record():
    x = Tensor(np.array([1.0, 2.0]))
    return tape(np.sum(np.tanh(x) * x, axis=0))


def test_it_counts():
    t = record()
    assert len(t) == 4
    assert t.count() == {"variable": 1, "tanh": 1, "multiply": 1, "sum": 1}
    assert t.operations() > 0
    assert t.residual_bytes() == 32  # x once, tanh(x) once, of 16 bytes each


@pytest.mark.parametrize("multiply", [np.matmul, np.dot, np.inner, np.tensordot, np.convolve])
@pytest.mark.parametrize("constant", [0, 1])
def test_it_counts_what_is_done_with_constants_as_with_variables(multiply, constant):
    vectors = multiply in (np.inner, np.convolve)
    arrays = [np.ones(5), np.ones(5)] if vectors else [np.ones((3, 5)), np.ones((5, 2))]
    attributes = {"axes": 1} if multiply is np.tensordot else {}
    variables = [Tensor(each) for each in arrays]
    mixed = [array if i == constant else Tensor(array) for i, array in enumerate(arrays)]
    wanted = tape(multiply(*variables, **attributes)).operations()
    assert wanted > 9
    assert tape(multiply(*mixed, **attributes)).operations() == wanted


@pytest.mark.parametrize(("shapes", "products"), [([(3, 5), (5, 2)], 30), ([(5,), (5,)], 5), ([(4, 3, 5), (5,)], 60)])
@pytest.mark.parametrize("constant", [0, 1])
def test_whole_numbers_that_no_rule_keeps_are_counted_as_well(shapes, products, constant):
    arrays = [np.ones(shape, np.int64) for shape in shapes]
    one, two = (array if i == constant else Tensor(array) for i, array in enumerate(arrays))
    assert tape(one @ two).operations() == 2 * products


def test_it_prints_attributes_that_are_not_the_defaults():
    lines = repr(record()).split("\n")
    assert lines == [
        "x1 = variable          float64 (2,)",
        "h1 = tanh(x1)          float64 (2,)  residuals y",
        "h2 = multiply(h1, x1)  float64 (2,)  residuals x2, x1",
        "y  = sum(h2, axis=0)   float64 ()",
    ]


def test_it_draws_itself():
    dot, mermaid = record().graphviz(), record().mermaid()
    assert dot.startswith("digraph tape {")
    assert dot.count("->") == 4
    assert 'label="h1 = tanh\\nfloat64 (2,)"' in dot
    assert mermaid.startswith("flowchart LR")
    assert mermaid.count("-->") == 4


def test_replay_needs_a_cotangent_for_an_array():
    x = Tensor(np.ones(2))
    with pytest.raises(UsageError, match=r"the result has shape \(2,\): replay needs its cotangent, replay\(dy\)"):
        tape(x * 2.0).replay()
    adjoints = tape(x * 2.0).replay(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(adjoints["x1"], [2.0, 4.0])
    assert repr(adjoints) == "δy  = [1.0, 2.0]\nδx1 = [2.0, 4.0]"


def test_only_tensors_have_one():
    with pytest.raises(UsageError, match="only a Tensor has a tape; got a float"):
        tape(1.0)
