"""`trainer evaluate`: the numbers of the run, and what lies behind them."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics

import trainer as package
from trainer.experiment.evaluating import Calibration, evaluate

COMMON = {"step_size": 0.05, "epochs": 3}
CLASSES = {"network": [{"dense": 3}], "cost": "softmax_cross_entropy", **COMMON}


def table(rows=90):
    kinds = ("low", "middle", "high")
    return "x,y,kind\n" + "".join(f"{i % 30},{(i * 7) % 11},{kinds[i % 30 // 10]}\n" for i in range(rows))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(table())
    return tmp_path


def trained(**config):
    return package.train({**CLASSES, **config}, out="runs")


def test_the_run_is_measured_on_its_test_rows_and_has_its_own_numbers(folder, trainer):
    outcome = trained(dataset={"path": "rows.csv", "standardize": True}, metrics=["accuracy", {"f1": "macro"}])
    done = trainer("evaluate", "last")
    assert done.code == 0
    first, *lines = done.out.splitlines()
    assert first == "18 test rows of rows.csv"
    test = outcome.epoch.test
    assert [line.split() for line in lines[:3]] == [[name, f"{value:#.4g}"] for name, value in test.items()]
    found = evaluate(package.load(outcome.folder), outcome.folder)
    assert dict(found.numbers) == dict(test)


def test_class_by_class_it_says_what_scikit_learn_says(folder):
    outcome = trained(dataset={"path": "rows.csv", "standardize": True})
    model = package.load(outcome.folder)
    found = evaluate(model, outcome.folder, folder / "rows.csv")
    rows = [line.split(",") for line in table().splitlines()[1:]]
    predicted = model.predict({"x": [float(r[0]) for r in rows], "y": [float(r[1]) for r in rows]})
    true, names = [r[2] for r in rows], list(model.class_names)
    assert found.rows == 90
    assert np.array_equal(found.confusion, sklearn.metrics.confusion_matrix(true, predicted, labels=names))
    report = sklearn.metrics.classification_report(true, predicted, output_dict=True, zero_division=np.nan)
    for name, members, *shares in found.per_class():
        expected = report[name]
        assert members == expected["support"]
        np.testing.assert_allclose(shares, [expected[key] for key in ("precision", "recall", "f1-score")], rtol=1e-12)


def test_the_file_of_training_and_its_parts_agree(folder):
    outcome = trained(dataset={"path": "rows.csv", "standardize": True})
    model = package.load(outcome.folder)
    whole = evaluate(model, outcome.folder, folder / "rows.csv").confusion
    parts = [evaluate(model, outcome.folder, part=part).confusion for part in ("train", "test")]
    assert np.array_equal(whole, parts[0] + parts[1])


def test_calibration_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([0.5] * 4, 1000)
    classes = rng.integers(0, 4, 1000)
    found = Calibration.of(p, classes)
    total = 0.0
    for low in range(10):
        chosen = [i for i in range(1000) if min(int(p[i].max() * 10), 9) == low]
        assert found.rows[low] == len(chosen)
        if chosen:
            sure = np.mean([p[i].max() for i in chosen])
            right = np.mean([p[i].argmax() == classes[i] for i in chosen])
            np.testing.assert_allclose([found.confidence[low], found.right[low]], [sure, right])
            total += len(chosen) / 1000 * abs(sure - right)
    np.testing.assert_allclose(found.error, total)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_and_what_does_not_is_listed(folder, trainer, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    names = [f"a class with quite a long name, number {i}" for i in range(40)]
    lines = "".join(f'{i % 40},{i % 7},"{names[i % 40]}"\n' for i in range(200))
    (folder / "many.csv").write_text("x,y,kind\n" + lines)
    trained(dataset={"path": "many.csv", "standardize": True}, network=[{"dense": 40}])
    done = trainer("evaluate", "last", "many.csv")
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= width
    assert "the 30 of 40 classes with the lowest f1" in done.out
    assert "were taken for" in done.out


KINDS = {
    "one output": {"dataset": "moons", "network": [{"dense": 1}], "cost": "sigmoid_cross_entropy"},
    "signs": {"dataset": "moons", "network": [{"dense": 1}], "cost": "hinge"},
    "one_hot": {"dataset": {"name": "iris", "one_hot": True}, "cost": "mean_squared_error"},
    "a number": {"dataset": "linear", "network": [{"dense": 1}], "cost": "mean_squared_error"},
    "several numbers": {"dataset": {"name": "linnerud", "standardize": True}, "cost": "huber"},
    "an autoencoder": {
        "dataset": {"name": "iris", "reconstruct": True}, "network": [{"dense": 4}], "cost": "mean_squared_error",
    },
    "positions": {
        "dataset": {"path": "text.txt", "length": 8}, "cost": "softmax_cross_entropy",
        "network": [{"embedding": {"entries": 3, "size": 4}}, {"dense": 3}],
    },
    "embeddings": {"dataset": "iris", "network": [{"dense": 2}], "cost": "triplet"},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_cost_has_its_numbers(kind, folder, trainer):
    (folder / "text.txt").write_text("abcabcaabbcc" * 20)
    outcome = trained(**KINDS[kind])
    found = evaluate(package.load(outcome.folder), outcome.folder)
    assert dict(found.numbers) == dict(outcome.epoch.test)
    assert (found.confusion is None) == (kind in ("a number", "several numbers", "an autoencoder", "embeddings"))
    assert (found.calibration is None) == (kind not in ("one output", "positions"))
    assert trainer("evaluate", "last").code == 0


def test_targets_of_other_kinds_of_files(folder, trainer):
    trained(dataset={"path": "rows.csv", "standardize": True})
    text = trainer("evaluate", "last", "rows.csv").out.splitlines()[1:]
    rows = [line.split(",") for line in table().splitlines()[1:]]
    inputs, kinds = np.array([[float(x), float(y)] for x, y, _ in rows]), [kind for *_, kind in rows]
    np.savez("rows.npz", inputs=inputs, targets=np.array(kinds))
    assert trainer("evaluate", "last", "rows.npz").out.splitlines()[1:] == text
    order = ["middle", "low", "high"]  # another order than the model's
    np.savez("rows.npz", inputs=inputs, targets=np.array([order.index(k) for k in kinds]), class_names=np.array(order))
    assert trainer("evaluate", "last", "rows.npz").out.splitlines()[1:] == text
    from pyarrow import csv, parquet

    parquet.write_table(csv.read_csv("rows.csv"), "rows.parquet")
    done = trainer("evaluate", "last", "rows.parquet")
    assert (done.out.splitlines()[1:], done.err) == (text, "")
    (folder / "arrays").mkdir()
    np.save("arrays/inputs.npy", inputs)
    np.save("arrays/targets.npy", np.array(kinds))
    assert trainer("evaluate", "last", "arrays").out.splitlines()[1:] == text


def test_rows_of_some_classes_alone_can_be_measured(folder, trainer):
    trained(dataset={"path": "rows.csv", "standardize": True})
    (folder / "some.csv").write_text("kind,y,x,id\nlow,1,2,7\nlow,3,4,8\n")
    done = trainer("evaluate", "last", "some.csv")
    assert done.err == "columns that the model does not take are ignored: 'id'\n"
    assert "low        2 " in done.out


def test_parts_and_data_sets_that_are_not_there(folder, trainer):
    outcome = trained(dataset={"path": "rows.csv"})
    done = trainer("evaluate", "last", "--part", "validation")
    assert done.err.startswith(
        f"error: the data set of {outcome.folder.name} has no validation rows; it has those of train"
    )
    done = trainer("evaluate", str(outcome.folder / "parameters.safetensors"))
    assert done.err == "error: parameters alone have no data set; say which rows: trainer evaluate FILE DATA\n"
    assert trainer("evaluate", str(outcome.folder / "parameters.safetensors"), "rows.csv").code == 0
    np.save("rows.npy", np.zeros((2, 2)))
    assert "rows.npy holds inputs alone, and measuring takes targets too" in trainer("evaluate", "last", "rows.npy").err
    (folder / "rows.csv").write_text(table().replace("x,y,", "x,z,"))
    assert "is not the one that" in trainer("evaluate", "last").err
