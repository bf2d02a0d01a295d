"""What the engine may cost in memory and depth. Times are measured in benchmarks/: a slow moment fails no test."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from trainer import Tensor, grad

ARRAY = np.ones(200_000)


def peak_in_arrays(f):
    """The peak of what grad(f) allocates, in arrays of the argument's size; the nodes' own bytes are rounded off."""
    grad(f)(ARRAY)  # loads what is loaded once
    tracemalloc.start()
    grad(f)(ARRAY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round(peak / ARRAY.nbytes, 1)


def fifty_tanh(x):
    for _ in range(50):
        x = np.tanh(x)
    return np.sum(x)


def ten_times_plus_one(x):
    for _ in range(10):
        x = x + 1
    return np.sum(x)


def test_fifty_tanh_keep_fifty_arrays():
    assert peak_in_arrays(fifty_tanh) < 53  # one of them is the tape's own copy of the argument


def test_adding_a_constant_keeps_nothing():
    assert peak_in_arrays(ten_times_plus_one) < 4


@pytest.mark.parametrize("backward", [False, True], ids=["grad", "backward"])
def test_a_chain_of_a_hundred_thousand_ops_differentiates(backward):
    def chain(x):
        for _ in range(50_000):
            x = np.add(np.multiply(x, 0.5), 1.0)
        return x

    if backward:
        x = Tensor(1.0)
        chain(x).backward()
        assert x.grad == 0.0  # 2⁻⁵⁰⁰⁰⁰
    else:
        assert grad(chain)(1.0) == 0.0
