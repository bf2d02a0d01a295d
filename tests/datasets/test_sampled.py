# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""The data sets that scikit-learn draws."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets

from trainer.data import Dataset
from trainer.errors import DataError
from trainer_datasets import classification, low_rank, multilabel_classification, regression

ALL = [classification, low_rank, multilabel_classification, regression]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAINER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make(function: Callable[..., Dataset], seed: int = 0, **options: Any) -> Dataset:
    return function(rng=np.random.default_rng(seed), **options)


def test_the_numbers_are_those_of_scikit_learn() -> None:
    seed = int(np.random.default_rng(0).integers(2**31))
    options = {"n_samples": 30, "n_features": 5}
    for ours, theirs in [
        (make(classification, rows=30, features=5), sklearn.datasets.make_classification(**options, random_state=seed)),
        (
            make(regression, rows=30, features=5, informative=2, targets=2),
            sklearn.datasets.make_regression(**options, n_informative=2, n_targets=2, random_state=seed),
        ),
        (
            make(multilabel_classification, rows=30, features=5),
            sklearn.datasets.make_multilabel_classification(**options, random_state=seed),
        ),
    ]:
        np.testing.assert_array_equal(ours.inputs, theirs[0])
        np.testing.assert_array_equal(ours.targets, theirs[1])


def test_low_rank_rows_are_their_own_targets() -> None:
    dataset = make(low_rank, rows=30, features=20, rank=3)
    np.testing.assert_array_equal(dataset.inputs, dataset.targets)
    values = np.linalg.svd(dataset.inputs, compute_uv=False)
    assert values[0] > 2 * values[8]


@pytest.mark.parametrize("function", ALL)
def test_the_data_are_a_function_of_the_generator_and_cached_by_seed_and_options(
    function: Callable[..., Dataset], cache: Path
) -> None:
    first, again, other = make(function), make(function), make(function, seed=1)
    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.targets, again.targets)
    assert not np.array_equal(first.inputs, other.inputs)
    assert make(function, rows=50).rows == 50
    assert len(list(cache.iterdir())) == 3


def test_a_second_process_imports_no_scikit_learn() -> None:
    script = (
        "import sys, numpy, trainer_datasets\n"
        f"for name in {[f.__name__ for f in ALL]}: getattr(trainer_datasets, name)(rng=numpy.random.default_rng(0))\n"
        "print('sklearn' in sys.modules)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in runs] == ["True", "False"]


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (
            classification,
            {"informative": 1},
            "classification: make_classification of scikit-learn refuses these options: n_classes(2) * n_clusters_per_class(2) must be smaller or equal 2**n_informative(1)=2",
        ),
        (classification, {"rows": 1}, "classification: 1 rows are too few; every class needs one, 2 in all"),
        (
            classification,
            {"separation": -1.0},
            "classification: separation is a finite number of at least 0, not -1.0",
        ),
        (
            regression,
            {"informative": 200},
            "regression: 200 informative features are more than the 100 that there are",
        ),
        (regression, {"noise": -1.0}, "regression: noise is a finite number of at least 0, not -1.0"),
        (
            multilabel_classification,
            {"classes": 1},
            "multilabel_classification: a classification needs at least two classes, not 1",
        ),
    ],
)
def test_options_out_of_range_are_refused(
    function: Callable[..., Dataset], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        make(function, **options)
    assert str(caught.value) == message
