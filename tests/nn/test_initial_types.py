"""Initial values are drawn in double and kept in the type that is wanted: the same numbers, cast."""

import numpy as np
import pytest

from trainer.nn import Dense, Network
from trainer.nn.initial import PIECE, draw
from trainer.rng import generator

KINDS = [
    "glorot", "he_normal", "lecun", "zeros", "ones", "orthogonal", {"constant": 0.3}, {"normal": {"mean": 0.1}},
    {"truncated_normal": 0.2}, {"uniform": {"limit": 0.4, "mean": 0.1}},
]  # fmt: skip


def whole(kind, rng, shape):
    """What NumPy draws at once, where the numbers are known in advance."""
    if kind == "glorot":
        limit = (6 / sum(shape)) ** 0.5
        return rng.uniform(-limit, limit, shape)
    values = rng.normal(size=shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.normal(size=int(outside.sum()))
    return values * 0.2 + 0.0


@pytest.mark.parametrize("kind", ["glorot", {"truncated_normal": 0.2}])
@pytest.mark.parametrize("rows", [1, 3, PIECE // 50 + 7])
def test_pieces_are_what_is_drawn_at_once(kind, rows):
    drawn = draw(kind, generator(3, "here"), (rows, 100), rows, 100)
    assert drawn.tobytes() == whole(kind, generator(3, "here"), (rows, 100)).tobytes()


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (2, 2, 8, 4), (PIECE + 3, 2)])
def test_single_numbers_are_those_in_double_cast(kind, shape):
    if kind == "orthogonal" and shape[0] > 100:
        shape = (300, 40)
    wanted, single = generator(1, "x"), generator(1, "x")
    single.dtype = np.dtype(np.float32)
    there = draw(kind, wanted, shape, 9, 4)
    here = draw(kind, single, shape, 9, 4)
    assert np.asarray(here, np.float32).tobytes() == there.astype(np.float32).tobytes()
    assert wanted.random() == single.random()  # as many were taken


def test_a_network_too_large_to_be_remembered_has_the_values_of_one_that_is(monkeypatch):
    network = Network([Dense(30), Dense(4)], (20,))
    remembered = [network.initial(seed, np.float32).tobytes() for seed in (0, 5, 0)]
    monkeypatch.setattr("trainer.nn.network.REMEMBERED", 0)
    again = Network([Dense(30), Dense(4)], (20,))
    assert [again.initial(seed, np.float32).tobytes() for seed in (0, 5, 0)] == remembered
    assert again.initial(5).astype(np.float32).tobytes() == remembered[1]
