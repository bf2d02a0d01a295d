"""What a step's program is given is what is allocated, and it is counted against what a step needs."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

from tests.made_up import data_of
from trainer import compile, grad
from trainer.compiler.executors import best_executor
from trainer.compiler.layout import live_ranges, planned_bytes, size
from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.scope import NOWHERE, Scope, here, move, named_scope
from trainer.nn import Dense, Network, OpLayer
from trainer.training import Training
from trainer.training.memory import Memory, measure_memory
from trainer_ops import relu, softmax_cross_entropy

PYTHON = 600_000  # bytes of the objects around the arrays, for programs of this length


def a_training(inputs=256, hidden=512, rows=64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, inputs)).astype(np.float32)
    y = rng.integers(0, 10, rows)
    data = data_of(x, y, classes=tuple("0123456789"))
    network = Network([Dense(hidden), OpLayer(relu), Dense(10)], (inputs,), ["dense", "relu", "dense"])
    return Training(network, softmax_cross_entropy, data, 0.1, batch_size=rows, executor="numpy")


def test_what_a_step_needs_is_counted_part_by_part():
    training = a_training()
    _, memory = measure_memory(training)
    parameters = 4 * (256 * 512 + 512 + 512 * 10 + 10)
    assert memory.parameters == memory.gradient == parameters
    assert memory.state == 0
    # x, y, ε, and τ in both its forms
    assert memory.batch == 64 * (4 * 256 + 8) + 4 + 4 + 8
    # The relu's result, which the next product takes too, and the predictions, from which the cost's rule starts.
    assert memory.residuals == 4 * 64 * (512 + 10)
    assert memory.needed == 2 * parameters + memory.batch + memory.residuals


@pytest.mark.parametrize("plan", [NumpyExecutor, best_executor])
def test_the_plan_is_what_is_allocated(plan):
    training = a_training()
    executor, memory = measure_memory(training, plan)
    program, carried = executor.program, 1
    del executor
    gc.collect()
    tracemalloc.start()
    try:
        executor = plan(program, carried)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        executor.compute()
        executor.commit()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert memory.planned == planned_bytes(executor)
    assert memory.planned - 100_000 < held < memory.planned + PYTHON
    assert peak < held + 100_000  # beside NumPy's own small buffers for casts


def test_every_value_has_a_place_and_no_two_are_in_one_at_once():
    executor = NumpyExecutor(a_training(8, 4, 6).program())
    found = live_ranges(executor)
    computed = {o for b in executor.bound for o in b.instruction.outputs}
    assert {s.value for s in found} == computed | set(executor.program.inputs)
    arrays = {o: a for b in executor.bound for o, a in zip(b.instruction.outputs, b.outputs, strict=True)}
    lying = [s for s in found if s.value in arrays]
    for n, one in enumerate(lying):
        for other in lying[:n]:
            # An element-wise call may write over an argument: then one ends where the other begins.
            if not (one.last <= other.first or other.last <= one.first):
                assert not np.may_share_memory(arrays[one.value], arrays[other.value])
    end = len(executor.program)
    assert all(s.last == end for s in found if s.value in executor.program.outputs)


def test_a_call_knows_its_layer_and_the_part_of_the_step():
    program = a_training(8, 4, 6).program()
    scopes = [(i.op.name, *i.scope) for i in program.instructions]
    assert ("matmul", "forward", "0 dense") in scopes
    assert ("maximum", "forward", "1 relu") in scopes
    assert any("greater" in name for name, *where in scopes if where == ["backward", "1 relu"])
    assert [o for o in scopes if o[0] == "matmul"] == [
        ("matmul", "forward", "0 dense"),
        ("matmul", "forward", "2 dense"),
        ("matmul", "backward", "2 dense"),
        ("matmul", "backward", "2 dense"),
        ("matmul", "backward", "0 dense"),
    ]
    assert ("exp", "forward", "cost") in scopes
    assert ("mean", "forward", "cost") in scopes
    assert scopes[-1][1:] == ("update", "optimizer")
    # Layers run forward in their order, and backward in the opposite one.
    for part, layers in (("forward", ["0 dense", "1 relu", "2 dense", "cost"]),
                         ("backward", ["cost", "2 dense", "1 relu", "0 dense"])):  # fmt: skip
        assert list(dict.fromkeys(layer for _, p, layer in scopes if p == part)) == layers


def test_a_compiled_function_has_no_layers_and_its_sweep_is_backward():
    program = compile(grad(lambda x: np.sum(np.tanh(x) * x))).program(np.ones(3))
    assert {i.scope for i in program.instructions} == {NOWHERE, Scope("backward", "")}
    assert here() is NOWHERE


def test_an_origin_lasts_to_the_end_of_its_block():
    with named_scope("forward", "cost"):
        move("forward", "0 dense")
        assert here() == Scope("forward", "0 dense")
    assert here() is NOWHERE


def test_memory_is_told_in_words():
    memory = Memory(
        planned=4096, alive=3900, parameters=1024, gradient=1024, state=0, batch=512, residuals=1024
    )  # fmt: skip
    assert str(memory) == (
        "4.0 KiB planned, 1.05 × the 3.8 KiB alive at once, 1.14 × the 3.5 KiB needed "
        "(parameters 1.0 KiB, gradient 1.0 KiB, batch 512 B, residuals 1.0 KiB)"
    )
    assert [size(n) for n in (0, 1023, 1024, 1023 * 1024, 5 * 2**30)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.0 MiB",
        "5.0 GiB",
    ]


@pytest.mark.parametrize("plan", [NumpyExecutor, best_executor])
def test_where_parameters_are_many_a_step_takes_no_more_than_a_tenth_beyond_what_it_needs(plan):
    _, memory = measure_memory(a_training(1024, 1024, 64), plan)
    assert memory.ratio < 1.1
