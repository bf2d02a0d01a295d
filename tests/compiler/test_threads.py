"""Instructions in pieces, and the threads that do them: the same bits, the same errors, wherever they are cut."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest

from trainer.compiler.executors import native_available, spread_over
from trainer.compiler.passes import simplify
from trainer.compiler.tracing import trace
from trainer.config import load
from trainer.engine.random import uniform
from trainer.experiment import build
from trainer.training.threads import pinned

pytestmark = pytest.mark.skipif(not native_available(), reason="no machine")

if native_available():
    from trainer.compiler.machine import _machine as m
    from trainer.compiler.machine import instructions as make
    from trainer.compiler.machine.executor import NativeExecutor

INVALID, OVERFLOWED = 8, 2


def some(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


KINDS: dict[str, tuple[Callable[..., object], list[np.ndarray]]] = {
    "a chain": (lambda x, y: x * y + np.tanh(x) * y - x / (1 + y * y), [some(37, 129), some(37, 129)]),
    "a chain over short rows": (lambda x, y: x * y - x + y, [some(999, 3), some(999, 1)]),
    "an inner loop": (lambda x: np.exp(x), [some(3, 5, 1000)]),
    "one along columns": (lambda x: np.log1p(np.abs(x.T)), [some(130, 77)]),
    "sums to a number": (lambda x: np.sum(x, axis=-1), [some(501, 30)]),
    "sums of long rows": (lambda x: np.sum(x, axis=-1), [some(50, 3000)]),
    "sums to a row": (lambda x: np.sum(x, axis=0), [some(301, 700)]),
    "largest": (lambda x: np.max(x, axis=1, keepdims=True), [some(200, 40)]),
    "means": (lambda x: np.mean(x, axis=1), [some(200, 40)]),
    "a product of many rows": (lambda x, y: x @ y, [some(301, 50), some(50, 70)]),
    "a product of many columns": (lambda x, y: x @ y, [some(31, 300), some(300, 500)]),
    "a product of columns in double": (lambda x, y: x @ y, [some(31, 90, dtype=float), some(90, 333, dtype=float)]),
    "a product of transposes": (lambda x, y: x.T @ y.T, [some(65, 130), some(290, 65)]),
    "a stack of products": (lambda x, y: x @ y, [some(6, 4, 33, 16), some(6, 4, 16, 33)]),
    "a choice": (lambda x, y: np.where(x > 0, x, y), [some(99, 300), some(99, 300)]),
    "a frame": (lambda x: np.pad(x, ((0, 0), (1, 2), (1, 1))), [some(20, 30, 31)]),
    "rows by number": (lambda x: np.take(x, np.arange(900) % 77, axis=0), [some(77, 40)]),
    "another type": (lambda x: x.astype(np.float64), [some(33, 222)]),
    "another order": (lambda x: np.reshape(np.transpose(x, (2, 0, 1)), (-1, 20)), [some(20, 30, 40)]),
    "random numbers": (lambda x: x + uniform(np.int64(3), key=(1, 2), shape=(4001,), dtype="float32"), [some(4001)]),
    "random numbers in double": (
        lambda x: x + uniform(np.int64(3), key=(1, 2), shape=(2003,), dtype="float64"),
        [some(2003, dtype=float)],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_bit_depends_on_the_pieces_nor_on_who_does_them(kind):
    f, arrays = KINDS[kind]
    with pinned(1):  # BLAS, which a large product is left to where it is the quicker one
        executor = NativeExecutor(simplify(trace(f, arrays).program))
        assert not executor.called_back
        whole = [np.array(each) for each in executor.run(arrays)]
    for threads in (1, 2, 3):
        with pinned(threads):
            for pieces in (2, 3, 5, 16, 1000):
                for output in executor.outputs:
                    output[...] = 7
                assert m.Machine(executor.table).run(0, 1, pieces) == 1
                for got, expected in zip(executor.outputs, whole, strict=True):
                    assert np.asarray(got).tobytes() == expected.tobytes()


LONG = {
    "dense": ([{"dense": 700}, "relu", {"dense": 700}, "tanh", {"dense": 3}], (64,)),
    "batch norm and dropout": ([{"dense": 600}, "batch_norm", "gelu", {"dropout": 0.3}, {"dense": 3}], (64,)),
    "convolution": ([{"conv2d": {"filters": 24}}, "relu", {"max_pool": 2}, "flatten", {"dense": 3}], (20, 20, 3)),
    "attention": (
        [{"transformer_block": {"heads": 4, "hidden": 128}}, "layer_norm", "flatten", {"dense": 3}],
        (24, 32),
    ),
    "lstm": ([{"lstm": 96}, {"dense": 3}], (12, 24)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LONG)
def test_a_training_has_the_same_bits_with_every_number_of_threads(name, dtype, tmp_path):
    network, shape = LONG[name]
    path = tmp_path / "data.npz"
    np.savez(path, inputs=some(160, *shape), targets=np.arange(160) % 3)
    config = {
        "dataset": {"path": str(path)}, "network": network, "cost": "softmax_cross_entropy", "step_size": 0.01,
        "optimizer": "adam", "batch_size": 48, "epochs": 3, "compute": {"dtype": dtype},
    }  # fmt: skip
    found = set()
    for threads in (1, 2, 3, 4):
        with pinned(threads):
            training = build(load(config))
            list(training.records())
            found.add(training.theta.tobytes() + b"".join(training.state.layer_state.values()))
    assert len(found) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_piece_has_to_say_is_heard(threads):
    x, y = np.ones(100_000), np.empty(100_000)
    with pinned(threads):
        for place in (0, 77_777, 99_999):
            x[place] = 1e308
            machine = m.Machine([make.loop(np.exp, x, y)])
            assert machine.run(0, 1, 8) == 1
            assert machine.raised & OVERFLOWED
            x[place] = np.inf
            assert m.Machine([make.check(x)]).run(0, 1, 8) == 0
            x[place] = -1.0
            machine = m.Machine([make.loop(np.log, x, y)])
            assert machine.run(0, 1, 8) == 1
            assert machine.raised & INVALID
            x[place] = 1.0
        assert m.Machine([make.check(x)]).run(0, 1, 8) == 1
        rows = np.zeros(5000, np.int64)
        rows[4321] = 7
        source = np.ones(7)
        pick = make.gather(np.empty(5000), source, rows, np.broadcast_to(source[:1], 5000), 0)
        with pytest.raises(IndexError, match="in iteration 0"):
            m.Machine([pick]).run(0, 1, 8)


def test_what_python_may_hear_of_is_done_by_its_own_thread():
    whole, powers = np.full(100_000, 2), np.full(100_000, 2)
    powers[-1] = -1
    with pinned(2), pytest.raises(ValueError, match="negative integer powers"):
        m.Machine([make.loop(np.power, whole, powers, np.empty_like(whole))]).run(0, 1, 8)


def test_machines_of_several_threads_run_at_once():
    arrays = [some(300, 200) * n for n in range(1, 5)]
    results: dict[int, bytes] = {}

    def work(n: int) -> None:
        out = np.empty((300, 300), np.float32)
        table = m.Machine([make.matmul(arrays[n], arrays[n].T, out), make.loop(np.tanh, out, out)])
        for _ in range(20):
            table.run(0, 1, 6)
            results[n] = out.tobytes()

    with pinned(3):
        workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    for n, x in enumerate(arrays):
        with pinned(1):
            assert results[n] == np.tanh(x @ x.T).tobytes()


FORKED = """
import os
import numpy as np
from trainer.compiler.machine import _machine as m, instructions as make

