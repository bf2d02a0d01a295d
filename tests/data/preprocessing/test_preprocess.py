# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""Preprocessors: what scikit-learn computes, learnt from the training rows, and the same bytes after being saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import decomposition, preprocessing

from tests.hints import Advice
from trainer.data import Dataset, Preprocessing, Split, prepare
from trainer.data.preprocessing.transformers import (
    PCA,
    PREPROCESSORS,
    FastICA,
    KBinsDiscretizer,
    MinMaxScaler,
    QuantileTransformer,
    SimpleImputer,
    SplineTransformer,
    StandardScaler,
    VarianceThreshold,
)
from trainer.errors import DataError, ShapeError
from trainer.plugins import Plugins
from trainer.plugins.registry import snake_case
from trainer.runs import RunFolder, load_parameters, save_parameters
from trainer.runs import load as load_run

ROWS = np.arange(60)


def table(**options: Any) -> Dataset:
    inputs = np.random.default_rng(0).gamma(2, size=(60, 4))
    if options.get("has_missing"):
        inputs[::7, 1] = np.nan
    return Dataset("table", inputs, np.arange(60) % 2, "classification", ("a", "b"), ("p", "q", "r", "s"), **options)


# Options beside the defaults, where scikit-learn has branches that keep other attributes.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "StandardScaler": [{}, {"with_mean": False}, {"with_std": False}],
    "MinMaxScaler": [{}, {"feature_range": (-1.0, 1.0), "clip": True}],
    "RobustScaler": [{}, {"quantile_range": (10.0, 90.0), "unit_variance": True}],
    "QuantileTransformer": [{}, {"n_quantiles": 7, "output_distribution": "normal", "subsample": 20}],
    "PowerTransformer": [{}, {"method": "box-cox"}, {"standardize": False}],
    "PolynomialFeatures": [{}, {"degree": 3, "interaction_only": True, "include_bias": False}],
    "KBinsDiscretizer": [{}, {"encode": "ordinal", "strategy": "uniform"}, {"strategy": "kmeans", "n_bins": 3}],
    "SplineTransformer": [{}, {"knots": "quantile", "extrapolation": "linear"}, {"extrapolation": "periodic"}],
    "SimpleImputer": [{}, {"strategy": "constant", "fill_value": 3.0}, {"strategy": "median", "add_indicator": True}],
    "KNNImputer": [{}, {"weights": "distance", "add_indicator": True}],
    "PCA": [{}, {"n_components": 0.9, "whiten": True}, {"n_components": 2, "svd_solver": "randomized"}],
    "TruncatedSVD": [{}, {"algorithm": "arpack", "n_components": 3}],
    "FastICA": [{"n_components": 2}, {"algorithm": "deflation"}],
    "RBFSampler": [{"n_components": 5}, {"n_components": 5, "gamma": "scale"}],
    "GaussianRandomProjection": [{"n_components": 3}],
}
CASES = [(cls, options) for cls in PREPROCESSORS for options in VARIANTS.get(cls.__name__, [{}])]


@pytest.mark.parametrize(("cls", "options"), CASES, ids=[f"{cls.__name__} {options}" for cls, options in CASES])
def test_every_class_gives_the_same_bytes_after_it_was_saved(tmp_path: Path, cls: Any, options: dict[str, Any]) -> None:
    dataset = table(has_missing="Imputer" in cls.__name__)
    steps = [(snake_case(cls.__name__), cls(**options))]
    prepared = prepare(dataset, targets="classes", preprocess=steps, dtype=np.float64, seed=4)
    save_parameters(tmp_path / "p", {"0.bias": np.zeros(2)}, None, prepared.preprocessing)
    saved = load_parameters(tmp_path / "p")
    assert list(saved.parameters) == ["0.bias"]
    loaded = saved.preprocessing()
    assert loaded is not None
    assert repr(loaded) == repr(prepared.preprocessing)
    assert loaded.steps[0].preprocessor == cls(**options)
    assert loaded.apply(dataset.inputs[prepared.train.indices]).tobytes() == prepared.train.inputs.tobytes()
    assert loaded.apply(dataset.inputs[prepared.test.indices]).tobytes() == prepared.test.inputs.tobytes()
    assert loaded.names == prepared.feature_names
    assert len(loaded.names) == prepared.input_shape[0]


