"""Targets that are standardised for the steps: θ is that of targets scaled by hand, and numbers are in their units."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import sklearn.metrics
from sklearn.base import clone

import trainer as package
from tests.hints import advised
from trainer import TrainerRegressor
from trainer.config import load as load_config
from trainer.errors import ConfigError
from trainer.experiment import build, execute, resume
from trainer.experiment.builder import load_data
from trainer.experiment.evaluating import evaluate
from trainer.experiment.remarks import remarks
from trainer.export.saving import rows_of_run, write_onnx, write_python, write_torch
from trainer.nn import Rescale

RNG = np.random.default_rng(5)
X = RNG.normal(size=(120, 3))
PRICE = 300_000 + 50_000 * (X @ [1.0, 2.0, -1.0]) + 2_000 * RNG.normal(size=120)
SMALL = 0.001 * X[:, 0] - 0.02
BASE = {
    "name": "houses",
    "dataset": {"path": "houses.csv", "target": "price", "standardize_targets": True},
    "network": [{"dense": 6}, "tanh", {"dense": 1}],
    "cost": "mean_squared_error",
    "optimizer": "adam",
    "step_size": 0.02,
    "epochs": 4,
    "metrics": ["r2", "mean_absolute_error"],
}
TWO = {"dataset": {"target": ["price", "small"]}, "network": [{"dense": 6}, "tanh", {"dense": 2}]}


def table(path, targets, rows=slice(None)):
    """A CSV file of X and these targets."""
    names, columns = ["a", "b", "c", *targets], np.column_stack([X, *targets.values()])[rows]
    lines = [",".join(names), *(",".join(map(repr, row)) for row in columns.tolist())]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "houses.csv", {"price": PRICE})
    table(tmp_path / "both.csv", {"price": PRICE, "small": SMALL})
    return tmp_path


def given(dataset=None, **changes):
    return {**BASE, **changes, "dataset": {**BASE["dataset"], **(dataset or {})}}


def two(**dataset):
    return given({**TWO["dataset"], "path": "both.csv", **dataset}, network=TWO["network"])


def parts_of(config):
    """The rows of each part, by their place in the file."""
    return {part: rows.indices for part, rows in load_data(load_config(config)).divided.items()}


CASES = {
    "one": lambda: given(),
    "two": lambda: two(),
    "float64": lambda: {**two(), "compute": {"dtype": "float64"}},
    "validation": lambda: given({"validation_fraction": 0.25}, stop={"patience": 2}),
    "a fold": lambda: two(folds=3, fold=1),
    "eager": lambda: given(compute={"executor": "eager"}),
    "some rows": lambda: given(evaluate={"train": 50}),
}


@pytest.mark.parametrize("case", CASES)
def test_theta_is_that_of_targets_scaled_by_hand(case, folder):
    config = CASES[case]()
    own = package.train(config)
    files = config["dataset"]
    names = [files["target"]] if isinstance(files["target"], str) else files["target"]
    y = np.column_stack([{"price": PRICE, "small": SMALL}[name] for name in names])
    train = parts_of(config)["train"]
    mean, scale = y[train].mean(axis=0), y[train].std(axis=0)
    table(folder / "by_hand.csv", dict(zip(names, ((y - mean) / scale).T, strict=True)))
    by_hand = {key: value for key, value in files.items() if key != "standardize_targets"}
    # What stops training early watches the cost in either units, whose order is the same for a single target.
    other = package.train({**config, "dataset": {**by_hand, "path": "by_hand.csv"}})
    for name, value in other.parameters.items():
        np.testing.assert_allclose(own.parameters[name], value, rtol=2e-5, atol=1e-6)
    theirs, mine = other.epoch.test, own.epoch.test
    assert mine["r2"] == pytest.approx(theirs["r2"], abs=1e-4)
    if len(names) == 1:
        assert mine["mean_absolute_error"] == pytest.approx(theirs["mean_absolute_error"] * scale[0], rel=1e-3)
        assert mine["loss"] == pytest.approx(theirs["loss"] * scale[0] ** 2, rel=1e-3)


@pytest.mark.parametrize("config", [given(), two(standardize=True), two(preprocess=["standard_scaler"])])
def test_every_number_is_of_the_units_of_the_data(config):
    outcome = package.train(config, out="runs")
    again = package.train(config)
    for name, value in again.parameters.items():
        assert np.array_equal(outcome.parameters[name], value)
    model = package.load(outcome.folder)
    assert model.network.names[-1] == "rescale"
    y = PRICE if config["network"][-1]["dense"] == 1 else np.column_stack([PRICE, SMALL])
    for part, rows in parts_of(config).items():
        predicted, numbers = model.predict(X[rows]), outcome.epoch.numbers[part]
        assert numbers["r2"] == pytest.approx(sklearn.metrics.r2_score(y[rows], predicted), abs=1e-5)
        error = sklearn.metrics.mean_absolute_error(y[rows], predicted)
        assert numbers["mean_absolute_error"] == pytest.approx(error, rel=1e-5)
        found = evaluate(model, outcome.folder, part=part)
        assert dict(found.numbers) == dict(numbers)
    test = parts_of(config)["test"]
    r2, absolute, _ = found.errors["price"]
    first = model.predict(X[test]).reshape(len(test), -1)[:, 0]
    assert absolute == pytest.approx(np.abs(first - PRICE[test]).mean(), rel=1e-5)
    assert r2 == pytest.approx(sklearn.metrics.r2_score(PRICE[test], first), abs=1e-5)
    worst = found.worst[0]
    assert float(worst.target.split(",")[0]) == pytest.approx(PRICE[worst.row], rel=1e-3)


def test_a_file_with_targets_is_measured_as_the_run_was(folder):
    outcome = package.train(given(), out="runs")
    table(folder / "new.csv", {"price": PRICE}, parts_of(given())["test"])
    found = evaluate(package.load(outcome.folder), None, folder / "new.csv")
    assert found.numbers == pytest.approx(dict(outcome.epoch.test), rel=1e-6)


def test_a_fresh_process_predicts_a_file_in_units(folder):
    run = package.train(two(), out="runs").folder
    expected = package.load(run).predict(X[:7])
    table(folder / "rows.csv", {}, slice(7))
    command = [sys.executable, "-c", "from trainer.cli import main; main()", "predict", str(run), "rows.csv"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = text.splitlines()
    assert lines[0] == "prediction_price,prediction_small"
    np.testing.assert_allclose([[*map(float, line.split(","))] for line in lines[1:]], expected, rtol=1e-6)


def test_exports_predict_in_units(folder):
    run = package.train(two(standardize=True), out="runs").folder
    model = package.load(run)
    rows = rows_of_run(model, run)
    expected = model.predict(rows)
    write_onnx(model, folder / "m.onnx", rows)
    session = onnxruntime.InferenceSession(str(folder / "m.onnx"))
    (name,) = (each.name for each in session.get_inputs())
    kind = np.float64 if "double" in session.get_inputs()[0].type else np.float32
    np.testing.assert_allclose(session.run(None, {name: rows.astype(kind)})[0], expected, rtol=1e-4)
    write_python(model, folder / "m.py", rows)
    program = "import m, numpy as np; np.save('p.npy', m.predict(np.load('x.npy')))"
    np.save("x.npy", rows)
    subprocess.run([sys.executable, "-c", program], check=True, cwd=folder)
    assert np.array_equal(np.load("p.npy"), expected)
    written, text = write_torch(model, folder / "m.safetensors", rows)
    assert "x = x * self.layer3_scale + self.layer3_mean" in text
    assert not written.relative > 1e-5


def test_the_rows_of_validation_files_are_scaled_by_those_of_training(folder):
    for i, name in enumerate(("train", "val", "test")):
        table(folder / f"{name}.csv", {"price": PRICE + 1e6 * i}, slice(40 * i, 40 * i + 40))
    files = {"path": "train.csv", "validation_path": "val.csv", "test_path": "test.csv"}
    config = given(files)
    data = load_data(load_config(config))
    assert data.target_scaling.mean == pytest.approx(PRICE[:40].mean())
    assert data.validation.targets.min() > 5  # deviations
    assert data.unscaled.validation.targets.ravel() == pytest.approx(PRICE[40:80] + 1e6)
    outcome = package.train(config, out="runs")
    found = evaluate(package.load(outcome.folder), outcome.folder)
    assert dict(found.numbers) == dict(outcome.epoch.test)
    assert outcome.epoch.test["mean_absolute_error"] > 1e6


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(folder):
    whole = package.train(given(), out="whole").folder
    half = execute(load_config(given(), ["epochs=2"]), "half").folder
    resume(half, ["epochs=4"])
    name = "parameters.safetensors"
    assert (whole / name).read_bytes() == (half / name).read_bytes()


def test_parameters_of_an_earlier_run_and_another_scale_are_told(folder):
    run = package.train(given(), out="runs").folder
    for dataset, expected in (
        ({}, None),
        ({"standardize_targets": False}, "as they are in the data"),
        ({"test_fraction": 0.5}, "standardised by mean"),
    ):
        loaded = load_config({**given(dataset), "start_from": str(run)})
        told = [line for line in remarks(loaded, build(loaded)) if line.startswith("start_from: the targets")]
        assert bool(told) == (expected is not None)
        assert all(f"here they are {expected}" in line for line in told)
    first = build(load_config({**given(), "start_from": str(run)}))
    np.testing.assert_array_equal(first.parameters["0.weights"], package.load(run).parameters["0.weights"])
    assert first.evaluate("test") == package.train(given()).epoch.test


def test_what_runs_say_of_their_units():
    run = package.train(given(), out="runs").folder
    said = "Steps learn standardized targets, and have the loss of these; other numbers are in the units of the data."
    assert said in (run / "log.txt").read_text()
    assert "rescale" not in (run / "resolved.yaml").read_text()
    assert "standardize_targets: true" in (run / "resolved.yaml").read_text()
    assert package.train(str(run / "resolved.yaml")).epoch.test == package.train(given()).epoch.test


REFUSED = {
    "counts": ({}, {"cost": "poisson"}, "poisson is no cost of the differences between outputs and targets alone"),
    "halves": ({}, {"cost": "gaussian", "network": [{"dense": 2}]}, "gaussian is no cost of the differences"),
    "directions": ({}, {"cost": "cosine"}, "cosine is no cost of the differences"),
    "several": (
        {}, {"cost": {"several": [{"cost": "mean_squared_error", "outputs": 1}]}}, "several is no cost of the",
    ),
    "an autoencoder": ({"reconstruct": True}, {"network": [{"dense": 3}]}, "with reconstruct the targets are the"),
    "running": ({}, {"evaluate": {"train": "running"}}, "running is the mean loss of the steps"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_units_is_refused(case):
    dataset, changes, expected = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        build(load_config(given(dataset, **changes, metrics=[])))
    assert expected in str(caught.value)
    assert "leave standardize_targets out" in str(caught.value)
    build(load_config(given({**dataset, "standardize_targets": False}, **changes, metrics=[])))


def test_outputs_that_are_no_values_of_several_targets_are_refused():
    config = {**two(), "network": [{"dense": 4}], "cost": {"pinball": {"levels": [0.1, 0.9]}}, "metrics": []}
    with pytest.raises(ConfigError) as caught:
        build(load_config(config))
    advised(
        caught.value,
        "there are 2 targets, each with a scale of its own: give one output for each, or leave standardize_targets out",
    )
    build(load_config({**config, "network": [{"dense": 2}], "cost": {"pinball": {"levels": [0.5]}}}))
    without = {key: value for key, value in config["dataset"].items() if key != "standardize_targets"}
    build(load_config({**config, "dataset": without}))


@pytest.mark.parametrize("cost", ["mean_absolute_error", "huber", "log_cosh", {"pinball": {"levels": [0.1, 0.5, 0.9]}}])
def test_every_cost_of_differences_learns(cost, folder):
    outputs = 3 if isinstance(cost, dict) else 1
    config = given(network=[{"dense": outputs}], cost=cost, metrics=[], epochs=30)
    outcome = package.train(config, out="runs")
    predicted = package.load(outcome.folder).predict(X)
    assert predicted.reshape(len(X), -1).mean() == pytest.approx(PRICE.mean(), rel=0.3)
    assert not any("does not fall" in text for text in outcome.warnings)


def test_a_constant_target_is_centred_alone(folder):
    table(folder / "constant.csv", {"price": PRICE, "small": np.full(120, 7.0)})
    outcome = package.train(two(path="constant.csv"), out="runs")
    model = package.load(outcome.folder)
    rescale = model.network.layers[-1]
    assert isinstance(rescale, Rescale)
    assert (rescale.mean[1], rescale.scale[1]) == (7, 1)


def test_targets_that_float32_hardly_tells_apart_are_told(folder):
    table(folder / "times.csv", {"price": 1.7e9 + PRICE / 1000})
    loaded = load_config(given({"path": "times.csv"}))
    (told,) = [line for line in remarks(loaded, build(loaded)) if "tells numbers" in line]
    advised(told, "tells numbers of that size apart by 128: write dtype: float64 below compute")
    double = load_config(given({"path": "times.csv"}, compute={"dtype": "float64"}))
    assert not [line for line in remarks(double, build(double)) if "tells numbers" in line]


@pytest.mark.parametrize("y", [PRICE, np.column_stack([PRICE, SMALL])], ids=["one", "two"])
def test_an_estimator_predicts_in_units(y):
    network = [{"dense": 6}, "tanh", {"dense": "outputs"}]
    estimator = TrainerRegressor(network, step_size=0.02, epochs=60, standardize_targets=True).fit(X, y)
    again = clone(estimator).fit(X, y)
    assert np.array_equal(estimator.predict(X), again.predict(X))
    assert estimator.predict(X).shape == y.shape
    assert estimator.score(X, y) > 0.9
    assert TrainerRegressor(network, step_size=0.02, epochs=60).fit(X, y).score(X, y) < 0.5
    predicted = estimator.predict(X).reshape(len(X), -1)
    loss = np.square(predicted - y.reshape(len(X), -1)).mean()
    assert estimator.history_["train_loss"][-1] == pytest.approx(loss, rel=1e-4)
    before = estimator.about_["config"]["network"][-1]
    estimator.partial_fit(X[:50] + 1, y[:50] * 2)  # what was fitted to the first rows stays
    assert estimator.about_["config"]["network"][-1] == before
