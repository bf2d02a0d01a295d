"""Layers for sequences in training: with next to no dropout they are those of evaluation, and a mask leaves out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from trainer.nn import Draw, Masked
from trainer_ops.layers.attention import MultiHeadAttention, TransformerBlock
from trainer_ops.layers.normalization import BatchNorm

LAYERS: dict[str, Any] = {
    "plain": MultiHeadAttention(2),
    "causal": MultiHeadAttention(2, causal=True),
    "rotary": MultiHeadAttention(2, causal=True, rotary=True, size=8),
    "block": TransformerBlock(2, causal=True),
    "block, norm after": TransformerBlock(2, norm="after", causal=True, rotary=True),
}
MASKS = {
    "all": np.ones((3, 5), bool),
    "padded": np.arange(5) < np.array([[5], [3], [1]]),
    "in the middle": np.array([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1], [1, 1, 0, 0, 0]], bool),
}


def some(*shape):
    return np.random.default_rng(3).normal(size=shape)


@pytest.mark.parametrize("mask", [None, *MASKS])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_drops_next_to_nothing_is_itself(name, mask):
    layer = LAYERS[name]
    parameters, _ = layer.init(np.random.default_rng(0), (5, 4))
    x = some(3, 5, 4)
    given = x if mask is None else Masked(x, MASKS[mask])
    wanted = layer.apply(parameters, given)
    found, _ = replace(layer, dropout=1e-12).train(parameters, given, Draw(0, np.int64(1), "float64", "0"))
    if mask is not None:
        wanted, found = (np.where(MASKS[mask][..., None], y.values, 0) for y in (wanted, found))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_a_block_drops_in_four_places(monkeypatch):
    drawn = []

    class Counted(Draw):
        def __call__(self, shape):
            drawn.append(tuple(shape))
            return super().__call__(shape)

        def inside(self, name):
            return Counted(self.seed, self.step, self.dtype, f"{self.path}.{name}")

    layer = TransformerBlock(2, hidden=7, dropout=0.5)
    parameters, _ = layer.init(np.random.default_rng(0), (5, 4))
    layer.train(parameters, some(3, 5, 4), Counted(0, np.int64(1), "float64", "0"))
    assert sorted(drawn) == sorted([(3, 2, 5, 5), (3, 5, 4), (3, 5, 7), (3, 5, 4)])


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("space", [(), (2,), (2, 3)])
@pytest.mark.parametrize("mask", MASKS)
def test_a_mask_leaves_out_of_batch_norm_what_does_not_exist(mask, space, unbiased):
    layer = BatchNorm(unbiased=unbiased, momentum=0.75)
    x, exists = some(3, 5, *space, 4), MASKS[mask]
    parameters, _ = layer.init(np.random.default_rng(0), (5, *space, 4))
    parameters = {k: getattr(v, "value", v) for k, v in parameters.items()}
    draw = Draw(0, np.int64(1), "float64", "0")
    y, moved = layer.train(parameters, Masked(x, exists), draw)
    wanted, other = layer.train(parameters, x[exists], draw)
    np.testing.assert_allclose(y.values[exists], wanted, rtol=1e-12, atol=1e-12)
    for name in ("mean", "variance"):
        np.testing.assert_allclose(moved[name], other[name], rtol=1e-12)
