"""Can a config learn one batch at all, and what stops it where it cannot?"""

from __future__ import annotations

import numpy as np
import pytest

import trainer
from tools.troubles import PLUGIN, PLUGINS, plan
from trainer.config import load
from trainer.errors import UsageError
from trainer.experiment import build
from trainer.explaining.overfit import LEFT, overfit

WINE = {"name": "wine", "standardize": True}
DIGITS = {"name": "digits", "standardize": True}
CUT = """
from trainer import hookimpl, op, stop_gradient
from dataclasses import dataclass
import numpy as np

@op
def held(x):
    return np.tanh(x)

@held.vjp("x")
def _(dy, x):
    return np.zeros_like(dy)

@dataclass(frozen=True)
class Cut:
    def init(self, rng, input_shape):
        return {}, input_shape

    def apply(self, parameters, x):
        return np.tanh(stop_gradient(x))

@hookimpl
def register_layers(register):
    register(Cut)

@hookimpl
def register_ops(register):
    register(held)
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cutting.py").write_text(CUT)


def small(*network, data=WINE, **others):
    return plan(data, *network, **others)


BELOW = {"normal": {"mean": -5.0, "deviation": 0.01}}
PLANTED = {
    "all weights frozen": (
        small({"dense": 16}, "relu", {"dense": 3}, freeze=["*.weights"]), "too much is frozen", ["freeze=[]"],
    ),
    "dead relu": (
        small({"dense": {"units": 4, "initial": BELOW}}, "relu", {"dense": 3},
              data={"name": "wine", "preprocess": ["min_max_scaler"]}), "dead units",
        ["network.0.dense.initial=he"],
    ),
    "a cost of numbers for classes": (
        small({"dense": 16}, "tanh", {"dense": 3}, data={**WINE, "one_hot": True}, cost="mean_absolute_error",
              step_size=1e-5),
        "a cost that does not fit the task", ["cost=softmax_cross_entropy", "dataset.one_hot=false"],
    ),
    "a last layer whose range ends": (
        small({"dense": 3}, "sigmoid", step_size=0.01), "a cost that does not fit the task", ["network.-1.dense=3"],
    ),
    "no step to speak of": (
        small({"dense": 16}, "relu", {"dense": 3}, step_size=1e-9), "a step size too small", ["step_size=0.01"],
    ),
    "not a number": (small({"dense": 16}, "log", {"dense": 3}), "values that are not finite", ["network.1=softplus"]),
    "saturated sigmoid": (
        small({"dense": {"units": 2, "initial": {"normal": 1000}}}, "sigmoid", {"dense": 10}, data=DIGITS),
        "saturated units", ["network.0.dense.initial=he"],
    ),
    "a plugin's layer that stops the gradient": (
        small({"dense": 2}, "cut", {"dense": 10}, data=DIGITS, plugins=["cutting.py"]),
        "a layer stops the gradient", [],
    ),
    "a plugin's rule that gives 0": (
        small({"dense": 2}, "held", {"dense": 10}, data=DIGITS, plugins=["cutting.py"]), "a plugin's rule is wrong",
        ["network.1=tanh"],
    ),
    "a penalty above all": (
        small({"dense": 16}, "relu", {"dense": 3}, penalty={"l2": 5.0}), "the penalty outweighs the cost",
        ["penalty=[]"],
    ),
    "a step far too large": (small({"dense": 16}, "relu", {"dense": 3}, step_size=1e5), "a step size too large", None),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_what_stops_it_is_found_first(name):
    config, cause, ways = PLANTED[name]
    found = trainer.overfit(config)
    assert not found.learnt
    assert found.findings[0].cause == cause
    assert ways is None or list(found.findings[0].overrides) == ways


@pytest.mark.parametrize("name", [name for name, (_, _, ways) in PLANTED.items() if ways])
def test_what_is_printed_mends_it(name):
    config, cause, _ = PLANTED[name]
    ways = trainer.overfit(config).findings[0].overrides
    again = trainer.overfit(config, ways)
    assert again.learnt or cause not in {each.cause for each in again.findings}


@pytest.mark.parametrize(
    "config",
    [
        small({"dense": 16}, "relu", {"dense": 3}),
        small({"dense": 3}),
        small({"dense": 16}, "tanh", {"dropout": 0.2}, {"dense": 10}, data=DIGITS, optimizer="adam", step_size=0.01),
        small({"dense": 16}, "batch_norm", "relu", {"dense": 3}, freeze=["0.*"]),
        small({"dense": 32}, "tanh", {"dense": 1}, data={"name": "friedman1", "rows": 60, "standardize": True},
              cost="mean_squared_error", step_size={"cosine": 0.02}),
        small({"dense": 32}, "relu", {"dense": 1}, data={"name": "moons"}, cost="sigmoid_cross_entropy", step_size=0.5),
        small({"dense": 32}, "relu", {"dense": 3}, penalty={"l2": 1e-4}, clip={"norm": 1.0}),
    ],
)  # fmt: skip
def test_a_sound_one_learns_its_batch_and_says_nothing(config):
    found = trainer.overfit(config)
    assert (found.learnt, found.findings) == (True, ())
    assert found.after <= LEFT * found.constant
    assert found.steps < 1000


def test_labels_that_have_nothing_to_do_with_their_rows_are_learnt_too(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "shuffled.npz", inputs=rng.normal(size=(100, 8)), targets=rng.integers(3, size=100))
    found = trainer.overfit(small({"dense": 64}, "relu", {"dense": 3}, data={"path": "shuffled.npz"}, step_size=0.3))
    assert (found.learnt, found.findings) == (True, ())


def test_rows_that_are_the_same_cannot_be_told_apart(tmp_path):
    np.savez(tmp_path / "same.npz", inputs=np.ones((40, 4)), targets=np.arange(40) % 2)
    found = trainer.overfit(small({"dense": 16}, "relu", {"dense": 2}, data={"path": "same.npz"}))
    assert found.findings[0].cause == "rows that are the same have different targets"
    assert "of 32 rows, " in found.findings[0].evidence


@pytest.mark.parametrize(("name", "sign"), [("bent", "wrong"), ("soft", "wrong")])
def test_a_wrong_sign_is_found_by_the_checker_even_where_the_batch_is_learnt(tmp_path, name, sign):
    forward, rule = PLUGINS[name]
    (tmp_path / f"{name}.py").write_text(PLUGIN.format(name=name, forward=forward, rule=rule))
    found = trainer.overfit(small({"dense": 64}, name, {"dense": 3}, plugins=[f"{name}.py"], step_size=0.3))
    assert found.findings[0].cause == f"a plugin's rule is {sign}"
    assert found.findings[0].evidence.startswith(f"{name}: ")
    assert found.findings[0].overrides == ["network.1=tanh"]


def test_the_training_is_not_moved_and_the_answer_is_the_same_again():
    loaded = load(small({"dense": 8}, "relu", {"dense": 3}))
    training = build(loaded)
    before = training.theta.tobytes()
    one, other = (overfit(loaded, training) for _ in range(2))
    assert (one.after, one.steps) == (other.after, other.steps)
    assert (training.step, training.theta.tobytes()) == (0, before)


def test_more_rows_than_a_network_has_numbers_are_not_asked_of_it():
    line = {"dataset": {"name": "linear", "rows": 50}, "network": [{"dense": 1}], "cost": "mean_squared_error"}
    found = trainer.overfit({**line, "step_size": 0.1})
    assert (found.rows, found.learnt) == (2, True)


def test_no_step_teaches_nothing():
    with pytest.raises(UsageError, match=r"^steps=0: nothing is learnt without a step; the default is 1,000$"):
        trainer.overfit(plan(WINE, {"dense": 3}), steps=0)
