"""A model predicts without its data set, and says of a row the same whatever comes with it."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import trainer
from tests.hints import advised
from trainer.config import load as load_config
from trainer.errors import DataError, ShapeError, UsageError
from trainer.experiment import build
from trainer.experiment.products import same_in_every_place

CSV = "age,city,height,sold\n" + "".join(
    f"{20 + i % 37},{('Rome', 'Paris', 'Oslo')[i % 3]},{150 + (7 * i) % 50}.5,{('no', 'yes')[(i // 3) % 2]}\n"
    for i in range(60)
)
TABLE = {
    "dataset": {"path": "rows.csv", "categorical": "auto", "preprocess": ["standard_scaler"]},
    "network": [{"dense": 8}, "tanh", {"dense": 2}],
    "cost": "softmax_cross_entropy",
    "step_size": 0.1,
    "epochs": 2,
}
KINDS = {
    "softmax": {
        "dataset": {"name": "iris", "standardize": True}, "network": [{"dense": 3}], "cost": "softmax_cross_entropy",
    },
    "log_softmax": {
        "dataset": "iris", "network": [{"dense": 3}, "log_softmax"], "cost": "negative_log_likelihood",
    },
    "sigmoid": {"dataset": "moons", "network": [{"dense": 1}], "cost": "sigmoid_cross_entropy"},
    "signs": {"dataset": "moons", "network": [{"dense": 1}], "cost": "hinge"},
    "hinge": {"dataset": "iris", "network": [{"dense": 3}], "cost": "categorical_hinge"},
    "one_hot": {"dataset": {"name": "iris", "one_hot": True}, "network": [{"dense": 3}], "cost": "mean_squared_error"},
    "numbers": {"dataset": "linear", "network": [{"dense": 1}], "cost": "mean_squared_error"},
    "counts": {"dataset": "linear", "network": [{"dense": 1}], "cost": "poisson", "dataset.noise": 0},
    "double": {
        "dataset": {"name": "wine", "preprocess": ["standard_scaler", {"pca": 5}]},
        "network": [{"dense": 3}], "cost": "softmax_cross_entropy", "compute": {"dtype": "float64"},
    },
    "wide": {
        "dataset": {"name": "digits", "standardize": True}, "cost": "softmax_cross_entropy",
        "network": [{"dense": 64}, "relu", {"dense": 24}, "tanh", {"dense": 10}],
    },
    "images": {
        "dataset": "digits", "cost": "softmax_cross_entropy",
        "network": [{"reshape": [8, 8, 1]}, {"conv2d": 4}, "relu", "batch_norm", "flatten", {"dense": 10}],
    },
}  # fmt: skip
PROBABLE = ("softmax", "log_softmax", "sigmoid", "double", "wide", "images")


def trained(config):
    config = {key: value for key, value in config.items() if "." not in key}
    return trainer.train({"step_size": 0.01, "epochs": 1, **config}, out="runs")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(CSV)
    return tmp_path


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_a_model_says_what_the_training_says_of_its_rows(kind):
    outcome = trained(KINDS[kind])
    model, data = trainer.load(outcome.folder), outcome.training.data
    rows = raw(outcome)
    network = outcome.training.network
    expected = network.predict(outcome.parameters, model.prepared(rows))
    np.testing.assert_allclose(model.outputs(rows), expected, rtol=1e-5, atol=1e-5)
    said = model.predict(rows)
    if data.class_names:
        largest = (expected[:, 0] > 0).astype(int) if expected.shape[1] == 1 else expected.argmax(axis=1)
        assert said.tolist() == [data.class_names[i] for i in largest]
        assert model.class_names == data.class_names
    else:
        assert said.shape == (len(rows),)
    if kind in PROBABLE:
        probabilities = model.predict_proba(rows)
        assert probabilities.shape == (len(rows), len(data.class_names))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert [model.class_names[i] for i in probabilities.argmax(axis=1)] == said.tolist()
    else:
        with pytest.raises(UsageError) as caught:
            model.predict_proba(rows)
        if not data.class_names:
            assert str(caught.value).endswith("predicts numbers, which have no probabilities")
            return
        advised(
            caught.value,
            f"the cost of {model.name} gives its outputs no meaning as probabilities; take model.predict(x), or the "
            f"scores themselves, model.outputs(x)",
        )  # as is done above


def test_numbers_that_are_no_scores_of_classes_are_had_as_they_are():
    outcome = trained({"dataset": "iris", "network": [{"dense": 2}], "cost": "triplet"})
    model, rows = trainer.load(outcome.folder), raw(outcome)
    with pytest.raises(UsageError) as caught:
        model.predict(rows)
    advised(
        caught.value,
        f"{model.name} gives 2 numbers per row, which are no scores of its 3 classes: take them as they are, "
        f"model.outputs(x)",
    )
    assert model.outputs(rows).shape == (40, 2)


def raw(outcome):
    """Rows of the data set before anything was done to them."""
    training = outcome.training
    rows = training.data.train.inputs[:40].astype(float)
    if training.data.scaling is not None:
        return training.data.scaling.inverse(rows)
    if training.data.preprocessing is not None:
        from trainer_datasets import wine

        return wine().inputs[:40]
    return rows


def test_a_row_has_the_same_bits_alone_in_any_batch_and_in_any_place(kind):
    outcome = trained(KINDS[kind])
    model, rows = trainer.load(outcome.folder), raw(outcome)
    rows = np.concatenate([rows] * 30)[:1100]
    together = model.outputs(rows)
    for i in (0, 1, 17, 39, 1023, 1024, 1099):
        assert np.array_equal(model.outputs(rows[i : i + 1])[0], together[i])
    assert np.array_equal(model.outputs(rows[::-1]), together[::-1])
    assert np.array_equal(model.outputs(rows[5:300]), together[5:300])


def test_where_products_depend_on_the_place_of_a_row_a_model_computes_in_double(kind, monkeypatch):
    outcome = trained(KINDS[kind])
    model, rows, said = trainer.load(outcome.folder), raw(outcome), {}
    for holds in (True, False):
        monkeypatch.setattr("trainer.experiment.model.same_in_every_place", lambda dtype, holds=holds: holds)
        this = replace(model)
        assert this.computing == (model.dtype if holds else np.float64)
        said[holds] = this.outputs(rows)
        assert said[holds].dtype == model.dtype
    assert np.array_equal(said[True], said[False]) == (model.dtype == np.float64)
    np.testing.assert_allclose(said[True], said[False], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 5, 12])
def test_a_product_whose_rows_differ_by_their_place_is_told(rows, monkeypatch):
    """Such as OpenBLAS's kernels for AVX2 make of float32: a place in a block decides in which order is summed up."""

    class Blocked(np.ndarray):
        def __matmul__(self, other):
            product = np.asarray(self) @ other
            product[rows - 1 :: 12] = np.nextafter(product[rows - 1 :: 12], 0)
            return product

    assert same_in_every_place.__wrapped__(np.dtype(np.float64))
    tile = np.tile
    monkeypatch.setattr(np, "tile", lambda *given: tile(*given).view(Blocked))
    assert not same_in_every_place.__wrapped__(np.dtype(np.float64))


