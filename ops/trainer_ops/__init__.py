"""The ops and costs that ship: NumPy's functions made differentiable, activations, softmax, costs. The first plugin.

NumPy's functions need no import from here: once this package is loaded, `np.tanh(t)` is recorded. The names below are
the functions that NumPy does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainer import Op, hookimpl
from trainer_ops import (
    activations,
    arithmetic,
    assembling,
    calculus,
    comparison,
    complexes,
    costs,
    counting,
    cumulative,
    einsum,
    exponential,
    indexing,
    joining,
    nan_reductions,
    ordering,
    polynomials,
    products,
    reductions,
    shaping,
    softmaxes,
    statistics,
    trigonometric,
)
from trainer_ops.activations import (
    celu,
    elu,
    gelu,
    glu,
    hard_sigmoid,
    hard_swish,
    hard_tanh,
    hardshrink,
    leaky_relu,
    log_sigmoid,
    mish,
    normal_cdf,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softplus,
    softshrink,
    softsign,
    squareplus,
    swish,
)
from trainer_ops.costs import (
    hinge,
    huber,
    mean_absolute_error,
    mean_squared_error,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from trainer_ops.indexing import scatter_add, scatter_along_axis, scatter_take
from trainer_ops.shaping import flatten, sum_to
from trainer_ops.softmaxes import log_softmax, logsumexp, softmax

__all__ = [
    "celu", "elu", "flatten", "gelu", "glu", "hard_sigmoid", "hard_swish", "hard_tanh", "hardshrink", "hinge", "huber",
    "leaky_relu", "log_sigmoid", "log_softmax", "logsumexp", "mean_absolute_error", "mean_squared_error", "mish",
    "normal_cdf", "prelu", "relu", "relu6", "scatter_add", "scatter_along_axis", "scatter_take", "selu", "sigmoid",
    "sigmoid_cross_entropy", "silu", "softmax", "softmax_cross_entropy", "softplus", "softshrink", "softsign",
    "squareplus", "sum_to", "swish",
]  # fmt: skip

FAMILIES = (
    arithmetic, exponential, trigonometric, comparison, complexes, reductions, cumulative, shaping, joining, indexing,
    assembling, ordering, counting, nan_reductions, statistics, calculus, polynomials, products, einsum, activations,
    softmaxes,
)  # fmt: skip


def ops() -> Iterator[Op]:
    """Every op of the families, once, in the order of the files."""
    for family in FAMILIES:
        mine = [v for name, v in vars(family).items() if not name.startswith("_")]
        flat = [o for v in mine for o in (v if isinstance(v, tuple) else (v,))]
        yield from dict.fromkeys(o for o in flat if isinstance(o, Op) and o.module == family.__name__)


@hookimpl
def register_ops(register: Any) -> None:
    for op in ops():
        register(op)


@hookimpl
def register_costs(register: Any) -> None:
    for cost, traits in costs.COSTS.items():
        register(cost, **traits)
