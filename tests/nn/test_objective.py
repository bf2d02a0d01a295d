"""What a step minimises and carries: kept values, draws, frozen and tied parameters, penalties, weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from tests.made_up import EXECUTORS
from trainer.data.prepared import Prepared, Rows
from trainer.errors import ShapeError, UsageError
from trainer.nn import Dense, Draw, LayerError, LayerState, Masked, Network, Residual, Shared
from trainer.nn.calls import on_values
from trainer.optimizers import Adam
from trainer.training import Training
from trainer.training.objective import Objective, Penalty
from trainer_ops import mean_squared_error

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(20, 4)), rng.normal(size=(20, 2))


@dataclass(frozen=True)
class Centre:
    """Takes away the batch's mean in training, and a moving average of it in evaluation."""

    def init(self, rng: Any, input_shape: Any) -> Any:
        return {"mean": LayerState(np.zeros(input_shape)), "shift": np.zeros(input_shape)}, input_shape

    def apply(self, parameters: Any, x: Any) -> Any:
        return x - parameters["mean"] + parameters["shift"]

    def train(self, parameters: Any, x: Any, draw: Any) -> Any:
        mean = np.mean(x, axis=0)
        return x - mean + parameters["shift"], {"mean": 0.9 * parameters["mean"] + 0.1 * mean}


@dataclass(frozen=True)
class Drop:
    """Drops half of the elements in training."""

    def init(self, rng: Any, input_shape: Any) -> Any:
        return {}, input_shape

    def apply(self, parameters: Any, x: Any) -> Any:
        return x

    def train(self, parameters: Any, x: Any, draw: Any) -> Any:
        return x * np.where(draw(x.shape) < 0.5, 2.0, 0.0).astype(x.dtype), {}


def prepared(dtype=np.float64, weights=None):
    rows = Rows(X.astype(dtype), Y.astype(dtype), np.arange(20), weights)
    return Prepared("made up", "regression", (), rows, rows[:0])


@dataclass(frozen=True)
class Both:
    """Keeps two values, which both count its batches."""

    def init(self, rng: Any, input_shape: Any) -> Any:
        return {"still": LayerState(np.zeros(input_shape)), "moving": LayerState(np.zeros(input_shape))}, input_shape

    def apply(self, parameters: Any, x: Any) -> Any:
        return x

    def train(self, parameters: Any, x: Any, draw: Any) -> Any:
        return x, {name: value + 1 for name, value in parameters.items()}


def trained(layers, executor="eager", dtype=np.float64, penalties=(), data=None, epochs=3, **options):
    network = Network(layers, (4,), **options)
    training = Training(
        network, mean_squared_error, data or prepared(dtype), 0.05, batch_size=6, epochs=epochs, optimizer=Adam(),
        seed=1, dtype=dtype, executor=executor, penalties=penalties,
    )  # fmt: skip
    for _ in training.records():
        pass
    return training


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_kept_and_drawn_has_the_same_bits_under_every_executor(dtype):
    layers = [Centre(), Dense(5), Drop(), Residual((Drop(), Centre(), Dense(5))), Dense(2)]
    found = set()
    for executor in EXECUTORS:
        training = trained(layers, executor, dtype)
        assert {v.dtype for v in training.state.layer_state.values()} == {np.dtype(dtype)}
        found.add((training.theta.tobytes(), *(v.tobytes() for v in training.state.layer_state.values())))
        assert set(training.state.layer_state) == {"0.mean", "3.layers.1.mean"}
        assert set(training.state.layer_state) < set(training.parameters)
    assert len(found) == 1


def test_a_moving_average_is_what_its_formula_says():
    training = trained([Centre(), Dense(2)], epochs=2)
    mean = np.zeros(4)
    for epoch in range(2):
        for rows in training.batches(epoch):
            mean = 0.9 * mean + 0.1 * X[rows].mean(axis=0)
    np.testing.assert_allclose(training.state.layer_state["0.mean"], mean, rtol=1e-13)
    h = X - mean + training.parameters["0.shift"]
    y = h @ training.parameters["1.weights"] + training.parameters["1.bias"]
    np.testing.assert_allclose(training.network.predict(training.theta, X, training.state.layer_state), y, rtol=1e-13)


def test_a_step_draws_the_same_again_and_the_next_draws_others():
    draw = Draw(0, np.int64(7), "float64", "2")
    first, second = draw((3,)), draw((3,))
    again = Draw(0, np.int64(7), "float64", "2")
    np.testing.assert_array_equal(first, again((3,)))
    assert (first != second).all()
    assert (Draw(0, np.int64(8), "float64", "2")((3,)) != first).all()
    assert (Draw(0, np.int64(7), "float64", "3")((3,)) != first).all()
    assert (Draw(1, np.int64(7), "float64", "2")((3,)) != first).all()
    assert Draw(0, np.int64(7), "float32", "2")((3,)).dtype == np.float32


