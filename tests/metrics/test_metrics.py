"""Metrics: scikit-learn's numbers from every encoding of the targets, and a definite answer where there is none."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import sklearn.metrics as sk
from numpy.testing import assert_allclose
from scipy.special import expit, softmax

from trainer import metrics
from trainer.errors import ShapeError, UsageError
from trainer.metrics import (
    accuracy,
    average_precision,
    balanced_accuracy,
    confusion_matrix,
    f1,
    log_loss,
    max_error,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    nearest_neighbour_accuracy,
    perplexity,
    precision,
    r2,
    recall,
    roc_auc,
    root_mean_squared_error,
    top_k_accuracy,
)
from trainer.plugins import shared
from trainer.plugins.traits import MetricTraits

RNG = np.random.default_rng(11)
CLASSES = RNG.integers(0, 4, 60)
SCORES = RNG.normal(size=(60, 4)) + np.eye(4)[CLASSES]
PREDICTED, PROBABILITIES = SCORES.argmax(1), softmax(SCORES, axis=1)
BINARY = RNG.integers(0, 2, 50)
LOGITS = RNG.normal(size=(50, 1)) + BINARY[:, None]
GUESSES = (LOGITS[:, 0] > 0).astype(int)
VALUES = RNG.normal(size=(40, 3))
ESTIMATES = VALUES + RNG.normal(size=(40, 3)) / 2

# Encodings.

OF_CLASSES = {
    "class numbers": (SCORES, CLASSES),
    "one-hot rows": (SCORES, np.eye(4)[CLASSES]),
    "positions": (SCORES.reshape(12, 5, 4), CLASSES.reshape(12, 5)),
    "one-hot positions": (SCORES.reshape(12, 5, 4), np.eye(4)[CLASSES].reshape(12, 5, 4)),
    "padded positions": (
        np.concatenate([SCORES.reshape(12, 5, 4), np.ones((12, 2, 4))], axis=1),
        np.concatenate([CLASSES.reshape(12, 5), np.full((12, 2), -1)], axis=1),
    ),
}
OF_TWO = {
    "a column of 0 and 1": (LOGITS, BINARY[:, None] * 1.0),
    "a column of -1 and 1": (LOGITS, BINARY[:, None] * 2.0 - 1),
    "one axis": (LOGITS[:, 0], BINARY * 1.0),
    "class numbers of one output": (LOGITS, BINARY),
    "class numbers of two outputs": (LOGITS * [[-0.5, 0.5]], BINARY),
    "one-hot rows": (LOGITS * [[-0.5, 0.5]], np.eye(2)[BINARY]),
}


@pytest.mark.parametrize("encoding", OF_CLASSES)
def test_four_classes_are_scored_as_by_scikit_learn(encoding):
    p, t = OF_CLASSES[encoding]
    assert accuracy(p, t) == sk.accuracy_score(CLASSES, PREDICTED)
    assert_allclose(balanced_accuracy(p, t), sk.balanced_accuracy_score(CLASSES, PREDICTED), rtol=1e-14)
    np.testing.assert_array_equal(confusion_matrix(p, t), sk.confusion_matrix(CLASSES, PREDICTED))
    for k in (1, 2, 3):
        assert top_k_accuracy(p, t, k=k) == sk.top_k_accuracy_score(CLASSES, SCORES, k=k)
    for ours, theirs in ((precision, sk.precision_score), (recall, sk.recall_score), (f1, sk.f1_score)):
        assert ours(p, t) == theirs(CLASSES, PREDICTED, average="macro")
        for average in ("macro", "micro", "weighted"):
            assert ours(p, t, average=average) == theirs(CLASSES, PREDICTED, average=average)
    assert_allclose(log_loss(p, t), sk.log_loss(CLASSES, PROBABILITIES), rtol=1e-12)
    assert_allclose(perplexity(p, t), np.exp(sk.log_loss(CLASSES, PROBABILITIES)), rtol=1e-12)
    one_hot = np.eye(4)[CLASSES]
    for average in ("macro", "weighted"):
        auc = sk.roc_auc_score(CLASSES, PROBABILITIES, multi_class="ovr", average=average)
        assert_allclose(roc_auc(p, t, average=average), auc, rtol=1e-14)
        area = sk.average_precision_score(one_hot, PROBABILITIES, average=average)
        assert_allclose(average_precision(p, t, average=average), area, rtol=1e-14)


@pytest.mark.parametrize("encoding", OF_TWO)
def test_two_classes_are_scored_as_by_scikit_learn(encoding):
    p, t = OF_TWO[encoding]
    assert accuracy(p, t) == sk.accuracy_score(BINARY, GUESSES)
    assert_allclose(balanced_accuracy(p, t), sk.balanced_accuracy_score(BINARY, GUESSES), rtol=1e-14)
    assert top_k_accuracy(p, t, k=1) == accuracy(p, t)
    np.testing.assert_array_equal(confusion_matrix(p, t), sk.confusion_matrix(BINARY, GUESSES))
    for ours, theirs in ((precision, sk.precision_score), (recall, sk.recall_score), (f1, sk.f1_score)):
        assert ours(p, t) == theirs(BINARY, GUESSES)
        assert ours(p, t, average="macro") == theirs(BINARY, GUESSES, average="macro")
    assert_allclose(roc_auc(p, t), sk.roc_auc_score(BINARY, LOGITS), rtol=1e-14)
    assert_allclose(average_precision(p, t), sk.average_precision_score(BINARY, LOGITS), rtol=1e-14)
    assert_allclose(log_loss(p, t), sk.log_loss(BINARY, expit(LOGITS)), rtol=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), [
    (r2, sk.r2_score),
    (mean_absolute_error, sk.mean_absolute_error),
    (mean_squared_error, sk.mean_squared_error),
    (root_mean_squared_error, sk.root_mean_squared_error),
    (mean_absolute_percentage_error, sk.mean_absolute_percentage_error),
])  # fmt: skip
def test_values_are_scored_as_by_scikit_learn(ours, theirs):
    for part in (slice(None), slice(0, 1)):
        assert_allclose(
            ours(ESTIMATES[:, part], VALUES[:, part]), theirs(VALUES[:, part], ESTIMATES[:, part]), rtol=1e-13
        )
    assert_allclose(ours(ESTIMATES[:, 0], VALUES[:, 0]), theirs(VALUES[:, 0], ESTIMATES[:, 0]), rtol=1e-13)


def test_the_largest_error_is_that_of_any_output():
    assert max_error(ESTIMATES[:, :1], VALUES[:, :1]) == sk.max_error(VALUES[:, 0], ESTIMATES[:, 0])
    assert max_error(ESTIMATES, VALUES) == np.max(np.abs(ESTIMATES - VALUES))


def test_a_target_of_zero_has_a_percentage_error_as_in_scikit_learn():
    t, p = np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]])
    assert mean_absolute_percentage_error(p, t) == sk.mean_absolute_percentage_error(t, p)


# By hand.


def test_of_equal_scores_the_first_class_leads_at_every_k():
    p, t = np.zeros((3, 4)), np.array([0, 1, 3])
    assert [top_k_accuracy(p, t, k=k) for k in (1, 2, 3)] == [1 / 3, 2 / 3, 2 / 3]
    assert top_k_accuracy(p, t, k=1) == accuracy(p, t)


def test_perplexity_is_over_all_positions_together():
    p = np.log(np.array([[[0.5, 0.5], [0.25, 0.75]], [[0.1, 0.9], [0.5, 0.5]]]))
    t = np.array([[0, 0], [1, -1]])
    assert_allclose(perplexity(p, t), (0.5 * 0.25 * 0.9) ** (-1 / 3), rtol=1e-14)
    assert perplexity(np.array([[0.0, 1e4]]), np.array([0])) == np.inf


def test_the_nearest_neighbour_is_never_oneself_nor_lost_between_blocks():
    p, t = RNG.normal(size=(1500, 3)), RNG.integers(0, 3, 1500)
    distances = np.linalg.norm(p[:, None] - p, axis=2) + np.diag(np.full(1500, np.inf))
    assert nearest_neighbour_accuracy(p, t) == np.mean(t[distances.argmin(1)] == t)
    assert nearest_neighbour_accuracy(p, np.eye(3)[t]) == nearest_neighbour_accuracy(p, t)
    assert nearest_neighbour_accuracy(p + 1e9, t) > 0.3  # far from the origin products lose digits, not their meaning


# Where there is nothing to divide by.


def test_a_class_that_is_never_predicted_or_never_there_counts_as_0():
    p, t = np.array([[-1.0], [-2.0]]), np.array([[1.0], [1.0]])
    assert (precision(p, t), recall(p, t), f1(p, t)) == (0.0, 0.0, 0.0)
    assert recall(p, np.zeros((2, 1))) == 0.0
    assert f1(np.array([[2.0, 1, 0], [2.0, 1, 0]]), np.array([0, 1])) == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize("metric", [roc_auc, average_precision])
def test_without_every_class_among_the_targets_there_is_no_curve(metric):
    assert np.isnan(metric(LOGITS[:2], np.ones((2, 1))))
    assert np.isnan(metric(SCORES[:3], np.array([0, 1, 2])))


def test_where_no_position_has_a_class_every_number_is_nan():
    p, t = np.zeros((2, 3, 4)), np.full((2, 3), -1)
    numbers = [m(p, t) for m in (accuracy, balanced_accuracy, precision, recall, f1, roc_auc, log_loss, perplexity)]
    assert np.isnan(numbers).all()
    assert np.isnan(nearest_neighbour_accuracy(np.zeros((1, 2)), np.array([0])))
    assert confusion_matrix(p, t).tolist() == np.zeros((4, 4)).tolist()


# What is registered.


@pytest.mark.parametrize("name", shared().all("metrics"))
def test_every_metric_takes_two_rows_of_either_precision(name):
    component = shared().get("metrics", name)
    options = {"k": 2} if name == "top_k_accuracy" else {}
    traits = MetricTraits.of(component)
    for p, t in [(SCORES[:2], CLASSES[:2]) if traits.task == "classification" else (ESTIMATES[:2], VALUES[:2])]:
        value = component.build(**options)(p.astype(np.float32), t if t.dtype.kind == "i" else t.astype(np.float32))
        if traits.report:
            assert value.shape == (4, 4)
        else:
            assert type(value) is float
        assert_allclose(value, component.build(**options)(p, t), rtol=1e-5)


def test_the_ones_that_ship_are_registered_once():
    ships = [*metrics.CLASSIFICATION, *metrics.LABELS, *metrics.REGRESSION, *metrics.REPORTS]
    assert {m.__name__ for m in ships} <= set(shared().all("metrics"))
    assert {m.__name__ for m in ships} == set(metrics.__all__) - {"CLASSIFICATION", "LABELS", "REGRESSION", "REPORTS"}


def test_scikit_learn_is_not_imported_before_it_is_needed():
    code = (
        "import sys, numpy as np, trainer.metrics as m\n"
        "p, t = np.eye(3), np.array([0, 1, 2])\n"
        "m.accuracy(p, t), m.top_k_accuracy(p, t, k=1), m.log_loss(p, t), m.confusion_matrix(p, t), m.r2(p, p)\n"
        "assert not {'sklearn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Errors.

ERRORS = [
    (
        lambda: accuracy(SCORES, CLASSES[:, None]),
        ShapeError,
        (
            "accuracy takes predictions (n, k) with class numbers (n,), which are integers, or predictions and targets "
            "of one shape: predictions are (60, 4) and targets (60, 1) of int64"
        ),
    ),
    (
        lambda: f1(SCORES, CLASSES * 1.0),
        ShapeError,
        (
            "f1 takes predictions (n, k) with class numbers (n,), which are integers, or predictions and targets of "
            "one shape: predictions are (60, 4) and targets (60,) of float64"
        ),
    ),
    (
        lambda: r2(ESTIMATES, VALUES[:, :1]),
        ShapeError,
        "r2 compares element by element: predictions are (40, 3) and targets (40, 1)",
    ),
    (
        lambda: nearest_neighbour_accuracy(SCORES[:2], CLASSES),
        ShapeError,
        (
            "nearest_neighbour_accuracy takes embeddings (n, k) and a class for each: predictions are (2, 4) and "
            "targets (60,)"
        ),
    ),
    (
        lambda: top_k_accuracy(SCORES, CLASSES),
        UsageError,
        "top_k_accuracy of k=5 among 4 classes is always 1; choose a k below 4",
    ),
    (
        lambda: recall(SCORES, CLASSES, average="binary"),
        UsageError,
        "recall with average: binary is of two classes, and there are 4; say macro, micro or weighted",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS)
def test_what_cannot_be_scored_is_explained(call, kind, message):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == message


HOLED = np.where(np.arange(60)[:, None] == 7, np.nan, SCORES)


def test_a_row_without_a_number_is_never_right():
    assert accuracy(np.array([[np.nan, 1.0], [0.0, 1.0]]), np.array([0, 1])) == 0.5
    assert accuracy(np.array([[np.nan], [-1.0]]), np.array([[0.0], [0.0]])) == 0.5
    right = PREDICTED == CLASSES
    right[7] = False
    assert_allclose(accuracy(HOLED, CLASSES), right.mean())
    assert top_k_accuracy(np.array([[np.nan, 1.0, 0.0]]), np.array([1]), k=2) == 0
    recalls = [right[k == CLASSES].mean() for k in range(4)]
    assert_allclose(balanced_accuracy(HOLED, CLASSES), np.mean(recalls))
    assert confusion_matrix(HOLED, CLASSES).sum() == 59


@pytest.mark.parametrize("metric", [precision, recall, f1, roc_auc, average_precision, log_loss, perplexity])
def test_a_share_of_predictions_of_which_one_is_missing_is_nan(metric):
    assert np.isnan(metric(HOLED, CLASSES))
    assert np.isnan(metric(np.where(np.arange(50)[:, None] == 3, np.nan, LOGITS), BINARY[:, None]))


@pytest.mark.parametrize("metric", [roc_auc, average_precision])
def test_ranks_do_not_tie_where_probabilities_round_to_one(metric):
    logits, classes = np.array([[60.0, 0, 0], [40, 0, 0], [0, 1, 0], [0, 0, 1]]), np.array([0, 1, 1, 2])
    assert_allclose(metric(logits, classes), metric(logits / 10, classes))


def test_a_single_row_has_no_coefficient_of_determination():
    assert np.isnan(r2(np.ones((1, 2)), np.ones((1, 2))))


@pytest.mark.parametrize("metric", [roc_auc, average_precision])
def test_two_columns_rank_by_their_difference(metric):
    scores = RNG.normal(size=(50, 2)) * [1, 5]
    assert_allclose(metric(scores, BINARY), metric(scores[:, 1:] - scores[:, :1], BINARY[:, None]))
    assert metric(scores, BINARY) != metric(scores[:, 1:], BINARY[:, None])


@pytest.mark.parametrize("column", [lambda t: t[:, None], lambda t: 2 * t[:, None] - 1, lambda t: t])
def test_a_single_score_of_zero_is_class_0(column):
    scores, classes = np.array([[0.0], [-0.0], [1e-300], [-1e-300]]), np.array([0, 0, 1, 0])
    assert accuracy(scores, column(classes)) == 1.0
    assert confusion_matrix(scores, column(classes)).tolist() == [[3, 0], [0, 1]]


@pytest.mark.filterwarnings("ignore:y_pred contains")  # scikit-learn tells of what is asked here
def test_the_recall_of_a_class_is_that_of_one_that_occurs():
    scores, classes = np.eye(4)[[0, 0, 3, 1]], np.array([0, 0, 3, 3])
    assert (
        balanced_accuracy(scores, classes) == sk.balanced_accuracy_score(classes, [0, 0, 3, 1], adjusted=False) == 0.75
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("off", [0.0, 1.0])
def test_targets_that_are_all_equal_are_met_or_missed(off):
    targets = np.column_stack([np.full(3, 2.0), [1.0, 2.0, 4.0]])
    predictions = targets + np.array([off, 0.0])
    assert r2(predictions, targets) == pytest.approx(sk.r2_score(targets, predictions)) == (1.0 if off == 0 else 0.5)


def test_values_are_measured_in_double_precision():
    predictions, targets = np.full((3, 1), 3e20, np.float32), np.zeros((3, 1), np.float32)
    assert mean_squared_error(predictions, targets) == pytest.approx(9e40, rel=1e-6)
    assert root_mean_squared_error(predictions, targets) == pytest.approx(3e20, rel=1e-6)
    near = np.array([[1.0]]), np.array([[1.0 + 2.0**-30]])
    assert mean_absolute_error(np.float32(near[0]), near[1]) == max_error(np.float32(near[0]), near[1]) == 2.0**-30