def test_a_run_keeps_its_preprocessing(tmp_path: Path) -> None:
    fitted = Preprocessing.fit([("pca", PCA(2))], table(), ROWS)
    with RunFolder(tmp_path, "run") as folder:
        folder.save_parameters({"0.bias": np.zeros(2)}, None, fitted)
    run = load_run(folder.path)
    assert run.preprocessing is not None
    assert run.preprocessing.apply(table().inputs).tobytes() == fitted.apply(table().inputs).tobytes()
    assert list(run.parameters) == ["0.bias"]
    assert run.scaling is None


def test_the_same_preprocessing_gives_the_same_file(tmp_path: Path) -> None:
    steps = [("pca", PCA(2, svd_solver="randomized")), ("k_bins_discretizer", KBinsDiscretizer())]
    fitted = [Preprocessing.fit(steps, table(), ROWS, seed=1) for _ in range(2)]
    assert len({save_parameters(tmp_path / "p", {}, None, each) for each in fitted}) == 1


def test_steps_follow_each_other_and_learn_from_the_training_rows_alone() -> None:
    dataset = table()
    steps = [("standard_scaler", StandardScaler()), ("pca", PCA(2))]
    prepared = prepare(dataset, targets="classes", preprocess=steps, dtype=np.float64)
    scaler = preprocessing.StandardScaler().fit(dataset.inputs[prepared.train.indices])
    pca = decomposition.PCA(2).fit(scaler.transform(dataset.inputs[prepared.train.indices]))
    expected = pca.transform(scaler.transform(dataset.inputs[prepared.test.indices]))
    np.testing.assert_allclose(prepared.test.inputs, expected, rtol=1e-12, atol=1e-12)
    assert prepared.scaling is None
    assert repr(prepared.preprocessing) == "Preprocessing by standard_scaler, pca: inputs (4,) to (2,)"


def test_columns_by_name_and_number_stay_where_they_are() -> None:
    fitted = Preprocessing.fit([("min_max_scaler", MinMaxScaler(columns=["r", 0]))], table(), ROWS)
    inputs = table().inputs
    changed = fitted.apply(inputs)
    np.testing.assert_array_equal(changed[:, [1, 3]], inputs[:, [1, 3]])
    np.testing.assert_allclose(changed[:, [0, 2]].min(axis=0), 0, atol=1e-15)
    assert fitted.names == ("p", "q", "r", "s")


def test_columns_that_a_step_makes_come_behind_those_it_was_not_given() -> None:
    steps = [("pca", PCA(1, columns=["p", "r"])), ("standard_scaler", StandardScaler(columns=["pca0"]))]
    fitted = Preprocessing.fit(steps, table(), ROWS)
    changed = fitted.apply(table().inputs)
    assert fitted.names == ("q", "s", "pca0")
    np.testing.assert_array_equal(changed[:, :2], table().inputs[:, [1, 3]])
    np.testing.assert_allclose(changed[:, 2].std(), 1)


def test_the_index_of_a_category_stays_unless_it_is_named() -> None:
    inputs = table().inputs
    inputs[:, 2] = np.arange(60) % 3
    dataset = Dataset(
        "table", inputs, np.zeros(60), "regression", (), ("p", "q", "city", "s"), categories={"city": ("x", "y", "z")}
    )
    ways: list[dict[str, Any]] = [{"standardize": True}, {"preprocess": [("standard_scaler", StandardScaler())]}]
    for options in ways:
        prepared = prepare(dataset, targets="values", split=Split(test_fraction=0), dtype=np.float64, **options)
        np.testing.assert_array_equal(prepared.train.inputs[:, 2], inputs[:, 2])
        np.testing.assert_allclose(prepared.train.inputs[:, [0, 1, 3]].mean(axis=0), 0, atol=1e-14)
    steps: list[Any] = [("pca", PCA(2)), ("standard_scaler", StandardScaler())]
    fitted = Preprocessing.fit(steps, dataset, ROWS)
    assert fitted.names == ("city", "pca0", "pca1")
    np.testing.assert_array_equal(fitted.apply(inputs)[:, 0], inputs[:, 2])
    steps = [("simple_imputer", SimpleImputer("most_frequent", columns=["city"])), *steps]
    assert Preprocessing.fit(steps, dataset, ROWS).names == ("city", "pca0", "pca1")
    steps = [("standard_scaler", StandardScaler(columns=["city"])), ("pca", PCA(2))]
    assert Preprocessing.fit(steps, dataset, ROWS).names == ("pca0", "pca1")


