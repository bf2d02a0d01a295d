"""From a recorded step to a running program: no instruction is trusted that was not tried."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.compiler import blas
from trainer.compiler.executors import native_available
from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.tracing import trace
from trainer.training.threads import pinned

if native_available():
    from trainer.compiler.machine import executor
    from trainer.compiler.machine.executor import NativeExecutor

needs_machine = pytest.mark.skipif(not native_available(), reason="no machine")


def trials(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the operations that are tried from now on, all of which pass; nothing was tried before."""
    tried: list[str] = []
    monkeypatch.setattr(executor, "_tried", {})
    monkeypatch.setattr(
        NativeExecutor, "_try", lambda self, bound, *rest: tried.append(bound.instruction.op.name) or ""
    )
    return tried


@needs_machine
@pytest.mark.parametrize(
    ("f", "calls"),
    [
        (lambda x: np.tanh(np.exp(np.tanh(np.exp(x)))), ["exp", "tanh", "exp"]),  # the first reads the input
        (
            lambda x: np.arctan2(np.arctan2(2.0, x), np.arctan2(x, 2.0)),
            ["arctan2", "arctan2", "arctan2"],
        ),  # one from another is no other from one
        (lambda x: np.arctan2(np.arctan2(x, 2.0), np.arctan2(x, 3.0)), ["arctan2", "arctan2", "arctan2"]),
        (lambda x: np.arctan2(np.exp(x), np.exp(x[::-1])), ["exp", "exp", "arctan2"]),
    ],
)
def test_calls_that_are_alike_are_tried_once_and_all_others_each(monkeypatch, f, calls):
    tried = trials(monkeypatch)
    NativeExecutor(trace(f, [np.ones(5)]).program)  # as it was written: no pass joins calls
    assert tried == calls


@needs_machine
def test_what_was_tried_once_in_a_process_is_tried_again_for_other_shapes_dtypes_and_threads(monkeypatch):
    tried = trials(monkeypatch)

    def prepare(dtype: type, *shape: int) -> list[str]:
        NativeExecutor(trace(lambda x: np.exp(x @ x), [np.ones(shape, dtype)]).program)
        new = list(tried)
        tried.clear()
        return new

    with pinned(1):
        assert prepare(np.float64, 5, 5) == ["matmul", "exp"]
        assert prepare(np.float64, 5, 5) == []
        assert prepare(np.float32, 5, 5) == ["matmul", "exp"]
        assert prepare(np.float64, 6, 6) == ["matmul", "exp"]
        assert prepare(np.float64, 5, 5) == []
    with blas.libraries().limit(limits=2):
        assert prepare(np.float64, 5, 5) == (["matmul", "exp"] if blas.threads() else [])


@needs_machine
def test_of_verdicts_the_last_thousands_are_kept(monkeypatch):
    tried = trials(monkeypatch)
    monkeypatch.setattr(executor, "MOST", 3)
    programs = [trace(np.exp, [np.ones(n)]).program for n in range(2, 8)]
    for program in programs:
        NativeExecutor(program)
    assert len(executor._tried) == 3
    tried.clear()
    for program in (programs[-1], programs[0]):
        NativeExecutor(program)
    assert tried == ["exp"]  # of the first


@needs_machine
@pytest.mark.parametrize("f", [lambda z: np.abs(z[::-1]), lambda z: np.square(z[::-1])])
def test_few_complex_numbers_in_another_order_are_tried_often(f):
    """NumPy's loops round them otherwise in vectors than one by one, which two thirds of single numbers do not show."""
    rng, program = np.random.default_rng(0), trace(f, [np.ones(1, complex)]).program
    native, plain = NativeExecutor(program), NumpyExecutor(program)
    for _ in range(60):
        z = rng.normal(size=1) + 1j * rng.normal(size=1)
        assert native.run([z])[0].tobytes() == plain.run([z])[0].tobytes()
