"""The order of an epoch, of rows in memory and of rows on disk."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.data.shuffling import WINDOW, batch_order
from trainer.rng import generator


def test_rows_in_memory_are_permuted_freely() -> None:
    np.testing.assert_array_equal(batch_order(50, 3, 7), generator(3, "shuffle", 7).permutation(50))


@pytest.mark.parametrize(("rows", "block"), [(1, 1), (10, 3), (1000, 7), (5000, 16), (5000, 5000), (64, 1), (100, 200)])
def test_every_row_comes_once(rows: int, block: int) -> None:
    order = batch_order(rows, 0, 2, block=block)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(rows))
    np.testing.assert_array_equal(order, batch_order(rows, 0, 2, block=block))


def test_seed_and_epoch_decide_the_order() -> None:
    orders = {tuple(batch_order(300, seed, epoch, block=4)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_a_stretch_of_the_order_touches_few_blocks_and_is_shuffled_within_them() -> None:
    block = 8
    order = batch_order(100 * WINDOW * block, 0, 0, block=block)
    windows = order.reshape(100, -1)
    for window in windows:
        assert len(set(window // block)) == WINDOW
        assert not np.all(np.diff(window.reshape(-1, block), axis=1) == 1)
    assert len({int(window.min()) // (WINDOW * block) for window in windows}) < 100  # blocks come from all over


def test_a_row_is_as_likely_in_the_first_half_as_in_the_second() -> None:
    halves = np.array([np.argsort(batch_order(2000, seed, 0, block=5)) < 1000 for seed in range(200)])
    assert np.abs(halves.mean(axis=0) - 0.5).max() < 0.2
