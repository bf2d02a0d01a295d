"""Computing again instead of keeping: the same bits, and less alive at once."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from tests.compiler.test_kept_promises import executors, made_up, same_bits
from tests.made_up import data_of
from trainer import grad
from trainer.compiler.chain import chain_of
from trainer.compiler.lifetimes import Lifetimes
from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.passes import drop_dead, recompute, simplify
from trainer.compiler.tracing import trace
from trainer.nn import Dense, Flatten, Network, OpLayer
from trainer.training import Training
from trainer_ops import conv2d, relu, softmax_cross_entropy
from trainer_ops.layers.convolution import Conv2d
from trainer_ops.layers.recurrent import Lstm

pass_module = importlib.import_module("trainer.compiler.passes.recomputed")


@pytest.fixture
def greedy(monkeypatch):
    """Whatever can be computed again is, however small."""
    monkeypatch.setattr(pass_module, "LITTLE", 0)
    monkeypatch.setattr(pass_module, "WORTH", 1e-9)


def windows(x, w):
    """A convolution's gradient, whose backward pass takes the windows of x once more."""
    return np.sum(np.tanh(conv2d(np.tanh(x), w)) ** 2)


def test_windows_are_cut_out_again_for_the_backward_pass(greedy):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(4, 12, 12, 2)), rng.normal(size=(3, 3, 2, 5))
    program = simplify(trace(grad(windows, (0, 1)), [x, w]).program)
    less = recompute(program)
    names = [[i.op.name for i in each.instructions] for each in (program, less)]
    assert [each.count("stack") for each in names] == [1, 2]
    assert [each.count("matmul") for each in names] == [3, 3]
    assert [each.count("tanh") for each in names] == [2, 2]
    assert Lifetimes(less).alive < 0.8 * Lifetimes(program).alive
    for make in executors():
        for found, wanted in zip(make(less).run([x, w]), NumpyExecutor(program).run([x, w]), strict=True):
            assert same_bits(found, wanted)


def test_what_is_little_stays_as_it_is():
    program = simplify(trace(grad(windows, (0, 1)), [np.ones((2, 6, 6, 1)), np.ones((3, 3, 1, 2))]).program)
    assert recompute(program) is program


def test_of_a_chain_that_gives_several_results_the_one_that_is_needed_is_computed_again(greedy):
    x = np.random.default_rng(1).normal(size=(30, 40))

    def f(x):
        c = x * 3.0
        a = x * 2.0 + 1.0
        b = a * c
        first = np.tanh(np.tanh(b) @ np.ones((40, 400)))  # much is alive here, and a waits
        return np.sum(first) + np.tanh(a)

    program = simplify(trace(f, [x]).program)
    less = recompute(program)
    (before,) = (i for i in program.instructions if chain_of(i) and len(i.outputs) == 2)
    assert [ufunc for ufunc, _ in chain_of(before).steps] == [np.multiply, np.multiply, np.add, np.multiply]
    again = [chain_of(i) for i in less.instructions if chain_of(i)]
    assert (((np.multiply, (0, 1)), (np.add, (~0, 2))), (1,)) in [(c.steps, c.results) for c in again]
    assert same_bits(NumpyExecutor(less).run([x])[0], f(x))


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_keep_their_bits(seed, greedy):
    rng, f = np.random.default_rng(seed), made_up(seed, length=24)
    program = simplify(trace(f, [rng.normal(size=(4, 4)) for _ in range(3)]).program)
    for carried in (0, 3):
        less = recompute(program, carried)
        assert Lifetimes(less, carried).alive <= Lifetimes(program, carried).alive
        assert len(drop_dead(less)) == len(less)
        for make in executors():
            executor = make(less, carried)
            for _ in range(2):
                arrays = [rng.normal(size=(4, 4)) for _ in range(3)]
                wanted = f(*[a.copy() for a in arrays])
                for found, value in zip(executor.run(arrays), wanted, strict=True):
                    assert same_bits(found, value)


def a_training(kind, memory, executor, shards=None):
    rng = np.random.default_rng(2)
    if kind == "conv":
        shape, layers = (14, 14, 2), [Conv2d(8), OpLayer(relu), Conv2d(16), OpLayer(relu), Flatten(), Dense(3)]
    else:
        shape, layers = (20, 6), [Lstm(32), Dense(3)]
    data = data_of(rng.normal(size=(72, *shape)).astype(np.float32), rng.integers(0, 3, 72), classes=tuple("abc"))
    return Training(
        Network(layers, shape), softmax_cross_entropy, data, 0.05, batch_size=32, epochs=1, executor=executor,
        memory=memory, shards=shards,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["conv", "lstm"])
@pytest.mark.parametrize("shards", [None, 2])
def test_a_training_with_less_memory_ends_at_the_same_bits(kind, shards, greedy):
    ends = set()
    for memory in ("balanced", "less"):
        for executor in ("numpy", "auto"):
            training = a_training(kind, memory, executor, shards)
            _ = [*training.records()]
            ends.add(training.theta.tobytes())
    assert len(ends) == 1


@pytest.mark.parametrize(("kind", "most"), [("conv", 0.7), ("lstm", 0.8)])
def test_a_step_with_less_memory_has_less_alive(kind, most, greedy):
    kept, less = (Lifetimes(a_training(kind, memory, "numpy").program(), 1).alive for memory in ("balanced", "less"))
    assert less < most * kept
