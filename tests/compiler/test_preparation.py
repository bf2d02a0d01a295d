"""From a recorded step to a running program: no instruction is trusted that was not tried."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.compiler.executors import native_available
from trainer.compiler.tracing import trace


@pytest.mark.skipif(not native_available(), reason="no machine")
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
    from trainer.compiler.machine.executor import NativeExecutor

    tried = []
    monkeypatch.setattr(
        NativeExecutor, "_try", lambda self, bound, *rest: tried.append(bound.instruction.op.name) or ""
    )
    program = trace(f, [np.ones(5)]).program  # as it was written: no pass joins calls
    NativeExecutor(program)
    assert tried == calls
