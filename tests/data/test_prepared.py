# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""The arrays that training reads."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.config import load
from trainer.data import Dataset, Scaling, Split, prepare
from trainer.errors import DataError
from trainer.experiment import load_data


def flowers(classes: int = 3) -> Dataset:
    targets = np.arange(60) % classes
    inputs = np.random.default_rng(0).normal(5, 2, size=(60, 4))
    return Dataset("flowers", inputs, targets, "classification", tuple("abc"[:classes]))


def prices(*shape: int) -> Dataset:
    rng = np.random.default_rng(1)
    return Dataset("prices", rng.normal(size=(60, 4)), rng.normal(size=(60, *shape)), "regression")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("test_fraction", [0, 0.2])
def test_arrays_are_contiguous_of_the_dtype_asked_for_and_no_views(
    dtype: type, standardize: bool, test_fraction: float
) -> None:
    dataset = prices(2)
    prepared = prepare(
        dataset, targets="values", split=Split(test_fraction=test_fraction), standardize=standardize, dtype=dtype
    )
    for array in (prepared.train.inputs, prepared.train.targets, prepared.test.inputs, prepared.test.targets):
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert not np.shares_memory(array, dataset.inputs)
        assert not np.shares_memory(array, dataset.targets)


def test_without_a_test_the_test_arrays_are_empty_and_have_their_shapes() -> None:
    prepared = prepare(flowers(), targets="values", one_hot=True, split=Split(test_fraction=0))
    assert prepared.test.inputs.shape == (0, 4)
    assert prepared.test.targets.shape == (0, 3)
    assert prepared.train.indices.tolist() == list(range(60))


def test_rows_say_where_the_arrays_came_from() -> None:
    dataset = prices()
    prepared = prepare(dataset, targets="values", split=Split(test_fraction=0.25), dtype=np.float64)
    np.testing.assert_array_equal(prepared.train.inputs, dataset.inputs[prepared.train.indices])
    np.testing.assert_array_equal(prepared.test.targets[:, 0], dataset.targets[prepared.test.indices])
    assert prepared.rows == 60
    assert prepared.input_shape == (4,)
    assert repr(prepared) == "Prepared 'prices': 45 rows to train, 15 to test, inputs (4,), float64"


def test_the_scaling_is_fitted_on_the_training_rows_alone() -> None:
    dataset = flowers()
    prepared = prepare(dataset, targets="classes", standardize=True, dtype=np.float64)
    expected = Scaling.fit(dataset.inputs[prepared.train.indices])
    assert prepared.scaling is not None
    np.testing.assert_array_equal(prepared.scaling.mean, expected.mean)
    np.testing.assert_array_equal(prepared.test.inputs, expected.apply(dataset.inputs[prepared.test.indices]))
    np.testing.assert_allclose(prepared.train.inputs.mean(axis=0), np.zeros(4), atol=1e-12)
    assert prepare(dataset, targets="classes").scaling is None


