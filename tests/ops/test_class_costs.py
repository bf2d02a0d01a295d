"""Costs of classes: smoothing, positions of sequences, focal costs and hinges, by hand and by their definitions."""

from typing import Any

import numpy as np
import pytest

from trainer import grad, vjp
from trainer.errors import ShapeError
from trainer_ops import (
    categorical_hinge,
    log_softmax,
    multi_margin,
    negative_log_likelihood,
    sigmoid,
    sigmoid_cross_entropy,
    sigmoid_focal,
    softmax,
    softmax_cross_entropy,
    softmax_focal,
    squared_hinge,
)

RNG = np.random.default_rng(7)
Z, CLASSES = RNG.normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])
ONE_HOT = np.eye(4)[CLASSES]
OF_POSITIONS = [softmax_cross_entropy, softmax_focal, categorical_hinge, multi_margin, negative_log_likelihood]


def slopes(cost: Any, predictions: Any, targets: Any, **options: Any) -> Any:
    y, pullback = vjp(lambda p: cost(p, targets, **options), predictions)
    return pullback(np.ones_like(y))[0]


# Smoothing.


@pytest.mark.parametrize("targets", [CLASSES, ONE_HOT], ids=["classes", "probabilities"])
def test_smoothing_mixes_the_targets_with_the_uniform_distribution(targets: Any) -> None:
    smooth = 0.9 * ONE_HOT + 0.1 / 4
    expected = -np.sum(smooth * log_softmax(Z), axis=1)
    np.testing.assert_allclose(softmax_cross_entropy(Z, targets, smoothing=0.1), expected, rtol=1e-14)
    gradient = slopes(softmax_cross_entropy, Z, targets, smoothing=0.1)
    np.testing.assert_allclose(gradient, softmax(Z) - smooth, rtol=1e-13)


def test_smoothing_of_two_classes_halves_the_share() -> None:
    smooth = 0.9 * ONE_HOT + 0.05
    np.testing.assert_allclose(
        sigmoid_cross_entropy(Z, ONE_HOT, smoothing=0.1), sigmoid_cross_entropy(Z, smooth), rtol=1e-14
    )


def test_a_smoothing_of_0_changes_no_bit() -> None:
    for targets in (CLASSES, ONE_HOT):
        np.testing.assert_array_equal(
            softmax_cross_entropy(Z, targets, smoothing=0.0), softmax_cross_entropy(Z, targets)
        )


def test_smoothing_keeps_float32() -> None:
    gradient = slopes(softmax_cross_entropy, Z.astype(np.float32), CLASSES, smoothing=0.1)
    assert gradient.dtype == np.float32


# Positions.


@pytest.mark.parametrize("cost", OF_POSITIONS, ids=lambda c: c.name)
def test_a_sequence_costs_the_mean_of_its_positions(cost: Any) -> None:
    z, classes = RNG.normal(size=(3, 2, 4)), RNG.integers(0, 4, (3, 2))
    each = cost(z.reshape(6, 4), classes.reshape(6)).reshape(3, 2)
    np.testing.assert_allclose(cost(z, classes), each.mean(axis=1), rtol=1e-14)
    one = slopes(cost, z.reshape(6, 4), classes.reshape(6)).reshape(3, 2, 4)
    np.testing.assert_allclose(slopes(cost, z, classes), one / 2, rtol=1e-14)


@pytest.mark.parametrize("padding", [-1, -100])
@pytest.mark.parametrize("cost", OF_POSITIONS, ids=lambda c: c.name)
def test_a_position_without_a_class_counts_for_nothing(cost: Any, padding: int) -> None:
    z, classes = RNG.normal(size=(3, 4, 4)), RNG.integers(0, 4, (3, 4))
    classes[0, 2:], classes[1] = padding, padding
    wild = z.copy()
    wild[classes < 0] = 1e6
    found = cost(wild, classes)
    np.testing.assert_allclose(found[:1], cost(z[:1, :2], classes[:1, :2]), rtol=1e-14)
    assert found[1] == 0
    gradient = slopes(cost, wild, classes)
    assert not gradient[classes < 0].any()
    np.testing.assert_allclose(gradient[:1, :2], slopes(cost, z[:1, :2], classes[:1, :2]), rtol=1e-14)
    assert gradient[2].any()


def test_probabilities_of_positions_are_averaged_too() -> None:
    z, classes = RNG.normal(size=(3, 2, 4)), RNG.integers(0, 4, (3, 2))
    np.testing.assert_allclose(
        softmax_cross_entropy(z, np.eye(4)[classes]), softmax_cross_entropy(z, classes), rtol=1e-14
    )


# Focal.


