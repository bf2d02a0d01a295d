"""A wrong rule does not train: not behind a helper that has changed, and not in an op that nobody registered."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from trainer import train
from trainer.errors import RuleError

RUN = """
import sys, trainer
from trainer.errors import TrainerError
try:
    outcome = trainer.train("c.yaml", sys.argv[1:])
    print("trained", outcome.epoch.epoch)
except TrainerError as error:
    print(type(error).__name__, str(error).splitlines()[0])
"""
CONFIG = """
plugins: [PLUGIN]
dataset: moons
network: [dense: 4, LAYER, dense: 2]
cost: softmax_cross_entropy
step_size: 0.1
epochs: 1
"""
OP = """
import numpy as np
from trainer import hookimpl, op
IMPORT

wavy = op(lambda x: np.sin(x), name="wavy").defvjp(x=lambda dy, x: dy * SLOPE)
wavy.samples(lambda rng: [rng.normal(size=(3, 4))])

@hookimpl
def register_ops(register):
    register(wavy)
"""
LAYER = """
from dataclasses import dataclass
import numpy as np
from trainer import hookimpl, op

wavy = op(lambda x: np.sin(x), name="wavy").defvjp(x=lambda dy, x: dy * SIGN * np.cos(x))

@dataclass(frozen=True)
class Waves:
    "sin x."
    def init(self, rng, shape):
        return {}, shape
    def apply(self, parameters, x):
        return wavy(x)

def far(predictions, targets):
    "A cost that bends what it is given."
    return np.mean(np.square(wavy(predictions) - targets), axis=1)

@hookimpl
def register_layers(register):
    register(Waves)

@hookimpl
def register_costs(register):
    register(far)
"""
WAYS = {  # where the slope is written, and how a rule comes to it
    "a function": ("from helper import slope", "slope(x)", "helper.py"),
    "a module": ("import helper", "helper.slope(x)", "helper.py"),
    "behind another": ("import between", "between.slope(x)", "helper.py"),
    "within the function": ("def late(x):\n    import helper\n    return helper.slope(x)", "late(x)", "helper.py"),
}


def run(folder, *overrides):
    environment = {**os.environ, "TRAINER_CACHE": str(folder / "cache"), "PYTHONPATH": str(folder)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # two contents of one second would be one
    done = subprocess.run(
        [sys.executable, "-c", RUN, *overrides],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("way", WAYS)
def test_a_helper_that_has_changed_is_checked_anew(way, tmp_path):
    imports, slope, helper = WAYS[way]
    (tmp_path / "c.yaml").write_text(CONFIG.replace("PLUGIN", "w.py").replace("LAYER", "wavy"))
    (tmp_path / "w.py").write_text(OP.replace("IMPORT", imports).replace("SLOPE", slope))
    (tmp_path / "between.py").write_text("from helper import slope\n")
    (tmp_path / helper).write_text("import numpy as np\ndef slope(x):\n    return np.cos(x)\n")
    assert run(tmp_path) == "trained 1"
    (tmp_path / helper).write_text("import numpy as np\ndef slope(x):\n    return -np.cos(x)\n")
    assert run(tmp_path).startswith("RuleError op 'wavy', from plugin 'w.py', has not passed the check")


def test_a_second_module_of_a_package_counts(tmp_path):
    package = tmp_path / "waves"
    package.mkdir()
    (tmp_path / "c.yaml").write_text(CONFIG.replace("PLUGIN", "waves").replace("LAYER", "wavy"))
    (package / "__init__.py").write_text(
        OP.replace("IMPORT", "from waves import slopes").replace("SLOPE", "slopes.of(x)")
    )
    (package / "slopes.py").write_text("from waves.deeper import of\n")
    (package / "deeper.py").write_text("import numpy as np\nof = lambda x: np.cos(x)\n")
    assert run(tmp_path) == "trained 1"
    (package / "deeper.py").write_text("import numpy as np\nof = lambda x: -np.cos(x)\n")
    assert run(tmp_path).startswith("RuleError op 'wavy', from plugin 'waves', has not passed the check")


def config(tmp_path, sign, **changes):
    (tmp_path / "layer.py").write_text(LAYER.replace("SIGN", sign))
    return {
        "plugins": [str(tmp_path / "layer.py")],
        "dataset": "moons",
        "network": [{"dense": 4}, "waves", {"dense": 2}],
        "cost": "softmax_cross_entropy",
        "step_size": 0.1,
        "epochs": 1,
        **changes,
    }


FAR = {"network": [{"dense": 2}], "cost": "far", "dataset": {"name": "moons", "one_hot": True}}


@pytest.mark.parametrize("changes", [{}, {"network": ["waves", {"dense": 2}]}, FAR])
@pytest.mark.parametrize("executor", ["auto", "eager"])
def test_an_op_that_a_layer_or_a_cost_calls_is_checked_as_it_is_met(changes, executor, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINER_CACHE", str(tmp_path / "cache"))
    changes = {**changes, "compute": {"executor": executor}}
    assert train(config(tmp_path, "1", **changes)).epoch.epoch == 1
    with pytest.raises(RuleError, match=r"op 'wavy', from .*, has not passed the check"):
        train(config(tmp_path, "-1", **changes), out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
