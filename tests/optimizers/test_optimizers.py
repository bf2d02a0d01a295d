"""Optimisers by hand, in float32, under every executor, and wrapped. Against PyTorch: test_torch_training.py."""

from __future__ import annotations

import numpy as np
import pytest

from tests.made_up import EXECUTORS, data_of
from trainer.config import load
from trainer.errors import UsageError
from trainer.experiment import build
from trainer.nn import Dense, Network, OpLayer
from trainer.optimizers import (
    Accumulate,
    Adam,
    AdamW,
    Average,
    ClipNorm,
    ClipParameterNorm,
    ClipValue,
    Lamb,
    Lbfgs,
    Momentum,
    RmsProp,
    Sgd,
    averaged,
    prepared,
)
from trainer.optimizers.base import norm, one_less_power
from trainer.plugins import shared
from trainer.training import Step, Training
from trainer.training.threads import pinned

SHIPPED = {name: c.target() for name, c in shared().all("optimizers").items() if c.plugin == "trainer"}
WRAPPED = {
    "clipped by value": ClipValue(Adam(), 0.01),
    "clipped by norm": ClipNorm(Adam(), 0.1),
    "clipped by each norm": ClipParameterNorm(Adam(), 0.1),
    "all around": Accumulate(Average(ClipNorm(Lamb(weight_decay=0.1), 0.1), 0.9), 3),
    "centered": RmsProp(centered=True, momentum=0.5, weight_decay=0.01),
}


