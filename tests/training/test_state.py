"""A training that resumes from a state goes on to the bits of the one that the state was taken from, from any step."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.made_up import EXECUTORS, data_of
from trainer.errors import DataError, UsageError
from trainer.nn import Dense, Flatten, Network
from trainer.optimizers import Accumulate, Adam, Average, ClipNorm, Sgd
from trainer.plugins import shared
from trainer.training import Epoch, Training, TrainingState
from trainer.training.schedules import OneCycle, Plateau
from trainer.training.stopping import Stopping
from trainer_ops import mean_squared_error
from trainer_ops.layers.augmentation import RandomShift
from trainer_ops.layers.normalization import BatchNorm
from trainer_ops.layers.regularization import Dropout
from trainer_ops.layers.shaping import Reshape

ROWS, TRAIN, BATCH, EPOCHS = 30, 22, 8, 4  # two full batches and one of six


LAYERS = [Dense(6), BatchNorm(), Dropout(0.3), Dense(1)]


def a_training(executor="numpy", layers=LAYERS, **settings):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 4)).astype(np.float32)
    data = data_of(x, (x[:, :1] - 2 * x[:, 1:2]).astype(np.float32), test=ROWS - TRAIN)
    network = Network(layers, (4,))
    given = {"step_size": 0.05, "batch_size": BATCH, "epochs": EPOCHS, "executor": executor, **settings}
    return Training(network, mean_squared_error, data, **given)


def states_of(training):
    """The records of a training, with its state at each."""
    return [(record, training.state) for record in training.records()]


def through_files(state):
    """What a state is after it was written and read."""
    arrays, about = state.to_arrays()
    arrays = {name: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) for name, a in arrays.items()}
    return TrainingState.from_arrays(arrays, json.loads(json.dumps(about, allow_nan=False)))


def bits(state):
    arrays, about = state.to_arrays()
    timed = ("seconds", "best.record.seconds", "best.record.rows_per_second")
    return {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items() if name not in timed}, about


def untimed(record):
    return record._replace(seconds=0.0, rows_per_second=0.0) if isinstance(record, Epoch) else record


def is_after(record, state):
    return record.epoch > state.epoch if isinstance(record, Epoch) else record.step > state.step


def assert_resumes(make, watched=None):
    """watched: makes it with a callback, which keeps a program from running ahead: a state at every step."""
    whole = states_of((watched or make)())
    final = whole[-1][1]
    tried = set()
    for _, state in whole:
        where = state.epoch, state.batches, state.ended
        if where in tried:
            continue  # steps of one run of a program share their state
        tried.add(where)
        training = make()
        training.resume(through_files(state))
        after = list(training.records())
        assert bits(training.state) == bits(final), f"from {where}"
        assert list(map(untimed, after)) == [untimed(record) for record, _ in whole if is_after(record, state)]
    assert len(tried) > 2
    return tried


OPTIMIZERS = sorted(shared().names("optimizers"))


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name, executor):
    assert_resumes(lambda: a_training(executor, optimizer=shared().get("optimizers", name).build(), step_size=0.01))


SETTINGS = {
    "accumulated gradients": {"optimizer": Accumulate(Average(ClipNorm(Adam(), 1.0), 0.9), 3)},
    "a plateau": {"step_size": Plateau(0.1, factor=0.5, patience=0, threshold=0.9)},
    "one cycle": {"step_size": OneCycle(0.1)},
    "patience": {"stopping": Stopping(patience=1, threshold=10.0, best=True), "epochs": 6},
    "the best epoch": {"stopping": Stopping(best=True)},
    "so many steps": {"stopping": Stopping(steps=7)},
    "an average": {"optimizer": Average(Sgd(), 0.5), "stopping": Stopping(best=True)},
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_remembered(name, executor):
    assert_resumes(lambda: a_training(executor, **SETTINGS[name]))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_all_at_once_from_every_step_of_forty(executor):
    layers = [Reshape([2, 2, 1]), RandomShift(), Flatten(), Dense(6), BatchNorm(), Dropout(0.3), Dense(1)]
    settings = {
        "optimizer": Accumulate(Average(ClipNorm(Adam(), 1.0), 0.9), 2),
        "step_size": Plateau(0.1, factor=0.5, patience=0, threshold=0.9),
        "stopping": Stopping(patience=50, best=True),
        "batch_size": 5,
        "epochs": 8,
        "layers": layers,
    }
    watched = {**settings, "callbacks": [lambda record, training: None]}
    assert len(assert_resumes(lambda: a_training(executor, **settings), lambda: a_training(executor, **watched))) >= 40


def test_a_callback_sees_the_state_of_its_step():
    seen = []
    training = a_training("numpy", callbacks=[lambda record, training: seen.append((record.step, training.state.step))])
    list(training.records())
    assert all(step == counted for step, counted in seen)


def test_a_state_keeps_its_numbers_to_the_bit_also_those_that_are_none():
    training = a_training(metrics={"none": lambda predictions, targets: float("nan")}, stopping=Stopping(best=True))
    list(training.records())
    assert bits(through_files(training.state)) == bits(training.state)
    assert np.isnan(through_files(training.state).best.epoch.train["none"])


def test_the_state_of_another_training_is_refused():
    training, other = a_training(), a_training(optimizer=Adam())
    with pytest.raises(UsageError) as caught:
        training.resume(other.state)
    assert str(caught.value) == (
        "only the state to resume has 'optimizer.mean'; resume with the settings that the state was saved under"
    )
    with pytest.raises(UsageError) as caught:
        training.resume(replace(training.state, theta=np.zeros(3)))
    assert str(caught.value) == (
        f"'theta' is float64 (3,) in the state to resume, and float32 {training.theta.shape} in this training; resume "
        f"with the settings that the state was saved under"
    )
    with pytest.raises(UsageError, match=r"'theta' is float64 .* in the state to resume, and float32 "):
        training.resume(replace(training.state, theta=training.theta.astype(np.float64)))


def test_a_state_without_one_of_its_parts_is_no_state():
    arrays, about = a_training().state.to_arrays()
    del arrays["theta"]
    with pytest.raises(DataError) as caught:
        TrainingState.from_arrays(arrays, about)
    assert str(caught.value) == "this is not the whole state of a training: 'theta' is missing"
