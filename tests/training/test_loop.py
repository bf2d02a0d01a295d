"""The loop against the same loop written by hand, and what it promises beside the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.made_up import data_of
from trainer.errors import DivergedError, UsageError
from trainer.nn import Dense, Network, OpLayer
from trainer.rng import generator
from trainer.training import Epoch, Step, Training
from trainer.training.schedules import Constant
from trainer_ops import mean_squared_error, relu, softmax_cross_entropy


def some_data(rows=50, dtype=np.float64, test=0):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(rows, 4)).astype(dtype)
    return data_of(x, (x[:, :1] * 2 - x[:, 1:2]).astype(dtype), test=test)


def test_the_loss_curve_of_a_three_layer_network_equals_a_hand_written_loop():
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=(70, 6)), rng.integers(0, 3, 70)
    tanh = OpLayer(np_op("tanh"))
    network = Network([Dense(16), tanh, Dense(12), OpLayer(relu), Dense(3)], (6,))
    training = Training(
        network, softmax_cross_entropy, data_of(x, y), 0.1, batch_size=16, epochs=40, seed=5, dtype=np.float64
    )
    theta = training.theta.copy()
    losses = [r.loss for r in training.records() if isinstance(r, Step)]
    assert len(losses) == 200  # four batches of 16 and one of 6, forty times

    by_hand = []
    w1, b1, w2, b2, w3, b3 = (part.copy() for part in network.named(theta).values())
    for epoch in range(40):
        order = generator(5, "shuffle", epoch).permutation(70)
        for i in range(0, 70, 16):
            xb, yb = x[order[i : i + 16]], y[order[i : i + 16]]
            m = len(xb)
            h1 = np.tanh(xb @ w1 + b1)
            h2 = np.maximum(h1 @ w2 + b2, 0)
            logits = h2 @ w3 + b3
            shifted = logits - logits.max(axis=1, keepdims=True)
            p = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
            by_hand.append(-np.log(p[np.arange(m), yb]).mean())
            d3 = (p - np.eye(3)[yb]) / m
            d2 = (d3 @ w3.T) * (h2 > 0)
            d1 = (d2 @ w2.T) * (1 - h1**2)
            for parameter, g in (
                (w1, xb.T @ d1), (b1, d1.sum(0)), (w2, h1.T @ d2), (b2, d2.sum(0)), (w3, h2.T @ d3), (b3, d3.sum(0)),
            ):  # fmt: skip
                parameter -= 0.1 * g
    np.testing.assert_allclose(losses, by_hand, rtol=0, atol=1e-12)


def np_op(name):
    from trainer.plugins import shared

    return shared().get("ops", name).target


def test_records_come_in_order_and_the_last_batch_is_short():
    training = Training(Network([Dense(1)], (4,)), mean_squared_error, some_data(), 0.05, batch_size=16, epochs=2)
    records = list(training.records())
    assert [type(r) for r in records] == ([Step] * 4 + [Epoch]) * 2
    assert [r.rows for r in records if isinstance(r, Step)] == [16, 16, 16, 2] * 2
    assert [r.step for r in records] == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8]
    assert records[4].test == {}
    assert records[9].train["loss"] < records[4].train["loss"]


def test_every_row_is_used_once_in_an_epoch_and_epochs_differ():
    training = Training(Network([Dense(1)], (4,)), mean_squared_error, some_data(), 0.05, batch_size=16)
    first, second = (np.concatenate(list(training.batches(e))) for e in (0, 1))
    assert sorted(first) == sorted(second) == list(range(50))
    assert list(first) != list(second)


def test_a_schedule_is_asked_for_every_step():
    def halving(step):
        return 0.1 * 0.5**step

    training = Training(
        Network([Dense(1)], (4,)), mean_squared_error, some_data(16), halving, batch_size=16, epochs=3, dtype=np.float64
    )
    before, (rows,) = training.theta, training.batches(0)
    batch = training.data.train.inputs[rows], training.data.train.targets[rows]
    _, g, _ = training.objective.gradient(before, batch)
    training.update(rows[None])
    np.testing.assert_allclose(training.theta, before - 0.1 * g, rtol=1e-15)
    assert training.current_step_size() == 0.05
    assert Constant(0.3)(100) == 0.3


def test_float32_stays_float32():
    training = Training(
        Network([Dense(3), OpLayer(relu), Dense(1)], (4,)),
        mean_squared_error,
        some_data(50, np.float32),
        0.05,
        epochs=1,
    )
    list(training.records())
    assert training.theta.dtype == np.float32


def test_theta_is_one_vector_and_parameters_are_views_on_it():
    network = Network([Dense(3), OpLayer(relu), Dense(1, bias=False)], (4,))
    theta = network.initial(0)
    named = network.named(theta)
    assert {n: v.shape for n, v in named.items()} == {"0.weights": (4, 3), "0.bias": (3,), "2.weights": (3, 1)}
    assert all(np.shares_memory(v, theta) for v in named.values())
    np.testing.assert_array_equal(network.theta(named), theta)
    with pytest.raises(UsageError, match=r"no parameter '2\.weights' among 0\.weights, 0\.bias"):
        network.theta({k: v for k, v in named.items() if k != "2.weights"})
    with pytest.raises(UsageError, match=r"parameter '0\.bias' has shape \(2,\); the network's has \(3,\)"):
        network.theta(named | {"0.bias": np.zeros(2)})


def test_initial_values_depend_on_the_seed_and_the_layers_place_alone():
    short, long = Network([Dense(3)], (4,)), Network([Dense(3), Dense(2)], (4,))
    np.testing.assert_array_equal(short.initial(7), long.initial(7)[: short.size])
    assert not np.array_equal(short.initial(7), short.initial(8))


def test_a_loss_that_is_not_finite_stops_the_run_with_the_step_the_finding_and_what_to_try():
    training = Training(
        Network([Dense(1)], (4,)),
        mean_squared_error,
        some_data(64, np.float32),
        1e18,
        batch_size=16,
        places=("a.yaml:3:5", "a.yaml:4:7"),
    )
    with pytest.raises(DivergedError) as caught:
        list(training.records())
    first, second, finding, *table = str(caught.value).split("\n")
    assert first.startswith(
        "training diverged at step 2 (epoch 1 of 20): the batch's loss is inf, with step size 1e+18. Try"
    )
    assert "a smaller step size (step_size=1e+17)" in first
    assert "(standardize=True)" in first
    assert second == "The step again, with every value looked at:"
    assert finding.startswith("forward: op 'mean_squared_error' made")
    assert table[:2] == ["  in        cost, a.yaml:4:7", "  step      2"]
    assert np.isfinite(training.theta).all()
    assert caught.value.exit_code == 3


def test_batch_sizes_that_cannot_be():
    with pytest.raises(UsageError, match="batch_size is 0; it must be at least 1"):
        Training(Network([Dense(1)], (4,)), mean_squared_error, some_data(), 0.1, batch_size=0)
