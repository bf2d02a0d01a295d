"""Costs of logarithms, worked by hand and held to the contract that every op keeps."""

import numpy as np
import op_checking
import pytest

from trainer import grad
from trainer.errors import ShapeError
from trainer_ops.costs import softmax_cross_entropy
from trainer_ops.likelihoods import COSTS, kl_divergence, negative_log_likelihood, poisson
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


ERRORS = [
    (
        lambda: negative_log_likelihood(np.ones((3, 2)), np.ones(3)),
        (
            "negative_log_likelihood takes log-probabilities (n, k) and class numbers (n,), which are integers: "
            "predictions are (3, 2) and targets (3,) of float64"
        ),
    ),
    (
        lambda: poisson(np.ones((3, 1)), np.ones(3)),
        "poisson compares element by element: predictions are (3, 1) and targets (3,); give both one shape",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_shapes_that_do_not_fit_are_explained(call, message):
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == message
