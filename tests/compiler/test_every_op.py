"""Every op's samples, forward and backward, give the same bits eagerly, as NumPy's calls, and on the machine."""

from __future__ import annotations

import numpy as np
import pytest

from trainer import Op, vjp
from trainer.compiler.executors import best_executor
from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.passes import simplify
from trainer.compiler.tracing import trace
from trainer.engine.tree import flatten
from trainer.plugins import shared

OPS = {name: c.target for name, c in shared().all("ops").items() if isinstance(c.target, Op)}


def cast(value, dtype):
    """A sample's array in another precision; what is no float stays as it is."""
    value = np.asarray(value) if isinstance(value, float | list) else value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fc":
        return value.astype(dtype if value.dtype.kind == "f" else {"f": "F", "d": "D"}[np.dtype(dtype).char])
    return value


def bits(tree):
    return [np.asarray(leaf).tobytes() for leaf in flatten(tree)[0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", OPS)
def test_the_same_bits(name, dtype):
    op = OPS[name]
    for arrays, attributes in op.sample_calls(np.random.default_rng(0)):
        arrays = tuple(cast(a, dtype) for a in arrays)
        live = [i for i, a in enumerate(arrays) if _differentiable(op, i, a)]

        plain = [i for i, a in enumerate(arrays) if isinstance(a, np.ndarray | np.generic)]

        def both(*given, arrays=arrays, attributes=attributes, live=live, plain=plain):
            given = dict(enumerate(arrays)) | dict(zip(plain, given, strict=True))
            given = [given[i] for i in range(len(arrays))]

            def forward(*chosen):
                replaced = list(given)
                for i, value in zip(live, chosen, strict=True):
                    replaced[i] = value
                return op(*replaced, **attributes)

            if not live:
                return op(*given, **attributes)
            y, pullback = vjp(forward, *(given[i] for i in live))
            outputs, rebuild = flatten(y)
            if not any(o.dtype.kind in "fc" for o in outputs):
                return y
            return y, pullback(rebuild([np.ones(o.shape, o.dtype) for o in outputs]))

        with np.errstate(all="ignore"):
            inputs = [arrays[i] for i in plain]
            expected = bits(both(*inputs))
            record = trace(both, inputs)
            program, rebuild = record.program, record.rebuild
            small = simplify(program)
            for executor in (NumpyExecutor(program), NumpyExecutor(small), best_executor(small)):
                for _ in range(2):
                    assert bits(rebuild(executor.run(inputs))) == expected, (executor.name, repr(small))


def _differentiable(op, i, array):
    name = op.inputs[0 if op.variadic else i]
    kind = getattr(array, "dtype", None)
    return name in op.differentiable and kind is not None and kind.kind in "fc"
