"""The data sets of scikit-learn's package."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainer_datasets
from trainer.data import facts_of, prepare
from trainer.plugins import Component
from trainer.plugins.traits import DatasetTraits

NAMES = ["breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine"]
REGRESSIONS = ["diabetes", "linnerud"]
FETCHED = ["california_housing", "covtype", "kddcup99", "olivetti_faces", "openml"]  # test_fetched.py, test_openml.py


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAINER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_are_those_of_scikit_learn_made_and_cached(name: str) -> None:
    import sklearn.datasets

    theirs = getattr(sklearn.datasets, f"load_{name}")()
    for _ in range(2):
        ours = getattr(trainer_datasets, name)()
        np.testing.assert_array_equal(ours.inputs, theirs.data)
        np.testing.assert_array_equal(ours.targets, theirs.target)
        assert ours.feature_names == tuple(theirs.feature_names)
        if name not in REGRESSIONS:
            assert ours.class_names == tuple(map(str, theirs.target_names))


def test_a_second_process_imports_no_scikit_learn(cache: Path) -> None:
    script = (
        "import sys, trainer_datasets\n"
        "assert 'sklearn' not in sys.modules, 'imported by the plugin'\n"
        f"for name in {NAMES}: getattr(trainer_datasets, name)()\n"
        "print('sklearn' in sys.modules)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in runs] == ["True", "False"]


def test_the_plugin_states_the_facts_that_its_data_sets_have() -> None:
    registered: dict[str, Component] = {}

    def register(target: Any, *, name: str | None = None, **traits: Any) -> None:
        key = name or target.__name__
        registered[key] = Component("datasets", key, target, "trainer_datasets", None, DatasetTraits(**traits))

    trainer_datasets.register_datasets(register)
    assert sorted([*registered, "grammar_entropy", "register_datasets"]) == trainer_datasets.__all__
    for name, component in registered.items():
        assert component.summary.endswith((".", "?"))
        if name in FETCHED:
            continue
        drawn = "rng" in inspect.signature(component.target).parameters
        facts = component.target(**({"rng": np.random.default_rng(0)} if drawn else {})).facts()
        described = facts_of(component)
        assert described[:5] == (facts if described.rows else facts._replace(rows=None))[:5]


def test_digits_are_split_evenly_and_scaled() -> None:
    prepared = prepare(trainer_datasets.digits(), targets="classes", standardize=True)
    assert prepared.train.inputs.shape == (1438, 64)
    assert prepared.test.inputs.shape == (359, 64)
    assert np.bincount(prepared.test.targets).min() >= 34
