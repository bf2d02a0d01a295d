"""For a nan or an infinity put into each op of three networks, forward and back, the right op and layer are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import trainer_ops as ops
from tests.made_up import data_of
from trainer.engine.observe import observed
from trainer.engine.op import IDENTITY, SELECT
from trainer.engine.rules import Rule
from trainer.nn import Dense, Flatten, Network, OpLayer
from trainer.training import Training
from trainer.training.diagnosis import diagnose


@dataclass(frozen=True)
class Convolution:
    """A convolution with weights of its own, for the tests."""

    filters: int

    def init(self, rng, input_shape):
        *space, channels = input_shape
        weights = rng.normal(size=(3, 3, channels, self.filters)) / 3
        return {"weights": weights}, (*(n - 2 for n in space), self.filters)

    def apply(self, parameters, x):
        return ops.conv2d(x, parameters["weights"])


@dataclass(frozen=True)
class Attention:
    """Self-attention with one matrix for each of queries, keys and values."""

    width: int

    def init(self, rng, input_shape):
        n = input_shape[-1]
        return {k: rng.normal(size=(n, self.width)) / n for k in "qkv"}, (input_shape[0], self.width)

    def apply(self, parameters, x):
        return ops.scaled_dot_product_attention(*(x @ parameters[k] for k in "qkv"))


def classes(x):
    return data_of(x, np.arange(len(x)) % 3, classes=("a", "b", "c"))


rng = np.random.default_rng(8)
NETWORKS: dict[str, tuple[list[Any], np.ndarray[Any, Any]]] = {
    "dense": ([Dense(8), OpLayer(ops.silu), Dense(6), OpLayer(ops.softplus), Dense(3)], rng.normal(size=(6, 4))),
    "convolutional": (
        [Convolution(4), OpLayer(ops.relu), OpLayer(ops.max_pool, window=2), Flatten(), Dense(3)],
        rng.normal(size=(6, 8, 8, 2)),
    ),
    "attention": ([Attention(5), OpLayer(ops.layer_norm), Flatten(), Dense(3)], rng.normal(size=(6, 4, 3))),
}


def training_of(name):
    layers, x = NETWORKS[name]
    network = Network(layers, x.shape[1:])
    return Training(network, ops.softmax_cross_entropy, classes(x), 0.1, dtype=np.float64, executor="eager")


def calls_of(training):
    """The ops of a step in the order of their calls, and the layer that each belongs to (the cost is the last)."""
    found: list[Any] = []
    network, x = training.network, training.data.train.inputs
    parameters = network.tree(network.named(training.theta))
    from trainer import Tensor

    x = Tensor(x)
    for i, (layer, own) in enumerate(zip(network.layers, parameters, strict=True)):
        with observed(lambda op, *call, i=i: found.append((op, i))):
            x = layer.apply({k: Tensor(v) for k, v in own.items()}, x)
    with observed(lambda op, args, attributes, result: found.append((op, len(network.layers)))):
        np.mean(training.cost(x, training.data.train.targets))
    return [(op, layer) for op, layer in found if op not in (IDENTITY, SELECT)]


class Poison:
    """Makes the n-th call of a function give a result with one bad value."""

    def __init__(self, function, n, bad):
        self.function, self.left, self.bad = function, n, bad

    def __call__(self, *args, **kwargs):
        result = self.function(*args, **kwargs)
        self.left -= 1
        return spoilt(result, self.bad) if self.left == -1 else result


def spoilt(result, bad):
    if isinstance(result, list | tuple):
        first = next(i for i, r in enumerate(result) if r is not None)
        return [spoilt(r, bad) if i == first else r for i, r in enumerate(result)]
    result = np.array(result)
    result.flat[0] = bad
    return result


def where(training, layer):
    names = training.network.names
    return "cost" if layer == len(names) else f"layer {layer} ({names[layer]})"


@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=["nan", "inf"])
@pytest.mark.parametrize("name", NETWORKS)
def test_forward(name, bad, monkeypatch):
    training = training_of(name)
    calls = calls_of(training)
    batch = [array[:6] for array in training.data.train.arrays]
    assert len(calls) >= 8
    for position, (op, layer) in enumerate(calls):
        if isinstance(training.network.layers[min(layer, len(training.network.layers) - 1)], Flatten):
            continue  # a view: no value is made
        before = sum(other is op for other, _ in calls[:position])
        with monkeypatch.context() as patch:
            patch.setattr(op, "forward", Poison(op.forward, before, bad))
            finding = diagnose(training.objective, training.state, batch)
        assert finding is not None
        first, place, *_ = finding.split("\n")
        assert first.startswith(f"forward: op '{op.name}' made 1 {'nan' if np.isnan(bad) else 'inf'}")
        assert place == f"  in        {where(training, layer)}"


@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=["nan", "inf"])
@pytest.mark.parametrize("name", NETWORKS)
def test_backward(name, bad, monkeypatch):
    training = training_of(name)
    calls = calls_of(training)
    batch, tried = [array[:6] for array in training.data.train.arrays], 0
    for op, layer in calls:
        if sum(other is op for other, _ in calls) > 1:
            continue  # of several calls of one op the forward test shows that the right one is named
        rules = {id(r): r for r in op.rules.values() if isinstance(r, Rule)}
        for rule in rules.values():
            with monkeypatch.context() as patch:
                poison = Poison(rule.function, 0, bad)
                patch.setattr(rule, "function", poison)
                op._plans.clear()
                finding = diagnose(training.objective, training.state, batch)
            op._plans.clear()
            if poison.left == 0:
                continue  # nobody wants this input's gradient: it is the data's
            tried += 1
            assert finding is not None
            first, place, *_ = finding.split("\n")
            assert first.startswith(f"backward: the rule of op '{op.name}' made 1 {'nan' if np.isnan(bad) else 'inf'}")
            assert place == f"  in        {where(training, layer)}"
    assert tried >= 3
