"""Whose the arrays of a training are: a state is a value, and what steps have lent is read before the next of them."""

import sys
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks.peak import peak, write
from tests.made_up import data_of
from trainer import op
from trainer.compiler import tracing
from trainer.compiler.executors import native_available
from trainer.errors import UsageError
from trainer.nn import Dense, Network
from trainer.optimizers import Adam, Momentum, Sgd
from trainer.training import Training
from trainer.training.step import record_step

PROGRAMS = ["numpy", *(["native"] if native_available() else [])]
EXECUTORS = ["eager", *PROGRAMS]


def training(executor, optimizer=None, units=3, **settings):
    x, y = np.random.default_rng(2).normal(size=(2, 22, units)).astype(np.float32)
    network, cost = Network([Dense(units)], (units,)), lambda p, y: np.sum((p - y) ** 2, axis=1)
    settings = {"batch_size": 8, "epochs": 3, **settings}
    return Training(network, cost, data_of(x, y), 1e-2, optimizer=optimizer or Adam(), executor=executor, **settings)


def bits(state):
    return {name: array.tobytes() for name, array in state.to_arrays()[0].items() if name != "seconds"}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_was_handed_out_stays_as_it_is(executor):
    each = training(executor)
    handed = []
    for _ in each.records():
        held = each.state, each.parameters, each.averaged, each.theta
        handed.append((held, bits(held[0]), held[1]["0.weights"].tobytes()))
    for (state, parameters, averaged, theta), then, weights in handed:
        assert bits(state) == then
        assert parameters["0.weights"].tobytes() == weights == theta[:9].tobytes()
        assert averaged.tobytes() == then["theta"]
    assert len({then["theta"] for _, then, _ in handed}) > 4  # a program runs ahead of its records


@pytest.mark.parametrize("executor", PROGRAMS)
def test_what_is_lent_lies_where_the_next_step_leaves_its_own(executor):
    each = training(executor)
    records = each.records()
    next(records)
    now, state = each.now, each.state
    for before, kept in zip(now.to_arrays()[0].items(), state.to_arrays()[0].values(), strict=True):
        assert before[1].tobytes() == kept.tobytes()
    assert not now.theta.flags.writeable
    assert each.state is state
    _ = [*records]
    assert np.may_share_memory(now.theta, each.now.theta)
    assert now.theta.tobytes() != state.theta.tobytes()
    assert each.moved(now.step)
    assert not each.moved(each.step)
    each.let_go()
    last = each.now
    assert last.theta is each.theta
    _ = each.update(np.arange(8)[None])
    assert bits(last) != bits(each.now)
    assert not np.may_share_memory(last.theta, each.now.theta)


@pytest.mark.parametrize("executor", PROGRAMS)
def test_batches_of_another_size_find_theta_where_the_last_left_it(executor):
    whole, other = training("eager"), training(executor)
    for rows in (8, 8, 3, 5, 8, 3):
        for each in (whole, other):
            assert len(each.update(np.arange(rows)[None])) == 1
        assert bits(other.now) == bits(whole.now)


@pytest.mark.parametrize("executor", PROGRAMS)
def test_a_look_at_the_program_moves_nothing(executor):
    each = training(executor)
    records = each.records()
    next(records)
    before = bits(each.now)
    each.check_program()
    assert bits(each.now) == before


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_callback_may_keep_the_state_of_every_step(executor):
    kept = []
    each = training(executor, callbacks=[lambda record, training: kept.append(training.now)])
    _ = [*each.records()]
    assert len({bits(state)["theta"] for state in kept}) == 9


FAILS = {"now": False}


@op
def fragile(x):
    """x, until it fails."""
    if FAILS["now"]:
        raise ValueError("no more")
    return np.array(x)


@dataclass(frozen=True)
class Fragile(Momentum):
    """Fails between what it writes."""

    def update(self, g, state, theta, step_size, step):
        theta, after = super().update(g, state, theta, step_size, step)
        return fragile(theta), after


@pytest.mark.parametrize("executor", PROGRAMS)
def test_an_error_within_a_step_leaves_nothing_to_go_on_from(executor):
    each = training(executor, Fragile())
    _ = each.update(np.arange(16).reshape(2, 8))
    state = each.state
    FAILS["now"] = True
    try:
        with pytest.raises(ValueError, match="no more"):
            each.update(np.arange(16).reshape(2, 8))
    finally:
        FAILS["now"] = False
    assert (each.whole, each.step) == (False, 2)
    with pytest.raises(UsageError, match="an error has left a step half done; resume from a state that was taken"):
        _ = each.now
    each.resume(state)
    _ = each.update(np.arange(8)[None])
    again = training("eager", Fragile())
    for rows in ([0, 8], [8, 16], [0, 8]):
        _ = again.update(np.arange(*rows)[None])
    assert bits(each.now) == bits(again.now)


@pytest.mark.parametrize("optimizer", [Sgd(), Adam()], ids=lambda each: type(each).__name__)
def test_a_program_is_the_same_whether_its_record_kept_the_numbers_or_not(optimizer, monkeypatch):
    each = training("numpy", optimizer, units=50)
    kept = repr(each.program())
    forgotten = []
    monkeypatch.setattr(tracing, "forget", lambda array: (forgotten.append(array.size), array.fill(0)))
    state = each.now
    assert repr(record_step(each.step_function, state.theta, state.carried, each.data.train.arrays, 8)) == kept
    assert 2550 in forgotten
    assert 2500 in forgotten
    assert set(forgotten) <= {2550, 2500, 50}
    assert state.theta.any()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pages are not given back")
@pytest.mark.skipif(not native_available(), reason="NumPy's own calls keep more between them")
@pytest.mark.parametrize(("optimizer", "arrays"), [("sgd", 2), ("adam", 4)])
def test_a_run_holds_theta_its_gradient_and_the_optimizers_state(optimizer, arrays, tmp_path):
    small, large = (  # beyond 32 MB the C library gives back at once what is let go of
        peak([sys.executable, "-m", "trainer", "run", str(write(tmp_path, width, optimizer)), "-q"], tmp_path)
        for width in (8, 3000)
    )
    assert large - small < (arrays + 0.6) * 4 * 3000**2
