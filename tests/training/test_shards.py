"""A batch in shards: the sum that defines it, and that nothing depends on who computes it, with threads for ranks."""

from __future__ import annotations

import threading
from queue import Queue

import numpy as np
import pytest

from tests.made_up import EXECUTORS, data_of, op_layer
from trainer.errors import UsageError
from trainer.nn import Dense, Network
from trainer.optimizers import Sgd
from trainer.plugins import shared
from trainer.training import Step, Training
from trainer.training.objective import Objective, Penalty
from trainer.training.shards import ShardGradient, turns
from trainer_ops import mean_squared_error, softmax_cross_entropy


def made(executor="auto", shards=8, rows=103, **options):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 6)).astype(np.float32), rng.integers(0, 3, rows)
    dropout = shared().get("layers", "dropout").target(0.3)
    adam = shared().get("optimizers", "adam").target()
    network = Network([Dense(16), op_layer("tanh"), dropout, Dense(3)], (6,))
    given = {"batch_size": 32, "epochs": 2, "optimizer": adam, "penalties": [Penalty(l2=1e-3)], "logged": 2, **options}
    data = data_of(x, y, classes=("a", "b", "c"))
    return Training(network, softmax_cross_entropy, data, 0.05, executor=executor, shards=shards, **given)


def steps_of(training):
    return [record for record in training.records() if isinstance(record, Step)]


@pytest.mark.parametrize("shards", [1, 3, 8])
def test_every_executor_has_the_same_bytes_also_in_a_last_batch_of_fewer_rows_than_shards(shards):
    found = [(training := made(executor, shards), steps_of(training)) for executor in EXECUTORS]
    assert [step.rows for step in found[0][1]] == [32, 32, 32, 7] * 2
    assert len({training.theta.tobytes() for training, _ in found}) == 1
    assert len({repr(steps) for _, steps in found}) == 1


def test_one_shard_is_the_batch():
    whole, cut = made(shards=None), made(shards=1)
    assert steps_of(whole) == steps_of(cut)
    assert whole.theta.tobytes() == cut.theta.tobytes()


def test_the_gradient_is_the_mean_over_the_rows_however_they_are_cut():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(29, 4)), rng.normal(size=(29, 2))
    weights = rng.uniform(0.5, 2, 29)
    network = Network([Dense(5), op_layer("tanh"), Dense(2)], (4,))
    objective = Objective(network, mean_squared_error, (Penalty(l2=0.1),))
    theta, _ = network.divided(network.initial_values(0, np.float64), np.float64)
    loss, g, _ = objective.gradient(theta, (x, y, weights))
    for shards in (1, 2, 7, 29, 40):
        total = ShardGradient(objective, (x, y, weights), shards)(theta, {}, np.arange(29), 0)
        np.testing.assert_allclose(total, np.append(g, loss), rtol=1e-12, atol=1e-14)


def test_the_sum_is_a_balanced_tree_of_neighbours_that_is_written_down_here():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(11, 3)).astype(np.float32), rng.normal(size=(11, 1)).astype(np.float32)
    objective = Objective(Network([Dense(1)], (3,)), mean_squared_error)
    theta = rng.normal(size=4).astype(np.float32)

    def part(rows):  # its share of the loss, differentiated
        from dataclasses import replace

        loss, g, _ = replace(objective, share=len(rows) / 11).gradient(theta, (x[rows], y[rows]))
        return np.append(g, loss).astype(np.float32)

    a, b, c, d, e = (part(np.arange(11)[piece]) for piece in np.s_[0:3, 3:5, 5:7, 7:9, 9:11])
    wanted = (a + b) + (c + (d + e))
    assert ShardGradient(objective, (x, y), 5)(theta, {}, np.arange(11), 0).tobytes() == wanted.tobytes()


def test_each_shard_of_a_step_draws_numbers_of_its_own():
    drawn = []

    class Drawing:
        def init(self, rng, input_shape):
            return {}, input_shape

        def apply(self, parameters, x):
            return x

        def train(self, parameters, x, draw):
            drawn.append(np.asarray(getattr(draw((4,)), "value", draw((4,)))).tobytes())
            return x, {}

    x = np.ones((8, 2))
    network = Network([Dense(1), Drawing()], (2,))
    training = Training(
        network, mean_squared_error, data_of(x, x[:, :1]), 0.1, batch_size=8, epochs=3, executor="eager", shards=4
    )
    drawn.clear()
    steps_of(training)
    assert len(set(drawn)) == len(drawn) == 12


