"""Several targets of 0 and 1 in a row are labels to a cost of two classes: trained, measured, predicted, exported."""

from __future__ import annotations

import csv
import runpy

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, hamming_loss, precision_recall_fscore_support

import trainer
from trainer.config import load
from trainer.data.dataset import Dataset
from trainer.data.prepared import prepare
from trainer.errors import ConfigError, DataError, UsageError
from trainer.estimators import TrainerRegressor
from trainer.experiment.builder import build
from trainer.experiment.evaluating import evaluate
from trainer.experiment.predicting import write_predictions

COSTS = ["sigmoid_cross_entropy", "sigmoid_focal", "hinge", "squared_hinge"]
RNG = np.random.default_rng(3)
X = RNG.normal(size=(120, 3))
Y = np.stack([X[:, 0] > 0, X[:, 1] + X[:, 2] > 0.3, X[:, 2] < -0.5], axis=1).astype(int)
NAMES = ["red", "tall", "old"]


def table(path, spelt="01", columns=Y):
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["a", "b", "c", *NAMES])
        out.writerows([*x, *(spelt[v] if v in (0, 1) else v for v in y)] for x, y in zip(X, columns, strict=True))
    return path


def config(path, cost="sigmoid_cross_entropy", **more):
    dataset = {"path": str(path), "target": NAMES}
    given = {"network": [{"dense": 3}], "step_size": 0.1, "optimizer": "adam", "epochs": 12}
    return {"dataset": dataset, "cost": cost, **given, **more}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    runs = {}
    for cost in COSTS:
        runs[cost] = trainer.train(config(table(folder / "d.csv"), cost), out=folder / cost).folder
    return folder, runs


@pytest.mark.parametrize("cost", COSTS)
def test_labels_are_learnt_and_predicted_a_column_for_each(trained, cost):
    folder, runs = trained
    model = trainer.load(runs[cost])
    assert model.predict(X).dtype.kind == "i"
    assert np.mean(model.predict(X) == Y) > 0.93
    written = []
    write_predictions(model, table(folder / "new.csv"), None, written.append)
    header, first, *_ = b"".join(written).decode().splitlines()
    columns = [f"prediction_{name}" for name in NAMES]
    assert header.split(",")[:3] == columns
    assert first.split(",")[:3] == [str(v) for v in model.predict(X[:1])[0]]
    if "sigmoid" not in cost:
        assert len(header.split(",")) == 3
        with pytest.raises(UsageError, match="gives its outputs no meaning as probabilities"):
            model.predict_proba(X)
        return
    assert header.split(",")[3:] == [f"probability_{name}" for name in NAMES]
    chances = model.predict_proba(X)
    assert chances.shape == Y.shape
    assert ((chances > 0.5) == model.predict(X)).all()
    assert first.split(",")[3:] == [f"{p:.6f}" for p in chances[0]]


@pytest.mark.parametrize("cost", COSTS)
def test_labels_are_measured_one_by_one_and_together(trained, cost):
    folder, runs = trained
    model = trainer.load(runs[cost])
    found = evaluate(model, runs[cost], folder / "d.csv")
    said = model.predict(X)
    assert found.numbers["binary_accuracy"] == pytest.approx(1 - hamming_loss(Y, said))
    assert found.numbers["exact_match"] == pytest.approx(accuracy_score(Y, said))
    shares = precision_recall_fscore_support(Y, said)
    for label, *expected in zip(found.labels, shares[3], *shares[:3], strict=True):
        assert label[1:] == pytest.approx(expected)
    assert [label[0] for label in found.labels] == NAMES
    assert (found.errors, found.confusion) == ({}, None)


@pytest.mark.parametrize("spelt", [("no", "yes"), ("false", "true"), ("0.0", "1.0")])
def test_labels_may_be_yes_and_no(tmp_path, spelt):
    one = build(load(config(table(tmp_path / "d.csv"))))
    other = build(load(config(table(tmp_path / "e.csv", spelt))))
    assert one.data.train.targets.tobytes() == other.data.train.targets.tobytes()


def test_a_run_of_another_file_refuses_what_is_no_label_at_its_row(trained):
    folder, runs = trained
    other = table(folder / "other.csv", columns=[*Y[:5].tolist(), [0, 3, 1], *Y[6:].tolist()])
    with pytest.raises(DataError) as raised:
        evaluate(trainer.load(runs["hinge"]), None, other)
    assert str(raised.value) == f"{other}: row 6: target tall is 3, and the model learnt 0 and 1 of it"


UNSUITED = {
    "of one class": (
        {"metrics": ["accuracy"]},
        "d.csv' has several targets of 0 and 1, under this cost labels: write binary_accuracy, of all labels, or ",
    ),
    "of numbers": (
        {"cost": "mean_squared_error", "metrics": ["exact_match"]},
        "metric 'exact_match' is for labels, and data set 'd.csv' is for regression",
    ),
    "outputs": (
        {"network": [{"dense": 2}]},
        "the network has 2 outputs where the targets have 3: end it in `dense: 3`",
    ),
}


@pytest.mark.parametrize(("settings", "message"), UNSUITED.values(), ids=UNSUITED)
def test_what_does_not_suit_labels_is_refused_with_what_does(tmp_path, settings, message):
    with pytest.raises(ConfigError) as raised:
        build(load(config(table(tmp_path / "d.csv"), **settings)))
    assert message in str(raised.value)


def test_a_number_among_labels_is_named():
    data = Dataset("d", np.zeros((3, 2)), [[0, 1], [0, 2], [1, 1]], "regression", target_names=("one", "two"))
    with pytest.raises(DataError) as raised:
        prepare(data, targets="binary")
    assert str(raised.value) == (
        "data set 'd' is a regression, its targets are numbers, and the cost wants two classes, as 0 and 1: of several "
        "columns each is 0 or 1 to such a cost, and 'two' of the targets holds 2 in row 1, counted from 0; or use a "
        "cost for numbers, such as mean_squared_error"
    )


def test_a_run_of_labels_is_exported_with_their_probabilities(trained, tmp_path):
    from trainer.export.frozen import to_python

    _, runs = trained
    model = trainer.load(runs["sigmoid_cross_entropy"])
    (tmp_path / "labels.py").write_text(to_python(model, "labels"))
    made = runpy.run_path(tmp_path / "labels.py")
    assert (made["predict"](X) == model.predict(X)).all()
    assert (made["predict_proba"](X) == model.predict_proba(X)).all()


def test_an_onnx_graph_of_labels_has_a_probability_for_each(trained):
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    from trainer.export.onnx import CHANCES, largest_difference, to_onnx

    _, runs = trained
    model = trainer.load(runs["sigmoid_cross_entropy"])
    graph = to_onnx(model.network, model.parameters, link=model.link, dtype=model.dtype)
    rows = X.astype(np.float32)
    assert largest_difference(graph, model.predict_proba(rows), rows, CHANCES) < 1e-6


def test_an_estimator_of_labels_has_an_output_for_each():
    fitted = TrainerRegressor(network=[{"dense": 3}], cost="sigmoid_cross_entropy", step_size=0.1, epochs=12).fit(X, Y)
    assert fitted.predict(X).shape == Y.shape
    assert set(np.unique(fitted.predict(X))) == {0, 1}
