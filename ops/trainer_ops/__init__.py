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
    attention,
    bessel,
    calculus,
    comparison,
    complexes,
    convolution,
    costs,
    counting,
    cumulative,
    decompositions,
    einsum,
    embeddings,
    exponential,
    fft,
    focal,
    gated_activations,
    hypergeometric,
    indexing,
    joining,
    likelihoods,
    linalg,
    margins,
    nan_reductions,
    normalization,
    ordering,
    poles,
    polynomials,
    pooling,
    probability,
    products,
    recurrence,
    reductions,
    regularization,
    robust_costs,
    scipy_linalg,
    shaping,
    softmaxes,
    special,
    statistics,
    structured_matrices,
    trigonometric,
    windows,
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
from trainer_ops.attention import masked_softmax, scaled_dot_product_attention
from trainer_ops.convolution import (
    conv,
    conv1d,
    conv1d_transpose,
    conv2d,
    conv2d_transpose,
    conv3d,
    conv3d_transpose,
    conv_input,
    conv_transpose,
    conv_weights,
)
from trainer_ops.costs import (
    hinge,
    huber,
    mean_absolute_error,
    mean_squared_error,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from trainer_ops.embeddings import embedding, one_hot, segment_mean, segment_sum
from trainer_ops.focal import sigmoid_focal, softmax_focal
from trainer_ops.gated_activations import geglu, maxout, reglu, swiglu, tanhshrink, threshold
from trainer_ops.indexing import scatter_add, scatter_along_axis, scatter_take
from trainer_ops.likelihoods import gaussian, kl_divergence, negative_log_likelihood, poisson
from trainer_ops.margins import categorical_hinge, cosine, multi_margin, squared_hinge, triplet, triplet_margin
from trainer_ops.normalization import (
    batch_norm,
    batch_norm_inference,
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
)
from trainer_ops.poles import guarded, over, times
from trainer_ops.pooling import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
)
from trainer_ops.recurrence import gru_states, lstm_states, rnn_states
from trainer_ops.regularization import dropout
from trainer_ops.robust_costs import log_cosh, pinball
from trainer_ops.shaping import flatten, sum_to
from trainer_ops.softmaxes import log_softmax, logsumexp, softmax
from trainer_ops.windows import contiguous, overlap_add

__all__ = [
    "adaptive_average_pool",
    "adaptive_max_pool",
    "average_pool",
    "batch_norm",
    "batch_norm_inference",
    "categorical_hinge",
    "celu",
    "contiguous",
    "conv",
    "conv1d",
    "conv1d_transpose",
    "conv2d",
    "conv2d_transpose",
    "conv3d",
    "conv3d_transpose",
    "conv_input",
    "conv_transpose",
    "conv_weights",
    "cosine",
    "dropout",
    "elu",
    "embedding",
    "flatten",
    "gaussian",
    "geglu",
    "gelu",
    "global_average_pool",
    "global_max_pool",
    "glu",
    "group_norm",
    "gru_states",
    "guarded",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "hardshrink",
    "hinge",
    "huber",
    "instance_norm",
    "kl_divergence",
    "layer_norm",
    "leaky_relu",
    "log_cosh",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "lstm_states",
    "masked_softmax",
    "max_pool",
    "maxout",
    "mean_absolute_error",
    "mean_squared_error",
    "mish",
    "multi_margin",
    "negative_log_likelihood",
    "normal_cdf",
    "one_hot",
    "over",
    "overlap_add",
    "pinball",
    "poisson",
    "prelu",
    "reglu",
    "relu",
    "relu6",
    "rms_norm",
    "rnn_states",
    "scaled_dot_product_attention",
    "scatter_add",
    "scatter_along_axis",
    "scatter_take",
    "segment_mean",
    "segment_sum",
    "selu",
    "sigmoid",
    "sigmoid_cross_entropy",
    "sigmoid_focal",
    "silu",
    "softmax",
    "softmax_cross_entropy",
    "softmax_focal",
    "softplus",
    "softshrink",
    "softsign",
    "squared_hinge",
    "squareplus",
    "sum_to",
    "swiglu",
    "swish",
    "tanhshrink",
    "threshold",
    "times",
    "triplet",
    "triplet_margin",
]  # fmt: skip

FAMILIES = (
    poles,
    arithmetic, exponential, trigonometric, comparison, complexes, reductions, cumulative, shaping, joining, indexing,
    assembling, ordering, counting, nan_reductions, statistics, calculus, polynomials, products, einsum, activations,
    softmaxes, gated_activations,
    windows, convolution, pooling, normalization, attention, embeddings, recurrence,
    regularization,
    linalg, decompositions, fft, special, bessel, hypergeometric, probability, scipy_linalg,
    structured_matrices,
)  # fmt: skip

# Every cost, with what the loop wants to know of it.
COSTS = costs.COSTS | likelihoods.COSTS | focal.COSTS | margins.COSTS | robust_costs.COSTS


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
def register_layers(register: Any) -> None:
    from trainer_ops.layers import LAYERS  # here, since a program that wants ops alone does without their classes

    for layer in LAYERS:
        register(layer)


@hookimpl
def register_costs(register: Any) -> None:
    for cost, traits in COSTS.items():
        register(cost, **traits)
