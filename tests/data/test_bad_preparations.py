# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""Each wrong section `dataset:` gets exactly its message, with its place, when the config is read or the data are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.hints import advised, obeyed, ways
from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import load_data

CLASSES = "cost: softmax_cross_entropy"
NUMBERS = "cost: mean_squared_error"
SIGNS = "cost: sigmoid_cross_entropy"

# The rest of the config, the section `dataset:`, and the message; columns count from the section's first character.
BAD = [
    # the split
    (CLASSES, "{path: c.csv, split: shuffled}", "1:31: dataset.split expects 'stratified', 'random', 'grouped' or 'ordered', found the text 'shuffled'"),
    (CLASSES, "{path: c.csv, split: gruoped}", "1:31: dataset.split expects 'stratified', 'random', 'grouped' or 'ordered', found the text 'gruoped'; did you mean 'grouped'?"),
    (CLASSES, "{path: c.csv, folds: 1}", "1:31: dataset.folds expects a whole number of at least 2, found 1"),
    (CLASSES, "{path: c.csv, folds: 5, fold: -1}", "1:40: dataset.fold expects a whole number of at least 0, found -1"),
    (CLASSES, "{path: c.csv, folds: 5, fold: 5}", "1:40: fold counts from 0: with folds: 5 it is 0 to 4, not 5"),
    (CLASSES, "{path: c.csv, fold: 2}", "1:30: fold 2 is one of several, and there are no folds: add folds, as in folds: 5"),
    (CLASSES, "{path: c.csv, folds: 3, test_fraction: 0.2}", "1:49: test_fraction: 0.2 and folds: 3 both say how large the test is: leave test_fraction out"),
    (CLASSES, "{path: c.csv, folds: 50}", "1:31: data set 'c.csv' has 20 rows, and folds: 50 needs one for each fold: use fewer folds"),
    (CLASSES, "{path: c.csv, nsplits: 5, fold: 7}", "1:24: unknown option 'nsplits' of dataset; it is called 'folds' here"),
    (CLASSES, "{path: c.csv, split: random, stratify: true}", "1:49: split: random and stratify: true both say how rows are divided: leave stratify out"),
    (CLASSES, "{path: c.csv, split: grouped}", "1:31: split: grouped keeps the rows of a group together, and data set 'c.csv' has no groups: name the column that tells them, as in group: patient, save them as an array called groups beside those of an .npz file, or leave split out"),
    (CLASSES, "{path: c.csv, group: same, split: grouped}", "1:44: data set 'c.csv' has 1 group, and split: grouped needs at least 2, a group for each part"),
    (CLASSES, "{path: c.csv, group: kind, target: y, split: grouped, folds: 5}", "1:55: data set 'c.csv' has 2 groups, and split: grouped needs at least 5, one for each fold"),
    (CLASSES, "{path: c.csv, split: ordered, test_fraction: 0.5}", "1:31: data set 'c.csv': with split: ordered no training row is of class 'no', which could not be learnt; use a smaller test, or split: stratified if time does not matter"),
    (NUMBERS, "{path: n.csv, split: stratified}", "1:31: split: stratified keeps the share of every class, and data set 'n.csv' is a regression, without classes: leave split out"),
    (NUMBERS, "{path: n.csv, test_fraction: 0.99}", "1:39: data set 'n.csv' has 20 rows: test_fraction 0.99 leaves none to train on; add rows, or use test_fraction: 0"),
    # what is done to the inputs
    (CLASSES, "{path: c.csv, preprocess: standard_scaler}", "1:36: dataset.preprocess expects a list of preprocessors that is not empty, found the text 'standard_scaler'; write [standard_scaler]"),
    (CLASSES, "{path: c.csv, preprocess: []}", "1:36: dataset.preprocess expects a list of preprocessors that is not empty, found an empty list"),
    (CLASSES, "{path: c.csv, preprocess: [standard_scalar]}", "1:37: unknown name 'standard_scalar' in preprocess; did you mean 'standard_scaler'?"),
    (CLASSES, "{path: c.csv, preprocess: [StandardScaler]}", "1:37: unknown name 'StandardScaler' in preprocess; did you mean 'standard_scaler'?"),
    (CLASSES, "{path: c.csv, preprocess: [relu]}", "1:37: unknown name 'relu' in preprocess; that is an op, not a preprocessor; there are: binarizer, fast_ica, gaussian_random_projection, k_bins_discretizer, knn_imputer, max_abs_scaler, min_max_scaler, normalizer, pca, polynomial_features, power_transformer, quantile_transformer, rbf_sampler, robust_scaler, simple_imputer, spline_transformer, standard_scaler, truncated_svd, variance_threshold"),
    (CLASSES, "{path: c.csv, preprocess: [pca: two]}", "1:42: pca.n_components expects a number greater than 0, found the text 'two'"),
    (CLASSES, "{path: c.csv, preprocess: [pca: {components: 2}]}", "1:43: unknown option 'components' of pca; did you mean 'n_components'?"),
    (CLASSES, "{path: c.csv, preprocess: [normalizer: l3]}", "1:49: normalizer.norm expects 'l1', 'l2' or 'max', found the text 'l3'"),
    (CLASSES, "{path: c.csv, preprocess: [gaussian_random_projection]}", "1:37: gaussian_random_projection needs 'n_components'; write 'gaussian_random_projection: ...' or 'gaussian_random_projection: {n_components: ...}'"),
    (CLASSES, "{path: c.csv, preprocess: [min_max_scaler: [0, 1, 2]]}", "1:53: min_max_scaler.feature_range expects a list of 2 numbers, found a list of 3"),
    (CLASSES, "{path: c.csv, preprocess: [standard_scaler: {columns: width}]}", "1:64: standard_scaler.columns expects a list of whole numbers or texts, found the text 'width'; write [width]"),
    (CLASSES, "{path: c.csv, preprocess: [standard_scaler, pca: 7]}", "1:54: pca cannot be fitted to 16 training rows of 3 columns: n_components is 7, and there are 3 at most"),
    (CLASSES, "{path: c.csv, preprocess: [standard_scaler: {columns: [widht]}]}", "1:37: standard_scaler: there is no column 'widht'; did you mean 'width'?"),
    (CLASSES, "{path: c.csv, standardize: true, preprocess: [simple_imputer]}", "1:37: standardize and preprocess both change the inputs: leave standardize out and put standard_scaler where it belongs among the steps, as in preprocess: [simple_imputer, standard_scaler]"),
    (NUMBERS, "{path: m.csv, missing: allow}", "1:11: data set 'm.csv': 'a' has no value in row 0, counted from 0, and a network needs every one: add preprocess: [simple_imputer], or leave the column out"),
    (NUMBERS, "{path: m.csv, missing: allow, preprocess: [standard_scaler]}", "1:11: data set 'm.csv': 'a' still has no value in row 0, counted from 0, and a network needs every one: add preprocess: [simple_imputer], or leave the column out"),
    (NUMBERS, "{path: m.csv, missing: allow, standardize: true}", "1:53: data set 'm.csv' lacks values, which standardize does not fill in: leave standardize out and write preprocess: [simple_imputer, standard_scaler]"),
    (NUMBERS, "{path: m.csv, missing: allow, preprocess: [polynomial_features]}", "1:53: polynomial_features needs every value, and 'a' lacks 3 in the training rows; put simple_imputer before it"),
    (NUMBERS, "{path: e.csv, standardize: true, test_fraction: 0}", "1:37: feature [0] has numbers up to 9.5e+200, whose squares overflow: leave standardize out and write preprocess: [max_abs_scaler, standard_scaler], which divides them first"),
    # the balance of the classes
    (CLASSES, "{path: c.csv, class_weights: equal}", "1:39: dataset.class_weights expects 'balanced' or a mapping of classes to numbers above 0, found the text 'equal'"),
    (CLASSES, "{path: c.csv, class_weights: {yes: 0}}", "1:45: dataset.class_weights expects a mapping of classes to numbers above 0, found 0"),
    (CLASSES, "{path: c.csv, class_weights: {yes: high}}", "1:45: dataset.class_weights expects a mapping of classes to numbers above 0, found the text 'high'"),
    (CLASSES, "{path: c.csv, class_weights: {yess: 2}}", "1:46: class_weights: data set 'c.csv' has no class 'yess'; did you mean 'yes'?"),
    (CLASSES, "{path: c.csv, class_weights: {perhaps: 2}}", "1:49: class_weights: data set 'c.csv' has no class 'perhaps'; its classes are 'no', 'yes'"),
    (NUMBERS, "{path: n.csv, class_weights: balanced}", "1:39: class_weights weighs rows by their class, and data set 'n.csv' is a regression, without classes: leave class_weights out"),
    (NUMBERS, "{path: n.csv, resample: oversample}", "1:34: resample draws rows by their class, and data set 'n.csv' is a regression, without classes: leave resample out"),
    (CLASSES, "{path: c.csv, resample: smote}", "1:34: dataset.resample expects 'oversample' or 'undersample', found the text 'smote'"),
    (CLASSES, "{path: c.csv, resample: oversample, class_weights: balanced}", "1:34: resample: oversample makes the classes equally large, so class_weights: balanced would change nothing: keep one of the two"),
    # data on disk
    (CLASSES, "{path: disk, split: random}", "1:30: data set 'disk' is read from disk while it trains, so its test is its last rows: write split: ordered, and save the rows in an order that suits it"),
    (CLASSES, "{path: disk, test_path: c.csv}", "1:34: data set 'disk' is read from disk while it trains, so its test is its last rows: leave test_path out"),
    (CLASSES, "{path: disk, standardize: true}", "1:36: data set 'disk' is read from disk while it trains, so its inputs stay as they are: leave standardize out, and save them standardised or begin the network with batch_norm"),
    (CLASSES, "{path: disk, preprocess: [pca: 1]}", "1:35: data set 'disk' is read from disk while it trains, so its inputs stay as they are: leave preprocess out, and save what it makes of them"),
    (CLASSES, "{path: disk, resample: undersample}", "1:33: data set 'disk' is read from disk while it trains, each row once an epoch: leave resample out and use class_weights: balanced"),
    (NUMBERS, "{path: disk, one_hot: true}", "1:32: data set 'disk' is read from disk while it trains, so its targets stay as they are: leave one_hot out, and use cost: softmax_cross_entropy"),
    (CLASSES + "\ncompute: {dtype: float64}", "{path: disk}", "1:11: data set 'disk' is read from disk while it trains, so it is used in the precision that it was saved in: its inputs are float32, and training computes in float64; save them as float64. Try theirs (compute.dtype=float32)."),
    (CLASSES, "{path: disk, test_fraction: 0.75}", "1:11: data set 'disk': with split: ordered no training row is of class '1', which could not be learnt; save the rows in another order, or use a smaller test"),
    # sequences
    (CLASSES, "{path: text.npz, stratify: true}", "1:37: stratify keeps the share of every class, and data set 'text.npz' has a class for each of 3 positions of a row: leave stratify out"),
    (CLASSES, "{path: text.npz, split: stratified}", "1:34: split: stratified keeps the share of every class, and data set 'text.npz' has a class for each of 3 positions of a row: use split: random"),
    (CLASSES, "{path: text.npz, class_weights: balanced}", "1:42: class_weights weighs rows by their class, and data set 'text.npz' has a class for each of 3 positions of a row: leave class_weights out"),
    (CLASSES, "{path: text.npz, resample: oversample}", "1:37: resample draws rows by their class, and data set 'text.npz' has a class for each of 3 positions of a row: leave resample out"),
    (SIGNS, "{path: text.npz}", "1:11: data set 'text.npz' has a class for each of 3 positions of a row, and the cost wants two classes, as 0 and 1, one for each row: use cost: softmax_cross_entropy"),
]  # fmt: skip
TOLD = [case for case in BAD if "..." not in case[2] and any(ways(case[2]))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = range(20)
    classes = ["kind,same,width,y"] + [f"{i % 2},7,{i / 3},{'yes' if i < 10 else 'no'}" for i in rows]
    folder.joinpath("c.csv").write_text("\n".join(classes))
    folder.joinpath("n.csv").write_text("\n".join(["a,b,y"] + [f"{i},{i % 3},{i / 7}" for i in rows]))
    folder.joinpath("m.csv").write_text("\n".join(["a,b,y"] + [f"{'' if i % 5 == 0 else i},{i},{i}" for i in rows]))
    folder.joinpath("e.csv").write_text("\n".join(["a,y"] + [f"{i / 2}e200,{i}" for i in rows]))
    folder.joinpath("disk").mkdir()
    np.save(folder / "disk" / "inputs.npy", np.arange(40, dtype=np.float32).reshape(20, 2))
    np.save(folder / "disk" / "targets.npy", (np.arange(20) > 9).astype(np.int64))
    positions = np.arange(60).reshape(20, 3)
    names = np.array(["a", "b"])
    np.savez(folder / "text.npz", inputs=positions.astype(float), targets=positions % 2, class_names=names)
    return folder


@pytest.mark.parametrize(("rest", "section", "message"), BAD, ids=[case[1] for case in BAD])
def test_a_wrong_preparation_gets_its_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rest: str, section: str, message: str
) -> None:
    monkeypatch.chdir(folder)
    Path("bad.yaml").write_text(f"dataset: {section}\nnetwork: [dense: 2]\n{rest}\nstep_size: 0.1\n")
    with pytest.raises(ConfigError) as caught:
        load_data(load("bad.yaml"))
    assert str(caught.value).splitlines()[0] == f"bad.yaml:{message}"


