"""A cotangent of exactly 0 gives exactly 0 through every element-wise rule, whatever the element is."""

import warnings
from typing import Any

import numpy as np
import pytest

import trainer_ops
from trainer import Op, vjp
from trainer.engine.rules import Rule

ELEMENTWISE = [
    o
    for o in trainer_ops.ops()
    if o.elementwise and o.name != "direction" and any(isinstance(r, Rule) for r in o.rules.values())
]
# On the path of every training: their slopes are finite wherever the element is, and they are not guarded against nan.
ACTIVATIONS = {
    "tanh", "sigmoid", "log_sigmoid", "softplus", "swish", "silu", "mish", "normal_cdf", "gelu", "elu", "selu", "celu",
    "softsign", "squareplus", "hard_swish", "tanhshrink",
}  # fmt: skip
VALUES = (0.0, -0.0, 1.0, -1.0, np.nan)
FAR = (1e308, -1e308, 1e-308, np.inf, -np.inf)  # not for SciPy's functions: some of them sum that many terms
SCIPY = ("special", "bessel", "hypergeometric", "probability")


def spoilt(one: Op) -> Any:
    """Samples of `one` with each of VALUES in the first element of one of its differentiable inputs."""
    for arrays, attributes in list(one.sample_calls(np.random.default_rng(0)))[:2]:
        shape = np.broadcast_shapes(*(np.shape(a) for a in arrays if a is not None))
        full = [None if a is None else np.array(np.broadcast_to(a, shape)).reshape(-1) for a in arrays]
        for i, name in enumerate(one.inputs):
            if isinstance(one.rules[name], Rule) and i < len(full) and np.result_type(full[i]).kind == "f":
                for value in VALUES + (() if one.module.rpartition(".")[2] in SCIPY else FAR):
                    if one.name in ACTIVATIONS and not np.isfinite(value):
                        continue
                    changed = [a if a is None else a.copy() for a in full]
                    changed[i][:1] = value
                    yield i, value, changed, attributes


@pytest.mark.parametrize("one", ELEMENTWISE, ids=lambda o: o.name)
def test_a_cotangent_of_zero_gives_zero_whatever_the_element_is(one: Op) -> None:
    for i, value, arrays, attributes in spoilt(one):

        def f(x: Any) -> Any:
            return one(*arrays[:i], x, *arrays[i + 1 :], **attributes)  # noqa: B023 — called at once

        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y, pullback = vjp(f, arrays[i])
            dy = tuple(map(np.zeros_like, y)) if isinstance(y, tuple) else np.zeros_like(y)
            (g,) = pullback(dy)
        assert (g == 0).all(), f"{one.name} at {one.inputs[i]} = {value}: {g}"
        assert g.dtype == arrays[i].dtype
