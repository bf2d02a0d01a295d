"""Inputs of several shapes and targets of several kinds, from a file to a trained network."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import build

TWO_INPUTS = """
dataset: pairs.npz
network:
  - parallel:
      - [input: image, conv2d: 3, flatten]
      - [input: table, dense: 4, tanh]
  - dense: 2
cost: softmax_cross_entropy
step_size: 0.1
epochs: 2
compute: {dtype: float64}
"""
TWO_OUTPUTS = """
dataset: {path: pairs.csv, target: [size, kind]}
network: [dense: 8, tanh, dense: 4]
cost:
  several:
    - {cost: {huber: {delta: 2.0}}, outputs: 1, weight: 0.5}
    - {cost: softmax_cross_entropy, outputs: 3}
step_size: 0.1
epochs: 3
compute: {dtype: float64}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    image, table = rng.normal(size=(40, 5, 5, 1)), rng.normal(size=(40, 3))
    np.savez("pairs.npz", **{"inputs.image": image, "inputs.table": table}, targets=(table[:, 0] > 0).astype(int))
    rows = [f"{a:.3f},{b:.3f},{a - b:.3f},{int(a > 0) + int(b > 0)}" for a, b in rng.normal(size=(60, 2))]
    (tmp_path / "pairs.csv").write_text("a,b,size,kind\n" + "\n".join(rows) + "\n")
    (tmp_path / "inputs.yaml").write_text(TWO_INPUTS)
    (tmp_path / "outputs.yaml").write_text(TWO_OUTPUTS)
    return image, table


def test_each_branch_gets_its_input_in_its_shape(folder):
    image, table = folder
    training = build(load("inputs.yaml"))
    data, network = training.data, training.network
    named = training.parameters
    x, rows = data.train.inputs[:4], data.train.indices[:4]
    h = np.tanh(table[rows] @ named["0.1.1.weights"] + named["0.1.1.bias"])
    kernel = named["0.0.1.weights"]
    windows = np.lib.stride_tricks.sliding_window_view(image[rows, :, :, 0], (3, 3), axis=(1, 2))
    c = np.einsum("mrskl,klf->mrsf", windows, kernel[:, :, 0, :]) + named["0.0.1.bias"]
    y = np.concatenate([c.reshape(4, -1), h], axis=1) @ named["1.weights"] + named["1.bias"]
    np.testing.assert_allclose(network.predict(training.theta, x), y, rtol=1e-10)
    for _ in training.records():
        pass


def test_each_cost_gets_its_columns(folder):
    from trainer_ops import huber, softmax_cross_entropy

    training = build(load("outputs.yaml"))
    data = training.data
    predictions = training.network.predict(training.theta, data.train.inputs)
    expected = 0.5 * huber(predictions[:, :1], data.train.targets[:, :1], delta=2.0)
    expected = expected + softmax_cross_entropy(predictions[:, 1:], data.train.targets[:, 1].astype(int))
    np.testing.assert_allclose(training.cost(predictions, data.train.targets), expected, rtol=1e-14)
    before = training.evaluate("train")["loss"]
    for _ in training.records():
        pass
    assert training.evaluate("train")["loss"] < before


def test_a_metric_of_one_of_several_outputs(folder):
    overrides = ["cost.several.1.metrics=[accuracy]", "cost.several.0.metrics=[r2, mean_absolute_error]"]
    training = build(load("outputs.yaml", overrides))
    assert list(training.metrics) == ["r2_0", "mean_absolute_error_0", "accuracy_1"]
    data = training.data
    predictions = training.network.predict(training.theta, data.test.inputs)
    right = predictions[:, 1:].argmax(axis=1) == data.test.targets[:, 1]
    assert training.evaluate("test")["accuracy_1"] == right.mean()
    assert (
        load("outputs.yaml", [*overrides, "cost.several.1.weight=2"]).config.cost.options["parts"][1].options["weight"]
        == 2
    )


@pytest.mark.parametrize(
    ("config", "override", "message"),
    [
        ("inputs.yaml", "network.0.parallel.0.0.input=picture", "has no input 'picture'; it has image, table"),
        (
            "outputs.yaml",
            "cost.several.1.outputs=2",
            "takes class numbers from 0 to 1, and column 1 of the targets has 2",
        ),
        (
            "outputs.yaml",
            "network.2.dense=3",
            "the costs take predictions (m, 1 + 3) and targets (m, 1 + 1), the columns",
        ),
        ("outputs.yaml", "cost.several=3", "several.parts expects a list of mappings, found 3"),
        ("outputs.yaml", "cost.several=[{outputs: 1}]", "a part of several.parts needs 'cost'"),
        (
            "outputs.yaml",
            "cost.several=[{cost: hubber, outputs: 1}]",
            "unknown name 'hubber' in cost; did you mean 'huber'",
        ),
        (
            "outputs.yaml",
            "cost.several=[{cost: huber, outputs: 0}]",
            "outputs expects a whole number of at least 1, found",
        ),
        ("outputs.yaml", "cost.several=[]", "Several has no parts; give at least one Part"),
    ],
)
def test_what_does_not_fit(folder, config, override, message):
    with pytest.raises(ConfigError) as caught:
        build(load(config, [override]))
    assert message in str(caught.value)
