"""What a training holds of θ: arrays of its size are counted, at a θ beside which all else is small."""

import gc
import tracemalloc

import numpy as np
import pytest

from tests.made_up import data_of
from trainer.nn import Dense, Network
from trainer.optimizers import Adam, Sgd
from trainer.training import Training

N = 600
THETA = (N * N + N) * 4  # bytes


def training(optimizer, executor="auto"):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 20, N)).astype(np.float32)
    network, cost = Network([Dense(N)], (N,)), lambda p, y: np.sum((p - y) ** 2, axis=1)
    return Training(network, cost, data_of(x, y), 1e-3, 8, 2, optimizer, executor=executor)


def thetas(work):
    """What `work` gives, how many arrays like θ there are afterwards, and the most that there were at once."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        result = work()
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    return result, kept / THETA, most / THETA


@pytest.mark.parametrize(("optimizer", "most"), [(Sgd(), 3), (Adam(), 8)])
def test_the_record_of_a_step_lets_go_of_what_it_has_used(optimizer, most):
    each = training(optimizer)
    each.program()  # whatever is made once
    _, kept, found = thetas(each.program)
    assert kept < 0.3
    assert found < most + 0.5


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_the_programs_of_both_batch_sizes_use_the_same_memory(executor):
    each = training(Adam(), executor)
    _ = [*each.records()]
    first, second = (loop.executor for loop in each._runner.loops.values())
    for one, other in zip(first.inputs[: first.carried], second.inputs, strict=False):
        assert one is other
    assert {id(block) for block in first.blocks} <= {id(block) for block in second.blocks}


def test_values_by_layer_are_let_go_of_at_once():
    network = Network([Dense(N)], (N,))
    theta = network.initial(0, np.float32)
    _, kept, _ = thetas(lambda: network.tree(network.named(theta * 2)) and None)
    assert kept < 0.1
