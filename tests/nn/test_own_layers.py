"""A layer of somebody's own that does not keep to what a network asks: each mistake gets its message, with its line."""

from __future__ import annotations

import re
from ast import literal_eval
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hints import advised
from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import build
from trainer.nn import LayerError, LayerState, Network, Residual
from trainer.nn.trial import try_layers
from trainer.training import Epoch

RIGHT = {
    "init": "return {'factor': np.ones(input_shape), 'mean': LayerState(np.zeros(input_shape))}, input_shape",
    "apply": "return x * parameters['factor']",
    "train": "return x * parameters['factor'], {'mean': np.mean(x, axis=0)}",
}
PLUGIN = """\
from dataclasses import dataclass
import numpy as np
from trainer import hookimpl
from trainer.nn import LayerState
@dataclass(frozen=True)
class Scaled:
    def init(self, rng, input_shape):
        {init}
    def apply(self, parameters, x):
        {apply}
    def train(self, parameters, x, draw):
        {train}
@hookimpl
def register_layers(register):
    register(Scaled)
"""
CONFIG = """\
plugins: [own.py]
dataset: {{name: moons, rows: 40}}
network: [dense: 3, {layer}, dense: 2]
cost: softmax_cross_entropy
step_size: 0.1
epochs: 1
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes the plugin with other bodies of its methods, and the config that uses it."""
    monkeypatch.chdir(tmp_path)

    def write(layer: str = "scaled", **bodies: str) -> None:
        (tmp_path / "own.py").write_text(PLUGIN.format(**{**RIGHT, **bodies}))
        (tmp_path / "c.yaml").write_text(CONFIG.format(layer=layer))

    return write


def message() -> str:
    with pytest.raises(ConfigError) as caught:
        build(load("c.yaml"))
    return str(caught.value)


def test_one_that_keeps_to_it_trains(write):
    write("scaled, {residual: [scaled]}, {repeat: {times: 2, layers: [scaled]}}, {parallel: [scaled, [scaled, tanh]]}")
    training = build(load("c.yaml"))
    for _ in training.records():
        pass
    assert training.parameters["1.mean"].any()


def cases():
    text = Path(__file__).with_name("own_layers.txt").read_text(encoding="utf-8")
    for case in text.split("\n=== ")[1:]:
        given, _, problem = case.partition("\n>>>\n")
        title, body = given.split("\n")
        yield pytest.param(dict([body.split(": ", 1)]), problem.strip(), id=title)


@pytest.mark.parametrize(("body", "problem"), list(cases()))
def test_what_is_wrong_with_a_layer_is_said_at_its_line(write, body, problem):
    write(**body)
    place, _, rest = message().partition(": ")
    assert (place, rest.split("\n")[0]) == ("c.yaml:3:21", f"layer 1 (scaled): {problem}")


def trained() -> Any:
    return [*build(load("c.yaml")).records()]


def test_an_init_that_returns_the_shape_that_is_given_is_taken(write):
    write(init="return {'factor': np.ones(input_shape)}, (5,)", train="return x * parameters['factor'], {}")
    advised(message(), "let init return the shape that apply gives")
    (_, *shape) = literal_eval(re.findall(r"gave shape (\(.*?\)) for", message())[0])
    write(
        init=f"return {{'factor': np.ones(input_shape)}}, {tuple(shape)}", train="return x * parameters['factor'], {}"
    )
    assert trained()


def test_numbers_that_are_taken_from_draw_are_others_in_every_step(write):
    write(train="return x * np.random.random(x.shape), {}")
    advised(
        message(),
        "a step must be a function of what it is given: take them from the argument `draw` of "
        "train(self, parameters, x, draw), as draw(shape), which gives others in every step",
    )
    write(train="shape = x.shape; drawn = draw(shape); return x * drawn, {'mean': drawn[0]}")
    training = build(load("c.yaml", ["batch_size=all", "epochs=3"]))
    drawn = [training.parameters["1.mean"].tobytes() for record in training.records() if isinstance(record, Epoch)]
    assert len({*drawn}) == len(drawn) == 3


