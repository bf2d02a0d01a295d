"""Costs of logarithms, worked by hand and held to the contract that every op keeps."""

import numpy as np
import pytest
import scipy.stats

from tests.ops import op_checking
from trainer import grad
from trainer.errors import ShapeError
from trainer_ops.costs import softmax_cross_entropy
from trainer_ops.likelihoods import COSTS, gaussian, kl_divergence, negative_log_likelihood, poisson
from trainer_ops.softmaxes import log_softmax, softmax

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("cost", COSTS, ids=lambda c: c.name)
def test_each_cost_keeps_the_contract_of_every_op(cost):
    assert op_checking.check(cost)
    assert all(cost.forward(*a).shape == (len(a[0]),) for a, _ in cost.sample_calls(RNG))


def test_the_likelihood_of_a_softmax_is_the_cross_entropy():
    z, t = RNG.normal(size=(5, 3)), np.array([0, 2, 1, 1, 0])
    np.testing.assert_allclose(negative_log_likelihood(log_softmax(z), t), softmax_cross_entropy(z, t))
    through = grad(lambda z: np.sum(negative_log_likelihood(log_softmax(z), t)))(z)
    np.testing.assert_allclose(through, grad(lambda z: np.sum(softmax_cross_entropy(z, t)))(z), atol=1e-14)


def test_divergence_is_zero_between_equals_and_takes_targets_of_zero():
    z = RNG.normal(size=(4, 3))
    np.testing.assert_allclose(kl_divergence(log_softmax(z), softmax(z)), 0, atol=1e-15)
    certain = np.eye(3)[[0, 2]]
    np.testing.assert_allclose(kl_divergence(log_softmax(z[:2]), certain), -log_softmax(z[:2])[certain == 1])


def test_poisson_is_least_where_the_rate_is_the_count():
    t = np.array([[1.0], [4.0]])
    np.testing.assert_allclose(grad(lambda p: np.sum(poisson(p, t)))(np.log(t)), 0, atol=1e-15)


def test_gaussian_is_the_logarithm_of_a_density():
    m, s, t = RNG.normal(size=(3, 5, 2))
    expected = -scipy.stats.norm.logpdf(t, m, np.exp(s / 2)) - np.log(2 * np.pi) / 2
    np.testing.assert_allclose(gaussian(np.concatenate([m, s], axis=1), t), expected.mean(axis=1), rtol=1e-13)


def test_divergence_and_likelihood_are_means_over_positions():
    z, t = RNG.normal(size=(2, 3, 4)), np.array([[0, 1, 2], [3, -1, 0]])
    kept = [[0, 1, 2], [0, 2]]
    expected = [np.mean([-log_softmax(z[i])[j, t[i, j]] for j in kept[i]]) for i in range(2)]
    np.testing.assert_allclose(negative_log_likelihood(log_softmax(z), t), expected, rtol=1e-14)
    q = softmax(RNG.normal(size=(2, 3, 4)))
    expected = [np.mean(kl_divergence(log_softmax(z[i]), q[i])) for i in range(2)]
    np.testing.assert_allclose(kl_divergence(log_softmax(z), q), expected, rtol=1e-13)


ERRORS = [
    (
        lambda: negative_log_likelihood(np.ones((3, 2)), np.ones(3)),
        (
            "negative_log_likelihood: targets of shape (3,) are class numbers, which are integers, and these are "
            "float64; write targets.astype(int)"
        ),
    ),
    (
        lambda: poisson(np.ones((3, 1)), np.ones(3)),
        (
            "poisson compares element by element: predictions are (3, 1) and targets (3,); reshape the targets to "
            "(3, 1): targets[:, None]"
        ),
    ),
    (
        lambda: gaussian(np.ones((3, 2)), np.ones((3, 2))),
        (
            "gaussian takes means and logarithms of variances (n, 2k) of targets (n, k): predictions are (3, 2) and "
            "targets (3, 2); end the network in `dense: 4`"
        ),
    ),
    (
        lambda: gaussian(np.ones((3, 2)), np.ones(3)),
        (
            "gaussian takes means and logarithms of variances (n, 2k) of targets (n, k): predictions are (3, 2) and "
            "targets (3,)"
        ),
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_shapes_that_do_not_fit_are_explained(call, message):
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == message
