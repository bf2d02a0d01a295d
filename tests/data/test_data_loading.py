"""Data sets by component."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainer.data import Dataset, facts_of, load
from trainer.errors import DataError
from trainer.plugins import Component
from trainer.plugins.traits import DatasetTraits
from trainer.rng import generator


def noise(*, rng: np.random.Generator, rows: int = 5) -> Dataset:
    """Pure noise.

    Nothing can be learnt from it.
    """
    return Dataset("noise", rng.normal(size=(rows, 2)), rng.normal(size=rows), "regression")


def component(target: Any, **traits: Any) -> Component:
    return Component("datasets", target.__name__, target, "my_data", "my-data 1.0", DatasetTraits(**traits))


def test_a_function_with_rng_gets_the_seeds_own_generator() -> None:
    dataset = load(component(noise), {"rows": 7}, seed=3)
    np.testing.assert_array_equal(dataset.inputs, generator(3, "dataset").normal(size=(7, 2)))
    assert not np.array_equal(dataset.inputs, load(component(noise), {"rows": 7}, seed=4).inputs)


def test_a_function_without_rng_gets_none() -> None:
    def three() -> Dataset:
        return noise(rng=np.random.default_rng(0), rows=3)

    assert load(component(three)).rows == 3


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("rwos", "data set 'noise' has no option 'rwos'; did you mean 'rows'?"),
        ("colour", "data set 'noise' has no option 'colour'; it has rows"),
        ("rng", "data set 'noise' has no option 'rng'; it has rows"),
    ],
)
def test_an_unknown_option_is_refused(option: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load(component(noise), {option: 1})
    assert str(caught.value) == message


def test_what_is_no_data_set_is_refused_with_its_plugin() -> None:
    def pair() -> Any:
        return np.zeros((3, 2)), np.zeros(3)

    with pytest.raises(DataError) as caught:
        load(component(pair))
    assert str(caught.value) == (
        "data set 'pair' of plugin 'my_data' (my-data 1.0) must return a trainer.data.Dataset("
        "name, inputs, targets, task, class_names), not tuple"
    )


def test_a_component_is_described_by_its_traits_without_being_called() -> None:
    def huge() -> Dataset:
        """More rows than anyone waits for."""
        raise AssertionError

    described = facts_of(component(huge, rows=10**9, features=3, task="classification", classes=2))
    assert described == ("huge", 10**9, (3,), "classification", 2, "More rows than anyone waits for.")
    assert facts_of(component(huge, features=(8, 8))).shape == (8, 8)
    assert facts_of(component(noise)) == ("noise", None, None, None, None, "Pure noise.")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder.csv", "folder.csv is empty; a folder of images has a sub-folder of images for each class"),
        ("flowrs.csv", "there is no file 'flowrs.csv' in {here}; did you mean 'flowers.csv'?"),
        ("zzz.npy", "there is no file 'zzz.npy' in {here}"),
        ("nowhere/a.csv", "there is no file 'a.csv' in {here}/nowhere, which does not exist either"),
    ],
)
def test_a_path_without_a_data_file_is_refused(
    name: str, message: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "flowers.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DataError) as caught:
        load(name)
    assert str(caught.value) == message.format(here=tmp_path)
