"""Layers made of layers against the same arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.config import load
from trainer.experiment import build, layer_table
from trainer.nn import Columns, Dense, Input, Layout, Network, OpLayer, Parallel, Repeat, Residual, Sequential, Shared
from trainer.nn.contract import located
from trainer_ops import relu

rng = np.random.default_rng(0)
x = rng.normal(size=(5, 4))


def output(layers, inputs=x, **options):
    """What a network of these layers gives, and its parameters by name."""
    network = Network(layers, inputs.shape[1:], **options)
    theta = network.initial(3)
    return network.predict(theta, inputs), network.named(theta)


def dense(named, name, h):
    return h @ named[f"{name}.weights"] + named[f"{name}.bias"]


def test_a_residual_adds_its_input():
    y, named = output([Residual((Dense(4), OpLayer(np_tanh())))])
    np.testing.assert_array_equal(y, np.tanh(dense(named, "0.layers.0", x)) + x)


def test_a_residual_adds_what_its_shortcut_gives():
    y, named = output([Residual((Dense(3),), (Dense(3),))])
    np.testing.assert_array_equal(y, dense(named, "0.layers.0", x) + dense(named, "0.shortcut.0", x))


@pytest.mark.parametrize(
    ("join_by", "join"),
    [
        ("concat", lambda a, b: np.concatenate([a, b], axis=-1)),
        ("add", np.add),
        ("multiply", np.multiply),
        ("subtract", np.subtract),
    ],
)
def test_parallel_joins_its_paths(join_by, join):
    y, named = output([Parallel((Dense(3), Sequential((Dense(2), Dense(3)))), join_by)])
    second = dense(named, "0.1.1", dense(named, "0.1.0", x))
    np.testing.assert_array_equal(y, join(dense(named, "0.0.0", x), second))


def test_an_empty_path_passes_its_input_on():
    y, named = output([Parallel((Sequential(()), Dense(2)))])
    np.testing.assert_array_equal(y, np.concatenate([x, dense(named, "0.1.0", x)], axis=-1))


def test_repeat_has_parameters_of_its_own_each_time():
    y, named = output([Repeat(2, (Dense(4), OpLayer(relu)))])
    assert sorted(named) == ["0.0.0.bias", "0.0.0.weights", "0.1.0.bias", "0.1.0.weights"]
    once = np.maximum(dense(named, "0.0.0", x), 0)
    np.testing.assert_array_equal(y, np.maximum(dense(named, "0.1.0", once), 0))
    assert (named["0.0.0.weights"] != named["0.1.0.weights"]).any()


def test_a_shared_sub_network_has_its_parameters_once():
    tower = Shared("tower", (Dense(4), OpLayer(relu)))
    y, named = output([tower, Dense(4), tower])
    assert list(named) == ["tower.0.weights", "tower.0.bias", "1.weights", "1.bias"]
    once = np.maximum(dense(named, "tower.0", x), 0)
    np.testing.assert_array_equal(y, np.maximum(dense(named, "tower.0", dense(named, "1", once)), 0))


def test_columns_by_number_and_by_name():
    np.testing.assert_array_equal(output([Columns((1, 2))])[0], x[:, 1:3])
    np.testing.assert_array_equal(output([Columns((3, 0, -1))])[0], x[:, [3, 0, -1]])
    columns = located(Columns(("c", "a")), Layout("letters", ("a", "b", "c", "d")))
    np.testing.assert_array_equal(output([columns])[0], x[:, [2, 0]])


def test_an_input_is_cut_out_in_its_shape():
    layout = Layout(parts={"table": (2,), "image": (3, 2)})
    rows = rng.normal(size=(5, 8))
    network = Sequential((Parallel((Input("image"), Sequential((Input("table"), Dense(6))))),)).located(layout)
    image = network.layers[0].paths[0].layers[0] if isinstance(network.layers[0].paths[0], Sequential) else None
    image = image or network.layers[0].paths[0]
    np.testing.assert_array_equal(image.apply({}, rows), rows[:, 2:].reshape(5, 3, 2))


def np_tanh():
    from trainer.plugins import shared

    return shared().get("ops", "tanh").target


NESTED = """
dataset: iris
networks:
  tower: [dense: 8, tanh]
network:
  - parallel:
      paths:
        - [columns: [sepal length (cm), 1], tower]
        - [columns: [2, 3], tower]
  - residual: [dense: 16, relu]
  - repeat: {times: 2, layers: [dense: 16, {residual: [relu, dense: 16]}]}
  - dense: 3
cost: softmax_cross_entropy
penalty: [{l2: 1e-3, parameters: "*.weights"}, {l1: 1e-4, parameters: "tower.*"}]
step_size: 0.1
epochs: 2
compute: {dtype: float64}
"""


def test_nested_layers_from_a_config_train_alike_under_every_executor(tmp_path):
    path = tmp_path / "nested.yaml"
    path.write_text(NESTED, encoding="utf-8")
    thetas = set()
    for executor in ("eager", "numpy", "auto"):
        training = build(load(path, [f"compute.executor={executor}"]))
        for _ in training.records():
            pass
        thetas.add(training.theta.tobytes())
    assert len(thetas) == 1
    assert [r.name for r in layer_table(training)] == ["parallel", "residual", "repeat", "dense"]
    assert sum(r.parameters for r in layer_table(training)) == training.network.size


def test_the_resolved_config_loads_again_to_the_same_network(tmp_path):
    import yaml

    path = tmp_path / "nested.yaml"
    path.write_text(NESTED, encoding="utf-8")
    loaded = load(path)
    again = tmp_path / "resolved.yaml"
    again.write_text(yaml.safe_dump(loaded.resolved(), sort_keys=False), encoding="utf-8")
    assert load(again).resolved() == loaded.resolved()
    assert build(load(again)).network.parts == build(loaded).network.parts


def test_an_override_reaches_a_layer_within_a_layer(tmp_path):
    path = tmp_path / "nested.yaml"
    path.write_text(NESTED, encoding="utf-8")
    network = build(load(path, ["network.1.residual.0.dense=16", "network.2.repeat.times=3"])).network
    assert "2.2.0.weights" in [part.name for part in network.parts]
