"""The same numbers as PyTorch: every optimiser, schedule and cost, 50 steps in float64, at each step to 1e-9.

The curves were recorded by tests/references/record_torch_training.py, where a case's name says what PyTorch was told.
Where a convention differs on purpose, the case says how.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.made_up import EXECUTORS, data_of, op_layer
from trainer.nn import Dense, Network
from trainer.optimizers import (
    Accumulate,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AmsGrad,
    Average,
    ClipNorm,
    ClipParameterNorm,
    ClipValue,
    Lamb,
    Lbfgs,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    RmsProp,
    Sgd,
)
from trainer.plugins import shared
from trainer.training import Epoch, Step, Training
from trainer.training.schedules import (
    Constant,
    Cosine,
    Exponential,
    Milestones,
    OneCycle,
    Plateau,
    Polynomial,
    Staircase,
    WarmRestarts,
)

RECORDED = json.loads((Path(__file__).parents[1] / "references" / "torch_training.json").read_text(encoding="utf-8"))
DATA = RECORDED["data"]


def run(
    executor, *, optimizer=None, step_size=0.5, cost="softmax_cross_entropy", options=None, targets="classes", k=3,
    full=False, end=(),
):  # fmt: skip
    """Train as the recorder does; the losses by step, and those on all rows by epoch."""
    x, y = np.array(DATA["inputs"]), np.array(DATA[targets])
    cost = shared().get("costs", cost).build(**(options or {})) if isinstance(cost, str) else cost
    network = Network([Dense(6), op_layer("tanh"), Dense(k), *end], (4,))
    data = data_of(x, y)
    training = Training(
        network, cost, data, step_size, batch_size=40 if full else 8, epochs=50 if full else 10,
        optimizer=optimizer or Sgd(), dtype=np.float64, executor=executor,
    )  # fmt: skip
    training.resume(replace(training.state, theta=np.array(DATA["theta"][str(k)])))
    batches = [np.arange(40)] * 50 if full else [np.array(rows) for rows in DATA["batches"]]
    per_epoch = len(batches) // training.epochs
    training.batches = lambda epoch: batches[epoch * per_epoch : (epoch + 1) * per_epoch]
    records = list(training.records())
    return [r.loss for r in records if isinstance(r, Step)], [r.train["loss"] for r in records if isinstance(r, Epoch)]


def assert_same(found, recorded):
    np.testing.assert_allclose(found, recorded, rtol=1e-9, atol=0)


OPTIMIZERS = {
    "sgd": (Sgd(), 0.5),
    "momentum": (Momentum(), 0.1),
    "momentum, weight decay": (Momentum(0.8, weight_decay=0.05), 0.1),
    "nesterov": (Nesterov(), 0.1),
    "nesterov, weight decay": (Nesterov(0.8, weight_decay=0.05), 0.1),
    "adagrad": (Adagrad(), 0.1),
    "adagrad, initial, weight decay": (Adagrad(initial=0.1, eps=1e-3, weight_decay=0.05), 0.1),
    "rmsprop": (RmsProp(), 0.01),
    "rmsprop, centered, momentum, weight decay": (
        RmsProp(rho=0.9, momentum=0.5, centered=True, eps=1e-4, weight_decay=0.05), 0.01,
    ),
    "adadelta": (Adadelta(), 1.0),
    "adadelta, weight decay": (Adadelta(rho=0.8, eps=1e-3, weight_decay=0.05), 2.0),
    "adam": (Adam(), 0.05),
    "adam, weight decay": (Adam(0.8, 0.9, 1e-3, weight_decay=0.05), 0.05),
    "adamw": (AdamW(), 0.05),
    "adamw, weight decay": (AdamW(0.8, 0.9, 1e-3, weight_decay=0.5), 0.05),
    "amsgrad": (AmsGrad(0.8, 0.6), 0.05),
    "nadam": (NAdam(), 0.05),
    "nadam, weight decay": (NAdam(momentum_decay=0.1, weight_decay=0.05), 0.05),
    "adamax": (Adamax(), 0.05),
    "adamax, weight decay": (Adamax(0.8, 0.9, weight_decay=0.05), 0.05),
    "lion": (Lion(), 0.01),
    "lion, weight decay": (Lion(0.8, 0.9, weight_decay=0.5), 0.01),
    "lamb": (Lamb(), 0.05),
    "lamb, weight decay": (Lamb(weight_decay=0.1), 0.05),
    "lbfgs": (Lbfgs(history=4), 0.3),
    "clip value": (ClipValue(Sgd(), 0.03), 0.5),
    "clip norm": (ClipNorm(Sgd(), 0.2), 0.5),
    "clip parameter norm": (ClipParameterNorm(Sgd(), 0.1), 0.5),
    "accumulate": (Accumulate(Adam(), 3), 0.05),
    "average": (Average(Adam(), 0.9), 0.05),
    "accumulate, average, clip norm": (Accumulate(Average(ClipNorm(AdamW(), 0.2), 0.8), 3), 0.1),
}  # fmt: skip


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_an_optimizer_gives_the_losses_of_pytorch(case, executor):
    optimizer, step_size = OPTIMIZERS[case]
    recorded = RECORDED["optimizers"][case]
    full = {"cost": "mean_squared_error", "targets": "values", "k": 2, "full": True}
    losses, epochs = run(executor, optimizer=optimizer, step_size=step_size, **(full if case == "lbfgs" else {}))
    assert_same(losses, recorded["losses"])
    if "averaged" in recorded:  # what an epoch reports is the loss at the average
        # At its end a run uses the gradients that are left over, which PyTorch's loop does not.
        last = len(recorded["averaged"]) - ("accumulate" in case)
        assert_same(epochs[:last], recorded["averaged"][:last])


SCHEDULES: dict[str, Any] = {
    "constant": Constant(0.5),
    "step": Staircase(0.5, every=12, factor=0.5),
    "milestones": Milestones(0.5, at=(10, 35), factor=0.3),
    "exponential": Exponential(0.5, factor=0.95),
    "polynomial": Polynomial(0.5, steps=40, power=2.0),
    "cosine": Cosine(0.5, end=0.01),  # over the whole run, since it names no steps
    "warm restarts": WarmRestarts(0.5, period=7, multiply=2, end=0.01),
    "warm restarts of one length": WarmRestarts(0.5, period=7),
    "one cycle": OneCycle(1.0, steps=51),
    "one cycle of lines": OneCycle(1.0, steps=51, rise=0.5, divisor=5.0, final_divisor=10.0, shape="line"),
    "warm-up and cosine": Cosine(0.5, end=0.01, warmup=10),
    "plateau": Plateau(1.0, factor=0.5, patience=0, threshold=0.2, cooldown=1, end=0.1),
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("case", SCHEDULES)
def test_a_schedule_gives_the_losses_of_pytorch(case, executor):
    losses, _ = run(executor, step_size=SCHEDULES[case])
    assert_same(losses, RECORDED["schedules"][case]["losses"])


@pytest.mark.parametrize("case", [case for case in SCHEDULES if case != "plateau"])
def test_a_schedule_gives_the_step_sizes_of_pytorch(case):
    schedule = SCHEDULES[case].over(50)
    np.testing.assert_allclose(
        [schedule(step) for step in range(50)], RECORDED["schedules"][case]["sizes"], rtol=1e-9, atol=1e-15
    )


def test_a_plateau_was_met_more_than_once_and_the_floor_reached():
    assert len(set(RECORDED["schedules"]["plateau"]["sizes"])) > 3
    assert min(RECORDED["schedules"]["plateau"]["sizes"]) == 0.1


def test_a_cosine_stays_at_its_end_where_pytorch_goes_up_again():
    recorded = RECORDED["schedules"]["cosine beyond its steps"]["sizes"]
    schedule = Cosine(0.5, steps=30, end=0.01)
    np.testing.assert_allclose([schedule(step) for step in range(31)], recorded[:31], rtol=1e-9)
    assert recorded[31] > recorded[30]
    assert [schedule(step) for step in range(30, 50)] == [0.01] * 20


POSITIONS = [op_layer("reshape", shape=(-1, 2, 3))]  # two positions with three logits each
LOGARITHMS = [*POSITIONS, op_layer("log_softmax")]
COSTS = {
    "softmax_cross_entropy": {"targets": "classes", "k": 3},
    "softmax_cross_entropy of probabilities": {"targets": "probabilities", "k": 3},
    "sigmoid_cross_entropy": {"targets": "binary", "k": 1},
    "hinge": {"targets": "signs", "k": 1},
    "mean_squared_error": {"targets": "values", "k": 2},
    "mean_absolute_error": {"targets": "values", "k": 2},
    "huber": {"targets": "values", "k": 2},
    "huber, delta": {"targets": "values", "k": 2, "options": {"delta": 0.3}},
    "negative_log_likelihood": {"targets": "classes", "k": 3, "end": [op_layer("log_softmax")]},
    "kl_divergence": {"targets": "probabilities", "k": 3, "end": [op_layer("log_softmax")]},
    "poisson": {"targets": "counts", "k": 2},
    "softmax_cross_entropy, smoothing": {"targets": "classes", "k": 3, "options": {"smoothing": 0.1}},
    "softmax_cross_entropy of probabilities, smoothing": {
        "targets": "probabilities", "k": 3, "options": {"smoothing": 0.1},
    },
    "sigmoid_cross_entropy, smoothing": {"targets": "binary", "k": 1, "options": {"smoothing": 0.1}},
    "softmax_focal": {"targets": "classes", "k": 3},
    "softmax_focal, gamma, alpha": {
        "targets": "classes", "k": 3, "options": {"gamma": 0.5, "alpha": [0.25, 1.0, 2.0]},
    },
    "sigmoid_focal, alpha": {"targets": "binary", "k": 1, "options": {"alpha": 0.25}},
    "squared_hinge": {"targets": "signs", "k": 1},
    "categorical_hinge": {"targets": "classes", "k": 3},
    "multi_margin": {"targets": "classes", "k": 3},
    "triplet": {"targets": "classes", "k": 3, "options": {"margin": 0.5}, "step_size": 0.02},
    "triplet_margin": {"targets": "value", "k": 3, "end": [op_layer("expand_dims", axis=-1)], "step_size": 0.01},
    "softmax_cross_entropy of positions": {"targets": "positions", "k": 6, "end": POSITIONS},
    "softmax_cross_entropy of padded positions": {"targets": "padded", "k": 6, "end": POSITIONS},
    "negative_log_likelihood of positions": {"targets": "positions", "k": 6, "end": LOGARITHMS},
    "pinball": {"targets": "values", "k": 2, "options": {"levels": 0.8}},
    "pinball, levels": {"targets": "value", "k": 3, "options": {"levels": [0.1, 0.5, 0.9]}},
    "log_cosh": {"targets": "values", "k": 2},
    "cosine": {"targets": "values", "k": 2},
    "gaussian": {"targets": "values", "k": 4},
}  # fmt: skip


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("case", COSTS)
def test_a_cost_gives_the_losses_of_pytorch(case, executor):
    name = case.partition(",")[0].partition(" ")[0]
    losses, _ = run(executor, cost=name, **{"step_size": 0.1} | COSTS[case])
    assert_same(losses, RECORDED["costs"][case]["losses"])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_pytorchs_smooth_l1_is_huber_divided_by_its_delta(executor):
    losses, _ = run(
        executor, step_size=0.1 / 0.3, cost="huber", targets="values", k=2, options={"delta": 0.3}
    )  # huber's gradient is β times that of smooth_l1_loss, so a step of 1/β the size is the same
    assert_same(np.array(losses) / 0.3, RECORDED["costs"]["smooth_l1_loss"]["losses"])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_pytorchs_ignore_index_takes_the_mean_over_all_positions_of_a_batch(executor):
    cross_entropy = shared().get("costs", "softmax_cross_entropy").build()

    def pooled(predictions, targets):  # where here it is taken in each example, and then over the examples
        known = np.sum(targets >= 0, axis=1)
        return cross_entropy(predictions, targets) * known / np.mean(known)

    losses, _ = run(executor, step_size=0.1, cost=pooled, targets="padded", k=6, end=POSITIONS)
    assert_same(losses, RECORDED["costs"]["cross_entropy with ignore_index"]["losses"])


def test_every_recorded_curve_is_compared():
    assert set(RECORDED["optimizers"]) == set(OPTIMIZERS)
    assert set(RECORDED["schedules"]) == {*SCHEDULES, "cosine beyond its steps"}
    assert set(RECORDED["costs"]) == {*COSTS, "smooth_l1_loss", "cross_entropy with ignore_index"}


def test_every_cost_optimizer_and_schedule_has_a_curve():
    used = {case.partition(",")[0].partition(" ")[0] for case in COSTS}
    assert {name for name, c in shared().all("costs").items() if c.plugin == "trainer_ops"} <= used
    kinds = {type(optimizer) for optimizer, _ in OPTIMIZERS.values()}
    assert {c.target for c in shared().all("optimizers").values() if c.plugin == "trainer"} <= kinds
    kinds = {type(schedule) for schedule in SCHEDULES.values()}
    assert {c.target for c in shared().all("schedules").values() if c.plugin == "trainer"} <= kinds
