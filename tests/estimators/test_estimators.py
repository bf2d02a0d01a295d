"""Estimators train what a config trains, to the same bits, and go wherever scikit-learn's own go."""

from __future__ import annotations

import pickle
import pickletools
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import trainer
from tests.hints import advised
from trainer import TrainerClassifier, TrainerRegressor
from trainer.config.schema import Config, DatasetConfig
from trainer.errors import ConfigError

X, Y = load_iris(return_X_y=True)
NETWORK = [{"dense": 6}, "tanh", {"dense": "outputs"}]


def small(**given):
    return TrainerClassifier(NETWORK, **{"epochs": 3, "step_size": 0.01, "standardize": True, **given})


def numbers(**given):
    return TrainerRegressor(NETWORK, **{"epochs": 3, "step_size": 0.01, **given})


# How rows come to the data set, which here are handed over, and what a run writes into its folder, which is none.
OF_A_FILE = {"dataset", "name", "checkpoint", "log", "seeds", "sweep"}
SPLITS = {
    "name",
    "path",
    "validation_path",
    "test_path",
    "positive",
    "split",
    "test_fraction",
    "folds",
    "fold",
    "stratify",
    "one_hot",
    "reconstruct",
}


def test_every_key_of_a_config_is_a_parameter():
    of_data = set(DatasetConfig.model_fields) - SPLITS - {"component", "options", "frame"}
    assert set(small().get_params()) == (set(Config.model_fields) - OF_A_FILE) | of_data | {"warm_start"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_trains_to_the_bits_of_the_config(dtype):
    config = {
        "dataset": {"name": "iris", "standardize": True, "test_fraction": 0.0, "class_weights": "balanced"},
        "network": [{"dense": 6}, "tanh", {"dropout": 0.1}, {"dense": 3}],
        "cost": "softmax_cross_entropy",
        "optimizer": {"adam": {"beta1": 0.8}},
        "step_size": {"exponential": {"start": 0.01, "factor": 0.9}},
        "epochs": 3,
        "seed": 4,
        "compute": {"dtype": dtype},
    }
    expected = trainer.train(config).parameters
    estimator = TrainerClassifier(
        [{"dense": 6}, "tanh", {"dropout": np.float64(0.1)}, {"dense": "outputs"}],
        standardize=True, class_weights="balanced", optimizer={"adam": {"beta1": 0.8}}, epochs=np.int64(3), seed=4,
        step_size={"exponential": {"start": 0.01, "factor": 0.9}},
    )  # fmt: skip
    found = estimator.fit(X.astype(dtype), Y).parameters_ if dtype == "float64" else None
    if found is None:  # the data set's own numbers are float64, whatever the network computes in
        found = estimator.set_params(compute={"dtype": dtype}).fit(X, Y).parameters_
    assert found.keys() == expected.keys()
    assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)


@pytest.mark.parametrize("optimizer", ["adam", {"momentum": {"momentum": 0.9}}])
def test_so_many_partial_fits_are_a_fit_of_so_many_epochs(optimizer):
    whole = small(optimizer=optimizer, epochs=4, average=0.9).fit(X, Y)
    parts = small(optimizer=optimizer, average=0.9)
    for _ in range(2):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    parts = pickle.loads(pickle.dumps(parts))  # noqa: S301  # what this test pickled itself
    for _ in range(2):
        parts.partial_fit(X, Y)
    assert all(parts.parameters_[k].tobytes() == v.tobytes() for k, v in whole.parameters_.items())
    assert parts.history_ == whole.history_
    assert parts.n_iter_ == whole.n_iter_ == 4


def test_a_batch_may_lack_a_class_and_what_was_fitted_first_stays():
    estimator = small().partial_fit(X[:100], Y[:100], classes=[0, 1, 2])
    scaling = estimator.fitted_["scaling.mean"].copy()
    estimator.partial_fit(X[100:] + 7, Y[100:])
    assert estimator.predict_proba(X).shape == (150, 3)
    assert np.array_equal(estimator.fitted_["scaling.mean"], scaling)


