"""What the machine draws is what NumPy's Philox generator draws, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.compiler.executors import native_available
from trainer.compiler.tracing import trace
from trainer.engine.random import uniform
from trainer.rng import generator, key


@pytest.mark.skipif(not native_available(), reason="no machine")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1,), (3,), (4,), (7, 5), (64, 33), (8193,)])
def test_the_machine_draws_what_numpy_draws(dtype, shape):
    from trainer.compiler.machine.executor import NativeExecutor

    own = key(3, "a layer")
    program = trace(lambda step: uniform(step, key=own, shape=shape, dtype=dtype), [np.int64(0)]).program
    executor = NativeExecutor(program)
    assert not executor.called_back
    for step in (0, 1, 2**31, 2**40 + 5):
        drawn = executor.run([np.int64(step)])[0]
        expected = generator(3, "a layer", step).random(shape, dtype=np.dtype(dtype).type)
        np.testing.assert_array_equal(drawn, expected)
        assert drawn.dtype == dtype
