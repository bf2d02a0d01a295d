"""onnxruntime computes what the network computes, for every layer, activation and config that ships."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.hints import advised
from tests.ops.layer_examples import EXAMPLES
from trainer import op
from trainer.config import load
from trainer.data import Scaling
from trainer.errors import UsageError
from trainer.experiment import build
from trainer.export.onnx import largest_difference, to_onnx
from trainer.nn import Dense, Network, OpLayer
from trainer.plugins import shared

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
CLOSE = 1e-5
RNG = np.random.default_rng(0)


def everything(network):
    """Parameters and what layers keep, by name."""
    return {**network.named(network.initial(0, np.float32)), **network.layer_state(0, np.float32)}


def difference(network, inputs, parameters=None):
    parameters = everything(network) if parameters is None else parameters
    named = {name: np.asarray(value, np.float32) for name, value in parameters.items()}
    expected = network.predict(named, inputs)
    return largest_difference(to_onnx(network, named), expected, inputs) / max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_exports(path):
    training = build(load(path))
    assert difference(training.network, np.asarray(training.data.train.inputs[:9]), training.parameters) < CLOSE


LAYERS = [(name, i) for name, examples in EXAMPLES.items() for i in range(len(examples))]


@pytest.mark.parametrize(("name", "number"), LAYERS)
@pytest.mark.parametrize("rows", [1, 7])
def test_every_layer_exports_for_batches_of_any_size(name, number, rows):
    example = EXAMPLES[name][number]
    network = Network([example.layer], example.shape, [name])
    assert difference(network, example.inputs(rows, np.float32)) < CLOSE


def activations():
    """The ops of the families of activations that take one array, which is what a network can name as a layer."""
    families = ("activations", "gated_activations", "softmaxes", "exponential", "trigonometric")
    for name in shared().names("ops"):
        found = shared().get("ops", name).target
        if found.module.removeprefix("trainer_ops.") in families and len(found.inputs) == 1 and name != "logsumexp":
            yield name


WITHOUT = {
    "sinc": "its value at 0 is a limit, which NumPy's calls do not spell out",
    "sinc_derivative": "complex numbers",
    "unwrap": "jumps along an axis, which NumPy finds in a loop",
}


@pytest.mark.parametrize("name", sorted(activations()))
def test_every_activation_exports_or_says_that_it_cannot(name):
    network = Network([OpLayer(shared().get("ops", name).target)], (6,), [name])
    inside = RNG.uniform(0.1, 0.9, (5, 6)).astype(np.float32)
    if name in WITHOUT:
        with pytest.raises(UsageError, match=rf"has no ONNX equivalent; layer '0 {name}' calls it"):
            to_onnx(network, {})
        return
    tried = 0
    for inputs in (inside, -4 * inside, 1 + inside):
        with np.errstate(all="ignore"):
            defined = np.isfinite(network.predict({}, inputs)).all()
        if defined:
            tried += 1
            assert difference(network, inputs, {}) < CLOSE
    assert tried


@pytest.mark.parametrize("seed", range(12))
def test_random_stacks_of_layers_export(seed):
    rng = np.random.default_rng(seed)
    names = [op for op in ("relu", "gelu", "silu", "tanh", "softplus", "mish", "elu") for _ in range(2)]
    layers: list[Dense | OpLayer] = []
    labels: list[str] = []
    for _ in range(int(rng.integers(1, 6))):
        layers += [Dense(int(rng.integers(1, 9)), bias=bool(rng.integers(2)))]
        name = str(rng.choice(names))
        layers += [OpLayer(shared().get("ops", name).target)]
        labels += ["dense", name]
    network = Network(layers, (int(rng.integers(1, 9)),), labels)
    assert difference(network, rng.normal(size=(int(rng.integers(1, 20)), *network.input_shape)).astype("f4")) < CLOSE


def test_scaling_is_part_of_the_graph_and_computed_in_double():
    network = Network([Dense(3)], (4,), ["dense"])
    inputs = (1e6 + RNG.normal(size=(20, 4))).astype(np.float32)
    scaling = Scaling.fit(inputs)
    named = everything(network)
    model = to_onnx(network, named, scaling=scaling)
    assert largest_difference(model, network.predict(named, scaling.apply(inputs)), inputs) < CLOSE


def test_a_convolution_is_one_node_and_the_batch_is_free():
    conv = shared().get("layers", "conv2d").build(filters=4)
    model = to_onnx(*(lambda n: (n, everything(n)))(Network([conv], (6, 5, 2), ["conv2d"])))
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 1
    assert len(kinds) <= 5
    (given,) = model.graph.input
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["batch", 6, 5, 2]
    assert [o.version for o in model.opset_import] == [20]
    onnx.checker.check_model(model, full_check=True)


def test_parameters_keep_their_names():
    network = Network([Dense(3), Dense(2)], (4,), ["dense", "dense"])
    model = to_onnx(network, everything(network))
    assert {"0.weights", "0.bias", "1.weights", "1.bias"} <= {array.name for array in model.graph.initializer}


@op
def to_the_right(x):
    """x³ of a plugin, in NumPy's calls."""
    return x * np.square(x)