def test_images_keep_their_shape_while_every_pixel_keeps_its_place() -> None:
    inputs = np.random.default_rng(2).normal(size=(20, 3, 5))
    dataset = Dataset("images", inputs, np.zeros(20), "regression")
    scaled = Preprocessing.fit([("standard_scaler", StandardScaler())], dataset, np.arange(20))
    assert scaled.output_shape == (3, 5)
    expected = preprocessing.StandardScaler().fit_transform(inputs.reshape(20, 15)).reshape(20, 3, 5)
    np.testing.assert_array_equal(scaled.apply(inputs), expected)
    reduced = Preprocessing.fit([("pca", PCA(4))], dataset, np.arange(20))
    assert reduced.apply(inputs).shape == (20, 4)


def test_missing_values_are_filled_in_from_the_training_rows() -> None:
    dataset = table(has_missing=True)
    prepared = prepare(dataset, targets="classes", preprocess=[("simple_imputer", SimpleImputer())], dtype=np.float64)
    mean = np.nanmean(dataset.inputs[prepared.train.indices, 1])
    holes = np.isnan(dataset.inputs[prepared.test.indices, 1])
    assert holes.any()
    np.testing.assert_allclose(prepared.test.inputs[holes, 1], mean)


def test_a_constant_column_can_be_left_out() -> None:
    inputs = table().inputs
    inputs[:, 1] = 5
    dataset = Dataset("table", inputs, np.zeros(60), "regression", (), ("p", "q", "r", "s"))
    fitted = Preprocessing.fit([("variance_threshold", VarianceThreshold())], dataset, ROWS)
    assert fitted.names == ("p", "r", "s")


def test_no_test_rows_give_none() -> None:
    prepared = prepare(table(), targets="classes", split=Split(test_fraction=0), preprocess=[("pca", PCA(2))])
    assert prepared.test.inputs.shape == (0, 2)


def test_names_are_those_of_the_columns_that_the_network_gets() -> None:
    steps = [("pca", PCA(2))]
    assert prepare(table(), targets="classes", preprocess=steps).feature_names == ("pca0", "pca1")
    unnamed = Dataset("d", table().inputs, np.zeros(60), "regression")
    assert prepare(unnamed, targets="values", preprocess=steps).feature_names == ()


def test_a_fitted_step_is_used_on_its_own_shape_alone() -> None:
    fitted = Preprocessing.fit([("pca", PCA(2))], table(), ROWS)
    with pytest.raises(ShapeError) as caught:
        fitted.apply(np.zeros((5, 3)))
    assert str(caught.value) == (
        "the preprocessing was fitted on inputs of shape (n, 4) and cannot be used on shape (5, 3)"
    )


def test_arrays_that_are_no_steps_are_refused() -> None:
    arrays = Preprocessing.fit([("pca", PCA(2))], table(), ROWS).to_arrays()
    assert Preprocessing.from_arrays({"0.bias": np.zeros(2)}) is None
    without = {name: array for name, array in arrays.items() if name != "preprocess.0.mean_"}
    loaded = Preprocessing.from_arrays(without)
    assert loaded is not None
    with pytest.raises(DataError) as caught:
        loaded.apply(table().inputs)
    assert str(caught.value) == "a saved preprocessor cannot be read: KeyError 'mean_'"
    with pytest.raises(DataError, match="saved preprocessing cannot be read: JSONDecodeError"):
        Preprocessing.from_arrays({"preprocess.steps": np.frombuffer(b"{", dtype=np.uint8)})


def test_only_listed_classes_are_made_from_a_file() -> None:
    from trainer.data.preprocessing.saved import restored

    about = b'{"scikit-learn": "1", "estimator": {"class": "Popen", "attributes": {}}}'
    with pytest.raises(DataError, match="a saved preprocessor cannot be read: KeyError 'Popen'"):
        restored({"about": np.frombuffer(about, dtype=np.uint8)})


