"""What a plugin's own code raises is one line that names the component, its plugin, its file and its line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from trainer import train
from trainer.errors import PluginError, TrainerError
from trainer.plugins import Plugins
from trainer.plugins.faults import naming_plugins

PARTS = """\
from dataclasses import dataclass
import numpy as np
from trainer import hookimpl
from trainer.data import Dataset
from trainer.training import Epoch

def boom(record, training):
    raise RuntimeError("no network for the tracker")

def later(record, training):
    if isinstance(record, Epoch) and record.epoch == 2:
        helper()

def helper():
    return {}["key"]

def three(record, training):
    return 3

@dataclass(frozen=True)
class Tracker:
    "A callback with options."
    def __call__(self, record, training):
        return record.nothing

def bad_cost(predictions, targets):
    return predictions.nothing

def no_table():
    raise OSError("no such table")

def bad_metric(predictions, targets):
    return predictions.nothing

def late_metric(predictions, targets):
    return {2: 1.0}[len(predictions)]

@dataclass(frozen=True)
class Iffy:
    "A decision by value."
    def init(self, rng, shape):
        return {}, shape
    def apply(self, parameters, x):
        return x if x.sum() > 0 else -x

@dataclass(frozen=True)
class Plain:
    "A plain array."
    def init(self, rng, shape):
        return {}, shape
    def apply(self, parameters, x):
        return np.array(x)

@dataclass(frozen=True)
class Late:
    "Fails on more than two rows."
    def init(self, rng, shape):
        return {}, shape
    def apply(self, parameters, x):
        return {2: x}[len(x)]

@hookimpl
def register_callbacks(register):
    for each in (boom, later, three, Tracker):
        register(each)
@hookimpl
def register_costs(register):
    register(bad_cost, targets="classes")
@hookimpl
def register_datasets(register):
    register(no_table)
@hookimpl
def register_metrics(register):
    register(bad_metric)
    register(late_metric)
@hookimpl
def register_layers(register):
    for each in (Iffy, Plain, Late):
        register(each)
"""


def line_of(text):
    return next(i for i, line in enumerate(PARTS.splitlines(), 1) if text in line)


def plain(message, tmp_path):
    return str(message).replace(f"plugin '{tmp_path / 'parts.py'}'", "PLUGIN")


FAULTS = [
    ({"callbacks": ["boom"]}, "callback 'boom' of PLUGIN: RuntimeError: no network for the tracker", "raise Runt"),
    ({"callbacks": ["later"]}, "callback 'later' of PLUGIN: KeyError: 'key'", '{}["key"]'),
    ({"callbacks": ["tracker"]}, "callback 'tracker' of PLUGIN: AttributeError", "record.nothing"),
    ({"cost": "bad_cost"}, "config:6:7: cost 'bad_cost': AttributeError", "return predictions.nothing"),
    ({"dataset": "no_table"}, "data set 'no_table' of PLUGIN: OSError: no such table", "no such table"),
    ({"metrics": ["late_metric"]}, "metric 'late_metric' fails on the 120 training rows: KeyError: 120", "{2: 1.0}"),
    ({"network": ["iffy", {"dense": 3}]}, "'iffy' of PLUGIN: bool(t)", "x.sum() > 0"),
    ({"network": [{"dense": 3}, "iffy"]}, "layer 1 (iffy): ", "x.sum() > 0"),
    ({"network": [{"dense": 3}, "plain"]}, "layer 1 (plain): ", "np.array(x)"),
    ({"network": [{"dense": 3}, {"residual": ["iffy"]}]}, "layer 1 (residual): ", "x.sum() > 0"),
    ({"network": ["late", {"dense": 3}]}, "layer 'late' of PLUGIN: KeyError", "[len(x)]"),
]  # fmt: skip


def config(tmp_path, **changes):
    (tmp_path / "parts.py").write_text(PARTS)
    return {
        "plugins": [str(tmp_path / "parts.py")],
        "dataset": "iris",
        "network": [{"dense": 3}],
        "cost": "softmax_cross_entropy",
        "step_size": 0.1,
        "epochs": 3,
        **changes,
    }


@pytest.mark.parametrize(("changes", "message", "line"), FAULTS)
def test_a_fault_names_the_component_its_file_and_its_line(changes, message, line, tmp_path):
    with pytest.raises(TrainerError) as caught:
        train(config(tmp_path, **changes))
    assert message in plain(caught.value, tmp_path)
    assert f"(parts.py, line {line_of(line)})" in str(caught.value)


def test_the_status_of_a_run_says_it_too_and_what_was_learnt_is_kept(tmp_path):
    with pytest.raises(PluginError):
        train(config(tmp_path, callbacks=["later"]), out=tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    status = json.loads((folder / "status.json").read_text())
    assert (status["status"], status["epochs"]) == ("failed", 1)  # told of the second before it is recorded
    assert "callback 'later' of PLUGIN: KeyError: 'key' (parts.py, line" in plain(status["reason"], tmp_path)
    assert (folder / "parameters.safetensors").exists()


def test_a_callback_that_returns_something_else_is_named(tmp_path):
    with pytest.raises(TrainerError, match="callback 'three' returned 3; it returns a text, why training should end"):
        train(config(tmp_path, callbacks=["three"]))


def test_the_command_says_it_in_a_line_and_the_rest_with_debug(tmp_path):
    import yaml

    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config(tmp_path, callbacks=["boom"])))
    command = [sys.executable, "-c", "from trainer.cli import main; main()", "run", "c.yaml", "-q"]
    plugin = f"plugin '{tmp_path / 'parts.py'}'"
    place = f"(parts.py, line {line_of('raise Runt')})"
    line = f"callback 'boom' of {plugin}: RuntimeError: no network for the tracker {place}"
    short = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (short.returncode, short.stderr) == (2, f"error: {line}; the rest with --debug\n")
    whole = subprocess.run([*command, "--debug"], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert whole.stderr.startswith("Traceback (most recent call last):")
    assert whole.stderr.endswith(f"RuntimeError: no network for the tracker\nerror: {line}\n")


def test_a_fault_of_ours_is_nobodys_plugin(tmp_path):
    (tmp_path / "parts.py").write_text(PARTS)
    plugins = Plugins([str(tmp_path / "parts.py")])
    with pytest.raises(ZeroDivisionError), naming_plugins(plugins):
        1 / 0  # noqa: B018