@op
def opaque(x):
    """What leaves NumPy."""
    return np.array([[float(v) for v in row] for row in np.asarray(x)], x.dtype)


def test_an_op_of_ones_own_exports_by_what_it_calls():
    network = Network([OpLayer(to_the_right)], (3,), ["to_the_right"])
    assert difference(network, RNG.normal(size=(4, 3)).astype(np.float32), {}) < CLOSE


CUBE = RNG.normal(size=(2, 3, 4)).astype(np.float32)
MASK = np.array([True, False, True])
CALLS = {
    "dot of three axes": lambda x: np.dot(x, CUBE),
    "dot of three and three": lambda x: np.dot(x[:, None], CUBE),
    "sum of some": lambda x: np.sum(x, axis=1, where=x > 0.5, keepdims=True),
    "sum and a number": lambda x: np.sum(x, axis=1, initial=5.0),
    "product of some": lambda x: np.prod(x, axis=1, where=MASK, initial=3.0),
    "mean of some": lambda x: np.mean(x, axis=1, where=MASK),
    "largest of some": lambda x: np.max(x, axis=1, where=x > 0.5, initial=0.1),
    "smallest and a number": lambda x: np.min(x, axis=1, initial=0.3),
    "any of some": lambda x: x * np.any(x > 0.5, axis=1, where=MASK, keepdims=True),
    "all of some": lambda x: x * np.all(x > 0.1, axis=1, where=MASK, keepdims=True),
}


@pytest.mark.parametrize("call", CALLS)
def test_what_a_call_asks_for_besides_is_in_the_graph(call):
    network = Network([OpLayer(op(CALLS[call], name="called"))], (3,), ["called"])
    assert difference(network, RNG.uniform(0.0, 1.0, size=(6, 3)).astype(np.float32), {}) < CLOSE


@dataclass(frozen=True)
class Nearest:
    """The row of a table that is nearest to a number, looked up in a way of the test's."""

    look_up: Callable[..., Any]

    def init(self, rng: Any, input_shape: Any) -> Any:
        return {"table": rng.normal(size=(7, 3))}, (3,)

    def apply(self, parameters: Any, x: Any) -> Any:
        table = parameters["table"]
        return self.look_up(table, np.argmin(np.abs(x - table[:, 0]), axis=1))


def test_an_index_that_is_computed_is_taken_as_the_message_says():
    networks = [
        Network([Nearest(look_up)], (1,), ["nearest"])
        for look_up in (lambda x, index: x[index], lambda x, index: np.take(x, index, axis=0))
    ]
    with pytest.raises(UsageError) as caught:
        to_onnx(networks[0], everything(networks[0]))
    advised(caught.value, "write np.take(x, index, axis)")
    assert difference(networks[1], RNG.normal(size=(5, 1)).astype(np.float32)) < CLOSE


def test_an_op_that_leaves_numpy_is_named_with_its_layer():
    network = Network([Dense(2), OpLayer(opaque)], (3,), ["dense", "opaque"])
    with pytest.raises(UsageError) as caught:
        to_onnx(network, everything(network))
    assert str(caught.value) == f"'opaque' of {__name__} has no ONNX equivalent; layer '1 opaque' calls it"


@op
def counted(x):
    """Adds the number of its row, which only a batch of known size has."""
    return x + np.arange(x.shape[0])[:, None]


def test_what_counts_the_rows_of_a_batch_is_refused():
    network = Network([OpLayer(counted)], (3,), ["counted"])
    with pytest.raises(UsageError, match="a constant of the network counts the rows of a batch"):
        to_onnx(network, {})
