"""Each input alone on the tape, the others plain arrays, of which NumPy's dispatch then knows nothing.

A rule must reach the tape all the same, to second order, and give what it gives with all of them on the tape.
"""

from __future__ import annotations

import numpy as np
import pytest

import trainer_ops
from tests.ops import op_checking
from trainer import vjp
from trainer.errors import TrainerError

OPS = [op for op in (*trainer_ops.ops(), *trainer_ops.COSTS) if op.variadic or len(op.differentiable) > 1]


def derivatives(call, x, c, v):
    """The gradient of c·call, and the second derivative along v."""

    def gradient(*x):
        y, pullback = vjp(call, *x)
        return pullback(c.astype(y.dtype))

    g, pullback = vjp(gradient, *x)
    return g, pullback(tuple(d.astype(a.dtype) for d, a in zip(v, g, strict=True)))


@pytest.mark.parametrize("one", OPS, ids=[op.name for op in OPS])
@pytest.mark.filterwarnings("ignore")
def test_a_python_number_is_an_input_like_an_array_of_no_axes(one):
    for arrays, attributes in one.sample_calls(np.random.default_rng(0)):
        for k, x in enumerate(arrays):
            if (
                not isinstance(x, np.ndarray)
                or x.dtype.kind not in "fc"
                or not (one.variadic or one.rules.get(one.inputs[k]))
            ):
                continue
            others = [np.ravel(a)[0] if isinstance(a, np.ndarray) and a.size else a for a in arrays]

            def gradient(convert, k=k, x=x, others=others, attributes=attributes):
                given = [x if i == k else convert(a) for i, a in enumerate(others)]
                y, pullback = vjp(lambda x: one(*given[:k], x, *given[k + 1 :], **attributes), x)
                return pullback(np.ones_like(y))[0]

            try:
                want = gradient(np.asarray)
            except (TrainerError, TypeError, ValueError, IndexError, AttributeError):
                continue  # an op that takes no such array
            got = gradient(lambda a: a.item() if isinstance(a, np.generic) else a)
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("one", OPS, ids=[op.name for op in OPS])
def test_one_input_at_a_time_gives_its_own_part(one):
    rng = np.random.default_rng(1)
    for arrays, attributes in one.sample_calls(np.random.default_rng(0)):
        call = op_checking.Call(one, arrays, attributes)
        if len(call.live) < 2:
            continue
        c, v = rng.normal(size=call(*call.x).shape), [rng.normal(size=a.shape) for a in call.x]
        for k, x in enumerate(call.x):
            along = [d if i == k else np.zeros_like(d) for i, d in enumerate(v)]
            first, second = derivatives(call, call.x, c, along)

            def alone(x, k=k, call=call):
                return call(*[x if i == k else a for i, a in enumerate(call.x)])

            (g,), (h,) = derivatives(alone, (x,), c, (v[k],))
            np.testing.assert_allclose(g, first[k], rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(h, second[k], rtol=1e-7, atol=1e-9)
