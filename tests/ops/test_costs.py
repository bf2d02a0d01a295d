"""Costs: worked by hand, fused = unfused, stable, and strict about shapes."""

from typing import Any

import numpy as np
import pytest

from trainer import grad, vjp
from trainer.errors import ShapeError
from trainer_ops import (
    COSTS,
    hinge,
    huber,
    mean_absolute_error,
    mean_squared_error,
    sigmoid,
    sigmoid_cross_entropy,
    softmax,
    softmax_cross_entropy,
)

P = np.array([[1.0, 3.0], [0.0, -2.0]])
T = np.array([[0.0, 1.0], [0.0, 2.0]])


def slopes(cost: Any, predictions: Any, targets: Any, **options: Any) -> Any:
    """∂C_i/∂predictions_i, example by example."""
    y, pullback = vjp(lambda p: cost(p, targets, **options), predictions)
    return pullback(np.ones_like(y))[0]


@pytest.mark.parametrize(
    ("cost", "options", "costs", "gradient"),
    [
        (mean_squared_error, {}, [(1 + 4) / 2, (0 + 16) / 2], [[1, 2], [0, -4]]),
        (mean_absolute_error, {}, [1.5, 2.0], [[0.5, 0.5], [0, -0.5]]),
        (huber, {}, [(0.5 + 1.5) / 2, 3.5 / 2], [[0.5, 0.5], [0, -0.5]]),
        (huber, {"delta": 3.0}, [(0.5 + 2.0) / 2, 7.5 / 2], [[0.5, 1.0], [0, -1.5]]),
    ],
)
def test_error_of_values_is_as_on_paper(cost: Any, options: Any, costs: Any, gradient: Any) -> None:
    np.testing.assert_allclose(cost(P, T, **options), costs, rtol=1e-15)
    np.testing.assert_allclose(slopes(cost, P, T, **options), gradient, rtol=1e-15)


def test_hinge_is_as_on_paper() -> None:
    predictions, targets = np.array([[0.5], [-2.0], [3.0]]), np.array([[1.0], [-1.0], [-1.0]])
    assert hinge(predictions, targets).tolist() == [0.5, 0.0, 4.0]
    assert slopes(hinge, predictions, targets).tolist() == [[-1.0], [0.0], [1.0]]


def test_cross_entropy_of_two_equal_logits_is_log_2() -> None:
    assert softmax_cross_entropy(np.zeros((1, 2)), np.array([1])) == pytest.approx(np.log(2), rel=1e-15)
    assert sigmoid_cross_entropy(np.zeros((1, 1)), np.ones((1, 1))) == pytest.approx(np.log(2), rel=1e-15)


def test_fused_cross_entropies_equal_the_unfused() -> None:
    rng = np.random.default_rng(0)
    z, classes = rng.normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])
    one_hot = (classes[:, None] == np.arange(4)) * 1.0
    unfused = -np.log(softmax(z)[np.arange(5), classes])
    np.testing.assert_allclose(softmax_cross_entropy(z, classes), unfused, rtol=1e-14)
    np.testing.assert_allclose(softmax_cross_entropy(z, one_hot), unfused, rtol=1e-14)
    np.testing.assert_allclose(slopes(softmax_cross_entropy, z, classes), softmax(z) - one_hot, rtol=1e-14)
    np.testing.assert_allclose(slopes(softmax_cross_entropy, z, one_hot), softmax(z) - one_hot, rtol=1e-14)
    p = sigmoid(z)
    unfused = -np.mean(one_hot * np.log(p) + (1 - one_hot) * np.log(1 - p), axis=1)
    np.testing.assert_allclose(sigmoid_cross_entropy(z, one_hot), unfused, rtol=1e-14)
    np.testing.assert_allclose(slopes(sigmoid_cross_entropy, z, one_hot), (p - one_hot) / 4, rtol=1e-13)


@pytest.mark.parametrize("scale", [1e3, 1e30])
def test_cross_entropies_are_finite_for_huge_logits(scale: float) -> None:
    z = np.array([[1.0, -1.0], [-1.0, 1.0]]) * scale
    for cost, targets in ((softmax_cross_entropy, np.array([1, 1])), (sigmoid_cross_entropy, np.eye(2))):
        assert np.isfinite(cost(z, targets)).all()
        assert np.isfinite(slopes(cost, z, targets)).all()
    assert softmax_cross_entropy(z, np.array([1, 1])).tolist() == [2 * scale, 0.0]


@pytest.mark.parametrize("cost", COSTS, ids=lambda c: c.name)
def test_cost_is_per_example_and_keeps_float32(cost: Any) -> None:
    for arrays, options in cost.sample_calls(np.random.default_rng(0)):
        single = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in arrays]
        y = cost(*single, **options)
        assert y.shape == single[0].shape[:1]
        assert y.dtype == np.float32
        mean = grad(lambda p, t=single[1], o=options: np.mean(cost(p, t, **o)))
        assert mean(single[0]).dtype == np.float32


REFUSALS = [
    (mean_squared_error, (4, 1), (4,), "; reshape the targets to (4, 1): targets[:, None]"),
    (huber, (4, 3), (4,),
     "; the network has 3 outputs where the targets have one per example: end it in `dense: 1`"),
    (mean_absolute_error, (4, 3), (4, 2),
     "; the network has 3 outputs where the targets have 2: end it in `dense: 2`"),
    (hinge, (4, 1), (5, 1), "; one of them has 4 examples, the other 5"),
    (mean_squared_error, (4, 3, 2), (4, 6), "; give both the same shape"),
    (sigmoid_cross_entropy, (), (), "; both need an axis of examples, (n, ...)"),
]  # fmt: skip


@pytest.mark.parametrize(("cost", "predictions", "targets", "hint"), REFUSALS)
def test_cost_refuses_to_broadcast(cost: Any, predictions: Any, targets: Any, hint: str) -> None:
    with pytest.raises(ShapeError) as refused:
        cost(np.zeros(predictions), np.zeros(targets))
    shapes = f"predictions are {predictions} and targets {targets}"
    assert str(refused.value) == f"{cost.name} compares element by element: {shapes}{hint}"


def test_softmax_cross_entropy_says_what_targets_it_takes() -> None:
    with pytest.raises(ShapeError) as refused:
        softmax_cross_entropy(np.zeros((4, 3)), np.zeros((4, 1)))
    assert str(refused.value) == (
        "softmax_cross_entropy takes logits (n, k) and targets that are class numbers (n,) or probabilities (n, k): "
        "predictions are (4, 3) and targets (4, 1); right would be targets (4,) or (4, 3)"
    )
    with pytest.raises(ShapeError) as refused:
        softmax_cross_entropy(np.zeros((4, 3)), np.zeros(4))
    assert str(refused.value) == (
        "softmax_cross_entropy: targets of shape (4,) are class numbers, which are integers, and these are float64; "
        "write targets.astype(int), or give probabilities of shape (4, 3)"
    )


def test_every_cost_says_what_targets_it_takes() -> None:
    assert {traits["targets"] for traits in COSTS.values()} == {"classes", "binary", "signs", "values"}
