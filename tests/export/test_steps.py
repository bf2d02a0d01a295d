"""Each step of preprocess is in ONNX what it is in training: with nan, negative rows and constant columns."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.data import Dataset, Preprocessing
from trainer.data.preprocessing.transformers import PREPROCESSORS
from trainer.errors import UsageError
from trainer.export.onnx import largest_difference, to_onnx
from trainer.export.steps import STEPS
from trainer.nn import Dense, Network
from trainer.plugins import shared
from trainer.plugins.registry import snake_case

CLOSE = 1e-6
RNG = np.random.default_rng(0)
PLAIN = RNG.normal(size=(60, 4)) * [1, 10, 0.1, 3] + [0, 5, -2, 100]
PLAIN[:, 3] = np.round(PLAIN[:, 3])
CONSTANT = np.column_stack([PLAIN, np.full(60, 7.0)])
GAPS = np.where(RNG.random(PLAIN.shape) < 0.2, np.nan, PLAIN)
POSITIVE = np.abs(PLAIN) + 0.1

# The options of a step, and the rows that it is tried on.
CASES = [
    ("standard_scaler", {}, CONSTANT),
    ("standard_scaler", {"with_mean": False}, PLAIN),
    ("standard_scaler", {"with_std": False}, PLAIN),
    ("min_max_scaler", {"feature_range": (-1.0, 2.0)}, CONSTANT),
    ("min_max_scaler", {"clip": True}, PLAIN),
    ("max_abs_scaler", {}, CONSTANT),
    ("robust_scaler", {"unit_variance": True}, CONSTANT),
    ("robust_scaler", {"with_centering": False, "with_scaling": False}, PLAIN),
    ("normalizer", {}, np.vstack([PLAIN, np.zeros(4)])),
    ("normalizer", {"norm": "l1"}, np.vstack([PLAIN, np.zeros(4)])),
    ("normalizer", {"norm": "max"}, np.vstack([-np.abs(PLAIN), np.zeros(4)])),
    ("binarizer", {"threshold": 0.5}, PLAIN),
    ("power_transformer", {}, PLAIN),
    ("power_transformer", {"standardize": False}, PLAIN),
    ("power_transformer", {"method": "box-cox"}, POSITIVE),
    ("polynomial_features", {"degree": 3}, PLAIN[:, :3]),
    ("polynomial_features", {"interaction_only": True, "include_bias": False}, PLAIN),
    ("k_bins_discretizer", {"n_bins": 4}, PLAIN),
    ("k_bins_discretizer", {"n_bins": 4, "encode": "ordinal", "strategy": "uniform"}, PLAIN),
    ("simple_imputer", {}, GAPS),
    ("simple_imputer", {"strategy": "median", "add_indicator": True}, GAPS),
    ("simple_imputer", {"strategy": "constant", "fill_value": -1.0}, GAPS),
    ("pca", {"n_components": 2}, PLAIN),
    ("pca", {"whiten": True}, PLAIN),
    ("truncated_svd", {}, PLAIN),
    ("fast_ica", {"n_components": 2}, PLAIN),
    ("variance_threshold", {}, CONSTANT),
    ("rbf_sampler", {"n_components": 9, "gamma": 0.1}, PLAIN),
    ("gaussian_random_projection", {"n_components": 3}, PLAIN),
]  # fmt: skip
REFUSED = ("quantile_transformer", "spline_transformer", "knn_imputer")


def difference(named, rows, columns=None):
    """Of onnxruntime and the steps, relative to the largest number; a network that does nothing stands behind them."""
    built = []
    for i, (name, options) in enumerate(named):
        given = {**options, "columns": columns} if columns is not None and not i else options
        built.append((name, shared().get("preprocessors", name).build(**given)))
    data = Dataset("d", rows, np.zeros(len(rows)), "regression", has_missing=True)
    steps = Preprocessing.fit(built, data, np.arange(len(rows)))
    network = Network([Dense(1, bias=False)], steps.output_shape, ["dense"])
    units = steps.output_shape[0]
    network = Network([Dense(units, bias=False)], steps.output_shape, ["dense"])
    model = to_onnx(network, {"0.weights": np.eye(units)}, preprocessing=steps, dtype=np.float64)
    more = np.vstack([rows, rows[::-1] * 1.5])
    expected = steps.apply(more)
    return largest_difference(model, expected, more) / max(1.0, np.abs(expected).max())


@pytest.mark.parametrize(("name", "options", "rows"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_step_is_the_same_in_onnx(name, options, rows):
    assert difference([(name, options)], rows) < CLOSE


@pytest.mark.parametrize(("name", "options", "rows"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_step_that_is_given_some_columns_leaves_the_others(name, options, rows):
    rows = np.column_stack([rows, np.arange(len(rows))])
    assert difference([(name, options)], rows, columns=[*range(rows.shape[1] - 1)][::-1]) < CLOSE


def test_steps_come_one_after_the_other():
    steps = [("simple_imputer", {}), ("power_transformer", {}), ("pca", {"n_components": 3}), ("standard_scaler", {})]
    assert difference(steps, GAPS) < CLOSE


def test_every_step_that_ships_is_written_or_refused():
    ships = {snake_case(kind.__name__) for kind in PREPROCESSORS}
    written = {snake_case(kind) for kind in STEPS}
    assert written | set(REFUSED) == ships
    assert {name for name, *_ in CASES} == written


@pytest.mark.parametrize("name", REFUSED)
def test_what_onnx_cannot_say_is_refused_by_name(name):
    with pytest.raises(UsageError, match=f"the step {name} of preprocess cannot be exported"):
        difference([(name, {})], PLAIN)


def test_rows_that_are_no_table_keep_their_shape():
    rows = RNG.normal(size=(20, 3, 2))
    data = Dataset("d", rows, np.zeros(20), "regression")
    scaler = shared().get("preprocessors", "standard_scaler").build()
    steps = Preprocessing.fit([("standard_scaler", scaler)], data, np.arange(20))
    network = Network([Dense(2, bias=False)], (3, 2), ["dense"])
    model = to_onnx(network, {"0.weights": np.eye(2)}, preprocessing=steps, dtype=np.float64)
    assert largest_difference(model, steps.apply(rows), rows) < CLOSE
