"""What is said of data, to those who have made them, is done with them, and then they are taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.hints import Advice, advised
from trainer.config import load as load_config
from trainer.data import Dataset, load, prepare
from trainer.errors import ConfigError, DataError
from trainer.experiment import load_data
from trainer.types import Array

X: Array = np.arange(12, dtype=np.float32).reshape(6, 2)
BYTES: Array = X.astype(np.uint8)
HOLES: Array = np.where(X == 5, np.float32(np.nan), X)


def saved(inputs: Array, targets: Array | None = None) -> Dataset:
    """The data set of arrays in a folder of their own, which stay on disk."""
    Path("big").mkdir(exist_ok=True)
    np.save("big/inputs.npy", inputs)
    np.save("big/targets.npy", np.linspace(0, 1, len(inputs), dtype=np.float32) if targets is None else targets)
    dataset = load("big")
    assert dataset.mapped
    return dataset


ADVICE = [
    Advice(
        lambda: saved(BYTES),
        "not uint8; save it with .astype(np.float32)",
        (lambda: saved(BYTES.astype(np.float32)),),
    ),
    Advice(
        lambda: saved(X.astype(">f4")),
        "not >f4; save it with .astype(np.float32)",
        (lambda: saved(X.astype(">f4").astype(np.float32)),),
    ),
    Advice(
        lambda: saved(np.asfortranarray(X)),
        "this one column after column; save np.ascontiguousarray(array)",
        (lambda: saved(np.ascontiguousarray(np.asfortranarray(X))),),
    ),
    Advice(
        lambda: saved(HOLES),
        "nan at [2, 1] is not a finite number; fill in the missing values or remove their rows; "
        "nothing is dropped silently",
        (lambda: saved(np.nan_to_num(HOLES)), lambda: saved(HOLES[np.isfinite(HOLES).all(axis=1)])),
    ),
]


@pytest.mark.parametrize("advice", ADVICE, ids=[each.said for each in ADVICE])
def test_an_array_that_is_saved_as_is_said_is_read_from_disk(advice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for dataset in advice.followed(DataError):
        assert dataset.inputs.dtype == np.float32


def test_arrays_that_are_saved_in_the_precision_of_the_training_are_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {"dataset": "big/", "network": [{"dense": 2}], "cost": "mean_squared_error", "step_size": 0.1}
    config["compute"] = {"dtype": "float64"}
    for what, arrays in (("inputs", [X, X[:, 0]]), ("targets", [X.astype(np.float64), X[:, 0]])):
        saved(*arrays)
        with pytest.raises(ConfigError) as caught:
            load_data(load_config(config))
        advised(caught.value, f"its {what} are float32, and training computes in float64; save them as float64")
    saved(*(each.astype(np.float64) for each in arrays))
    assert load_data(load_config(config)).train.targets.dtype == np.float64


@pytest.mark.parametrize(("absent", "way"), [(2, ""), (0, ", and count the classes after it from 0")])
def test_a_class_without_rows_is_left_out(absent, way):
    names, targets = ["a", "b", "c"], np.delete(np.arange(3), absent)[np.arange(6) % 2]
    with pytest.raises(DataError) as caught:
        Dataset("d", X, targets, "classification", tuple(names))
    advised(caught.value, f"no row belongs to class {names[absent]!r}; leave its name out{way}")
    named = np.array(names)[targets]
    targets = targets - (targets > absent)
    del names[absent]
    dataset = Dataset("d", X, targets, "classification", tuple(names))
    assert np.array(dataset.class_names)[dataset.targets].tolist() == named.tolist()


def test_rows_without_a_class_are_left_out():
    targets = np.arange(30) % 3
    data = Dataset("d", np.arange(60.0).reshape(30, 2), targets, "classification", ("-1", "0", "1"))
    (told,) = prepare(data, targets="classes").remarks
    advised(told, "'-1' is a class like the 2 others (10 rows); if it marks rows without a class leave these out")
    kept = targets > 0
    rows = replace(data, inputs=data.inputs[kept], targets=targets[kept] - 1, class_names=data.class_names[1:])
    assert prepare(rows, targets="classes").remarks == ()


def remarked(dataset: dict[str, Any]) -> tuple[str, ...]:
    """What is noticed of the data of a config."""
    rest = {"network": ["flatten", {"dense": 2}], "cost": "softmax_cross_entropy", "step_size": 0.1}
    return load_data(load_config({**rest, "dataset": dataset})).remarks


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (64,)])
def test_pixels_are_scaled_as_is_said(tmp_path, monkeypatch, shape):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (30, *shape))
    np.savez("p.npz", inputs=pixels, targets=np.arange(30) % 2, class_names=["a", "b"])
    (told,) = remarked({"path": "p.npz"})
    said = advised(
        told,
        "inputs are whole numbers from 0 to 255, as pixels of 8 bits are, and nothing scales them: "
        "say standardize: true, or preprocess: [min_max_scaler]",
    )
    for way in said.partition("say ")[2].split(", or "):
        assert remarked({"path": "p.npz", **yaml.safe_load(way)}) == ()


def test_groups_stay_together_as_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"p{i // 4},{i / 7:.2f},{'yes' if i % 3 else 'no'}" for i in range(60)]
    Path("g.csv").write_text("\n".join(["patient,x,y", *rows]))
    dataset = {"path": "g.csv", "group": "patient"}
    (told,) = remarked({**dataset, "split": "random"})
    torn = told.split()[5]
    said = advised(
        told,
        f"split: random puts rows of {torn} of 15 groups into training and into the rows that it is measured with, "
        "which are no new ones then; leave it out, or say split: grouped, and a group stays together",
    )
    assert remarked(dataset) == ()
    assert remarked({**dataset, **yaml.safe_load(said.partition("or say ")[2].partition(",")[0])}) == ()


def test_positions_without_a_class_are_left_out_by_the_cost_that_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    targets = np.where(np.arange(60) % 7, np.arange(60) % 2, -1).reshape(20, 3)
    np.savez("t.npz", inputs=np.arange(60.0).reshape(20, 3), targets=targets, class_names=["a", "b"])
    config = {"network": [{"dense": 6}, {"reshape": [3, 2]}], "cost": "mean_squared_error", "step_size": 0.1}
    with pytest.raises(ConfigError) as caught:
        load_data(load_config({**config, "dataset": {"path": "t.npz", "one_hot": True}}))
    said = advised(
        caught.value,
        "which one_hot cannot encode: use cost: softmax_cross_entropy, which leaves them out, without one_hot",
    )
    cost = yaml.safe_load(said.partition("use ")[2].partition(",")[0])
    assert load_data(load_config({**config, **cost, "dataset": {"path": "t.npz"}})).train.targets.min() == -1
