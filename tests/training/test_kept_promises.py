"""What a run of many steps promises, whoever runs it: the counter goes on, and a step that is not finite is the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.made_up import EXECUTORS, data_of
from trainer import op
from trainer.data.shuffling import batch_order
from trainer.errors import UsageError
from trainer.nn import Dense, Network
from trainer.optimizers import Accumulate, Adam, Sgd
from trainer.training import Training
from trainer.training.evaluation import COSTS_AT_ONCE, Evaluation
from trainer.training.stopping import Stopping
from trainer_ops import mean_squared_error
from trainer_ops.layers.normalization import BatchNorm
from trainer_ops.layers.regularization import Dropout

LONGEST = 256  # steps that the machine takes without looking up


def a_training(executor, x, cost=mean_squared_error, **settings):
    data = data_of(x, np.asarray(x[:, :1] * 2))
    layers = settings.pop("layers", [Dense(3), Dropout(0.2), Dense(1)])
    return Training(
        Network(layers, x.shape[1:]), cost, data,
        **{"step_size": 0.01, "batch_size": 1, "optimizer": Adam(), "dtype": np.float64, "executor": executor}
        | settings,
    )  # fmt: skip


def some(rows, columns=2):
    return np.random.default_rng(0).normal(size=(rows, columns))


def test_many_steps_at_once_are_the_steps_one_by_one():
    x, batches = some(40), np.arange(2 * LONGEST + 44)[:, None] % 40
    thetas = set()
    for executor in EXECUTORS:
        training, one_by_one = a_training(executor, x), a_training(executor, x)
        steps = training.update(batches)
        assert [s.step for s in steps] == list(range(1, len(batches) + 1))
        if executor == "eager":
            for rows in batches:
                one_by_one.update(rows[None])
            assert one_by_one.theta.tobytes() == training.theta.tobytes()
        thetas.add((training.theta.tobytes(), tuple(s.loss for s in steps)))
    assert len(thetas) == 1


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("place", [0, 1, LONGEST - 1, LONGEST, 2 * LONGEST - 1])
def test_a_run_ends_before_the_step_that_is_not_finite_wherever_it_stands(executor, place):
    x = some(2 * LONGEST + 5)
    x[place] = np.inf
    training, before = a_training(executor, x), a_training("eager", x)
    batches = np.arange(len(x))[:, None]
    assert len(training.update(batches)) == place == training.step
    before.update(batches[:place]) if place else None
    assert training.theta.tobytes() == before.theta.tobytes()
    assert np.isfinite(training.theta).all()


@op
def blind(predictions, targets):
    """A cost that is finite where its derivative is not: of nothing but the first element of a gradient."""
    return np.sum(predictions * 0 + 1.0, axis=-1)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 6, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_that_is_not_finite_ends_a_run_though_the_loss_is(executor, wrong, place, dtype):
    def rule(dy, predictions_shape, targets):
        g = np.zeros(predictions_shape, dtype) + np.expand_dims(dy, -1) * 0
        return g + np.where(targets > 5, np.where(np.arange(7) == place % 7, wrong, 0.0), 0.0).astype(dtype)

    cost = op(blind.forward, name="blind").defvjp(predictions=rule).zero("targets")
    x = some(4).astype(dtype)
    x[2, 0] = 3.0  # whose target is 6
    training = a_training(executor, x, cost, layers=[Dense(7)], dtype=dtype)
    start = training.theta.copy()
    assert [s.loss for s in training.update(np.arange(4)[:, None])] == [7.0, 7.0]
    np.testing.assert_array_equal(training.theta, start)


def test_every_row_weighs_alike_in_the_mean_cost():
    x = some(COSTS_AT_ONCE + 1)
    x[-1] = 30.0
    training = a_training("eager", x)
    costs = training.cost(training.network.predict(training.theta, x), x[:, :1] * 2)
    assert training.evaluate("train")["loss"] == np.mean(costs, dtype=np.float64)


def test_what_a_layer_keeps_is_looked_at_before_it_is_used():
    training = a_training("eager", some(8), layers=[BatchNorm(), Dense(1)], batch_size=8)
    layer_state = {name: np.full_like(value, np.inf) for name, value in training.state.layer_state.items()}
    evaluation = Evaluation(training.network, training.cost, training.data)
    with pytest.raises(Exception, match=r"'0\.\w+', which a layer keeps from step to step, is not finite"):
        evaluation.numbers("train", training.theta, layer_state)


def test_mapped_rows_are_shuffled_by_blocks():
    training = a_training("eager", some(40, 2**13), layers=[Dense(1)])
    training.data = replace(training.data, mapped=True)
    assert training.data.block == 4
    np.testing.assert_array_equal(np.concatenate(training.batches(1)), batch_order(40, 0, 1, block=4))
    assert not np.array_equal(batch_order(40, 0, 1, block=4), batch_order(40, 0, 1))


def test_the_best_epoch_keeps_what_later_steps_do_not_touch():
    x = some(16)
    training = a_training("numpy", x, epochs=6, batch_size=4, stopping=Stopping(best=True))
    thetas = {r.epoch: training.theta.copy() for r in training.records() if hasattr(r, "train")}
    assert training.best is not None
    np.testing.assert_array_equal(training.best.theta, thetas[training.best.epoch.epoch])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_best_epoch_lies_in_memory_of_its_own(executor):
    training = a_training(executor, some(16), epochs=3, batch_size=4, stopping=Stopping(best=True))
    for record in training.records():
        if hasattr(record, "train") and training.best.epoch is record:
            assert not np.shares_memory(training.best.theta, training.theta)


@pytest.mark.parametrize("test", [0, 5])
def test_a_table_is_of_the_test_rows_or_of_the_training_rows_where_there_are_none(test):
    data = data_of(some(16), some(16, 1), test=test)
    tables = {"targets": lambda predictions, targets: targets}
    found = Evaluation(Network([Dense(1)], (2,)), mean_squared_error, data, reports=tables).tables(np.zeros(3), {})
    np.testing.assert_array_equal(found["targets"], (data.test if test else data.train).targets)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_is_left_over_is_used_with_the_size_of_the_step_that_left_it(executor):
    sizes = (0.5, 0.25, 0.125, 0.0)
    training = a_training(
        executor, some(3), layers=[Dense(1)], optimizer=Accumulate(Sgd(), 2), epochs=1, step_size=sizes.__getitem__
    )
    theta, gradients = training.theta, []
    for number, (rows,) in enumerate(training.batches(0)):
        batch = [array[[rows]] for array in training.data.train.arrays]
        gradients.append(training.objective.gradient(theta, batch)[1])
        if number == 1:
            theta = theta - sizes[1] * (gradients[0] + gradients[1]) / 2
    list(training.records())
    np.testing.assert_allclose(training.theta, theta - sizes[2] * gradients[2], rtol=1e-12)


@pytest.mark.parametrize("part", ["theta", "state"])
def test_an_optimizer_that_changes_a_type_is_refused(part):
    class Wider(Sgd):
        def init(self, theta):
            return {"past": np.zeros_like(theta)}

        def update(self, g, state, theta, step_size, step):
            after = {"theta": theta - step_size * g, "state": state["past"] + g}
            after[part] = after[part].astype(np.float64)
            return after["theta"], {"past": after["state"]}

    training = a_training("numpy", some(8).astype(np.float32), dtype=np.float32, optimizer=Wider())
    with pytest.raises(UsageError, match=r"Wider turns float32 \(\d+,\) of θ or its state into float64"):
        list(training.records())
