"""`trainer validate --deep`: the gradient of a whole network against differences of its loss."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.hints import advised
from trainer.config import load
from trainer.experiment import build
from trainer.training.gradient_check import check_network

CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))

WRONG = """
import numpy as np
from trainer import hookimpl, op

@op
def half(x):
    "x/2 with a wrong slope."
    return x / 2

half.defvjp(x=lambda dy: dy * 0.4999)

@hookimpl
def register_ops(register):
    register(half)
"""
CONFIG = """
plugins: [wrong.py]
dataset: iris
network: [dense: 5, tanh, dense: 4, half, dense: 3]
cost: softmax_cross_entropy
step_size: 0.1
"""


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_the_gradient_of_every_config_is_right(path):
    found = check_network(build(load(path)), directions=1)
    assert {d.verdict for d in found} <= {"ok", "undecided"}
    assert sum(d.verdict == "ok" for d in found) > len(found) / 2


def test_a_wrong_rule_spoils_its_layer_and_those_before(tmp_path):
    tmp_path.joinpath("wrong.py").write_text(WRONG)
    tmp_path.joinpath("c.yaml").write_text(CONFIG)
    found = check_network(build(load(tmp_path / "c.yaml")))
    assert {d.name: d.verdict for d in found} == {
        "0.weights": "wrong", "0.bias": "wrong", "2.weights": "wrong", "2.bias": "wrong", "4.weights": "ok",
        "4.bias": "ok",
    }  # fmt: skip


def test_what_the_command_prints(tmp_path, trainer):
    tmp_path.joinpath("wrong.py").write_text(WRONG)
    tmp_path.joinpath("c.yaml").write_text(CONFIG)
    bad = trainer("validate", str(tmp_path / "c.yaml"), "--deep")
    assert bad.code == 1
    check = f"trainer ops check NAME --plugin {tmp_path / 'wrong.py'}"
    assert bad.err == (
        "\nThe gradient is wrong for 0.weights, 0.bias, 2.weights, 2.bias. A wrong rule spoils its own layer and those "
        f"before it: look at the layer of 2.bias and what follows it: {check}\n"
    )
    advised(
        bad.err, f"look at the layer of 2.bias and what follows it: trainer ops check NAME{check.partition('NAME')[2]}"
    )
    told = [trainer(*shlex.split(check.replace("NAME", name))[1:]) for name in ("matmul", "half", "add")]
    assert [each.code for each in told] == [0, 1, 0]
    assert "half fails 1 of " in told[1].out
    good = trainer("validate", str(CONFIGS[-1]), "--deep")
    assert good.code == 0
    assert "The gradient is right" in good.out


@pytest.mark.parametrize("seed", range(3))
def test_blank_windows_and_a_bias_of_zero_are_no_mistake(seed, tmp_path):
    tmp_path.joinpath("c.yaml").write_text(
        "dataset: digits\nnetwork: [reshape: [8, 8, 1], conv2d: 8, relu, max_pool: 2, flatten, dense: 10]\n"
        f"cost: softmax_cross_entropy\nstep_size: 0.1\nseed: {seed}\n"
    )
    assert {d.verdict for d in check_network(build(load(tmp_path / "c.yaml")))} == {"ok"}


def test_a_kink_is_no_mistake(tmp_path):
    tmp_path.joinpath("c.yaml").write_text(CONFIG.replace("plugins: [wrong.py]", "").replace("half", "relu"))
    training = build(load(tmp_path / "c.yaml"))
    training.resume(replace(training.state, theta=np.zeros_like(training.theta)))  # every relu at its kink
    assert "wrong" not in {d.verdict for d in check_network(training)}