@pytest.mark.parametrize("shards", range(1, 18))
def test_any_number_of_ranks_adds_up_the_same_tree(shards):
    alone = _simulated(shards, 1)
    assert sorted(alone.replace("(", "").replace(")", "").split("+")) == sorted(map(str, range(shards)))
    for ranks in range(2, shards + 1):
        assert _simulated(shards, ranks) == alone


def _simulated(shards, ranks):
    """What ends in slot 0 of rank 0, as text. Whoever waits waits for one that goes on: nobody is left over."""
    slots = [{} for _ in range(ranks)]
    left = [list(turns(shards, ranks, rank)) for rank in range(ranks)]
    sent = {}
    while any(left):
        moved = False
        for rank, own in enumerate(left):
            while own:
                act, slot, other = own[0]
                if act == "compute":
                    slots[rank][slot] = str(other)
                elif act == "add":
                    slots[rank][slot] = f"({slots[rank][slot]}+{slots[rank].pop(slot + 1)})"
                elif act == "send":
                    sent.setdefault((rank, other), []).append(slots[rank].pop(slot))
                elif sent.get((other, rank)):
                    slots[rank][slot] = sent[other, rank].pop(0)
                else:
                    break
                own.pop(0)
                moved = True
        assert moved, "all wait for one another"
    assert [list(each) for each in slots[1:]] == [[]] * (ranks - 1)
    assert list(slots[0]) == [0]
    return slots[0][0]


class Threaded:
    """Ranks that are threads of this process."""

    def __init__(self, rank, size, queues):
        self.rank, self.size, self.queues, self.busy = rank, size, queues, False

    def order(self, *numbers):
        self.spread(np.array([*numbers, 0, 0, 0, 0][:4]))

    def ordered(self):
        self.spread(order := np.zeros(4, np.int64))
        return order.tolist()

    def spread(self, array):
        for rank in range(1, self.size) if self.rank == 0 else ():
            self.send(array, rank)
        if self.rank:
            self.receive(array, 0)

    def send(self, array, rank):
        self.queues[self.rank, rank].put(array.copy())

    def receive(self, array, rank):
        array[...] = self.queues[rank, self.rank].get(timeout=60)


@pytest.mark.parametrize("size", [2, 3, 8])
def test_ranks_reach_the_bytes_of_one_process(size):
    alone = made("numpy")
    wanted = steps_of(alone)
    queues = {(a, b): Queue() for a in range(size) for b in range(size)}
    trainings = [made("numpy") for _ in range(size)]
    others = [
        threading.Thread(target=_follow, args=(training, Threaded(rank, size, queues)))
        for rank, training in enumerate(trainings)
        if rank
    ]
    for thread in others:
        thread.start()
    lead = trainings[0]
    gradient = lead.shard_gradient
    gradient.begin(Threaded(0, size, queues), lead.state.layer_state)
    found = steps_of(lead)
    gradient.end()
    for thread in others:
        thread.join(60)
    assert found == wanted
    assert lead.theta.tobytes() == alone.theta.tobytes()
    assert all(queue.empty() for queue in queues.values())


def _follow(training, ranks):
    training.shard_gradient.follow(ranks, training.state.theta, training.state.layer_state, training.batch_size)


def test_a_step_that_is_not_finite_leaves_theta_as_it_was():
    x = np.ones((8, 2), np.float32)
    x[5] = 3e38
    for executor in EXECUTORS:
        training = Training(
            Network([Dense(1)], (2,)), mean_squared_error, data_of(x, x[:, :1]), 0.1, batch_size=8, shards=4,
            executor=executor, optimizer=Sgd(),
        )  # fmt: skip
        before = training.theta.copy()
        assert training.update(np.arange(8)[None]) == []
        assert training.theta.tobytes() == before.tobytes()


def test_the_program_of_a_shard_is_held_against_the_tape():
    made().check_program()


def test_a_training_without_shards_has_no_sum_to_share():
    with pytest.raises(UsageError, match="a batch is one: give shards"):
        _ = made(shards=None).shard_gradient
