"""Attention against a loop over queries, and its edges: masks of both kinds, rows that may look nowhere."""

import math

import numpy as np
import pytest

from trainer import Tensor, grad, vjp
from trainer.errors import ShapeError
from trainer_ops.attention import masked_softmax, scaled_dot_product_attention

RNG = np.random.default_rng(0)
Q, K, V = RNG.normal(size=(2, 3, 4, 5)), RNG.normal(size=(2, 3, 6, 5)), RNG.normal(size=(2, 3, 6, 7))


def by_hand(q, k, v, keep, added=0.0):
    """One query at a time over the keys that it may see."""
    y = np.zeros((*q.shape[:-1], v.shape[-1]))
    keep, added = (
        np.broadcast_to(keep, (*q.shape[:-1], k.shape[-2])),
        np.broadcast_to(added, (*q.shape[:-1], k.shape[-2])),
    )
    for place in np.ndindex(q.shape[:-1]):
        seen = np.flatnonzero(keep[place])
        if seen.size:
            scores = k[place[:-1]][seen] @ q[place] / math.sqrt(q.shape[-1]) + added[place][seen]
            weights = np.exp(scores)
            y[place] = weights / weights.sum() @ v[place[:-1]][seen]
    return y


def test_every_query_takes_the_weighted_mean_of_the_values():
    np.testing.assert_allclose(scaled_dot_product_attention(Q, K, V), by_hand(Q, K, V, True), atol=1e-12)


def test_masks_of_bools_and_of_minus_infinities_agree():
    keep = RNG.random((2, 1, 4, 6)) < 0.6
    keep[0, 0, 1] = False  # a query that may look nowhere
    want = by_hand(Q, K, V, keep)
    added = np.where(keep, 0, -np.inf)
    for mask in (keep, added):
        y, pullback = vjp(lambda q, k, v, mask=mask: scaled_dot_product_attention(q, k, v, mask), Q, K, V)
        np.testing.assert_allclose(y, want, atol=1e-12)
        dq, dk, dv = pullback(np.ones_like(y))
        assert all(np.isfinite(g).all() for g in (dq, dk, dv))
        assert not y[0, :, 1].any()
        assert not dq[0, :, 1].any()


def test_numbers_that_are_added_can_be_learnt():
    bias = RNG.normal(size=(3, 4, 6))
    np.testing.assert_allclose(scaled_dot_product_attention(Q, K, V, bias), by_hand(Q, K, V, True, bias), atol=1e-12)
    assert grad(lambda b: np.sum(scaled_dot_product_attention(Q, K, V, b) ** 2))(bias).shape == bias.shape


def test_causal_queries_see_no_later_key():
    keep = np.tri(4, 6, dtype=bool)
    np.testing.assert_allclose(scaled_dot_product_attention(Q, K, V, causal=True), by_hand(Q, K, V, keep), atol=1e-12)
    mask = RNG.random((4, 6)) < 0.7
    np.testing.assert_allclose(
        scaled_dot_product_attention(Q, K, V, mask, causal=True), by_hand(Q, K, V, keep & mask), atol=1e-12
    )
    dv = grad(lambda v: np.sum(scaled_dot_product_attention(Q, K, v, causal=True)))(V)
    assert not dv[:, :, 4:].any()


def test_one_head_of_keys_serves_many_of_queries():
    k, v = K[:, :1], V[:, :1]
    y, pullback = vjp(scaled_dot_product_attention, Q, k, v)
    np.testing.assert_allclose(y, by_hand(Q, np.repeat(k, 3, axis=1), np.repeat(v, 3, axis=1), True), atol=1e-12)
    assert [g.shape for g in pullback(np.ones_like(y))] == [Q.shape, k.shape, v.shape]


def test_scores_of_any_size_do_not_overflow():
    y = scaled_dot_product_attention(1e4 * Q, 1e4 * K, V)
    assert np.isfinite(y).all()


def test_the_weights_are_not_kept():
    q, k, v = (Tensor(a.astype(np.float32)) for a in (Q, K, V))
    y = scaled_dot_product_attention(q, k, v)
    assert y.dtype == np.float32
    kept = [a for a in y._node.residuals if isinstance(a, np.ndarray)]
    assert sum(a.nbytes for a in kept) == sum(t.value.nbytes for t in (q, k, v))


def test_masked_softmax_is_softmax_over_what_is_kept():
    x, keep = RNG.normal(size=(3, 5)), np.array([True, False, True, True, False])
    y = masked_softmax(x, keep)
    np.testing.assert_allclose(y[:, keep], np.exp(x[:, keep]) / np.exp(x[:, keep]).sum(axis=1, keepdims=True))
    assert not y[:, ~keep].any()
    assert not masked_softmax(np.full(3, -np.inf)).any()
    x[0, 1] = np.nan  # behind the mask
    assert np.isfinite(masked_softmax(x, keep)).all()


def test_operations_count_both_products():
    n = scaled_dot_product_attention.count_operations([(2, 4, 5), (2, 6, 5), (2, 6, 7)], (2, 4, 7))
    assert n == 2 * 4 * 6 * (2 * 5 + 2 * 7 + 5)


def test_shapes_that_do_not_fit_are_explained():
    with pytest.raises(ShapeError) as caught:
        scaled_dot_product_attention(Q, K, Q)
    assert str(caught.value) == (
        "attention takes query (…, l, e), key (…, s, e) and value (…, s, v) with e ≥ 1, whose leading axes broadcast; "
        "query is (2, 3, 4, 5), key (2, 3, 6, 5) and value (2, 3, 4, 5)"
    )
    with pytest.raises(ShapeError) as caught:
        scaled_dot_product_attention(Q, K, V, np.ones((6, 4), bool))
    assert str(caught.value) == "the mask is (6, 4), which does not broadcast to the scores' shape (2, 3, 4, 6)"