m.threads(3)
x, y = np.ones(100_000), np.empty(100_000)
table = m.Machine([make.loop(np.exp, x, y)])
table.run(0, 50, 8)
child = os.fork()
y[:] = 0
table.run(0, 50, 8)
assert (y == np.exp(1.0)).all()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
def test_a_process_that_is_forked_has_threads_of_its_own():
    subprocess.run([sys.executable, "-W", "error", "-c", FORKED], check=True, timeout=60)


def test_the_number_of_threads_is_that_of_the_process():
    with pinned(1):
        assert m.threads(3) == 1
        assert spread_over() == 3
        assert m.threads(10_000) == 3
        assert spread_over(1) == 64


FORKED_AT_WORK = """
import os, signal, threading, time
import numpy as np
from trainer.compiler.machine import _machine as m, instructions as make

m.threads(2)
x, y = np.ones(6_000_000), np.empty(6_000_000)
long = m.Machine([make.loop(np.cbrt, x, y)])
few, out = np.ones(100_000), np.empty(100_000)
table = m.Machine([make.loop(np.exp, few, out)])
threading.Thread(target=long.run, args=(0, 20, 8), daemon=True).start()
for _ in range(20):
    time.sleep(0.002)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # seconds, for who waits for pieces that nobody is at
        for _ in range(20):
            out[:] = 0
            table.run(0, 1, 8)
            if not (out == np.exp(1.0)).all():
                os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
def test_pieces_that_were_left_when_a_process_was_forked_are_nobodys():
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED_AT_WORK], check=True, timeout=60)