def trained(optimizer, executor, dtype=np.float32, step_size=0.01, epochs=3, batch_size=8):
    """A training of 45 rows, so that the last batch is short, after its last step."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(45, 4)).astype(dtype)
    y = rng.integers(0, 3, 45)
    tanh, cost = shared().get("ops", "tanh").target, shared().get("costs", "softmax_cross_entropy").build()
    data = data_of(x, y, classes=("a", "b", "c"))
    training = Training(
        Network([Dense(6), OpLayer(tanh), Dense(3)], (4,)), cost, data, step_size, batch_size=batch_size,
        epochs=epochs, optimizer=optimizer, dtype=dtype, executor=executor,
    )  # fmt: skip
    losses = [r.loss for r in training.records() if isinstance(r, Step)]
    return training, losses


@pytest.mark.parametrize("name", [*SHIPPED, *WRAPPED])
def test_every_executor_gives_the_same_bits_in_float32(name):
    optimizer = (SHIPPED | WRAPPED)[name]
    with pinned(1):
        runs = {executor: trained(optimizer, executor) for executor in EXECUTORS}
    first, losses = runs["eager"]
    assert first.theta.dtype == np.float32
    for training, other in runs.values():
        assert other == losses
        np.testing.assert_array_equal(training.theta, first.theta)
        for key, value in training.state.optimizer.items():
            assert np.asarray(value).dtype == np.float32, key
            np.testing.assert_array_equal(value, first.state.optimizer[key])


@pytest.mark.parametrize("name", SHIPPED)
def test_an_update_changes_none_of_its_arguments_and_keeps_names_shapes_and_dtypes(name):
    optimizer = SHIPPED[name]
    theta, g = np.array([1.0, -2.0, 0.0], np.float32), np.array([0.5, 0.0, -1.0], np.float32)
    state = optimizer.init(theta)
    before = {key: value.copy() for key, value in state.items()}
    after, moved = optimizer.update(g, state, theta, np.float32(0.1), np.float32(0))
    assert (theta == [1.0, -2.0, 0.0]).all()
    assert (g == [0.5, 0.0, -1.0]).all()
    assert all((state[key] == before[key]).all() for key in before)
    assert np.isfinite(after).all()
    assert {k: (v.shape, v.dtype) for k, v in moved.items()} == {k: (v.shape, v.dtype) for k, v in state.items()}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_bowl_is_descended(name):
    optimizer, theta = SHIPPED[name], np.array([1.0, -2.0])
    state = optimizer.init(theta)
    step_size = {"adadelta": 10.0, "adagrad": 0.5, "lamb": 0.02}.get(name, 0.02)
    for step in range(200):
        theta, state = optimizer.update(theta * [1.0, 3.0], state, theta, step_size, np.float64(step))
    assert np.max(np.abs(theta)) < 0.2


def test_bias_corrections_keep_their_digits_in_float32():
    for beta in (0.9, 0.999, 0.999999):
        for step in (0, 1, 10, 10_000, 2**20):
            exact = -np.expm1((step + 1) * np.log(beta))
            found = one_less_power(beta, np.float32(step))
            assert isinstance(found, np.float32)
            assert abs(found / exact - 1) < 3e-7, (beta, step)
    assert one_less_power(0.0, np.float32(3)) == 1


def test_a_norm_of_large_numbers_is_finite_and_that_of_nothing_is_zero():
    assert norm(np.array([3e38, 0.0], np.float32)) == np.float32(3e38)
    assert norm(np.zeros(3, np.float32)) == 0


def test_a_huge_gradient_is_clipped_to_the_limit_and_not_to_nothing():
    g = np.array([3e30, 4e30], np.float32)
    moved, _ = ClipNorm(Sgd(), 1.0).update(g, {}, np.zeros(2, np.float32), np.float32(1), np.float32(0))
    np.testing.assert_allclose(moved, [-0.6, -0.8], rtol=1e-6)


def test_a_short_gradient_passes_a_clip_as_it_is():
    g = np.array([0.3, 0.4])
    for clip in (ClipNorm(Sgd(), 1.0), ClipValue(Sgd(), 1.0), ClipParameterNorm(Sgd(), 1.0)):
        np.testing.assert_array_equal(clip.update(g, {}, np.zeros(2), 1.0, 0)[0], -g)


def test_the_clip_of_parameters_looks_at_each_alone():
    clip = prepared(ClipParameterNorm(Sgd(), 1.0), [slice(0, 2), slice(2, 4)])
    moved, _ = clip.update(np.array([30.0, 40.0, 0.3, 0.4]), {}, np.zeros(4), 1.0, 0)
    np.testing.assert_allclose(moved, [-0.6, -0.8, -0.3, -0.4], rtol=1e-6)


def test_a_constant_gradient_does_not_make_centered_rmsprop_divide_by_a_negative_root():
    optimizer, theta = RmsProp(centered=True), np.ones(3, np.float32)
    state, g = optimizer.init(theta), np.array([1e-3, 0.7, 123.0], np.float32)
    for step in range(2000):
        theta, state = optimizer.update(g, state, theta, np.float32(1e-9), np.float32(step))
    assert np.isfinite(theta).all()


def test_a_variance_that_rounds_below_zero_counts_as_zero():
    optimizer = RmsProp(rho=0.75, centered=True, eps=0.5)
    state = {"squares": np.array([1.0]), "mean": np.array([2.0])}
    moved, _ = optimizer.update(np.array([2.0]), state, np.array([1.0]), 0.125, 0)
    np.testing.assert_array_equal(moved, [1 - 0.125 * (2 / 0.5)])


def test_lamb_treats_each_parameter_on_its_own_and_moves_one_that_is_zero():
    theta, g = np.array([3.0, 4.0, 0.0]), np.array([1.0, -1.0, 1.0])
    optimizer = Lamb().prepare([slice(0, 2), slice(2, 3)])
    moved, _ = optimizer.update(g, optimizer.init(theta), theta, 0.1, 0)
    step = 0.1 * 5 / np.sqrt(2)  # Adam's first step is the sign of g; its norm √2 becomes that of (3, 4)
    np.testing.assert_allclose(moved, [3 - step, 4 + step, -0.1], rtol=1e-5)


def test_lamb_is_told_its_parameters_through_any_wrapper():
    training, _ = trained(Accumulate(Average(ClipNorm(Lamb(), 1.0), 0.9), 2), "eager", epochs=1)
    lamb = training.step_function.optimizer.optimizer.optimizer.optimizer
    assert lamb.parts == tuple(part.slice for part in training.network.parts)


def test_lbfgs_solves_a_small_regression_that_descent_does_not():
    with pinned(1):
        _, quick = trained(Lbfgs(), "numpy", np.float64, 0.5, epochs=40, batch_size=45)
        _, slow = trained(Sgd(), "numpy", np.float64, 0.5, epochs=40, batch_size=45)
    assert quick[-1] < 0.7 * slow[-1]


def test_accumulation_of_equal_batches_is_the_larger_batch():
    rng = np.random.default_rng(1)
    gradients = rng.normal(size=(12, 5))
    small, large = Accumulate(Adam(), 4), Adam()
    theta, other = np.ones(5), np.ones(5)
    state, other_state = small.init(theta), large.init(other)
    for step, g in enumerate(gradients):
        before = theta
        theta, state = small.update(g, state, theta, 0.1, np.float64(step))
        assert (theta == before).all() == (step % 4 != 3)
    for step, g in enumerate(gradients.reshape(3, 4, 5).sum(1) / 4):
        other, other_state = large.update(g, other_state, other, 0.1, np.float64(step))
    np.testing.assert_allclose(theta, other, rtol=1e-14)


def test_a_state_of_wrappers_has_flat_names():
    state = Accumulate(Average(Momentum(), 0.9), 2).init(np.zeros(3))
    assert list(state) == ["accumulate.sum", "average.theta", "velocity"]


def test_the_average_is_evaluated_and_saved_and_training_goes_on_at_theta():
    plain, losses = trained(Momentum(), "numpy", step_size=0.1)
    smooth, others = trained(Average(Momentum(), 0.9), "numpy", step_size=0.1)
    assert losses == others
    np.testing.assert_array_equal(plain.theta, smooth.theta)
    assert averaged(plain.optimizer, plain.theta, plain.state.optimizer) is plain.theta
    saved = np.concatenate([v.ravel() for v in smooth.parameters.values()])
    np.testing.assert_array_equal(saved, smooth.state.optimizer["average.theta"])
    assert np.abs(saved - smooth.theta).max() > 1e-3
    x, y = smooth.data.train.inputs, smooth.data.train.targets
    loss = np.mean(smooth.cost(smooth.network.predict(saved, x), y), dtype=np.float64)
    assert smooth.evaluate("train")["loss"] == loss


def test_a_config_puts_clip_average_and_accumulation_around_the_optimizer(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "dataset: iris\nnetwork: [dense: 3]\ncost: softmax_cross_entropy\nstep_size: 0.1\noptimizer: adamw\n"
        "clip: {norm: 1.0}\naverage: 0.99\naccumulate: 4\n"
    )
    loaded = load(path)
    assert build(loaded).optimizer == Accumulate(Average(ClipNorm(AdamW(), 1.0), 0.99), 4)
    resolved = loaded.resolved()
    assert (resolved["clip"], resolved["average"], resolved["accumulate"]) == ({"norm": 1.0}, 0.99, 4)
    for clip, wrapper in (("value", ClipValue), ("parameter_norm", ClipParameterNorm)):
        average = build(load(path, [f"clip={{{clip}: 0.5}}", "accumulate=1"])).optimizer
        assert isinstance(average, Average)
        optimizer = average.optimizer
        assert isinstance(optimizer, wrapper)
        assert optimizer.limit == 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adam(beta1=1.0), "Adam: beta1 is 1.0; it must be at least 0 and less than 1"),
        (lambda: AdamW(eps=0.0), "AdamW: eps is 0.0; it must be greater than 0"),
        (lambda: Momentum(float("nan")), "Momentum: momentum is nan; it must be at least 0 and less than 1"),
        (lambda: Lbfgs(history=0), "Lbfgs: history is 0; it must be at least 1"),
        (lambda: ClipNorm(Sgd(), -1.0), "ClipNorm: limit is -1.0; it must be greater than 0"),
        (lambda: Accumulate(Sgd(), 0), "Accumulate: batches is 0; it must be at least 1"),
        (lambda: Average(Sgd(), 1.5), "Average: decay is 1.5; it must be at least 0 and less than 1"),
    ],
)
def test_a_number_out_of_its_limits_is_refused_in_python_too(make, message):
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("left", [1, 2, 3])
def test_what_accumulation_holds_at_the_end_is_an_update_of_its_own_mean(left):
    optimizer, gradients = (
        Accumulate(Average(Momentum(0.5), 0.9), 4),
        np.random.default_rng(2).normal(size=(4 + left, 3)),
    )
    theta, plain, whole = np.ones(3), np.ones(3), Average(Momentum(0.5), 0.9)
    state, plain_state = optimizer.init(theta), whole.init(plain)
    for step, g in enumerate(gradients):
        theta, state = optimizer.update(g, state, theta, 0.1, np.float64(step))
    theta, after = optimizer.finished(theta, state, 0.1, np.float64(4 + left))
    for step, part in enumerate((gradients[:4], gradients[4:])):
        plain, plain_state = whole.update(part.mean(axis=0), plain_state, plain, 0.1, np.float64(step))
    np.testing.assert_allclose(theta, plain, rtol=1e-14)
    assert set(after) == set(state)
    assert not after["accumulate.sum"].any()
    for name, value in plain_state.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-14)


@pytest.mark.parametrize("around", [lambda o: Average(o, 0.9), lambda o: ClipNorm(Average(o, 0.9), 5.0)])
def test_the_end_of_a_run_loses_nothing_that_a_wrapper_keeps(around):
    optimizer, theta = around(Accumulate(Momentum(), 2)), np.ones(3)
    state = optimizer.init(theta)
    for step in range(3):
        theta, state = optimizer.update(np.full(3, 0.5), state, theta, 0.1, np.float64(step))
    theta, after = optimizer.finished(theta, state, 0.1, np.float64(3))
    assert set(after) == set(state)
    np.testing.assert_array_equal(after["average.theta"], state["average.theta"])


def test_lbfgs_takes_in_no_pair_along_which_the_gradient_falls():
    optimizer, theta = Lbfgs(), np.array([0.5, -1.0])
    state = optimizer.init(theta)
    for step in range(4):  # a hill: −½‖θ‖², on which s·y < 0
        theta, state = optimizer.update(-theta, state, theta, 0.5, step)
        assert not state["steps"].any()
        assert state["scale"] == 1