PLUGIN = '''
from dataclasses import dataclass
import numpy as np
from trainer import hookimpl

@dataclass(frozen=True)
class Centre:
    """Every column less a quantile of it."""
    quantile: float = 0.5

    def fit(self, inputs, rng):
        return {"middle": np.quantile(inputs, self.quantile, axis=0)}

    def apply(self, state, inputs):
        return inputs - state["middle"]

@hookimpl
def register_preprocessors(register):
    register(Centre)
'''


def test_a_plugin_adds_a_preprocessor(tmp_path: Path) -> None:
    from trainer.config import load
    from trainer.experiment import load_data

    tmp_path.joinpath("centre.py").write_text(PLUGIN)
    np.save(tmp_path / "t.npy", np.column_stack([table().inputs, np.zeros(60)]))
    config = tmp_path / "c.yaml"
    config.write_text(
        "plugins: [centre.py]\ndataset: {path: t.npy, test_fraction: 0, preprocess: [centre: 0.25]}\n"
        "network: [dense: 1]\ncost: mean_squared_error\nstep_size: 0.1\ncompute: {dtype: float64}\n"
    )
    loaded = load(config)
    prepared = load_data(loaded)
    np.testing.assert_allclose(np.quantile(prepared.train.inputs, 0.25, axis=0), 0, atol=1e-14)
    assert prepared.preprocessing is not None
    arrays = prepared.preprocessing.to_arrays()
    again = Preprocessing.from_arrays(arrays, Plugins([str(tmp_path / "centre.py")]))
    assert again is not None
    np.testing.assert_array_equal(again.apply(table().inputs), prepared.train.inputs)


CATEGORY = Dataset("d", np.ones((60, 1)), np.zeros(60), "regression", (), ("c",), categories={"c": ("x", "y")})
BAD: list[tuple[Dataset, list[tuple[str, Any]], str]] = [
    (
        table(),
        [("pca", PCA(5))],
        "pca cannot be fitted to 60 training rows of 4 columns: n_components is 5, and there are 4 at most",
    ),
    (
        table(),
        [("pca", PCA(1.5))],
        "pca cannot be fitted to 60 training rows of 4 columns: n_components is 1.5; it is a whole number, or below 1 a share of the variance",
    ),
    (
        table(),
        [("min_max_scaler", MinMaxScaler((1.0, 0.0)))],
        "min_max_scaler cannot be fitted to 60 training rows of 4 columns: Minimum of desired feature range must be smaller than maximum. Got (1.0, 0.0)",
    ),
    (
        table(),
        [("standard_scaler", StandardScaler(columns=["P"]))],
        "standard_scaler: there is no column 'P'; there are 'p', 'q', 'r', 's'",
    ),
    (
        table(),
        [("standard_scaler", StandardScaler(columns=["pp"]))],
        "standard_scaler: there is no column 'pp'; did you mean 'p'?",
    ),
    (
        table(),
        [("standard_scaler", StandardScaler(columns=[4]))],
        "standard_scaler: there is no column 4; they count from 0 to 3",
    ),
    (
        table(),
        [("standard_scaler", StandardScaler(columns=["p", 0]))],
        "standard_scaler: columns names 'p' twice",
    ),
    (
        table(),
        [("standard_scaler", StandardScaler(columns=[]))],
        "standard_scaler: columns is an empty list; leave it out for all columns that are numbers",
    ),
    (
        Dataset("d", np.zeros((60, 2, 2)), np.zeros(60), "regression"),
        [("standard_scaler", StandardScaler(columns=[0]))],
        "standard_scaler: columns are those of a table, and here a row's inputs have shape (2, 2)",
    ),
    (
        CATEGORY,
        [("standard_scaler", StandardScaler())],
        "standard_scaler: every column is a category; name those that it is for, as in columns: [0]",
    ),
    (
        Dataset("d", np.ones((60, 2)), np.zeros(60), "regression", (), ("c", "c")),
        [("standard_scaler", StandardScaler(columns=["c"]))],
        "standard_scaler: 2 columns are called 'c'; name one by its number",
    ),
    (
        table(has_missing=True),
        [("pca", PCA(2))],
        "pca needs every value, and 'q' lacks 9 in the training rows; put simple_imputer before it",
    ),
    (
        Dataset("d", np.full((60, 1), np.nan), np.zeros(60), "regression", has_missing=True),
        [("simple_imputer", SimpleImputer())],
        "simple_imputer: 'column 0' has no value in any training row, so nothing can be learnt of it; leave it out",
    ),
    (
        Dataset("d", np.ones((60, 2)), np.zeros(60), "regression"),
        [("variance_threshold", VarianceThreshold())],
        "variance_threshold cannot be fitted to 60 training rows of 2 columns: No feature in X meets the variance threshold 0.00000",
    ),
    (
        table(),
        [("quantile_transformer", QuantileTransformer(n_quantiles=100))],
        "quantile_transformer cannot be fitted to 60 training rows of 4 columns: n_quantiles is 100, and there are 60 rows: write at most that",
    ),
    (
        Dataset("d", table().inputs, np.zeros(60), "regression", parts={"a": (3,), "b": (1,)}),
        [("pca", PCA(2))],
        "pca makes 2 columns of 4, and the inputs of data set 'd' are packed of several parts, a (3,) and b (1,): use a preprocessor that keeps the columns",
    ),
    (
        Dataset("d", np.ones((60, 2)), np.zeros(60), "regression"),
        [("k_bins_discretizer", KBinsDiscretizer())],
        "k_bins_discretizer cannot be fitted to 60 training rows of 2 columns: Feature 0 is constant and will be replaced with 0",
    ),
    (
        table(),
        [("fast_ica", FastICA(2, max_iter=1))],
        "fast_ica cannot be fitted to 60 training rows of 4 columns: FastICA did not converge. Consider increasing tolerance or the maximum number of iterations",
    ),
]


