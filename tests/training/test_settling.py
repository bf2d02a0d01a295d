"""What is kept beside θ belongs to the θ that is evaluated, stopped on, saved and reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tests.made_up import EXECUTORS, data_of
from trainer.nn import Dense, Draw, LayerState, Network, Residual, Shared
from trainer.optimizers import Accumulate, Adam, Average, ClipNorm, Sgd
from trainer.plugins import shared
from trainer.training import Epoch, Step, Training
from trainer.training.objective import Objective
from trainer.training.settling import settled
from trainer.training.stopping import Stopping
from trainer_ops import mean_squared_error
from trainer_ops.layers.normalization import BatchNorm
from trainer_ops.layers.regularization import Dropout

ROWS, TRAIN = 30, 24
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 4)) * [1, 2, 3, 4] + 2
Y = X[:, :1] - 2 * X[:, 1:2]


class Half:
    """An optimizer of its own `averaged`: half of θ."""

    def init(self, theta: Any) -> Any:
        return {"half": theta / 2}

    def update(self, g: Any, state: Any, theta: Any, step_size: Any, step: Any) -> Any:
        theta = theta - step_size * g
        return theta, {"half": theta / 2}

    def averaged(self, theta: Any, state: Any) -> Any:
        return state["half"]


@dataclass(frozen=True)
class Centre:
    """A plugin's layer: takes away a moving average in training too, and knows nothing of passes."""

    def init(self, rng: Any, input_shape: Any) -> Any:
        return {"mean": LayerState(np.zeros(input_shape))}, input_shape

    def apply(self, parameters: Any, x: Any) -> Any:
        return x - parameters["mean"]

    def train(self, parameters: Any, x: Any, draw: Any) -> Any:
        mean = 0.5 * parameters["mean"] + 0.5 * np.mean(x, axis=0)
        return x - mean, {"mean": mean}


AROUND = {"average": Average(Adam(), 0.9), "accumulated": Accumulate(Average(Sgd(), 0.5), 2), "its own": Half()}


def a_training(layers=None, freeze=(), **settings):
    network = Network(layers or [Dense(6), BatchNorm(), Dense(1)], (4,), freeze=freeze)
    given = {"step_size": 0.02, "batch_size": 8, "epochs": 4, "dtype": np.float64, **settings}
    return Training(network, mean_squared_error, data_of(X, Y, test=len(X) - TRAIN), **given)


@pytest.mark.parametrize("name", AROUND)
@pytest.mark.parametrize("best", [False, True])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_batch_norm_is_saved_with_the_statistics_of_what_is_saved(name, best, executor):
    training = a_training(optimizer=AROUND[name], executor=executor, stopping=Stopping(best=best))
    epochs = [record for record in training.records() if isinstance(record, Epoch)]
    saved = training.parameters
    h = X[:TRAIN] @ saved["0.weights"] + saved["0.bias"]
    np.testing.assert_allclose(saved["1.mean"], h.mean(axis=0), rtol=1e-12)  # batches of one size: the mean of means
    of_batches = [h[rows].var(axis=0) for rows in training.batches(0)]
    np.testing.assert_allclose(saved["1.variance"], np.mean(of_batches, axis=0), rtol=1e-12)
    reported = epochs[-1] if training.best is None else training.best.epoch
    for part, rows in (("train", slice(TRAIN)), ("test", slice(TRAIN, None))):
        loss = mean_squared_error(training.network.predict(saved, X[rows]), Y[rows]).mean()
        assert getattr(reported, part)["loss"] == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("name", shared().all("optimizers"))
def test_every_optimizer_under_an_average_is_measured_and_saved_with_statistics_of_its_own(name):
    optimizer = Accumulate(Average(ClipNorm(shared().get("optimizers", name).build(), 1.0), 0.8), 2)
    training = a_training(optimizer=optimizer, stopping=Stopping(best=True), step_size=0.005)
    for _ in training.records():
        pass
    saved, best = training.parameters, training.best
    h = X[:TRAIN] @ saved["0.weights"] + saved["0.bias"]
    np.testing.assert_allclose(saved["1.mean"], h.mean(axis=0), rtol=1e-12)
    loss = mean_squared_error(training.network.predict(saved, X[TRAIN:]), Y[TRAIN:]).mean()
    assert best.epoch.test["loss"] == pytest.approx(loss, rel=1e-12)


