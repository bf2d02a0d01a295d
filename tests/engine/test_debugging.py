"""Wherever a number stops being one, the finding names the op and the layer."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.hints import advised
from tests.made_up import data_of, op_layer
from trainer import Op, Tensor, debug, grad, op
from trainer.engine.debugging import ChangedArrayError, NonFiniteError, statistics
from trainer.nn import Dense, Network, OpLayer
from trainer.training import Training
from trainer.training.diagnosis import diagnose
from trainer_ops import mean_squared_error


def message(f, x):
    with debug(), np.errstate(all="ignore"), pytest.raises(NonFiniteError) as caught:
        grad(f)(x)
    return str(caught.value)


def test_forward():
    text = message(lambda x: np.sum(np.log(x - 1.0)), np.array([1.0, 2.0]))
    assert text.startswith(
        "forward: op 'log' made 1 inf from finite inputs\n"
        "  op        log, from plugin 'trainer_ops' (tape-trainer 0.1.0)\n"
        "  x         float64 (2,), min 0, max 1, mean 0.5\n"
        f"  called    {__file__}:"
    )


def test_backward():
    text = message(lambda x: np.sum(np.sqrt(x)), np.array([0.0, 1.0]))
    assert text.startswith("backward: the rule of op 'sqrt' made 1 inf for 'x' from a finite cotangent\n")
    assert "\n  dy        float64 (2,), min 1, max 1, mean 1\n" in text


def test_a_nan_that_came_from_outside():
    assert message(lambda x: np.sum(x * np.array([np.nan, 1.0])), np.ones(2)).startswith(
        "forward: op 'multiply' was given 1 nan in 'x2', a constant\n"
    )
    assert message(lambda x: np.sum(x * 2.0), np.array([np.nan, 1.0])).startswith(
        "forward: op 'multiply' was given 1 nan in 'x1', a variable\n"
    )


def test_an_infinity_that_is_meant_passes():
    mask = np.array([0.0, -np.inf])
    with debug():
        np.testing.assert_array_equal(grad(lambda x: np.sum(np.exp(x + mask)))(np.zeros(2)), [1.0, 0.0])


def test_an_array_that_changed_in_between():
    buffer = np.zeros(2)

    def exponential(forward):
        return op(forward, name="reusing").defvjp(x=lambda dy, y: dy * y)

    def gradient(reusing):
        with debug():
            return grad(lambda x: np.sum(reusing(x) * reusing(2 * x)))(np.ones(2))

    reusing = exponential(lambda x: np.exp(x, out=buffer))
    with pytest.raises(ChangedArrayError) as caught:
        gradient(reusing)
    advised(
        caught.value,
        "'y' of op 'reusing' was changed between the forward call and the backward sweep: the gradient would be "
        f"wrong. Write to a copy instead\n  op        reusing, from {reusing.origin}\n  called    {__file__}:",
    )
    copying = exponential(lambda x: np.exp(x, out=buffer.copy()))
    np.testing.assert_allclose(gradient(copying), 3 * np.exp([3.0, 3.0]))


def test_outside_of_the_block_nothing_is_left():
    before = Op.record
    with debug():
        assert Op.record is not before
        with debug():
            pass
        assert Op.record is not before
    assert Op.record is before
    assert grad(np.sqrt)(4.0) == 0.25
    with pytest.raises(RuntimeError), debug():
        raise RuntimeError
    assert Op.record is before


def test_other_threads_are_left_alone():
    results = []

    def work():
        with np.errstate(all="ignore"):
            results.append(grad(np.log)(0.0))

    with debug():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert results == [np.inf]


def test_higher_orders_work_inside():
    with debug():
        assert grad(grad(lambda x: x * x * x))(2.0) == 12.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.array([1.0, -3.0, np.inf]), "float64 (3,), min -3, max 1, mean -1, 1 inf"),
        (np.array([np.nan, np.nan], np.float32), "float32 (2,), 2 nan"),
        (np.zeros((0, 2)), "float64 (0, 2)"),
        (np.array([True]), "bool (1,)"),
        (Tensor(2.0), "float64 (), min 2, max 2, mean 2"),
    ],
)
def test_statistics(value, text):
    assert statistics(value) == text


def poisoned(name, layer, direction):
    """An op that computes x·1 and, when told, gives a nan forward or backward."""

    @op(name=name)
    def bad(x):
        return x * np.array(np.nan if direction == "forward" else 1.0, x.dtype)

    bad.defvjp(x=lambda dy: dy * np.array(np.nan if direction == "backward" else 1.0, dy.dtype))
    return OpLayer(bad)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("position", range(4))
def test_the_layer_is_named(position, direction):
    layers = [Dense(5), op_layer("tanh"), Dense(1)]
    layers.insert(position, poisoned("poison", position, direction))
    x = np.random.default_rng(0).normal(size=(6, 4))
    data = data_of(x, x[:, :1])
    places = tuple(f"a.yaml:{i}" for i in range(5))
    training = Training(Network(layers, (4,)), mean_squared_error, data, 0.1, dtype=np.float64)
    finding = diagnose(training.objective, training.state, data.train.arrays, places)
    if position == 0 and direction == "backward":
        assert finding is None  # nobody asks for the gradient of the data
        return
    assert finding is not None
    first, where, *_ = finding.split("\n")
    assert first.startswith(f"{direction}: ")
    assert "'poison'" in first
    assert where == f"  in        layer {position} (poison), a.yaml:{position}"