def test_partial_fit_of_numbers():
    y = X[:, :2] @ [[1.0, 0.0], [2.0, 1.0]]
    assert np.array_equal(numbers().fit(X, y).predict(X), (e := numbers()).partial_fit(X, y) and _more(e, X, y, 2))


def _more(estimator, x, y, times):
    for _ in range(times):
        estimator.partial_fit(x, y)
    return estimator.predict(x)


def test_a_warm_start_begins_with_the_parameters_of_the_last_fit():
    cold, warm = small(seed=1), small(seed=1, warm_start=True)
    first = [e.fit(X, Y).history_["train_loss"][-1] for e in (cold, warm)]
    again = [e.fit(X, Y).history_["train_loss"][0] for e in (cold, warm)]
    assert first[0] == first[1]
    assert again[1] < first[1] < again[0]


def test_early_stopping_watches_rows_of_its_own():
    estimator = small(epochs=60, step_size=0.1, validation_fraction=0.3, stop={"patience": 2}).fit(X, Y)
    assert estimator.n_iter_ < 60
    assert len(estimator.history_["validation_loss"]) == estimator.n_iter_


def test_a_function_may_be_a_callback_and_end_the_training():
    seen = []

    def watch(record, training):
        seen.append(record)
        return "enough" if record.step == 7 else None

    estimator = small(callbacks=[watch]).fit(X, Y)
    assert seen[-2].step == 7
    assert estimator.n_iter_ == 2


def test_an_epoch_is_measured_where_somebody_asks_and_else_is_the_mean_of_its_batches():
    plain, asked = small(batch_size=40).fit(X, Y), small(batch_size=40, metrics=["accuracy"]).fit(X, Y)
    assert list(plain.history_) == ["train_loss"]
    assert list(asked.history_) == ["train_loss", "train_accuracy"]
    assert all(plain.parameters_[k].tobytes() == v.tobytes() for k, v in asked.parameters_.items())
    steps = []
    watched = small(batch_size=40, callbacks=[lambda record, training: steps.append(record)]).fit(X, Y)
    assert watched.history_["train_loss"] == asked.history_["train_loss"]
    first = [record for record in steps if record.epoch == 1 and hasattr(record, "loss")]
    assert [record.rows for record in first] == [40, 40, 40, 30]
    assert plain.history_["train_loss"][0] == pytest.approx(sum(r.loss * r.rows for r in first) / 150)


def test_weights_of_rows():
    """A row of weight 0 is as good as left out; and what weighs more is fitted better."""
    weights = np.where(Y == 1, 0.0, 1.0)
    without = small().fit(X[Y != 1], Y[Y != 1]).predict_proba(X)
    found = small().fit(X, Y, sample_weight=weights)
    assert found.classes_.tolist() == [0, 1, 2]
    assert without.shape == (150, 2)
    heavy = small(epochs=20).fit(X, Y, np.where(Y == 2, 50.0, 1.0))
    assert (heavy.predict(X) == 2).sum() > (small(epochs=20).fit(X, Y).predict(X) == 2).sum()


