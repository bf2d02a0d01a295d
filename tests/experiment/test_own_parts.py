"""What a stranger writes in the usual way trains as it is written, or is refused; in processes of their own, too."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from trainer.config import load
from trainer.errors import OpError
from trainer.experiment import build, execute

COST = """\
import numpy as np
from trainer import hookimpl
def my_nll(predictions, targets):
    z = predictions - np.max(predictions, axis=1, keepdims=True)
    logp = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -logp[np.arange(predictions.shape[0]), targets]
@hookimpl
def register_costs(register):
    register(my_nll, targets="classes")
"""
DIGITS = """\
plugins: [own.py]
dataset: {name: digits, standardize: true}
network: [dense: 32, relu, dense: 10]
cost: my_nll
batch_size: 32
step_size: 0.1
epochs: 5
"""
LAYER = """\
from dataclasses import dataclass
import numpy as np
from trainer import hookimpl
@dataclass(frozen=True)
class FeatureDrop:
    rate: float = 0.5
    def init(self, rng, input_shape): return {}, input_shape
    def apply(self, parameters, x): return x
    def train(self, parameters, x, draw):
        return x * (np.random.random(x.shape[-1]) >= self.rate).astype(x.dtype), {}
@hookimpl
def register_layers(register): register(FeatureDrop)
"""
DROPPED = """\
plugins: [own.py]
dataset: {name: regression, rows: 320, features: 12, informative: 12}
network: [feature_drop: 0.5, dense: 1]
cost: mean_squared_error
step_size: 0.01
"""
COUNTING = """\
import numpy as np
from trainer import hookimpl
count = iter(range(10**6))
def growing(predictions, targets):
    return np.mean((predictions - targets) ** 2, axis=1) * (1 + next(count))
@hookimpl
def register_costs(register):
    register(growing)
"""
GROWING = """\
plugins: [own.py]
dataset: {name: regression, rows: 64, features: 3, informative: 3}
network: [dense: 1]
cost: growing
step_size: 0.01
epochs: 1
"""
MESSAGE = (
    "a step gives another loss as a program than on the tape: something that it reads was taken down once, when the "
    "program was recorded. Whatever changes from step to step has to reach an op, a layer or a cost as an argument "
    "(predictions, targets, x, parameters, draw), and only NumPy's functions and ops may compute with it"
)


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(plugin, config):
        tmp_path.joinpath("own.py").write_text(plugin)
        tmp_path.joinpath("c.yaml").write_text(config)

    return write


def trainer(*arguments):
    return subprocess.run([sys.executable, "-m", "trainer", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("executor", ["eager", "numpy", "native"])
def test_a_cost_that_picks_by_labels_learns(write, executor):
    write(COST, DIGITS)
    done = trainer("run", "c.yaml", "--quiet", f"compute.executor={executor}")
    assert float(re.search(r"test +accuracy ([\d.]+)", done.stdout).group(1)) > 0.9, done.stdout + done.stderr


@pytest.mark.parametrize("executor", ["eager", "auto"])
def test_a_layer_that_draws_from_numpy_is_refused_at_its_line(write, executor):
    write(LAYER, DROPPED)
    done = trainer("run", "c.yaml", "--quiet", f"compute.executor={executor}")
    assert done.returncode == 2
    assert "c.yaml:3:11: layer 0 (feature_drop): train drew random numbers from np.random" in done.stderr
    assert "the argument `draw` of train(self, parameters, x, draw)" in done.stderr
    assert "(own.py, line 9)" in done.stderr


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_a_program_with_something_frozen_does_not_train(write, executor):
    write(COUNTING, GROWING)
    with pytest.raises(OpError) as caught:
        execute(load("c.yaml", [f"compute.executor={executor}"]))
    way = "Try the tape, which records every step anew (executor='eager')."
    assert str(caught.value) == f"{MESSAGE}. {way}"
    execute(load("c.yaml", ["compute.executor=eager"]))


def test_validate_deep_finds_it_too(write):
    write(COUNTING, GROWING)
    done = trainer("validate", "c.yaml", "--deep")
    assert done.returncode == 1
    assert MESSAGE in done.stderr


@pytest.mark.parametrize("changes", ["batch_size=all", "batch_size=60", "batch_size=1", "compute.executor=eager"])
def test_the_comparison_leaves_the_training_where_it_was(write, changes):
    write(COUNTING, GROWING.replace("growing", "mean_squared_error").replace("plugins: [own.py]", ""))
    training = build(load("c.yaml", [changes]))
    before = training.state
    training.check_program()
    assert training.state is before
