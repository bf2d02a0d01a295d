"""Instructions in a row that threads divide once: which may stand together, and that no bit depends on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trainer.compiler.executors import native_available
from trainer.compiler.passes import simplify
from trainer.compiler.tracing import trace
from trainer.config import load
from trainer.experiment import build
from trainer.training.threads import pinned

pytestmark = pytest.mark.skipif(not native_available(), reason="no machine")

if native_available():
    from trainer.compiler.machine import _machine as m
    from trainer.compiler.machine import instructions as make
    from trainer.compiler.machine.executor import NativeExecutor

ROWS = 12


def some(*shape: int, dtype: type = np.float32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(sum(shape) + seed).standard_normal(shape).astype(dtype)


def negative(source: np.ndarray, target: np.ndarray) -> Any:
    return make.loop(np.negative, source, target)


def arrays(*widths: int) -> list[np.ndarray]:
    return [some(ROWS, width) for width in widths]


def row_by_row() -> list[Any]:
    a, b, c = arrays(5, 5, 5)
    return [negative(a, b), make.loop(np.add, a, b, c), make.copy(a, c)]


def through_weights() -> list[Any]:
    x, y, z = arrays(8, 16, 8)
    weights, back = some(8, 16), some(16, 8)
    ones = [bytes([1]) * (ROWS * 2), bytes([1]) * ROWS]
    return [
        make.product(x, weights, y, ones[0], (8,)), make.loop(np.tanh, y, y), make.product(y, back, z, ones[1], (16,)),
        make.copy(x, z),
    ]  # fmt: skip


def parts_of_rows() -> list[Any]:
    gates, a, b = arrays(8, 4, 4)
    return [negative(gates[:, :4], a), make.loop(np.multiply, a, gates[:, 4:], b), make.copy(gates[:, :4], b)]


def a_stack_beside_its_parts() -> list[Any]:
    whole, part = some(3, ROWS, 4), some(ROWS, 4)
    return [negative(whole[1], part), make.copy(whole[2], part), negative(whole[2], whole[0])]


def sums_of_rows() -> list[Any]:
    x, (total,) = some(ROWS, 6), arrays(1)
    spread = np.broadcast_to(total, x.shape)
    return [make.fill(total, 0), make.loop(np.add, spread, x, spread), make.loop(np.divide, x, spread, x)]


def images() -> list[Any]:
    x, y = some(ROWS, 4, 5), some(ROWS, 4, 5)
    return [make.copy(y, x), make.loop(np.exp, y.transpose(0, 2, 1), x.transpose(0, 2, 1))]


TOGETHER: dict[str, tuple[Callable[[], list[Any]], list[tuple[int, int, int]]]] = {
    "rows of one width": (row_by_row, [(0, 3, ROWS)]),
    "rows of several widths, through weights": (through_weights, [(0, 4, ROWS)]),
    "parts of rows": (parts_of_rows, [(0, 3, ROWS)]),
    "matrices of a stack": (a_stack_beside_its_parts, [(0, 3, ROWS)]),
    "sums of rows": (sums_of_rows, [(0, 3, ROWS)]),
    "rows of images": (images, [(0, 2, ROWS)]),
}


def weights_that_are_written() -> list[Any]:
    x, y = arrays(8, 8)
    weights = some(8, 8)
    ones = bytes([1]) * ROWS
    return [make.product(x, weights, y, ones, (8,)), make.copy(weights, x[:8]), make.product(y, weights, x, ones, (8,))]


def rows_turned_around() -> list[Any]:
    a, b, c = arrays(5, 5, 5)
    return [negative(a, b), make.copy(c, b[::-1])]


def rows_of_the_neighbour() -> list[Any]:
    a, b = some(ROWS + 1, 5), some(ROWS, 5)
    return [negative(b, a[1:]), make.copy(b, a[:-1])]


def memory_that_had_other_rows() -> list[Any]:
    flat, narrow, wide = some(ROWS * 8), some(ROWS, 4), some(ROWS, 8)
    first, then = flat[: ROWS * 4].reshape(ROWS, 4), flat.reshape(ROWS, 8)
    return [negative(narrow, first), make.copy(narrow, first), negative(wide, then)]


def sums_over_rows() -> list[Any]:
    x, row = some(ROWS, 6), some(1, 6)
    spread = np.broadcast_to(row, x.shape)
    return [negative(x, x), make.loop(np.add, spread, x, spread), negative(x, x)]


def columns() -> list[Any]:
    x = some(8, 8)
    return [negative(x, x), make.copy(some(8, 8), x.T)]


APART: dict[str, tuple[Callable[[], list[Any]], list[tuple[int, int, int]]]] = {
    "weights that are written": (weights_that_are_written, [(0, 1, ROWS), (1, 1, 8), (2, 1, ROWS)]),
    "rows turned around": (rows_turned_around, [(0, 1, ROWS), (1, 1, ROWS)]),
    "rows of the neighbour": (rows_of_the_neighbour, [(0, 1, ROWS), (1, 1, ROWS)]),
    "memory that had other rows": (memory_that_had_other_rows, [(0, 2, ROWS), (2, 1, ROWS)]),
    "sums over rows": (sums_over_rows, [(0, 1, ROWS), (2, 1, ROWS)]),
    "columns of what has rows": (columns, [(0, 1, 8), (1, 1, 8)]),
}


@pytest.mark.parametrize("case", [*TOGETHER, *APART])
def test_slices_stand_together_where_none_touches_what_another_writes(case):
    given, expected = (TOGETHER | APART)[case]
    assert m.Machine(given()).stretches == expected


def test_what_stops_a_run_or_calls_python_stands_alone():
    a, b = arrays(5, 5)
    whole = np.ones((ROWS, 5), np.int64)
    table = [
        negative(a, b), make.check(b), negative(b, a), make.call(list), make.loop(np.power, whole, whole, whole),
        make.stream_in(a[0], some(3, 5)), negative(a, b),
    ]  # fmt: skip
    assert m.Machine(table).stretches == [(0, 1, ROWS), (2, 1, ROWS), (6, 1, ROWS)]


def test_the_number_of_slices_is_that_which_takes_the_longest_stretch():
    x, heads = some(6 * 4, 10), some(6, 4, 10)
    table = [negative(x, x), make.loop(np.exp, heads, heads), negative(heads, heads)]
    assert m.Machine(table).stretches == [(0, 3, 6)]


@pytest.mark.parametrize("case", [*TOGETHER, *APART])
def test_a_stretch_in_any_number_of_shares_is_what_its_instructions_give_in_turn(case):
    given, _ = (TOGETHER | APART)[case]

    def contents(pieces: int) -> list[bytes]:
        table = given()
        assert m.Machine(table).run(0, 3, pieces) == 3
        return [array.tobytes() for instruction in table for array in instruction.operands]

    with pinned(1):
        expected = contents(0)
    for threads in (1, 2, 3, 4):
        with pinned(threads):
            for pieces in (-1, -2, -3, -5, -1000):
                assert contents(pieces) == expected


def drawn(rng: np.random.Generator, memory: np.ndarray) -> list[Any]:
    """Instructions on parts of one memory, which overlap in all ways."""

    def matrix() -> np.ndarray:
        n, width = int(rng.choice([4, 8])), int(rng.choice([1, 2, 4, 8]))
        step = width * int(rng.integers(1, 3))
        start = int(rng.integers(0, (len(memory) - n * step) // 8 + 1)) * int(rng.choice([1, 4, 8]))
        start = min(start, len(memory) - n * step)
        place = memory[start : start + n * step].reshape(n, step)[:, :width]
        return place if rng.random() < 0.9 else place.T

    table = []
    while len(table) < 12:
        target = matrix()
        if rng.random() < 0.2:
            source = np.broadcast_to(matrix()[:1, :1], target.shape)
        else:
            near = (matrix() for _ in range(200))
            source = next((each for each in near if each.shape == target.shape), target)
        if source.strides != target.strides and np.may_share_memory(source, target):
            continue  # of which order is read and written in one instruction is not the question
        table.append(make.copy(target, source) if rng.random() < 0.5 else make.loop(np.add, target, source, target))
        if rng.random() < 0.5:
            table.append(negative(target, target))
    return table


def test_what_overlaps_in_any_way_is_what_its_instructions_give_in_turn():
    longest = 0
    for seed in range(300):
        results = []
        for pieces in (0, -2, -4, -8):
            memory = np.arange(160.0)
            table = drawn(np.random.default_rng(seed), memory)
            machine = m.Machine(table)
            longest = max([longest, *(count for _, count, _ in machine.stretches)])
            machine.run(0, 1, pieces)
            results.append(memory.tobytes())
        assert len(set(results)) == 1, f"seed {seed}"
    assert longest > 3


NETWORKS: dict[str, tuple[list[Any], tuple[int, ...], int]] = {
    "lstm": ([{"lstm": 24}, {"dense": 3}], (9, 6), 60),
    "gru": ([{"gru": 24}, {"dense": 3}], (9, 6), 40),
    "attention": ([{"transformer_block": {"heads": 2, "hidden": 32}}, "flatten", {"dense": 3}], (8, 16), 20),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_stretches_and_their_bits_do_not_depend_on_them(name, dtype, tmp_path):
    network, shape, long = NETWORKS[name]
    np.savez(tmp_path / "data.npz", inputs=some(32, *shape), targets=np.arange(32) % 3)
    config = {
        "dataset": {"path": str(tmp_path / "data.npz"), "test_fraction": 0}, "network": network, "step_size": 0.01,
        "cost": "softmax_cross_entropy", "optimizer": "adam", "batch_size": 16, "compute": {"dtype": dtype},
    }  # fmt: skip
    with pinned(1):
        training = build(load(config))
        executor = NativeExecutor(training.program())
    machine = m.Machine(executor.table)
    assert max(count for _, count, slices in machine.stretches if slices == 16) >= long
    rng = np.random.default_rng(0)
    given = [
        rng.integers(0, 3, array.shape) if array.dtype.kind == "i" else rng.random(array.shape) / 9
        for array in executor.inputs
    ]
    found = set()
    for threads in (1, 2, 3, 4):
        for pieces in (0, -threads, -7):
            for place, value in zip(executor.inputs, given, strict=True):
                place[...] = value
            with pinned(threads):
                machine.run(0, 1, pieces)
            found.add(b"".join(np.asarray(output).tobytes() for output in executor.outputs))
    assert len(found) == 1


def test_functions_of_rows_are_one_stretch():
    def f(x: Any, w: Any, b: Any) -> Any:
        return np.tanh(np.exp(x @ w + b) * x) / 3

    with pinned(1):
        executor = NativeExecutor(simplify(trace(f, [some(64, 32), some(32, 32), some(32)]).program))
    assert m.Machine(executor.table).stretches == [(0, len(executor.table), 64)]