def test_without_gamma_and_alpha_focal_costs_are_cross_entropies() -> None:
    np.testing.assert_allclose(softmax_focal(Z, CLASSES, gamma=0.0), softmax_cross_entropy(Z, CLASSES), rtol=1e-14)
    np.testing.assert_allclose(sigmoid_focal(Z, ONE_HOT, gamma=0.0), sigmoid_cross_entropy(Z, ONE_HOT), rtol=1e-14)


def test_focal_costs_are_those_of_the_paper() -> None:
    p = softmax(Z)[np.arange(5), CLASSES]
    alpha = [0.1, 0.2, 0.3, 0.4]
    expected = -np.array(alpha)[CLASSES] * (1 - p) ** 1.5 * np.log(p)
    np.testing.assert_allclose(softmax_focal(Z, CLASSES, gamma=1.5, alpha=alpha), expected, rtol=1e-13)
    p = np.where(ONE_HOT == 1, sigmoid(Z), 1 - sigmoid(Z))
    expected = np.mean(-np.where(ONE_HOT == 1, 0.25, 0.75) * (1 - p) ** 3 * np.log(p), axis=1)
    np.testing.assert_allclose(sigmoid_focal(Z, ONE_HOT, gamma=3.0, alpha=0.25), expected, rtol=1e-13)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("scale", [40.0, 1e4])
def test_focal_costs_and_slopes_are_finite_where_the_network_is_certain(gamma: float, scale: float) -> None:
    z = np.array([[1.0, -1.0], [-1.0, 1.0]]) * scale
    for cost, targets in ((softmax_focal, np.array([0, 0])), (sigmoid_focal, np.array([[1.0, 0.0], [1.0, 0.0]]))):
        values, gradient = cost(z, targets, gamma=gamma), slopes(cost, z, targets, gamma=gamma)
        assert np.isfinite(gradient).all()
        np.testing.assert_allclose(values, [0.0, scale if cost is sigmoid_focal else 2 * scale], atol=1e-15)


# Hinges.


def test_hinges_are_as_on_paper() -> None:
    p = np.array([[0.5, -2.0], [3.0, 0.0]])
    t = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert squared_hinge(p, t).tolist() == [0.125, (16 + 1) / 2]
    assert slopes(squared_hinge, p, t).tolist() == [[-0.5, 0.0], [4.0, -1.0]]
    scores, classes = np.array([[1.0, 0.5, 0.25], [0.0, 5.0, 3.0]]), np.array([0, 2])
    assert categorical_hinge(scores, classes).tolist() == [0.5, 3.0]
    assert slopes(categorical_hinge, scores, classes).tolist() == [[-1.0, 1.0, 0.0], [0.0, 1.0, -1.0]]
    np.testing.assert_allclose(multi_margin(scores, classes), [(0.5 + 0.25) / 3, 3 / 3], rtol=1e-15)
    np.testing.assert_allclose(3 * slopes(multi_margin, scores, classes), [[-2, 1, 1], [0, 1, -1]], rtol=1e-15)
    assert categorical_hinge(scores, classes, margin=0.25).tolist() == [0.0, 2.25]


# Errors.

ERRORS = [
    (
        lambda: softmax_focal(Z, CLASSES[:, None]),
        (
            "softmax_focal takes logits (n, k) and class numbers (n,), or (n, T, k) and (n, T): predictions are (5, 4) "
            "and targets (5, 1); right would be targets (5,)"
        ),
    ),
    (
        lambda: categorical_hinge(Z[:, 0], CLASSES),
        (
            "categorical_hinge takes scores (n, k) and class numbers (n,), or (n, T, k) and (n, T): predictions are "
            "(5,) and targets (5,)"
        ),
    ),
    (
        lambda: multi_margin(Z, CLASSES * 1.0),
        (
            "multi_margin: targets of shape (5,) are class numbers, which are integers, and these are float64; write "
            "targets.astype(int)"
        ),
    ),
    (
        lambda: softmax_focal(Z, CLASSES, alpha=[0.5, 0.5]),
        "softmax_focal: alpha lists 2 numbers for 4 classes; give one per class",
    ),
    (
        lambda: softmax_cross_entropy(np.zeros((2, 3, 4)), np.zeros((2, 4), int)),
        (
            "softmax_cross_entropy takes logits (n, k) and targets that are class numbers (n,) or probabilities "
            "(n, k): predictions are (2, 3, 4) and targets (2, 4); right would be targets (2, 3) or (2, 3, 4)"
        ),
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_targets_that_do_not_fit_are_explained(call: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == message


def test_an_example_of_one_class_has_no_gradient() -> None:
    assert grad(lambda z: np.sum(categorical_hinge(z, np.array([0]))))(np.array([[2.0]])).tolist() == [[0.0]]
    assert categorical_hinge(np.array([[2.0]]), np.array([0])).tolist() == [0.0]