@pytest.mark.parametrize(("rest", "section", "message"), TOLD, ids=[case[1] for case in TOLD])
def test_what_a_message_says_to_set_mends_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rest: str, section: str, message: str
) -> None:
    monkeypatch.chdir(folder)
    wrong = yaml.safe_load(f"dataset: {section}\nnetwork: [dense: 2]\n{rest}\nstep_size: 0.1\n")
    for way in ways(message):
        load_data(load(obeyed(wrong, way)))


@pytest.mark.parametrize("standardize", [False, True])
def test_what_is_said_of_a_missing_value_fills_it_in_with_or_without_standardize(
    folder: Path, monkeypatch: pytest.MonkeyPatch, standardize: bool
) -> None:
    monkeypatch.chdir(folder)
    wrong: dict[str, Any] = {"path": "m.csv"} | ({"standardize": True} if standardize else {})
    config = {"network": [{"dense": 1}], "cost": "mean_squared_error", "step_size": 0.1}
    with pytest.raises(ConfigError) as caught:
        load_data(load({**config, "dataset": wrong}))
    advised(
        caught.value,
        "have it filled in by missing: allow and preprocess: [simple_imputer], or "
        "[simple_imputer, standard_scaler] in place of standardize",
    )
    steps = ["simple_imputer", "standard_scaler"] if standardize else ["simple_imputer"]
    right = load_data(load({**config, "dataset": {"path": "m.csv", "missing": "allow", "preprocess": steps}}))
    assert np.isfinite(right.train.inputs).all()


def test_there_are_many() -> None:
    assert len(TOLD) >= 20
    assert len(BAD) >= 50
    assert len({case[1:] for case in BAD}) == len(BAD)


def test_rows_of_a_class_are_counted_once_however_often_they_are_drawn(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(folder)
    Path("good.yaml").write_text(
        f"dataset: {{path: c.csv, resample: oversample}}\nnetwork: [dense: 2]\n{CLASSES}\nstep_size: 0.1\n"
    )
    assert load_data(load("good.yaml")).rows_of_class == (10, 10)