def test_labels_are_any_and_costs_of_one_output_get_one():
    names = np.array(["rose", "lily"])[(Y > 0).astype(int)]
    for cost in ("sigmoid_cross_entropy", "hinge"):
        estimator = small(cost=cost, epochs=10).fit(X, names)
        assert estimator.score(X, names) == 1.0
        assert estimator.classes_.tolist() == ["lily", "rose"]
        assert hasattr(estimator, "predict_proba") == (cost != "hinge")
    assert small(cost="sigmoid_cross_entropy").fit(X, names).predict_proba(X).shape == (150, 2)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_have_names_that_count(library):
    frames = pytest.importorskip(library, reason=f"{library} is not installed, and a frame of it is what is tried")
    columns = {name: X[:, i] for i, name in enumerate(("a", "b", "c", "d"))}
    estimator = small().fit(frames.DataFrame(columns), Y)
    assert estimator.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert np.array_equal(estimator.predict(frames.DataFrame(columns)), small().fit(X, Y).predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict(frames.DataFrame({**{name: columns[name] for name in "bacd"}}))


def test_missing_values_are_for_a_step_to_fill():
    holes = np.where(np.arange(X.size).reshape(X.shape) % 11, X, np.nan)
    estimator = small(standardize=False, preprocess=["simple_imputer", "standard_scaler"]).fit(holes, Y)
    assert np.isfinite(estimator.predict_proba(holes)).all()
    with pytest.raises(ValueError, match="contains NaN"):
        small().fit(holes, Y)


def test_pipelines_searches_and_cross_validation():
    pipeline = make_pipeline(StandardScaler(), small(standardize=False)).set_output(transform="default")
    assert cross_val_score(pipeline, X, Y, cv=3, n_jobs=2).shape == (3,)
    grid = {"step_size": [0.001, 0.05], "network": [NETWORK, [{"dense": "outputs"}]]}
    search = GridSearchCV(small(epochs=15), grid, cv=3, n_jobs=2).fit(X, Y)
    assert search.best_params_["step_size"] == 0.05
    alone = clone(search.best_estimator_).fit(X, Y)
    assert np.array_equal(alone.predict_proba(X), search.predict_proba(X))


def test_a_pickle_holds_arrays_and_plain_data_alone():
    content = pickle.dumps(small(preprocess=["standard_scaler"], standardize=False).fit(X, Y))
    named = [text for op, text, _ in pickletools.genops(content) if "UNICODE" in op.name]
    modules = {
        text for text in named if "." in text and text.partition(".")[0] in {"trainer", "trainer_ops", "sklearn"}
    }
    assert modules == {"trainer.estimators.classifier"}
    loaded = pickle.loads(content)  # noqa: S301  # what this test pickled itself
    assert loaded.score(X, Y) > 0.5


WRONG = {
    "one class": (lambda: small().fit(X, np.zeros(150)), ValueError, r"all rows that count have one class"),
    "no classes": (lambda: small().partial_fit(X, Y), ValueError, "the first call of partial_fit needs classes"),
    "one of them": (lambda: small().partial_fit(X, Y, classes=[1]), ValueError, r"classes are \[1\]; telling apart"),
    "others": (
        lambda: small().partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, Y, classes=[0, 1]),
        ValueError,
        r"classes are \[0, 1\], and were array\(\[0, 1, 2\]\) in the first call",
    ),
    "a new label": (
        lambda: small().partial_fit(X, Y, classes=[0, 1]),
        ValueError,
        r"label '2' is none of the classes array\(\[0, 1\]\)",
    ),
    "several labels": (lambda: small().fit(X, np.eye(3, dtype=int)[Y]), ValueError, "a row has one label here"),
    "no weight": (
        lambda: small().fit(X, Y, np.zeros(150)),
        ValueError,
        "every sample_weight is 0|at least one non-zero",
    ),
    "a negative one": (lambda: numbers().fit(X, Y * 1.0, -np.ones(150)), ValueError, "(?i)negative"),
    "a layer": (lambda: small().set_params(network=[{"dens": 3}]).fit(X, Y), ConfigError, "did you mean 'dense'"),
    "an optimizer": (lambda: small(optimizer="adm").fit(X, Y), ConfigError, "did you mean 'adam'"),
    "outputs": (lambda: small().set_params(network=[{"dense": 4}]).fit(X, Y), ConfigError, "has 3 classes: '0' "),
    "no fit": (lambda: small().predict(X), ValueError, "is not fitted yet"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said(what):
    act, kind, text = WRONG[what]
    with pytest.raises(kind, match=text):
        act()


def test_scores_that_are_no_probabilities_are_had_as_they_are():
    estimator = small(cost="categorical_hinge").fit(X, Y)
    with pytest.raises(AttributeError, match="predict_proba") as caught:
        estimator.predict_proba(X)
    advised(
        caught.value.__cause__,
        "the cost 'categorical_hinge' gives its outputs no meaning as probabilities; take predict(X), or the scores "
        "themselves, model.outputs(X)",
    )
    assert estimator.predict(X).tolist() == estimator.model.outputs(X).argmax(axis=1).tolist()


def test_importing_the_package_imports_no_scikit_learn():
    code = "import sys, trainer; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
