"""What several products take turned is copied once, and only as long as it stays what it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

m = pytest.importorskip("trainer.compiler.machine._machine", reason="there is no machine here")

from trainer.compiler.machine import instructions as make  # noqa: E402  the machine first
from trainer.compiler.machine.turning import LARGE, turned_once  # noqa: E402

pytestmark = pytest.mark.skipif(not m.VECTORS, reason="this processor has no products of its own")


def some(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def product(a: Any, b: Any, out: Any) -> Any:
    return make.product(a, b, out, bytes([1]) * (len(a) * -(-b.shape[1] // 8)), (len(b),))


class Recurrence:
    """Two products with weights that are turned, one after the other."""

    def __init__(self, weights: Any = None) -> None:
        self.weights = some(8, 8) if weights is None else weights
        self.states = [some(4, len(self.weights)) for _ in range(4)]
        self.table = [product(self.states[i], self.weights.T, self.states[i + 1]) for i in range(3)]

    def run(self, table: Any) -> bytes:
        m.Machine(table).run(0, 2)
        return b"".join(array.tobytes() for array in (self.weights, *self.states))


def kinds(table: Any) -> list[int]:
    return [instruction.kind for instruction in table]


def test_weights_that_are_taken_turned_again_and_again_are_copied_before_the_first():
    plain, own = Recurrence(), Recurrence()
    table = turned_once(own.table)
    assert kinds(table) == [m.COPY, m.PRODUCT, m.PRODUCT, m.PRODUCT]
    assert all(each.operands[1] is table[0].operands[0] for each in table[1:])
    assert table[0].operands[0].flags.c_contiguous
    assert own.run(table) == plain.run(plain.table)


def test_where_they_are_written_in_between_they_are_copied_again():
    plain, own = Recurrence(), Recurrence()

    def written(network: Recurrence) -> list[Any]:
        one, two, three = network.table
        change = make.loop(np.negative, network.weights, network.weights)
        return [one, two, change, three, one]

    table = turned_once(written(own))
    assert kinds(table) == [m.COPY, m.PRODUCT, m.PRODUCT, m.LOOP, m.COPY, m.PRODUCT, m.PRODUCT]
    assert own.run(table) == plain.run(written(plain))


def test_what_calls_python_may_have_written_them():
    network = Recurrence()
    one, two, three = network.table
    assert kinds(turned_once([one, two, make.call(list), three])) == [m.COPY, m.PRODUCT, m.PRODUCT, m.CALL, m.PRODUCT]


def test_a_product_that_writes_over_them_ends_it():
    weights, state = some(8, 8), some(8, 8)
    table = [
        product(state, weights.T, some(8, 8)),
        product(state, state.T, weights),
        product(state, weights.T, some(8, 8)),
    ]
    assert kinds(turned_once(table)) == [m.PRODUCT] * 3


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param(some(8, 8).T, id="not turned"),
        pytest.param(np.empty((LARGE // 32 + 1, 8), np.float32), id="large"),
    ],
)
def test_what_is_gained_by_none_stays(weights):
    wide = some(4, weights.shape[1])
    outs = [some(4, weights.shape[0]) for _ in range(2)]
    table = [product(wide, weights.T, out) for out in outs]
    assert turned_once(table) == table


def test_one_alone_stays():
    network = Recurrence()
    assert turned_once(network.table[:1]) == network.table[:1]
