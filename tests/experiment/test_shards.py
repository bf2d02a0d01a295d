"""What a config with `compute: {shards: K}` may not hold, said at its place."""

from __future__ import annotations

import re

import numpy as np
import pytest

import trainer
from tests.hints import advised
from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import build

LINE = {
    "dataset": {"name": "linear", "rows": 50},
    "network": [{"dense": 4}, "tanh", {"dense": 1}],
    "cost": "mean_squared_error",
    "step_size": 0.1,
    "batch_size": 16,
    "epochs": 1,
    "compute": {"shards": 4},
}
BY_ITSELF = "a batch is cut into 4 shards (compute.shards), each computed by itself"
COMPARES = f"batch_norm compares the rows of a batch, and {BY_ITSELF}"
BESIDE = f"of a row depend on the rows beside it, and {BY_ITSELF}"
PLUGIN = """
import numpy as np
from dataclasses import dataclass
from trainer.nn import LayerState
from trainer.plugins import hookimpl

@dataclass(frozen=True)
class Centred:
    def init(self, rng, input_shape):
        return {}, input_shape
    def apply(self, parameters, x):
        return x
    def train(self, parameters, x, draw):
        return x - np.mean(x, axis=0), {}

@dataclass(frozen=True)
class Counting:
    def init(self, rng, input_shape):
        return {"seen": LayerState(np.zeros(1))}, input_shape
    def apply(self, parameters, x):
        return x
    def train(self, parameters, x, draw):
        return x, {"seen": parameters["seen"] + 1}

def relative(predictions, targets):
    wrong = np.sum(np.square(predictions - targets), axis=1)
    return wrong / (1 + np.mean(wrong))

@hookimpl
def register_layers(register):
    register(Centred, name="centred")
    register(Counting, name="counting")

@hookimpl
def register_costs(register):
    register(relative)
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"compute": {"shards": 20}}, "a batch has 16 rows, which makes no 20 shards: cut it into at most 16"),
        ({"network": [{"dense": 4}, "batch_norm", {"dense": 1}]}, COMPARES),
        ({"network": [{"residual": ["batch_norm"]}, {"dense": 1}]}, COMPARES),
        ({"network": [{"dense": 4}, "centred", {"dense": 1}]}, f"the outputs {BESIDE}"),
        ({"network": ["counting", {"dense": 1}]}, f"counting keeps 0.seen from step to step, and {BY_ITSELF}"),
        ({"cost": "relative"}, f"the costs {BESIDE}"),
    ],
)  # fmt: skip
def test_what_looks_across_the_rows_of_a_batch_is_refused(change, said, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    config = {**LINE, "plugins": [str(tmp_path / "mine.py")], **change}
    with pytest.raises(ConfigError, match=re.escape(said)):
        build(load(config))
    build(load({**config, "compute": {}}))


@pytest.mark.parametrize("instead", ["layer_norm", {"group_norm": 4}])
def test_what_looks_at_one_row_is_cut_as_the_message_says(instead):
    config = {**LINE, "network": [{"dense": 32}, "batch_norm", {"dense": 1}]}
    with pytest.raises(ConfigError) as caught:
        build(load(config))
    advised(caught.value, "layer_norm and group_norm look at one row; or leave compute.shards out")
    assert build(load({**config, "network": [{"dense": 32}, instead, {"dense": 1}]})).shards == 4
    assert build(load({**config, "compute": {}})).shards is None


def test_what_is_kept_from_step_to_step_is_frozen_as_the_message_says(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    config = {**LINE, "plugins": [str(tmp_path / "mine.py")], "network": ["counting", {"dense": 1}]}
    with pytest.raises(ConfigError) as caught:
        build(load(config))
    said = advised(caught.value, "there would be one of each shard; freeze it, or leave compute.shards out")
    assert f"counting keeps 0.seen from step to step, and {BY_ITSELF}: {said}" in str(caught.value)
    assert build(load({**config, "freeze": ["0.seen"]})).shards == 4
    assert build(load({**config, "compute": {}})).shards is None


def test_dropout_and_layer_norm_are_no_look_across_rows():
    network = [{"dense": 4}, "layer_norm", {"dropout": 0.5}, {"dense": 1}]
    assert build(load({**LINE, "network": network})).shards == 4


def test_frozen_parameters_and_start_from_go_with_shards():
    changed = {"freeze": ["0.*"], "network": [{"dense": 4}, "tanh", {"dense": 1}]}
    outcomes = [
        trainer.train({**LINE, **changed, "compute": {"shards": 4, "executor": each}}) for each in ("eager", "auto")
    ]
    first, second = (outcome.parameters for outcome in outcomes)
    assert {name: value.tobytes() for name, value in first.items()} == {
        name: value.tobytes() for name, value in second.items()
    }
    assert np.isfinite(first["2.weights"]).all()