def test_a_training_at_theta_keeps_the_moving_averages():
    training = a_training()
    for _ in training.records():
        assert training.state.settled == {}
    assert training.parameters["1.mean"].tobytes() == training.state.layer_state["1.mean"].tobytes()


def test_a_layer_that_knows_nothing_of_passes_moves_towards_what_is_evaluated():
    training = a_training([Dense(6), Centre(), Dense(1)], optimizer=Half())
    for _ in training.records():
        pass
    h = X[:TRAIN] @ training.parameters["0.weights"] + training.parameters["0.bias"]
    of = {"steps": training.state.layer_state["1.mean"], "evaluated": training.parameters["1.mean"]}
    away = {name: np.abs(mean - h.mean(axis=0)).mean() for name, mean in of.items()}
    assert away["evaluated"] < 0.5 * away["steps"]


def test_what_is_saved_in_the_middle_of_an_epoch_fits_too():
    training = a_training(optimizer=AROUND["average"])
    records = training.records()
    while training.step < 5:
        next(records)
    saved = training.parameters
    h = X[:TRAIN] @ saved["0.weights"] + saved["0.bias"]
    np.testing.assert_allclose(saved["1.mean"], h.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    "layers",
    [[BatchNorm()], [Residual((BatchNorm(),))], [Shared("tower", (BatchNorm(),))], [Centre()]],
    ids=["alone", "within a block", "shared", "a plugin's"],
)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_layer_whose_state_is_frozen_acts_in_training_as_in_evaluation(layers, executor):
    training = a_training([*layers, Dense(1)], freeze=["*mean", "*var*"][: 1 if layers == [Centre()] else 2],
        batch_size=TRAIN, executor=executor)  # fmt: skip
    before = training.evaluate("train")["loss"]
    first = next(record for record in training.records() if isinstance(record, Step))
    assert first.loss == pytest.approx(before, rel=1e-12)


def test_frozen_parameters_alone_leave_the_statistics_moving_and_dropout_stays_random():
    training = a_training([BatchNorm(), Dropout(0.5), Dense(1)], freeze=["0.scale", "0.shift"], batch_size=TRAIN)
    before = training.evaluate("train")["loss"]
    first = next(record for record in training.records() if isinstance(record, Step))
    assert first.loss != pytest.approx(before, rel=1e-3)
    assert training.state.layer_state["0.mean"].any()
    frozen = a_training([Residual((BatchNorm(), Dropout(0.5))), Dense(1)], freeze=["0.*"], batch_size=TRAIN)
    before = frozen.evaluate("train")["loss"]
    assert next(frozen.records()).loss != pytest.approx(before, rel=1e-3)


@dataclass(frozen=True)
class Noisy:
    """A plugin's layer that keeps what it has drawn so far."""

    def init(self, rng: Any, input_shape: Any) -> Any:
        return {"sum": LayerState(np.zeros(())), "passes": LayerState(np.zeros(()))}, input_shape

    def apply(self, parameters: Any, x: Any) -> Any:
        return x

    def train(self, parameters: Any, x: Any, draw: Any) -> Any:
        counted = parameters["passes"] + (draw.seen is not None)
        return x, {"sum": parameters["sum"] + draw(()), "passes": counted}


def test_each_batch_of_a_pass_that_settles_draws_its_own_numbers_as_its_step_does():
    network = Network([Noisy(), Dense(1)], (4,))
    objective, theta = Objective(network, mean_squared_error, seed=3), network.initial(0)
    after = settled(objective, theta, network.layer_state(0), [X[:4], X[4:8], X[8:12]], step=5)
    drawn = [Draw(3, np.int64(step), "float64", "").inside("0")(()) for step in (5, 6, 7)]
    assert len({float(number) for number in drawn}) == 3
    assert after["0.sum"] == pytest.approx(sum(drawn), rel=1e-15)
    assert after["0.passes"] == 3
