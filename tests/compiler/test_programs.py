"""A program gives the bits of the function that it was recorded from."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from trainer import Tensor, compile, grad, op, value_and_grad
from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.passes import drop_dead, drop_noops, fold_constants, share_common, simplify
from trainer.compiler.tracing import trace
from trainer.engine.memory import ALIGNMENT
from trainer.errors import DetachError
from trainer_ops import softmax

rng = np.random.default_rng(5)


def same_bits(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def f(x, w):
    h = np.tanh(x @ w)
    return np.sum(softmax(h) * h)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_compiles_to_the_same_bits(dtype):
    x, w = rng.normal(size=(7, 5)).astype(dtype), rng.normal(size=(5, 3)).astype(dtype)
    eager = value_and_grad(f, (0, 1))
    compiled = compile(eager)
    for _ in range(3):
        (y, (dx, dw)), (cy, (cdx, cdw)) = eager(x, w), compiled(x, w)
        assert same_bits(y, cy)
        assert same_bits(dx, cdx)
        assert same_bits(dw, cdw)
        x = x * dtype(1.5)
    assert len(compiled.programs) == 1


def test_layouts_are_kept_so_that_sums_keep_their_order():
    a = rng.normal(size=(33, 65)).astype(np.float32)

    def g(a):
        b = a.T * 1.5 + 0.25
        return np.sum(np.exp(b), axis=0), np.sum(np.sin(b)), np.mean(b, axis=1)

    for array in (a, np.asfortranarray(a)):
        for x, y in zip(g(array), compile(g)(array), strict=True):
            assert same_bits(x, y)


def test_a_new_shape_dtype_or_constant_is_a_new_program():
    g = compile(lambda x, n: x * n)
    assert g(np.ones(3), 2.0).tolist() == [2.0, 2.0, 2.0]
    assert g(np.ones(3), 3.0).tolist() == [3.0, 3.0, 3.0]
    assert g(np.ones(2, np.float32), 3.0).dtype == np.float32
    assert len(g.programs) == 2  # a float is no constant
    assert g(np.ones(3), 2).tolist() == [2.0, 2.0, 2.0]
    assert len(g.programs) == 3


def test_structures_go_in_and_come_out():
    g = compile(lambda p: {"sum": p["a"] + p["b"][0], "b": [p["b"][0] * 2.0]})
    result = g({"a": np.ones(2), "b": [np.full(2, 3.0)]})
    assert result["sum"].tolist() == [4.0, 4.0]
    assert result["b"][0].tolist() == [6.0, 6.0]


def test_results_are_arrays_of_their_own():
    g = compile(lambda x: x + 1.0)
    first = g(np.zeros(2))
    g(np.ones(2))
    assert first.tolist() == [1.0, 1.0]


def test_inside_a_gradient_a_compiled_function_records_itself():
    g = compile(lambda x: x * x * x)
    assert grad(g)(2.0) == 12.0


@pytest.mark.parametrize(
    ("function", "fix"),
    [
        (lambda x: x if x > 0 else -x, "np.where(t > 0, a, b)"),
        (lambda x: x * float(x), "float(t.value)"),
        (lambda x: x * x.value, "t.value would freeze this run's numbers into the compiled program"),
        (lambda x: np.array([x, x]), "np.stack([t1, t2])"),
    ],
    ids=["if", "float", "value", "array"],
)
def test_what_would_freeze_a_decision_is_refused(function, fix):
    with pytest.raises(DetachError) as caught:
        compile(function)(np.array(1.0))
    assert fix in str(caught.value)
    assert Tensor(1.0).value == 1.0  # and nothing of it stays


def loops(x):
    y = np.empty_like(x)
    for i in np.ndindex(x.shape):
        y[i] = x[i] ** 2
    return y


def loops_rule(dy, x):
    g = np.empty_like(x)
    for i in np.ndindex(x.shape):
        g[i] = 2 * dy[i] * x[i]
    return g


def test_an_op_that_leaves_numpy_is_called_back():
    square = op(loops, name="looped_square").defvjp(x=loops_rule)

    def g(x):
        return np.sum(np.sin(square(x)))

    x = rng.normal(size=(2, 3))
    program = compile(grad(g)).program(x)
    assert [i.op.name for i in program.instructions if "looped" in i.op.name] == [
        "looped_square",
        "rule of looped_square",
    ]
    assert same_bits(compile(grad(g))(x), grad(g)(x))
    np.testing.assert_allclose(grad(g)(x), np.cos(x**2) * 2 * x, rtol=1e-14)


def test_an_opaque_rule_of_several_inputs():
    both = op(lambda x, w: np.asarray(x) * np.asarray(w), name="both")
    both.vjp("x", "w")(lambda dy, x, w: (dy * np.asarray(w), dy * np.asarray(x)))
    x, w = rng.normal(size=(2, 4))
    eager = grad(lambda x, w: np.sum(both(x, w) * x), (0, 1))
    for a, b in zip(eager(x, w), compile(eager)(x, w), strict=True):
        assert same_bits(a, b)


def test_two_threads_at_once_get_what_they_get_alone():
    g = compile(lambda x: np.sum(np.exp(np.sin(x)) * x))
    inputs = [rng.normal(size=1000) for _ in range(8)]
    alone = [g(x) for x in inputs]
    wrong = []

    def work(x, expected):
        wrong.extend(i for i in range(200) if g(x) != expected)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(inputs, alone, strict=True)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def table(function, *args):
    return trace(function, args).program


def names(program):
    return [i.op.name for i in program.instructions]


def test_dead_values_go():
    program = table(lambda x: (np.exp(x), np.tanh(x))[1], np.ones(2))
    assert names(program) == ["exp", "tanh"]
    assert names(drop_dead(program)) == ["tanh"]


def test_common_subexpressions_are_shared():
    program = table(lambda x: np.exp(x * 2.0) + np.exp(x * 2.0) + np.exp(x * 2), np.ones(2))
    assert names(share_common(program)) == ["multiply", "exp", "add", "multiply", "exp", "add"]  # 2 is not 2.0


def test_constants_are_folded():
    program = table(lambda x: x * np.exp(Tensor(2.0)), np.ones(2))
    folded = fold_constants(program)
    assert names(folded) == ["multiply"]
    assert folded.instructions[0].inputs[1].known == np.exp(2.0)


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (True, ["tanh"]),
        (False, ["where", "tanh"]),
        (np.ones((2, 3), bool), ["tanh"]),
        (np.eye(2, 3) > 0, ["where", "tanh"]),
    ],
)
def test_a_choice_that_is_known_is_no_choice(condition, left):
    program = trace(lambda x: np.tanh(np.where(condition, x, 1.0)), [np.ones((2, 3))]).program
    assert names(drop_noops(program)) == left


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.where(True, x, np.zeros((2, 3))), lambda x: np.where(False, np.zeros((2, 3)), x),
        lambda x: np.broadcast_to(x, (2, 3)), lambda x: np.reshape(x, (3, 1)), lambda x: np.sum(x, axis=()),
        lambda x: x.astype(np.float32),
    ],
)  # fmt: skip
def test_what_changes_a_shape_or_a_type_is_no_noop(f):
    x = np.array([[1.0, 2.0, 3.0]])
    found, wanted = compile(lambda x: f(x) + 1.0)(x), f(x) + 1.0
    assert (found.shape, found.dtype, found.tolist()) == (wanted.shape, wanted.dtype, wanted.tolist())


def test_noops_go():
    program = table(lambda x: np.tanh(np.reshape(np.broadcast_to(x, (2,)), (2,))).astype(np.float64), np.ones(2))
    assert names(drop_noops(program)) == ["tanh"]


def test_views_are_no_calls_and_buffers_are_used_again():
    def chain(x):
        y = x.T
        for _ in range(20):
            y = np.sin(y) * 1.5
        return np.reshape(y, -1)

    x = rng.normal(size=(40, 50))
    program = simplify(table(chain, x))
    executor = NumpyExecutor(program)
    assert sum(len(bound.calls) for bound in executor.bound) <= 41
    assert executor.nbytes <= 2 * x.nbytes + 2 * ALIGNMENT
    assert same_bits(executor.run([x])[0], chain(x))


def test_an_output_that_is_an_input_or_a_constant():
    x = np.array([1.0, 2.0])
    a, b, c = compile(lambda x: (x, x.T, 3.0))(x)
    assert a.tolist() == b.tolist() == [1.0, 2.0]
    assert c == 3.0
    a[0] = 9.0
    assert x[0] == 1.0


def test_a_program_prints_as_a_table():
    program = table(lambda x: np.sum(np.tanh(x) * 2.0, axis=0), np.ones((2, 3)))
    assert repr(program) == (
        "%0 = input  float64 (2, 3)\n"
        "%1 = tanh(%0)  float64 (2, 3)\n"
        "%2 = multiply(%1, 2.0)  float64 (2, 3)\n"
        "%3 = sum(%2, axis=0)  float64 (3,)\n"
        "return %3"
    )


@pytest.mark.parametrize("length", [20_000, 16_384, 50_001])
def test_long_vectors_go_strip_by_strip_to_the_same_bits(length):
    def update(g, m, v, theta):
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g * g
        shifted = theta[1:] * g[:-1]  # lies across its neighbours' strips
        after = theta - 0.1 * m / (np.sqrt(v) + 1e-8)
        return after, m, v, shifted + after[1:] * theta[:-1], np.sum(after)

    arrays = [np.abs(rng.normal(size=length)).astype(np.float32) for _ in range(4)]
    for a, b in zip(update(*arrays), compile(update)(*arrays), strict=True):
        assert same_bits(a, b)