def test_what_is_expected_of_a_count_is_the_exponential():
    model = trainer.load(trained(KINDS["counts"]).folder)
    rows = np.array([[0.5], [-1.0]])
    np.testing.assert_allclose(model.predict(rows), np.exp(model.outputs(rows)[:, 0]), rtol=1e-6)


def test_columns_go_by_name_and_categories_by_their_texts():
    model = trainer.load(trained(TABLE).folder)
    assert model.feature_names == ("age", "city=Oslo", "city=Paris", "city=Rome", "height")
    by_place = model.predict_proba([[30, 0, 0, 1, 170.5], [41, 1, 0, 0, 160.5]])
    named = {"height": [170.5, 160.5], "more": [0, 0], "city": ["Rome", "Oslo"], "age": [30, 41]}
    assert np.array_equal(model.predict_proba(named), by_place)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_columns_by_name(library):
    frames = import_module(library)
    model = trainer.load(trained(TABLE).folder)
    named = {"height": [170.5, 160.5], "city": ["Rome", "Oslo"], "age": [30, 41]}
    assert np.array_equal(model.predict_proba(frames.DataFrame(named)), model.predict_proba(named))


WRONG = {
    "a missing column": ({"age": [1.0], "city": ["Rome"]}, "the rows given has no column 'height'"),
    "an unknown category": (
        {"age": [1.0, 2.0], "city": ["Rome", "Bonn"], "height": [1.0, 2.0]},
        "the rows given: row 2: column 'city': 'Bonn' is a category that no training row had; they had 'Oslo', 'Paris'",
    ),
    "a text for a number": (
        {"age": ["x"], "city": ["Rome"], "height": [1.0]},
        "the rows given: row 1: column 'age': 'x' is not a finite number; put one there",
    ),
    "a nan": (
        {"age": [1.0, float("nan")], "city": ["Rome"] * 2, "height": [1.0, 2.0]},
        "the rows given: row 2: column 'age': an empty cell is a missing value; fill it in or remove the row",
    ),
    "columns of two lengths": (
        {"age": [1.0, 2.0], "city": ["Rome"] * 2, "height": [1.0]},
        "the frame: column 'height' has 1 row, and 'age' has 2",
    ),
    "a table of another width": (
        np.zeros((2, 4)), "config takes inputs of shape (rows, 5), and these are (2, 4)",
    ),
    "a row without its table": (np.zeros(5), "config takes inputs of shape (rows, 5), and these are (5,)"),
    "texts": (np.array([["a"] * 5]), "config takes numbers, and these are of type <U1; give columns by name"),
    "an infinite number": (
        np.full((1, 5), np.inf), "the inputs: inf in row 0, counted from 0, is not a finite number",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_rows_that_are_not_such_as_it_learnt_from_are_refused(case):
    model = trainer.load(trained(TABLE).folder)
    rows, message = WRONG[case]
    with pytest.raises((DataError, ShapeError)) as caught:
        model.predict(rows)
    assert str(caught.value).startswith(message)


def test_no_data_set_and_no_folder_is_needed(folder):
    outcome = trained(TABLE)
    rows = {"height": [170.5], "city": ["Rome"], "age": [30]}
    before = trainer.load(outcome.folder).predict_proba(rows)
    (folder / "rows.csv").unlink()
    for name in ("parameters.safetensors", "parameters.safetensors.sha256"):
        (folder / name).write_bytes((outcome.folder / name).read_bytes())
    assert np.array_equal(trainer.load("parameters.safetensors").predict_proba(rows), before)


def test_what_is_no_number_is_no_prediction():
    model = trainer.load(trained(KINDS["hinge"]).folder)
    rows = np.array([[1.0, 2.0, 3.0, 4.0], [1e38, 1e38, 1e38, 1e38]])
    model.parameters["0.weights"][:] = 1e30
    with pytest.raises(DataError, match="row 1, counted from 0: the network gives no number for it; look for values"):
        model.predict(rows)


def test_empty_tables_have_empty_answers():
    model = trainer.load(trained(TABLE).folder)
    assert model.predict(np.empty((0, 5))).shape == (0,)
    assert model.predict_proba(np.empty((0, 5))).shape == (0, 2)


def test_values_that_were_missing_in_training_may_be_missing(folder):
    (folder / "rows.csv").write_text(CSV.replace("\n20,", "\n,"))
    config = {**TABLE, "dataset": {**TABLE["dataset"], "missing": "allow", "preprocess": ["simple_imputer"]}}
    model = trainer.load(trained(config).folder)
    assert np.isfinite(model.predict_proba({"age": [np.nan], "city": ["Rome"], "height": [170.5]})).all()


class Held(pickle.Unpickler):  # of pickles of our own
    """Notes what a pickle names."""

    def __init__(self, file):
        super().__init__(file)
        self.named = []

    def find_class(self, module, name):
        self.named.append((module, name))
        return super().find_class(module, name)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid", "numbers", "double", "images"])
def test_a_pickle_holds_the_config_and_arrays_and_says_the_same(kind):
    model = trainer.load(trained(KINDS[kind]).folder)
    held = Held(io.BytesIO(pickle.dumps(model)))
    again = held.load()
    assert {name for module, name in held.named if module.startswith("trainer")} == {"_restored"}
    assert {module.partition(".")[0] for module, _ in held.named} <= {"trainer", "numpy"}
    x = np.linspace(0, 5, 3 * int(np.prod(model.inputs.shape))).reshape(3, *model.inputs.shape)
    np.testing.assert_array_equal(again.outputs(x), model.outputs(x))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(copy.deepcopy(model).outputs(x), model.outputs(x))


def test_a_process_of_its_own_predicts_by_a_pickle(folder):
    model = trainer.load(trained(KINDS["softmax"]).folder)
    Path("model.pickle").write_bytes(pickle.dumps(model))
    code = "import pickle; print(pickle.load(open('model.pickle', 'rb')).predict([[5.1, 3.5, 1.4, 0.2]])[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == model.predict([[5.1, 3.5, 1.4, 0.2]])[0]


def test_parameters_alone_are_no_model(folder):
    from trainer.runs import save_parameters

    save_parameters("old.safetensors", {"0.weights": np.zeros((1, 1))})
    with pytest.raises(DataError, match=r"old\.safetensors holds parameters alone"):
        trainer.load("old.safetensors")


def test_a_plugin_that_is_gone_is_named(folder):
    (folder / "mine.py").write_text(
        "from trainer import hookimpl, op\n\n@op\ndef twice(x):\n    return x + x\n\n"
        "@twice.vjp('x')\ndef _(dy):\n    return dy + dy\n\n"
        "@twice.samples\ndef _(rng):\n    yield rng.normal(size=3)\n\n"
        "@hookimpl\ndef register_ops(register):\n    register(twice)\n"
    )
    config = {**KINDS["numbers"], "plugins": ["mine.py"], "network": [{"dense": 1}, "twice"]}
    outcome = trained(config)
    assert trainer.load(outcome.folder).predict([[1.0]]).shape == (1,)
    (folder / "mine.py").unlink()
    with pytest.raises(trainer.errors.ConfigError, match=r"mine\.py"):
        trainer.load(outcome.folder)


def test_a_run_is_what_it_left_and_what_goes_on_from_it(folder):
    outcome = trained({**KINDS["softmax"], "epochs": 2})
    run = trainer.Run(outcome.folder)
    assert repr(run) == f"<Run {outcome.folder.name}: finished>"
    assert (run.metrics["epoch"].tolist(), run.config["epochs"], run.network.names) == ([1, 2], 2, ("dense",))
    assert run.state.epoch == 2
    rows = raw(outcome)
    assert run.predict(rows).tolist() == trainer.load(outcome.folder).predict(rows).tolist()
    assert run.predict_proba(rows).shape == (40, 3)
    longer = run.resume(["epochs=4"])
    assert longer.metrics["epoch"].tolist() == [1, 2, 3, 4]
    with pytest.raises(DataError, match="did you mean"):
        trainer.Run(str(outcome.folder)[:-1])


def test_a_notebook_shows_curve_and_numbers(folder):
    html = trainer.Run(trained({**KINDS["softmax"], "epochs": 3}).folder)._repr_html_()
    assert "finished, 3 epochs in" in html
    assert html.count("<path") == 2
    assert 'aria-label="loss of train and test over 3 epochs"' in html
    assert ">accuracy<" in html
    assert "http" not in html
    assert "<script" not in html


def test_a_notebook_shows_what_was_tested_once_at_the_end(folder):
    config = {**KINDS["softmax"], "dataset": {"name": "iris", "validation_fraction": 0.2}}
    outcome = trained(config)
    html = trainer.Run(outcome.folder)._repr_html_()
    assert html.index(">train<") < html.index(">validation<") < html.index(">test<")
    assert f"{outcome.tested['loss']:#.4g}" in html


def test_a_notebook_shows_a_run_without_an_epoch(folder):
    from trainer.runs import RunFolder

    with RunFolder("runs", "a<b") as run:
        pass
    assert "a-b</b><br>finished, 0 epochs" in trainer.Run(run.path)._repr_html_()


def test_the_config_of_a_model_builds_the_network_of_its_run(folder):
    outcome = trained(TABLE)
    network = build(load_config(outcome.folder / "resolved.yaml")).network
    assert repr(trainer.load(outcome.folder).network) == repr(network)
