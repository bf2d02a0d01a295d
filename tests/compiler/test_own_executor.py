"""An executor that a plugin brings runs a config's steps, and is shown as ours are."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainer.compiler.executors import Native, native_available
from trainer.config import load
from trainer.config.editor_schema import json_schema
from trainer.errors import ConfigError, UsageError
from trainer.experiment import build
from trainer.plugins import Plugins, shared
from trainer.training import Training
from trainer.training.memory import measure_memory

PLUGIN = Path(__file__).parent / "own_executor.py"
CONFIG = """\
plugins: [own_executor.py]
dataset: iris
network: [dense: 8, tanh, dense: 3]
cost: softmax_cross_entropy
optimizer: adam
step_size: 0.01
epochs: 2
compute: {executor: counting}
"""


@pytest.fixture
def config(tmp_path):
    shutil.copy(PLUGIN, tmp_path)
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return path


def trained(path: Path, *overrides: str) -> Training:
    training = build(load(path, overrides))
    for _ in training.records():
        pass
    return training


def test_a_plugins_executor_runs_the_steps_and_gives_the_same_bits(config):
    training = trained(config)
    assert training.runs_on == "counting"
    module = sys.modules[type(training.backend).__module__]
    steps = training.step
    assert module.COUNTS["matmul"] >= 5 * steps  # two forward, three backward
    for other in ("eager", "numpy", *(["native"] if native_available() else [])):
        ours = trained(config, f"compute.executor={other}")
        assert ours.runs_on == other
        np.testing.assert_array_equal(ours.theta, training.theta, strict=True)


def test_it_is_measured_as_ours_are(config):
    training = build(load(config))
    executor, memory = measure_memory(training)
    assert executor.name == "counting"
    assert memory.planned >= memory.needed - memory.residuals
    assert not executor.called_back


def test_a_name_that_no_executor_has(config):
    with pytest.raises(ConfigError) as caught:
        build(load(config, ["compute.executor=countin"]))
    assert "there is no executor 'countin'; did you mean 'counting'?" in str(caught.value)
    with pytest.raises(UsageError, match="there is no executor 'fortran'; take auto, eager, numpy or native"):
        replace(build(load(config)), executor="fortran")


def test_the_schema_for_editors_knows_every_executor(config):
    names = ["auto", "eager", *shared().names("executors")]
    assert json_schema()["$defs"]["Compute"]["properties"]["executor"]["enum"] == names
    own = json_schema(Plugins([str(PLUGIN)]))
    assert "counting" in own["$defs"]["Compute"]["properties"]["executor"]["enum"]


def test_without_the_machine_native_says_what_to_do(monkeypatch):
    monkeypatch.setattr("trainer.compiler.executors.native_available", lambda: False)
    assert Native().missing() == (
        "there is no native executor: no C compiler was found when this package was installed; install one and then "
        "the package again"
    )