def test_draws_are_uniform():
    draws = Draw(0, np.int64(0), "float64", "0")((200_000,))
    assert draws.min() >= 0
    assert draws.max() < 1
    np.testing.assert_allclose(np.histogram(draws, 20, (0, 1))[0] / 10_000, 1, atol=0.05)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_frozen_parameters_stay_and_are_saved(executor):
    training = trained([Dense(5), Dense(2)], executor, freeze=["0.*"])
    before = Network([Dense(5), Dense(2)], (4,)).initial(1)
    assert [part.name for part in training.network.parts] == ["1.weights", "1.bias"]
    np.testing.assert_array_equal(training.parameters["0.weights"].ravel(), before[:20])
    assert (training.parameters["1.weights"].ravel() != before[25:35]).all()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_tied_parameters_are_one_and_get_the_sum_of_their_gradients(executor):
    layers = [Dense(3), Dense(4, bias=False), Dense(2)]
    tied = Network(layers, (4,), tie={"1.weights": "0.weights.T"})
    apart = Network(layers, (4,))
    assert "1.weights" not in [part.name for part in tied.parts]
    theta = tied.initial(0)
    named = tied.named(theta)
    _, g, _ = Objective(tied, mean_squared_error).gradient(theta, (X, Y))
    whole = apart.theta({**named, "1.weights": named["0.weights"].T})
    _, h, _ = Objective(apart, mean_squared_error).gradient(whole, (X, Y))
    expected = apart.named(h)["0.weights"] + apart.named(h)["1.weights"].T
    np.testing.assert_allclose(tied.named(g)["0.weights"], expected, rtol=1e-12)
    eager = trained(layers, "eager", tie={"1.weights": "0.weights.T"})
    assert trained(layers, executor, tie={"1.weights": "0.weights.T"}).theta.tobytes() == eager.theta.tobytes()


def test_penalties_add_to_loss_and_gradient():
    network = Network([Dense(2)], (4,))
    theta = rng.normal(size=network.size)
    plain = Objective(network, mean_squared_error)
    priced = replace(plain, penalties=(Penalty(l2=0.3, parameters="*.weights"), Penalty(l1=0.2)))
    (loss, g, _), (more, h, _) = plain.gradient(theta, (X, Y)), priced.gradient(theta, (X, Y))
    w = theta[:8]
    np.testing.assert_allclose(more - loss, 0.15 * np.sum(w**2) + 0.2 * np.sum(np.abs(theta)), rtol=1e-12)
    np.testing.assert_allclose(h - g, np.r_[0.3 * w, 0, 0] + 0.2 * np.sign(theta), rtol=1e-10)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_weights_of_rows_weigh_their_costs(executor):
    weights = np.ones(20)
    weights[:5] = 3.0
    training = trained([Dense(2)], executor, data=prepared(weights=weights), epochs=1)
    same = trained([Dense(2)], "eager", data=prepared(weights=weights), epochs=1)
    assert training.theta.tobytes() == same.theta.tobytes()
    network = training.network
    theta = network.initial(1)
    _, g, _ = Objective(network, mean_squared_error).gradient(theta, (X, Y, weights))
    each = [Objective(network, mean_squared_error).gradient(theta, (X[[i]], Y[[i]]))[1] for i in range(20)]
    np.testing.assert_allclose(g, np.mean(weights[:, None] * each, axis=0), rtol=1e-12)


def test_a_shared_sub_network_that_keeps_values_is_used_once():
    tower = Shared("tower", (Centre(),))
    assert "tower.0.mean" in Network([tower], (4,)).layer_state(0)
    with pytest.raises(LayerError) as caught:
        Network([tower, tower], (4,))
    assert str(caught.value) == (
        "layer 1 (tower): the shared 'tower.0.mean' is a value that every use would change; a sub-network that keeps "
        "values from step to step can be used once only"
    )


@dataclass(frozen=True)
class Mask:
    """The first two of three positions exist."""

    def init(self, rng: Any, input_shape: Any) -> Any:
        return {}, input_shape

    def apply(self, parameters: Any, x: Any) -> Any:
        return Masked(x, np.broadcast_to(np.array([True, True, False]), x.shape[:2]))