@pytest.mark.parametrize(("dataset", "steps", "message"), BAD, ids=[case[2][:80] for case in BAD])
def test_a_step_that_cannot_be_fitted_is_refused(dataset: Dataset, steps: list[tuple[str, Any]], message: str) -> None:
    with pytest.raises(DataError) as caught:
        Preprocessing.fit(steps, dataset, ROWS)
    assert str(caught.value) == message


def scaled(dataset: Dataset, **options: Any) -> list[int]:
    """The columns that a scaler is fitted to."""
    (step,) = Preprocessing.fit([("standard_scaler", StandardScaler(**options))], dataset, ROWS).steps
    return list(step.columns.tolist())


EMPTY = Dataset("d", np.column_stack([np.ones(60), np.full(60, np.nan)]), np.zeros(60), "regression", has_missing=True)


def filled(dataset: Dataset) -> object:
    return Preprocessing.fit([("simple_imputer", SimpleImputer())], dataset, ROWS)


ADVICE = [
    Advice(
        lambda: filled(EMPTY),
        "simple_imputer: 'column 1' has no value in any training row, so nothing can be learnt of it; leave it out",
        (lambda: filled(replace(EMPTY, inputs=EMPTY.inputs[:, :1])),),
    ),
    Advice(
        lambda: scaled(table(), columns=[]),
        "columns is an empty list; leave it out for all columns that are numbers",
        (lambda: scaled(table()) == [0, 1, 2, 3],),
    ),
    Advice(
        lambda: scaled(CATEGORY),
        "every column is a category; name those that it is for, as in columns: [0]",
        (lambda: scaled(CATEGORY, columns=[0]) == [0],),
    ),
]


@pytest.mark.parametrize("advice", ADVICE, ids=[each.said[:30] for each in ADVICE])
def test_what_is_said_of_its_columns_is_followed(advice: Advice) -> None:
    assert all(advice.followed(DataError))


def test_a_step_that_cannot_be_used_on_other_rows_is_refused() -> None:
    fitted = Preprocessing.fit([("spline_transformer", SplineTransformer(extrapolation="error"))], table(), ROWS)
    with pytest.raises(DataError) as caught:
        fitted.apply(table().inputs + 100)
    assert str(caught.value) == (
        "spline_transformer cannot be used on 60 rows: `X` contains values beyond the limits of the knots"
    )


def test_columns_are_given_to_a_step_in_their_own_order() -> None:
    fitted = [
        Preprocessing.fit([("pca", PCA(2, columns=columns))], table(), ROWS) for columns in (["r", "p"], ["p", "r"])
    ]
    one, other = (steps.apply(table().inputs) for steps in fitted)
    assert one.tobytes() == other.tobytes()
    assert [steps.steps[0].columns.tolist() for steps in fitted] == [sorted(fitted[0].steps[0].columns.tolist())] * 2
