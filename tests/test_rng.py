"""A draw is a function of seed, purpose and step, all of them whole."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.rng import generator


def first(*arguments) -> list[float]:
    return list(generator(*arguments).random(4))


@pytest.mark.parametrize("bit", [0, 15, 16, 31, 32, 63])
def test_seeds_that_differ_in_any_bit_draw_otherwise(bit):
    assert first(5, "shuffle") != first(5 ^ (1 << bit), "shuffle")


def test_purposes_and_steps_draw_otherwise():
    draws = [first(0, purpose, step) for purpose in ("shuffle", "split", "dropout") for step in (0, 1, 2)]
    assert len(np.unique(draws, axis=0)) == len(draws)


def test_steps_share_no_numbers_however_many_are_drawn():
    before, after = (generator(0, "dropout", step).integers(2**63, size=100_000) for step in (3, 4))
    assert not np.intersect1d(before, after).size


def test_the_order_of_draws_between_purposes_does_not_matter():
    a, b = generator(1, "a"), generator(1, "b")
    together = [a.random(), b.random(), a.random()]
    assert together == [first(1, "a")[0], first(1, "b")[0], first(1, "a")[1]]