def test_a_mask_goes_around_layers_that_do_not_know_it():
    network = Network([Mask(), Dense(2), Residual((Dense(2),))], (3, 4))
    theta = network.initial(0)
    x = rng.normal(size=(5, 3, 4))
    y, _ = network.apply(network.tree(network.named(theta)), x)
    named = network.named(theta)
    h = x @ named["1.weights"] + named["1.bias"]
    np.testing.assert_allclose(y, h + h @ named["2.layers.0.weights"] + named["2.layers.0.bias"], rtol=1e-12)


def test_a_mask_is_not_forgotten_silently():
    from trainer.nn import Flatten

    network = Network([Mask(), Flatten()], (3, 4))
    with pytest.raises(ShapeError) as caught:
        network.predict(network.initial(0), rng.normal(size=(5, 3, 4)))
    assert str(caught.value) == (
        "flatten would take positions that a mask leaves out for real; put it before `masking`, or reduce the "
        "positions first, as lstm and mean_over_positions do"
    )


def test_what_exists_in_a_joined_sequence_exists_in_all_of_its_branches():
    a, b = np.array([[True, True, False]]), np.array([[True, False, False]])
    joined = on_values(np.add, Masked(np.ones((1, 3, 2)), a), Masked(np.ones((1, 3, 2)), b))
    np.testing.assert_array_equal(joined.mask, [[True, False, False]])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_frozen_moving_average_stays(executor):
    training = trained([Centre(), Dense(2)], executor, freeze=["0.*"])
    assert not training.state.layer_state["0.mean"].any()
    assert trained([Centre(), Dense(2)], executor, freeze=["0.shift"]).state.layer_state["0.mean"].any()


def test_a_network_without_a_parameter_says_so():
    network = Network([Dense(2)], (4,), freeze=["*"])
    with pytest.raises(UsageError, match="the network has no parameter to learn"):
        Objective(network, mean_squared_error).gradient(network.initial(0), (X, Y), network.layer_state(0))


def test_a_wrong_tie_says_so():
    with pytest.raises(UsageError, match=r"tie: '0\.weights' cannot be '0\.weights', which is tied itself"):
        Network([Dense(4)], (4,), tie={"0.weights": "0.weights"})
    with pytest.raises(
        UsageError, match=r"tie: '1\.weights' has shape \(3, 4\), and '0\.weights' has \(4, 3\); write '0\.weights\.T'"
    ):
        Network([Dense(3), Dense(4)], (4,), tie={"1.weights": "0.weights"})
    with pytest.raises(UsageError, match=r"tie: '1\.weights' has shape \(3, 2\), and '0\.weights\.T' has \(3, 4\)"):
        Network([Dense(3), Dense(2)], (4,), tie={"1.weights": "0.weights.T"})


def test_what_is_shared_begins_as_its_first_use_drew_it():
    tower = Shared("tower", (Dense(4),))
    alone, twice = Network([tower], (4,)), Network([tower, Dense(4), tower], (4,))
    for seed in (0, 1):
        named = twice.named(twice.initial(seed))
        for name, value in alone.named(alone.initial(seed)).items():
            np.testing.assert_array_equal(named[name], value)


def test_layers_within_layers_draw_numbers_of_their_own():
    draw = Draw(0, np.int64(3), "float64", "")
    paths = [(a, b) for a in "01" for b in ("0", "1", "inner")]
    drawn = [float(one(())) for a, b in paths for one in [draw.inside(a).inside(b)] for _ in range(2)]
    assert len(set(drawn)) == len(drawn)
    again = [float(one(())) for a, b in paths for one in [draw.inside(a).inside(b)] for _ in range(2)]
    assert again == drawn


def test_a_weight_multiplies_its_rows_cost_whatever_the_others_of_the_batch_weigh():
    network = Network([Dense(2)], (4,))
    theta = network.initial(0)
    costs = mean_squared_error(network.predict(theta, X[:3]), Y[:3])
    for weights in ([2.0, 2.0, 2.0], [0.5, 1.0, 3.0]):
        loss, g, _ = Objective(network, mean_squared_error).gradient(theta, (X[:3], Y[:3], np.array(weights)))
        np.testing.assert_allclose(loss, np.sum(costs * weights) / 3, rtol=1e-14)
        alone = [
            Objective(network, mean_squared_error).gradient(theta, (X[i : i + 1], Y[i : i + 1]))[1] for i in range(3)
        ]
        np.testing.assert_allclose(g, sum(w * each for w, each in zip(weights, alone, strict=True)) / 3, rtol=1e-12)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_of_what_a_layer_keeps_that_which_is_frozen_stays(executor):
    training = trained([Both(), Dense(2)], executor, freeze=["0.still"])
    assert training.state.layer_state["0.still"].tolist() == [0] * 4
    assert training.state.layer_state["0.moving"].all()
