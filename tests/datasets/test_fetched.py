"""The data sets that scikit-learn fetches, with what it would return put in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
import sklearn.datasets
from sklearn.utils import Bunch

import trainer_datasets
from trainer.errors import DataError
from trainer_datasets import california_housing, covtype, kddcup99, olivetti_faces


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch):
    """Let scikit-learn's `fetch_NAME` return a bunch, or raise, once."""

    def answer(name: str, **fields: Any) -> None:
        calls = []

        def fetch(*, data_home: str) -> Bunch:
            assert Path(data_home).is_dir()
            assert not calls, "fetched a second time"
            calls.append(data_home)
            if error := fields.get("error"):
                raise error
            return Bunch(**fields)

        monkeypatch.setattr(sklearn.datasets, f"fetch_{name}", fetch)

    return answer


def test_california_housing_is_a_regression_with_named_features(answer) -> None:
    answer("california_housing", data=np.ones((3, 2)), target=np.arange(3.0), feature_names=["MedInc", "HouseAge"])
    for _ in range(2):
        dataset = california_housing()
        assert (dataset.name, dataset.task, dataset.feature_names) == (
            "california_housing",
            "regression",
            ("MedInc", "HouseAge"),
        )


def test_covtype_has_classes_from_1(answer) -> None:
    answer("covtype", data=np.ones((3, 1)), target=np.array([2, 1, 2], dtype=np.int32), feature_names=["Elevation"])
    dataset = covtype()
    assert dataset.class_names == ("1", "2")
    assert dataset.targets.tolist() == [1, 0, 1]


def test_olivetti_faces_are_images_of_one_channel(answer) -> None:
    answer("olivetti_faces", images=np.zeros((2, 64, 64), dtype=np.float32), target=np.array([0, 1]))
    assert olivetti_faces().inputs.shape == (2, 64, 64, 1)


@pytest.mark.parametrize(("encode", "row"), [("index", [5, 1]), ("one_hot", [5, 0, 1])])
def test_kddcup99_has_categories(answer, encode: Any, row: list[float]) -> None:
    table = np.array([[5, b"udp"], [7, b"tcp"]], dtype=object)
    target = np.array([b"normal.", b"smurf."], dtype=object)
    answer("kddcup99", data=table, target=target, feature_names=["duration", "protocol_type"])
    dataset = kddcup99(encode=encode)
    assert dataset.inputs[0].tolist() == row
    assert dataset.class_names == ("normal", "smurf")
    assert dataset.categories == {"protocol_type": ("tcp", "udp")}


@pytest.mark.parametrize("name", ["california_housing", "covtype", "kddcup99", "olivetti_faces"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (URLError("Name or service not known"), "Name or service not known"),
        (HTTPError("http://x", 404, "Not Found", None, None), "HTTP Error 404: Not Found"),
        (TimeoutError("timed out"), "timed out"),
    ],
)
def test_without_a_connection_it_says_so(answer, name: str, error: OSError, reason: str) -> None:
    answer(name, error=error)
    with pytest.raises(DataError) as caught:
        getattr(trainer_datasets, name)()
    assert str(caught.value) == (
        f"{name} is fetched from the internet the first time it is used, and that failed: {reason}; try again with a "
        f"connection, after which the cache has it"
    )
