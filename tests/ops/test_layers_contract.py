"""Every layer that ships keeps the contract: shapes, derivatives, precision, executors, and nothing left behind."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from tests.made_up import EXECUTORS, data_of
from tests.ops.layer_examples import EXAMPLES, make
from tests.ops.op_checking import CLOSE, EXACT, compare, derivative
from trainer import value_and_grad
from trainer.config import load
from trainer.nn import Dense, Draw, Flatten, LayerState, Masked, Network
from trainer.optimizers import Momentum
from trainer.plugins import shared
from trainer.training import Training
from trainer.training.objective import Objective
from trainer_ops import mean_squared_error

LAYERS = {name: c for name, c in shared().all("layers").items() if c.plugin in ("trainer", "trainer_ops")}
CASES = [pytest.param(e, id=f"{name} {i}") for name, examples in EXAMPLES.items() for i, e in enumerate(examples)]
ROWS = 4


def test_every_layer_has_examples():
    assert set(EXAMPLES) == set(LAYERS)


def leaves(tree):
    for value in tree.values():
        yield from leaves(value) if isinstance(value, Mapping) else [value]


def plain(tree):
    return {
        k: plain(v) if isinstance(v, dict) else v.value if isinstance(v, LayerState) else v for k, v in tree.items()
    }


def values(y):
    return y.values if isinstance(y, Masked) else y


@pytest.mark.parametrize("example", CASES)
def test_the_shape_that_init_says_is_that_of_what_comes_out(example):
    parameters, shape = example.layer.init(np.random.default_rng(0), example.shape)
    again, _ = example.layer.init(np.random.default_rng(0), example.shape)
    for one, other in zip(leaves(plain(parameters)), leaves(plain(again)), strict=True):
        assert one.dtype == np.float64
        np.testing.assert_array_equal(one, other)
    for rows in (1, 3):
        x = example.inputs(rows)
        assert values(example.layer.apply(plain(parameters), x)).shape == (rows, *shape)
        if hasattr(example.layer, "train"):
            draw = Draw(0, np.int64(0), "float64", "0")
            y, updates = example.layer.train(plain(parameters), x, draw)
            assert values(y).shape == (rows, *shape)
            layer_state = [v.value.shape for v in leaves(parameters) if isinstance(v, LayerState)]
            assert [np.shape(v) for v in leaves(updates)] == layer_state


def network(example):
    parameters, _ = example.layer.init(np.random.default_rng(0), example.shape)
    masked = isinstance(example.layer.apply(plain(parameters), example.inputs(1)), Masked)
    return Network([example.layer, make("mean_over_positions") if masked else Flatten(), Dense(2)], example.shape)


@pytest.mark.parametrize("example", CASES)
def test_its_derivatives_in_training_are_right(example):
    net = network(example)
    objective = Objective(net, mean_squared_error, seed=5)
    theta, layer_state, x = net.initial(1), net.layer_state(1), example.inputs(ROWS)
    theta = theta + 0.1 * np.random.default_rng(7).normal(size=theta.shape)
    y = np.random.default_rng(4).normal(size=(ROWS, 2))

    def loss(theta, x):
        return objective.loss(net.named(theta), layer_state, (x, y), np.int64(2))[0]

    arguments = (theta,) if example.entries else (theta, x)

    def along(*given):
        return loss(given[0], given[1] if len(given) > 1 else x)

    _, gradients = value_and_grad(along, tuple(range(len(arguments))))(*arguments)
    for k, argument in enumerate(arguments):
        found, wanted, exact = np.ravel(gradients[k]), [], True
        for i in range(argument.size):
            directions = [np.zeros(a.shape) for a in arguments]
            directions[k].reshape(-1)[i] = 1
            slope, credible = derivative(along, arguments, directions)
            wanted.append(slope)
            exact = exact and credible
        compare(found, np.array(wanted), EXACT if exact else CLOSE, f"gradient {k} of {example.layer}")


def trained(example, executor, dtype, seed=1):
    x, y = example.inputs(10, dtype), np.random.default_rng(4).normal(size=(10, 2)).astype(dtype)
    data = data_of(x, y)
    training = Training(
        network(example), mean_squared_error, data, 0.05, batch_size=ROWS, epochs=2, optimizer=Momentum(), seed=seed,
        dtype=dtype, executor=executor,
    )  # fmt: skip
    for _ in training.records():
        pass
    return training


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("example", CASES)
def test_its_bits_and_its_precision_are_the_same_under_every_executor(example, dtype):
    found = set()
    for executor in EXECUTORS:
        training = trained(example, executor, dtype)
        predictions = training.network.predict(
            training.averaged, training.data.train.inputs, training.state.layer_state
        )
        arrays = [training.theta, *training.state.layer_state.values(), predictions]
        assert {a.dtype for a in arrays} == {np.dtype(dtype)}
        assert all(np.isfinite(a).all() for a in arrays)
        found.add(tuple(a.tobytes() for a in arrays))
    assert len(found) == 1


@pytest.mark.parametrize("example", CASES)
def test_evaluation_draws_nothing_and_changes_nothing(example, monkeypatch):
    def refuse(*_):
        raise AssertionError("drawn in evaluation")

    monkeypatch.setattr(Draw, "__call__", refuse)
    net = network(example)
    theta, layer_state, x = net.initial(0), net.layer_state(0), example.inputs(ROWS)
    for array in (theta, x, *layer_state.values()):
        array.flags.writeable = False
    y = net.predict(theta, x, layer_state)
    np.testing.assert_array_equal(net.predict(theta, x, layer_state), y)
    np.testing.assert_allclose(
        net.predict(theta, x[1:2], layer_state), y[1:2], rtol=1e-12
    )  # an example stands for itself


@pytest.mark.parametrize("example", CASES)
def test_a_second_training_with_the_same_layer_begins_anew(example):
    first, second = (trained(example, "eager", np.float64) for _ in range(2))
    np.testing.assert_array_equal(first.theta, second.theta)
    for name, value in first.state.layer_state.items():
        np.testing.assert_array_equal(value, second.state.layer_state[name])
    for field in fields(example.layer):
        with pytest.raises(FrozenInstanceError):
            setattr(example.layer, field.name, None)


@pytest.mark.parametrize("name", [n for n, c in LAYERS.items() if c.plugin == "trainer_ops"])
def test_the_examples_in_its_documentation_are_configs(name, tmp_path):
    doc = textwrap.dedent(LAYERS[name].target.__doc__.partition("\n")[2])
    lines = [line for line in doc.splitlines() if line.startswith("    - ")]
    assert any(line.startswith(f"    - {name}") for line in lines)
    file = tmp_path / "example.yaml"
    file.write_text("dataset: digits\ncost: softmax_cross_entropy\nstep_size: 0.1\nnetwork:\n" + "\n".join(lines))
    assert len(load(file).config.network) == len(lines)
