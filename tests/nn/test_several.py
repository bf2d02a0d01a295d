"""Several costs as one: the columns of each, the sum, and the same under every executor."""

from __future__ import annotations

import numpy as np
import pytest

from trainer import grad
from trainer.compiler.executors import best_executor
from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.passes import simplify
from trainer.compiler.tracing import trace
from trainer.engine.transforms import value_and_grad
from trainer.errors import DataError, ShapeError, UsageError
from trainer.nn.several import Part, Several
from trainer.plugins import shared
from trainer_ops import mean_squared_error, sigmoid_cross_entropy, softmax_cross_entropy

RNG = np.random.default_rng(3)
PREDICTIONS = RNG.normal(size=(5, 12))
VALUES = RNG.normal(size=(5, 2))
CLASSES, BINARY, POSITIONS = RNG.integers(0, 3, 5), RNG.integers(0, 2, (5, 1)), RNG.integers(-1, 3, (5, 2))
TARGETS = np.concatenate([VALUES, CLASSES[:, None], BINARY, POSITIONS], axis=1).astype(np.float64)
COST = Several(
    (
        Part(mean_squared_error, 2, 2, weight=0.5),
        Part(softmax_cross_entropy, 3, kind="classes"),
        Part(sigmoid_cross_entropy, 1, weight=2.0, kind="binary"),
        Part(softmax_cross_entropy, 6, 2, kind="classes"),
    )
)


def test_it_is_the_weighted_sum_of_its_costs():
    p = PREDICTIONS
    expected = (
        0.5 * mean_squared_error(p[:, :2], VALUES)
        + softmax_cross_entropy(p[:, 2:5], CLASSES)
        + 2.0 * sigmoid_cross_entropy(p[:, 5:6], BINARY * 1.0)
        + softmax_cross_entropy(p[:, 6:].reshape(5, 2, 3), POSITIONS)
    )
    np.testing.assert_allclose(COST(p, TARGETS), expected, rtol=1e-15)
    assert (COST.outputs, COST.targets) == (12, 6)


def test_what_each_part_gets():
    shapes = [(p.shape, t.shape, t.dtype.kind) for p, t in COST.split(PREDICTIONS, TARGETS)]
    assert shapes == [((5, 2), (5, 2), "f"), ((5, 3), (5,), "i"), ((5, 1), (5, 1), "f"), ((5, 2, 3), (5, 2), "i")]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_executor_gives_the_same_bits(dtype):
    def step(p, t):
        return value_and_grad(lambda p: np.mean(COST(p, t)))(p)

    inputs = [PREDICTIONS.astype(dtype), TARGETS.astype(dtype)]
    expected = [np.asarray(a) for a in step(*inputs)]
    assert {a.dtype for a in expected} == {np.dtype(dtype)}
    other = [RNG.permutation(a) for a in inputs]  # a program is of no particular values
    program = trace(step, inputs).program
    for executor in (NumpyExecutor(program), best_executor(simplify(program))):
        for arrays in (inputs, other):
            found = executor.run(arrays)
            assert [np.asarray(a).tobytes() for a in found] == [np.asarray(a).tobytes() for a in step(*arrays)]


def test_a_part_alone_has_the_gradient_of_its_cost():
    alone = Several((Part(softmax_cross_entropy, 12, kind="classes"),))
    t = np.array([0, 3, 11, 5, 5])
    found = grad(lambda p: np.sum(alone(p, t[:, None] * 1.0)))(PREDICTIONS)
    np.testing.assert_array_equal(found, grad(lambda p: np.sum(softmax_cross_entropy(p, t)))(PREDICTIONS))


def test_a_registered_cost_with_options_is_a_part():
    cost = shared().get("costs", "huber").build(delta=0.5)
    assert Several((Part(cost, 2, 2),))(np.zeros((1, 2)), np.ones((1, 2))).tolist() == [0.375]


def test_columns_that_do_not_add_up_are_explained():
    with pytest.raises(ShapeError) as caught:
        Several((Part(mean_squared_error, 2, 2), Part(softmax_cross_entropy, 3, kind="classes")))(
            np.zeros((4, 6)), np.zeros((4, 3))
        )
    assert str(caught.value) == (
        "the costs take predictions (m, 2 + 3) and targets (m, 2 + 1), the columns of each side by side: predictions "
        "are (4, 6) and targets (4, 3)"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Several(()), "Several has no parts; give at least one Part"),
        (lambda: Part(huber_like, 0), "Part: outputs is 0; it must be at least 1"),
        (lambda: Part(huber_like, 1, weight=-1.0), "Part: weight is -1.0; it must be at least 0"),
        (
            lambda: Part(huber_like, 7, 2, kind="classes"),
            (
                "Part: 7 outputs cannot be shared among 2 columns of class numbers; give each position as many outputs "
                "as there are classes"
            ),
        ),
    ],
)
def test_parts_that_cannot_be_are_explained(make, message):
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == message


def huber_like(predictions, targets):
    return np.zeros(len(predictions))


@pytest.mark.parametrize(
    ("kind", "targets", "right", "wrong"),
    [
        ("classes", 1, [0, 2], [3, -1, 0.5]), ("classes", 3, [0, 0, -1], [1, 0.5]), ("binary", 1, [0, 1], [2, -1, 0.5]),
        ("signs", 1, [-1, 1], [0, 2]), ("values", 1, [-3.5, 7], [np.inf, np.nan]),
    ],
)  # fmt: skip
def test_a_target_that_its_cost_does_not_take_is_found_with_its_column(kind, targets, right, wrong):
    cost = Several((Part(mean_squared_error, 1), Part(mean_squared_error, 3, targets, kind=kind)))
    for value in right:
        cost.check(np.column_stack([np.zeros(4), *[np.full(4, value)] * targets]))
    for value in wrong:
        held = np.column_stack([np.zeros(4), *[np.full(4, right[0], float)] * targets])
        held[2, -1] = value
        with pytest.raises(DataError, match=rf"^part 1 takes .*, and column {targets} of the targets has {value:g}$"):
            cost.check(held)
