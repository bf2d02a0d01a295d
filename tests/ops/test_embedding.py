"""Rows looked up and summed by number, one-hot rows, and dropout, whose randomness is an argument."""

import numpy as np
import pytest

from trainer import grad, vjp
from trainer.errors import NotDifferentiableError, ShapeError
from trainer_ops.embeddings import embedding, one_hot, segment_mean, segment_sum
from trainer_ops.regularization import dropout

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("trailing", [(), (3,), (2, 3)])
def test_segment_sum_adds_what_shares_a_number(trailing):
    index = np.array([[0, 2, 2], [4, 0, 2]])
    values = RNG.normal(size=(2, 3, *trailing))
    want = np.zeros((5, *trailing))
    for place in np.ndindex(index.shape):
        want[index[place]] += values[place]
    np.testing.assert_allclose(segment_sum(values, index, count=5), want, atol=1e-14)
    counts = np.maximum(np.bincount(index.ravel(), minlength=5), 1).reshape(5, *(1,) * len(trailing))
    np.testing.assert_allclose(segment_mean(values, index, count=5), want / counts, atol=1e-14)


def test_the_gradient_of_a_row_is_summed_over_its_uses():
    table, index = RNG.normal(size=(4, 2)), np.array([1, 1, 3, -1])
    y, pullback = vjp(lambda t: embedding(t, index), table)
    np.testing.assert_array_equal(y, table[index])
    np.testing.assert_array_equal(pullback(np.ones_like(y))[0], [[0, 0], [2, 2], [0, 0], [2, 2]])


def test_single_precision_and_an_empty_index_pass():
    table = np.ones((4, 2), np.float32)
    for index in (np.array([1, 2]), np.zeros((0,), int), np.zeros((3, 0), int)):
        g = grad(lambda t, index=index: np.sum(embedding(t, index)))(table)
        assert (g.dtype, g.shape, g.sum()) == (np.float32, (4, 2), 2 * index.size)


def test_one_hot_is_embedding_of_the_identity():
    index = np.array([[2, 0], [1, 2]])
    np.testing.assert_array_equal(one_hot(index, classes=3), embedding(np.eye(3), index))
    assert one_hot(index, classes=3, dtype="float32").dtype == np.float32
    assert not one_hot(np.array([3, -1]), classes=3).any()


def test_dropout_keeps_what_its_numbers_say_and_the_mean():
    x, uniform = np.ones((100, 100)), RNG.random((100, 100))
    y, pullback = vjp(lambda x: dropout(x, uniform, rate=0.25), x)
    np.testing.assert_array_equal(y != 0, uniform >= 0.25)
    assert abs(y.mean() - 1) < 0.02
    np.testing.assert_array_equal(pullback(x)[0], y)
    np.testing.assert_array_equal(dropout(x, uniform, rate=0.0), x)
    assert not dropout(x, uniform, rate=1.0).any()


def test_dropout_of_single_precision_stays_and_drops_whole_channels():
    x = np.ones((2, 4, 4, 3), np.float32)
    y = dropout(x, RNG.random((2, 1, 1, 3)))
    assert y.dtype == np.float32
    assert all(len(np.unique(y[n, ..., c])) == 1 for n in range(2) for c in range(3))


ERRORS = [
    (
        lambda: embedding(np.ones((3, 2)), np.ones(4)),
        "embedding counts rows with integers, and the index is float64; write index.astype(int)",
    ),
    (
        lambda: segment_sum(np.ones((3, 2)), np.array([0, 1]), count=2),
        "segment_sum takes values whose first axes are the index's: values are (3, 2) and index (2,)",
    ),
    (
        lambda: segment_sum(np.ones(3), np.array([0, 1, 5]), count=2),
        "segment_sum has count=2 segments, and the index runs from 0 to 5",
    ),
    (lambda: dropout(np.ones(3), np.ones(3), rate=1.5), "dropout: rate=1.5 must lie between 0 and 1"),
    (
        lambda: dropout(np.ones(3), np.ones((2, 3))),
        "dropout: uniform is (2, 3), which does not broadcast to the shape of x, (3,)",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_what_does_not_fit_is_explained(call, message):
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == message


def test_random_numbers_have_no_gradient():
    with pytest.raises(NotDifferentiableError, match="input 'uniform' of op 'dropout' is not differentiable"):
        grad(lambda u: np.sum(dropout(np.ones(3), u)))(np.full(3, 0.7))
