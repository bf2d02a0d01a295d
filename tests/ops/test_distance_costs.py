"""Costs of directions, triplets, quantiles and log cosh: by hand, against their definitions, and at their edges."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

from trainer import vjp
from trainer.errors import ShapeError
from trainer_ops import cosine, log_cosh, mean_absolute_error, pinball, triplet, triplet_margin

RNG = np.random.default_rng(5)


def slopes(cost: Any, predictions: Any, targets: Any, **options: Any) -> Any:
    y, pullback = vjp(lambda p: cost(p, targets, **options), predictions)
    return pullback(np.ones_like(y))[0]


# Cosine.


def test_cosine_runs_from_0_to_2_and_knows_no_length() -> None:
    t = np.array([[3.0, 4.0], [3.0, 4.0], [3.0, 4.0]])
    p = np.array([[6.0, 8.0], [-4.0, 3.0], [-0.3, -0.4]])
    np.testing.assert_allclose(cosine(p, t), [0, 1, 2], atol=1e-15)
    np.testing.assert_allclose(np.sum(slopes(cosine, p, t) * p, axis=1), 0, atol=1e-15)


def test_a_vector_of_zeros_costs_1_and_has_a_finite_slope() -> None:
    p, t = np.zeros((1, 2)), np.array([[3.0, 4.0]])
    assert cosine(p, t).tolist() == [1.0]
    np.testing.assert_allclose(slopes(cosine, p, t), [[-0.6e8, -0.8e8]], rtol=1e-14)
    assert slopes(cosine, t, p).tolist() == [[0.0, 0.0]]


def test_cosine_of_positions_is_their_mean() -> None:
    p, t = RNG.normal(size=(2, 3, 4, 2))
    np.testing.assert_allclose(cosine(p, t), cosine(p.reshape(12, 2), t.reshape(12, 2)).reshape(3, 4).mean(1))


# Triplets.


def test_triplets_take_the_farthest_friend_and_the_nearest_stranger() -> None:
    p, classes = RNG.normal(size=(12, 3)), RNG.integers(0, 3, 12)
    d = np.linalg.norm(p[:, None] - p, axis=2)
    expected = [max(0, 0.7 + max(d[i][classes == classes[i]]) - min(d[i][classes != classes[i]])) for i in range(12)]
    np.testing.assert_allclose(triplet(p, classes, margin=0.7), expected, rtol=1e-13)


def test_who_has_no_friend_or_no_stranger_in_the_batch_costs_nothing() -> None:
    p = RNG.normal(size=(4, 2))
    assert triplet(p, np.array([0, 1, 2, 3])).tolist() == [0] * 4
    assert triplet(p, np.array([1, 1, 1, 1])).tolist() == [0] * 4
    assert not slopes(triplet, p, np.array([1, 1, 1, 1])).any()


def test_triplets_of_equal_embeddings_have_finite_slopes() -> None:
    p, classes = np.ones((4, 2)), np.array([0, 0, 1, 1])
    assert triplet(p, classes).tolist() == [1.0] * 4
    assert slopes(triplet, p, classes).tolist() == np.zeros((4, 2)).tolist()


def test_a_given_triplet_is_as_on_paper() -> None:
    p = np.array([[[0.0, 0.0], [3.0, 4.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 1.0], [8.0, 6.0]]])
    assert triplet_margin(p, np.zeros(2)).tolist() == [1 + 5 - 2, 0.0]
    gradient = slopes(triplet_margin, p, np.zeros(2))
    np.testing.assert_allclose(gradient[0], [[-0.6, -0.8 + 1], [0.6, 0.8], [0, -1]], atol=1e-15)
    assert not gradient[1].any()


# Quantiles.


def test_pinball_is_scikit_learns() -> None:
    p, t = RNG.normal(size=(2, 7, 2))
    assert pinball(p, t, levels=0.8).mean() == pytest.approx(mean_pinball_loss(t, p, alpha=0.8), rel=1e-14)
    np.testing.assert_allclose(pinball(p, t), mean_absolute_error(p, t) / 2, rtol=1e-15)


def test_several_levels_lie_beside_each_other_for_each_target() -> None:
    p, t = RNG.normal(size=(7, 6)), RNG.normal(size=(7, 2))
    levels = [0.1, 0.5, 0.9]
    each = [pinball(p[:, i::3], t, levels=level) for i, level in enumerate(levels)]
    np.testing.assert_allclose(pinball(p, t, levels=levels), np.mean(each, axis=0), rtol=1e-14)


def test_pinball_is_least_at_the_quantile_and_flat_at_a_target() -> None:
    t = RNG.normal(size=(101, 1))
    best = np.quantile(t, 0.9)
    total = [pinball(np.full((101, 1), best + e), t, levels=0.9).sum() for e in (-0.1, 0.0, 0.1)]
    assert total[1] == min(total)
    assert slopes(pinball, np.ones((1, 2)), np.ones((1, 1)), levels=[0.2, 0.8]).tolist() == [[0.0, 0.0]]
    assert slopes(pinball, np.ones((1, 2), np.float32), np.zeros((1, 1), np.float32), levels=[0.2, 0.8]).dtype == "f4"


# log cosh.


def test_log_cosh_is_exact_near_0_and_far_out() -> None:
    e = np.array([[1e-3], [1.0], [1e3], [1e300]])
    expected = [0.5e-6 - 1e-12 / 12, np.log(np.cosh(1)), 1e3 - np.log(2), 1e300]
    np.testing.assert_allclose(log_cosh(e, 0 * e), expected, rtol=1e-12)
    np.testing.assert_allclose(log_cosh(-e, 0 * e), expected, rtol=1e-12)
    np.testing.assert_allclose(slopes(log_cosh, e, 0 * e), np.tanh(e), rtol=1e-15)


# Errors.

ERRORS = [
    (
        lambda: cosine(np.ones(3), np.ones(3)),
        "cosine compares the directions of vectors (n, k), and the predictions are (3,)",
    ),
    (
        lambda: triplet(np.ones((2, 3, 4)), np.zeros((2, 3), int)),
        "triplet takes embeddings (n, k), and the predictions are (2, 3, 4)",
    ),
    (
        lambda: triplet_margin(np.ones((4, 6)), np.ones(4)),
        (
            "triplet_margin takes embeddings (n, 3, k) of anchor, positive and negative: predictions are (4, 6); end "
            "the network in `reshape: [3, 2]`"
        ),
    ),
    (
        lambda: triplet_margin(np.ones((4, 2, 6)), np.ones(4)),
        "triplet_margin takes embeddings (n, 3, k) of anchor, positive and negative: predictions are (4, 2, 6)",
    ),
    (
        lambda: pinball(np.ones((4, 1)), np.ones((4, 1)), levels=[0.1, 0.9]),
        (
            "pinball with 2 levels takes predictions (n, 2k) of targets (n, k): predictions are (4, 1) and targets "
            "(4, 1); end the network in `dense: 2`"
        ),
    ),
    (
        lambda: pinball(np.ones((4, 1)), np.ones((4, 1)), levels=[]),
        "pinball: levels is an empty list; give at least one number between 0 and 1",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_what_does_not_fit_is_explained(call: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == message
