"""A signal that comes while steps run is answered in the midst of an epoch, after as many steps as were run ahead."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from trainer.compiler.executors import native_available
from trainer.data.prepared import Prepared, Rows
from trainer.nn import Dense, Network
from trainer.training import Training
from trainer.training.loop import AHEAD_SECONDS
from trainer_ops import mean_squared_error

# Trains for ever, in epochs of minutes, and says in which it was interrupted.
CHILD = """
import sys
import numpy as np
from trainer.data.prepared import Prepared, Rows
from trainer.nn import Dense, Network
from trainer.training.threads import pinned
from trainer.training import Training
from trainer_ops import mean_squared_error

x = np.broadcast_to(np.random.default_rng(0).normal(size=4).astype(np.float32), (10**6, 4))
rows = Rows.numbered(x, np.zeros((10**6, 1), np.float32))
data = Prepared("made up", "regression", (), rows, rows[:0])
network = Network([Dense(512), Dense(512), Dense(1)], (4,))
with pinned(1):
    training = Training(network, mean_squared_error, data, 1e-4, batch_size=4, epochs=10**9, executor=sys.argv[1])
    training.update(np.arange(4)[None])
    while True:
        try:
            print("ready", flush=True)
            for record in training.records():
                pass
        except KeyboardInterrupt:
            print(training.epoch, np.isfinite(training.theta).all(), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize("executor", ["native", "numpy"] if native_available() else ["numpy"])
def test_ctrl_c_is_answered_in_the_midst_of_an_epoch(executor, start):
    process = start([sys.executable, "-c", CHILD, executor], stdout=subprocess.PIPE, text=True)
    for n in range(8):
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05 + 0.013 * n)  # at another point of a step each time
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "0 True\n"


@pytest.mark.parametrize("seconds", [1e-6, 1e-3, 0.02, 0.03, 2.0])
def test_a_program_runs_ahead_for_a_twentieth_of_a_second_at_most_or_for_one_step(monkeypatch, seconds):
    now, longest = 0.0, 0.0
    monkeypatch.setattr("trainer.training.loop.time", SimpleNamespace(perf_counter=lambda: now))
    rows = Rows.numbered(np.zeros((100_000, 1)), np.zeros((100_000, 1)))
    data = Prepared("made up", "regression", (), rows, rows[:0])
    training = Training(Network([Dense(1)], (1,)), mean_squared_error, data, 0.1, batch_size=1, executor="numpy")
    for piece in training.pieces():
        now += seconds * len(piece)
        longest = max(longest, seconds * len(piece))
    assert AHEAD_SECONDS / 2 <= longest <= max(AHEAD_SECONDS, seconds)