@pytest.mark.parametrize(
    ("layer", "column", "label"),
    [
        ("{residual: [tanh, scaled]}", 39, "layer 1 (residual): within residual: layer 1 (scaled)"),
        ("{repeat: {times: 2, layers: [scaled]}}", 50, "layer 1 (repeat): within repeat: layer 0 (scaled)"),
        ("{parallel: [tanh, [tanh, scaled]]}", 46, "layer 1 (parallel): within parallel: layer 1 (scaled)"),
        (
            "{residual: [repeat: {times: 2, layers: [scaled]}]}",
            61,
            "layer 1 (residual): within residual: layer 0 (repeat): within repeat: layer 0 (scaled)",
        ),
    ],
)
def test_a_layer_within_layers_is_named_with_its_place(write, layer, column, label):
    write(layer, apply="return x[:, :1]")
    assert message().split("\n")[0] == (
        f"c.yaml:3:{column}: {label}: apply gave shape (2, 1) for 2 rows, and init states (3,) per example, which "
        "makes (2, 3); let init return the shape that apply gives (own.py, line 9)"
    )
    write(layer, init="return {}")
    problem = message().split("\n")[0]
    assert problem.startswith(f"c.yaml:3:{column}: layer 1 (")
    assert "(scaled): init returned dict; it must return (parameters, shape)" in problem


def test_a_layer_within_a_named_network_is_found_there(write, tmp_path):
    write("tower", apply="return x[:, :1]")
    path = tmp_path / "c.yaml"
    path.write_text(path.read_text().replace("network:", "networks:\n  tower: [tanh, scaled]\nnetwork:"))
    assert message().split("\n")[0] == (
        "c.yaml:4:17: layer 1 (tower): within tower: layer 1 (scaled): apply gave shape (2, 1) for 2 rows, and init "
        "states (3,) per example, which makes (2, 3); let init return the shape that apply gives (own.py, line 9)"
    )


def test_arguments_in_another_order_are_refused_when_it_is_registered(write, tmp_path):
    write()
    path = tmp_path / "own.py"
    path.write_text(path.read_text().replace("self, rng, input_shape", "self, shape, rng"))
    assert message().split("\n")[0] == (
        "c.yaml:1:11: plugin 'own.py': register_layers: register(Scaled, name='scaled') has a method init that takes "
        "(shape, rng), and is called with (rng, input_shape), in this order; write def init(self, rng, input_shape)"
    )


@dataclass(frozen=True)
class Half:
    """Forgets the shape."""

    def init(self, rng: Any, input_shape: tuple[int, ...]) -> Any:
        return {"kept": LayerState(np.zeros(1))}

    def apply(self, parameters: Any, x: Any) -> Any:
        return x / 2


def test_a_network_in_python_looks_at_init_too():
    what = "init returned dict; it must return (parameters, shape), a dict of arrays and the output's shape per example"
    with pytest.raises(LayerError) as caught:
        Network([Half()], (2,))
    where = f"(test_own_layers.py, line {Half.init.__code__.co_firstlineno})"
    assert str(caught.value) == f"layer 0 (half): {what} {where}; the data set has shape (2,) per example"
    with pytest.raises(LayerError) as caught:
        Network([Residual((Half(),))], (2,))
    assert caught.value.path == (0, "layers", 0)
    assert str(caught.value) == (
        f"layer 0 (residual): within residual: layer 0 (half): {what} {where}; before it each example has shape (2,); "
        "the data set has shape (2,) per example"
    )


@dataclass(frozen=True)
class Centred:
    """Keeps a mean, and is not to be trained where that is frozen."""

    def init(self, rng: Any, input_shape: tuple[int, ...]) -> Any:
        return {"mean": LayerState(np.ones(input_shape))}, input_shape

    def apply(self, parameters: Any, x: Any) -> Any:
        return x - parameters["mean"]

    def train(self, parameters: Any, x: Any, draw: Any) -> Any:
        raise AssertionError("its mean is frozen")


@pytest.mark.parametrize("layer", [Centred(), Residual((Centred(),)), Residual((Residual((Centred(),)),))])
def test_a_frozen_layer_is_tried_as_it_will_be_called_however_deep_it_stands(layer):
    network = Network([layer], (2,), freeze=["*.mean"])
    x = np.array([[1.0, 2.0]])
    y = try_layers(network, network.initial_values(0), x)
    np.testing.assert_array_equal(y, network.predict(network.initial_values(0), x))


@dataclass(frozen=True)
class Disturbed:
    """x, while another thread draws, once."""

    another: ThreadPoolExecutor
    waiting: list[Any]

    def init(self, rng: Any, input_shape: Any) -> Any:
        return {}, input_shape

    def apply(self, parameters: Any, x: Any) -> Any:
        return x

    def train(self, parameters: Any, x: Any, draw: Any) -> Any:
        if self.waiting:
            self.another.submit(self.waiting.pop()).result()
        return x, {}


def test_numbers_that_another_thread_draws_while_a_layer_is_tried_are_none_of_the_layers():
    with ThreadPoolExecutor(1) as another:
        waiting: list[Any] = [np.random.random]
        network, x = Network([Disturbed(another, waiting)], (2,)), np.array([[1.0, 2.0]])
        assert np.array_equal(try_layers(network, network.initial_values(0), x), x)
        assert not waiting
