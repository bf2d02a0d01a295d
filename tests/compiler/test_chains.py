"""Chains of arithmetic: which calls become one, where they write, and that every bit is NumPy's."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.made_up import EXECUTORS
from trainer import compile
from trainer.compiler.chain import Chain, chain_of
from trainer.compiler.executors import native_available
from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.passes import simplify
from trainer.compiler.tracing import trace
from trainer.config import load
from trainer.experiment import build

CONFIGS = Path(__file__).parent.parent.parent / "configs"
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40, 3e38])
needs_machine = pytest.mark.skipif(not native_available(), reason="no machine")


def names(f, *arrays):
    return [i.op.name for i in simplify(trace(f, arrays).program).instructions]


def test_calls_that_follow_each_other_become_one():
    x, y = np.ones(3), np.ones(3)
    assert names(lambda x, y: 0.9 * x + 0.1 * y, x, y) == ["multiply+multiply+add"]
    assert names(lambda x, y: np.tanh(x * y + 1.0) - y, x, y) == ["multiply+add", "tanh", "subtract"]


def test_a_chain_ends_where_somebody_else_needs_what_it_gives():
    def f(x):
        y = x * 2.0 + 1.0
        return (y - np.sum(y)) * y

    assert names(f, np.ones(3)) == ["multiply+add", "sum", "subtract+multiply"]


def test_what_is_of_another_shape_or_type_is_no_part_of_it():
    assert names(lambda x, y: (x * 2.0) + (y * 2.0), np.ones((3, 1)), np.ones(4)) == ["multiply", "multiply", "add"]
    assert names(lambda x, y: x * y + x, np.ones(3, np.float32), np.ones(3)) == ["multiply", "add"]
    assert names(lambda n: n * 2 + 1, np.ones(3, int)) == ["multiply", "add"]


def test_a_comparison_is_in_a_chain_only_if_its_mask_is_used_there_alone():
    x = np.ones(3)
    assert names(lambda x: x * (x > 0), x) == ["greater+multiply"]
    assert names(lambda x: np.where(x > 0, x * (x > 0), 1.0), x) == ["greater", "multiply", "where"]


def test_a_mask_is_never_what_a_chain_gives():
    def f(x):
        mask, y = x > 0, x
        for _ in range(30):
            y = y * 1.5 + x
        return y * mask

    program = simplify(trace(f, [np.ones(3)]).program)
    assert not any(v.dtype == np.bool_ for i in program.instructions if chain_of(i) for v in i.outputs)
    x = np.array([-1.0, 0.5, 2.0])
    assert compile(f)(x).tolist() == f(x).tolist()


def test_a_chain_lies_in_one_memory_order():
    def f(x, y):
        a, b = x + 1.0, np.transpose(y) + 1.0
        return a * 2.0, b * 2.0

    x, y = np.ones((3, 3)), np.ones((3, 3))
    chains = [i for i in simplify(trace(f, [x, y]).program).instructions if chain_of(i)]
    assert [len({v.order for v in i.outputs}) for i in chains] == [1, 1]


def test_small_whole_numbers_are_compared_inside():
    x, labels = np.ones((2, 3)), np.array([[0], [2]])
    assert names(lambda x, n: (x - (n == np.arange(3))) * 0.5, x, labels) == ["equal+subtract+multiply"]
    assert "equal" in names(lambda x, n: (x - (n == np.arange(3) + 2**60)) * 0.5, x, labels)
    step = compile(lambda x, n: (x - (n == np.arange(3))) * 0.5)
    np.testing.assert_array_equal(step(x, labels), [[0, 0.5, 0.5], [0.5, 0.5, 0]])


def test_a_chain_is_no_longer_than_the_machine_takes():
    def f(x):
        for _ in range(60):
            x = x * 1.5 + 0.25
        return x

    chains = [chain_of(i) for i in simplify(trace(f, [np.ones(3)]).program).instructions]
    assert all(chains)
    assert sum(len(c.steps) for c in chains if c is not None) == 120
    np.testing.assert_array_equal(compile(f)(np.ones(3)), f(np.ones(3)))


def test_what_is_seen_as_a_whole_in_another_shape_is_written_over_and_a_part_of_it_is_not():
    x = np.arange(6.0).reshape(2, 3)
    ways = {
        True: [lambda y: np.reshape(y, (3, 2)) + 1.0, lambda y: np.swapaxes(y, 0, 1) * 2.0],
        False: [lambda y: y[:1] + 1.0, lambda y: y[:, ::-1] + 1.0, lambda y: np.swapaxes(y, 0, 1) + y[:1, :1] * 0.5],
    }
    for over, functions in ways.items():
        for function in functions:
            program = trace(lambda x, function=function: function(np.tanh(x)), [x]).program
            executor = NumpyExecutor(program)
            assert (len(executor.lives.stays) == 1) == over
            assert executor.run([x])[0].tobytes() == np.asarray(function(np.tanh(x))).tobytes()


def test_an_output_may_lie_over_an_argument_that_no_later_call_reads():
    chain = Chain(((np.multiply, (0, 1)), (np.add, (~0, 0)), (np.subtract, (~1, 1))), (0, 1, 2))
    one, two = object(), object()
    assert [chain.may_overwrite(n, (one, two), one) for n in range(3)] == [False, True, True]
    assert [chain.may_overwrite(n, (one, two), two) for n in range(3)] == [False, False, True]


def mixed(x, row, column, number):
    """Every call that a chain may have, with arguments of every kind."""
    a = np.maximum(x * number - row, 0.0) + np.minimum(column, x)
    b = np.sqrt(np.absolute(a)) / (np.square(x) + 0.5)
    c = -b * (a > row) + (x <= column) * a - (x == a) * b + (b != b) * 2.0 - (a < 0.1) * (b >= x)
    return c, 0.9 * a + 0.1 * b, 0.9 * a + 0.1 * (b * b), x - number * (a / (np.sqrt(b) * 0.5 + 1e-8))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 2), (3, 1), (7, 3), (40, 10), (5, 513), (3, 1030), (70000, 1), (2, 40000)])
@pytest.mark.parametrize("turned", [False, True])
def test_the_bits_are_numpys(dtype, shape, turned):
    rng = np.random.default_rng(0)

    def some(*shape):
        numbers = rng.normal(size=shape).astype(dtype)
        odd = rng.random(shape) < 0.2
        numbers[odd] = rng.choice(SPECIAL.astype(dtype), odd.sum())
        return numbers

    x = some(*shape[::-1]).T if turned else some(*shape)
    arguments = x, some(shape[1]), some(shape[0], 1), some(1)[0]
    with np.errstate(all="ignore"):
        wanted = mixed(*arguments)
        step = compile(mixed)
        found = step(*arguments)
        again = NumpyExecutor(step.program(*arguments)).run(arguments)
    for a, b, c in zip(wanted, found, again, strict=True):
        for other in (b, c):  # which of two NaNs comes out is nobody's promise
            np.testing.assert_array_equal(np.isnan(other), np.isnan(a))
            np.testing.assert_array_equal(other, a)
            np.testing.assert_array_equal(np.signbit(other)[~np.isnan(a)], np.signbit(a)[~np.isnan(a)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 15, 16, 17, 100, 127, 128, 129, 300])
def test_rows_come_down_to_numbers_as_in_numpy(dtype, width):
    rng = np.random.default_rng(width)
    x = (rng.normal(size=(33, width)) * 10.0 ** rng.integers(-3, 4, (33, 1))).astype(dtype)
    x[:9] = rng.choice(SPECIAL.astype(dtype), (9, width))
    x[9:12] = rng.choice(np.array([0.0, -0.0], dtype), (3, width))
    for function in (np.sum, np.max, np.min):
        for axis in (-1, 0):
            with np.errstate(all="ignore"):
                wanted, found = function(x, axis=axis), compile(lambda x: function(x, axis=axis) * 1.0)(x)  # noqa: B023
            np.testing.assert_array_equal(found, wanted)
            np.testing.assert_array_equal(np.signbit(found)[wanted == 0], np.signbit(wanted)[wanted == 0])


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_step_that_is_not_finite_leaves_everything_as_it_was(executor, optimizer):
    overrides = [f"optimizer={optimizer}", f"compute.executor={executor}", "batch_size=8"]
    training = build(load(CONFIGS / "mlp.yaml", overrides))
    inputs = training.data.train.inputs.copy()
    inputs[17] = np.inf
    data = dataclasses.replace(training.data, train=dataclasses.replace(training.data.train, inputs=inputs))
    training = dataclasses.replace(training, data=data)
    batches = np.arange(24).reshape(3, 8)
    first = build(load(CONFIGS / "mlp.yaml", overrides))
    assert len(first.update(batches[:2])) == 2
    assert len(training.update(batches)) == 2
    assert training.theta.tobytes() == first.theta.tobytes()
    for name, array in first.state.optimizer.items():
        assert training.state.optimizer[name].tobytes() == array.tobytes()


def test_what_is_carried_takes_its_new_value_where_it_lies_and_the_gradient_is_computed_in_place():
    training = build(load(CONFIGS / "mlp.yaml", ["optimizer=adam"]))
    program = training.program(8)
    executor = NumpyExecutor(program, 3)
    places, after = executor.inputs[:3], executor.outputs[2:]
    assert [a.ctypes.data for a in after] == [p.ctypes.data for p in places]
    assert not any(b.calls for b in executor.bound if b.instruction.op.name == "concatenate")
    apart = NumpyExecutor(program)
    assert not any(np.may_share_memory(p, a) for p in apart.inputs[:3] for a in apart.outputs[2:])


@needs_machine
def test_the_machine_takes_no_chain_that_could_go_wrong():
    from trainer.compiler.machine import _machine as m

    x, y = np.ones(100), np.ones(100)
    whole = np.ones(200)
    bad = [
        ((), (x, y)),
        (((m.ADD, 1, 0),), (x, y)),
        (((m.ADD, 1, 0, 0, 0),), (x, y)),
        (((99, 1, 0, 0),), (x, y)),
        (((m.ADD, 1, 0, 18),), (x, y)),
        (((m.ADD, 1, 0, -1),), (x, y)),
        (((m.ADD, 1, 0, "0"),), (x, y)),
        (((m.ADD, 1, 0, 0),) * 25, (x, y)),
        (((m.ADD, 1, 0, 0),), (x, np.ones(100, int))),
        (((m.ADD, 1, 0, 0),), (x.astype(np.float32), y)),
        (((m.ADD, 1, 0, 0),), (whole[:100], whole[1:101])),
        (((m.ADD, 1, 0, 0),), (x, whole[::2])),
        (((m.ADD, 1, 0, 0),), (x, np.broadcast_to(np.ones(1), 100))),
    ]
    for chain, operands in bad:
        with pytest.raises((ValueError, TypeError)):
            m.Machine([(m.FUSED, chain, operands)])
    m.Machine([(m.FUSED, ((m.ADD, 2, 0, 0), (m.ADD, 1, 2, 17)), (x, y))]).run(0, 1)


@needs_machine
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shapes", [((5, 1), (1, 4)), ((300, 1), (1, 64)), ((3, 20, 1), (3, 1, 30)), ((1, 1), (1, 1))])
def test_a_column_times_a_row(dtype, shapes):
    from trainer.compiler.machine import _machine as m
    from trainer.compiler.machine.executor import NativeExecutor

    rng = np.random.default_rng(0)
    x, y = (rng.choice(np.array([-2.5, -0.0, 0.0, 1e-30, 3.0]), shape).astype(dtype) for shape in shapes)
    step = compile(np.matmul)
    assert step(x, y).tobytes() == np.matmul(x, y).tobytes()
    executor = NativeExecutor(step.program(x, y))
    assert [kind for kind, *_ in executor.table] == [m.FUSED]