def test_a_scaling_is_fitted_before_the_cast() -> None:
    dataset = Dataset("d", 1e8 + np.arange(20.0)[:, None], np.arange(20), "regression")
    prepared = prepare(dataset, targets="values", split=Split(test_fraction=0), standardize=True, dtype=np.float32)
    np.testing.assert_allclose(prepared.train.inputs.std(), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("dataset", "kind", "options", "dtype", "first_rows"),
    [
        (flowers(3), "classes", {}, np.int64, [0, 1, 2]),
        (flowers(2), "classes", {}, np.int64, [0, 1, 0]),
        (flowers(2), "binary", {}, np.float32, [[0], [1], [0]]),
        (flowers(2), "signs", {}, np.float32, [[-1], [1], [-1]]),
        (flowers(3), "values", {"one_hot": True}, np.float32, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    ],
    ids=["classes", "two classes", "binary", "signs", "one_hot"],
)
def test_classes_are_encoded_as_the_cost_wants_them(
    dataset: Dataset, kind: Any, options: dict[str, Any], dtype: type, first_rows: list[Any]
) -> None:
    prepared = prepare(dataset, targets=kind, split=Split(test_fraction=0), **options)
    assert prepared.train.targets.dtype == dtype
    assert prepared.train.targets[:3].tolist() == first_rows


@pytest.mark.parametrize(("shape", "encoded"), [((), (60, 1)), ((1,), (60, 1)), ((3,), (60, 3))])
def test_numbers_have_one_column_per_number(shape: tuple[int, ...], encoded: tuple[int, ...]) -> None:
    assert prepare(prices(*shape), targets="values", split=Split(test_fraction=0)).train.targets.shape == encoded


BAD: list[tuple[Dataset, str, dict[str, Any], str]] = [
    (
        flowers(3),
        "values",
        {},
        "data set 'flowers' is a classification of 3 classes, and the cost wants numbers: use cost: softmax_cross_entropy, or one_hot: true under dataset",
    ),
    (
        flowers(3),
        "classes",
        {"one_hot": True},
        "with one_hot: true the targets of data set 'flowers' are 3 numbers per row, and the cost wants class indices: leave one_hot out",
    ),
    (
        flowers(3),
        "binary",
        {},
        "data set 'flowers' has 3 classes, and the cost wants two classes, as 0 and 1: use cost: softmax_cross_entropy",
    ),
    (
        flowers(3),
        "signs",
        {},
        "data set 'flowers' has 3 classes, and the cost wants two classes, as -1 and +1: use cost: softmax_cross_entropy",
    ),
    (
        Dataset("text", np.zeros((4, 2)), np.array([[0, 1], [-1, 0], [1, -1], [1, 1]]), "classification", ("a", "b")),
        "values",
        {"one_hot": True},
        "data set 'text' has positions without a class, which one_hot cannot encode: use cost: softmax_cross_entropy, which leaves them out, without one_hot",
    ),
    (
        prices(),
        "classes",
        {},
        "data set 'prices' is a regression, its targets are numbers, and the cost wants class indices: use a cost for numbers, such as mean_squared_error; if the numbers of a data file stand for classes, say task: classification under dataset",
    ),
    (
        Dataset("codes", np.zeros((4, 2)), np.array([10000001.0, 10000002.0] * 2), "regression"),
        "classes",
        {},
        "data set 'codes' is a regression, its targets are numbers, and the cost wants class indices: say task: classification under dataset if they stand for classes (10000001, 10000002), or use a cost for numbers, such as mean_squared_error",
    ),
    (
        prices(),
        "values",
        {"one_hot": True},
        "one_hot turns classes into numbers, and data set 'prices' is a regression, whose targets are numbers already: leave one_hot out",
    ),
    (
        prices(),
        "ranks",
        {},
        "a kind of targets is one of 'classes', 'binary', 'signs', 'values', not 'ranks'",
    ),
]


@pytest.mark.parametrize(("dataset", "kind", "options", "message"), BAD, ids=[case[3][:70] for case in BAD])
def test_targets_of_another_kind_than_the_costs_are_refused(
    dataset: Dataset, kind: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        prepare(dataset, targets=kind, **options)
    assert str(caught.value) == message


def test_numbers_too_large_for_the_dtype_are_refused() -> None:
    dataset = Dataset("d", np.array([[1.0], [-1e39], [2.0]]), np.zeros(3), "regression")
    assert prepare(dataset, targets="values", dtype=np.float64).rows == 3
    with pytest.raises(DataError) as caught:
        prepare(dataset, targets="values", split=Split(test_fraction=0), dtype=np.float32)
    assert str(caught.value) == (
        "inputs of data set 'd': -1e+39 is too large for float32; give it in larger units. Try a wider type "
        "(dtype='float64'), or inputs of one scale (standardize=True)."
    )


def test_the_column_of_a_number_too_large_is_named_where_it_has_a_name() -> None:
    inputs = np.ones((5, 3))
    inputs[1, 0], inputs[3, 2] = 1e40, -1e41
    dataset = Dataset("d", inputs, np.zeros(5), "regression", feature_names=("a", "b", "c"))
    with pytest.raises(DataError, match=r"inputs of data set 'd', column 'c': -1e\+41 is too large for float32; give"):
        prepare(dataset, targets="values", split=Split(test_fraction=0), dtype=np.float32, consumed=True)


def test_a_class_per_position_passes_through() -> None:
    targets = np.arange(120).reshape(30, 4) % 3
    dataset = Dataset("text", np.zeros((30, 4)), targets, "classification", ("a", "b", "c"))
    prepared = prepare(dataset, targets="classes", split=Split(test_fraction=0.2))
    assert prepared.split.by == "random"
    assert prepared.train.targets.dtype == np.int64
    np.testing.assert_array_equal(prepared.train.targets, targets[prepared.train.indices])
    one_hot = prepare(dataset, targets="values", one_hot=True, split=Split(test_fraction=0))
    assert one_hot.train.targets.shape == (30, 4, 3)
    np.testing.assert_array_equal(one_hot.train.targets.argmax(axis=2), targets)


def test_how_the_rows_were_divided_is_kept() -> None:
    assert prepare(flowers(), targets="classes").split.by == "stratified"
    assert prepare(flowers(), targets="classes", split=Split(stratify=False)).split.by == "random"
    assert prepare(prices(), targets="values", split=Split(by="ordered")).split.by == "ordered"


def test_folds_take_the_place_of_a_fraction() -> None:
    dataset = prices()
    parts = [prepare(dataset, targets="values", split=Split(folds=4, fold=fold)) for fold in range(4)]
    assert [len(part.test) for part in parts] == [15] * 4
    assert sorted(np.concatenate([part.test.indices for part in parts])) == list(range(60))


CONFIG = """
dataset:
  path: c.csv
  group: who
  split: grouped
  folds: 3
  standardize: true
  class_weights: {yes: 2.0}
  resample: oversample
network: [dense: 2]
cost: softmax_cross_entropy
step_size: 0.1
"""


def test_scikit_learn_is_imported_for_preprocessors_alone(tmp_path: Path) -> None:
    lines = [f"{i % 6},{i * i % 7},{'yes' if i % 4 else 'no'}" for i in range(30)]
    tmp_path.joinpath("c.csv").write_text("\n".join(["who,a,y", *lines]))
    tmp_path.joinpath("c.yaml").write_text(CONFIG)
    code = (
        "import sys; from trainer.config import load; from trainer.experiment import load_data\n"
        "data = load_data(load('c.yaml')); assert data.train.weights is not None\n"
        "assert not [m for m in sys.modules if m.startswith(('sklearn', 'scipy'))]\n"
        "load_data(load('c.yaml', ['dataset.standardize=false', 'dataset.preprocess=[standard_scaler]']))\n"
        "assert 'sklearn' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_the_resolved_config_prepares_the_same_again(tmp_path: Path) -> None:
    import yaml

    lines = [f"{i % 6},{i * i % 7},{'yes' if i % 4 else 'no'}" for i in range(30)]
    tmp_path.joinpath("c.csv").write_text("\n".join(["who,a,y", *lines]))
    steps = "dataset.preprocess=[quantile_transformer: 5, {min_max_scaler: [-1, 1]}, {pca: {n_components: 1}}]"
    overrides = ["dataset.standardize=false", steps]
    tmp_path.joinpath("c.yaml").write_text(CONFIG)
    first = load(tmp_path / "c.yaml", overrides)
    tmp_path.joinpath("resolved.yaml").write_text(yaml.safe_dump(first.resolved()))
    again = load(tmp_path / "resolved.yaml")
    assert again.resolved() == first.resolved()
    assert load_data(again).train.inputs.tobytes() == load_data(first).train.inputs.tobytes()


def test_validate_shows_what_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from trainer.cli.commands.validate import command

    lines = [f"{i % 6},{i * i % 7},{'yes' if i % 4 else 'no'}" for i in range(30)]
    tmp_path.joinpath("c.csv").write_text("\n".join(["who,a,y", *lines]))
    tmp_path.joinpath("c.yaml").write_text(CONFIG.replace("standardize: true", "preprocess: [spline_transformer]"))
    command(tmp_path / "c.yaml")
    shown = capsys.readouterr().out.splitlines()[2:6]
    assert shown == [
        "data      c.csv: 30 rows to train, 10 to test (grouped, fold 0 of 3), classification of 2 classes",
        "classes   no 8, yes 22",
        "inputs    spline_transformer: 1 to 7, fitted to the rows to train",
        "balance   oversampled rows to train; weights of rows from 0.6667 to 1.333, mean 1",
    ]


KINDS = (np.uint8, np.int8, np.bool_, np.uint16, ">i2", np.int32, np.float16, np.float32, ">f4", np.int64, np.float64)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: np.dtype(kind).str)
def test_numbers_of_a_narrow_type_are_prepared_to_the_same_bits(kind, tmp_path) -> None:
    from trainer.data import load as load_file
    from trainer.data.preprocessing.transformers import StandardScaler

    inputs = np.random.default_rng(0).integers(0, 120, (200, 70)).astype(kind)
    targets = np.arange(200) % 2
    np.savez(tmp_path / "d.npz", x=inputs, y=targets)
    narrow = load_file(tmp_path / "d.npz")
    wide = replace(narrow, inputs=inputs.astype(np.float64), narrow=False)
    assert narrow.inputs.dtype.itemsize <= max(np.dtype(kind).itemsize, 4)
    assert narrow.inputs.tolist() == wide.inputs.tolist()
    for options in ({}, {"standardize": True}, {"preprocess": [("scaler", StandardScaler())]}):
        for dtype in (np.float32, np.float64):
            one, other = (prepare(data, targets="classes", dtype=dtype, **options) for data in (narrow, wide))
            assert one.train.inputs.tobytes() == other.train.inputs.tobytes()
            assert one.test.inputs.tobytes() == other.test.inputs.tobytes()
            assert one.remarks == other.remarks
