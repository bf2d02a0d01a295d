"""Attention: every query takes the mean of the values, weighted by how well their keys match.

A row that may look nowhere, because everything in it is masked, gives 0 and passes no gradient, where a plain softmax
would give nan. A key or value that is nan or infinite spoils the queries that may look at it, and no others: those give
nan.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer import op
from trainer.errors import ShapeError
from trainer_ops._common import Array, draw, total
from trainer_ops.shaping import sum_to

__all__ = ["masked_softmax", "scaled_dot_product_attention"]


@op
def masked_softmax(x: Array, mask: Array | None = None, *, axis: int = -1) -> Array:
    """e^x/Σ e^x along the axis over the elements that the mask keeps, and 0 elsewhere; 0 everywhere if it keeps none.

    Args:
        x: of any shape. An element of −∞ counts as masked.
        mask: bools that broadcast to x's shape, True for what is kept.

    >>> masked_softmax(np.array([[0.0, 0.0, 9.0], [1.0, 2.0, 3.0]]), np.array([[True, True, False], [False] * 3]))
    array([[0.5, 0.5, 0. ],
           [0. , 0. , 0. ]])
    """
    if mask is not None:
        x = np.where(mask, x, -math.inf)
    if not x.size:
        return np.zeros_like(x)
    top = np.max(x, axis=axis, keepdims=True)
    e = np.exp(x - np.where(np.isfinite(top), top, 0))
    sums = total(e, axis)
    return (e / np.where(sums == 0, 1, sums)).astype(x.dtype, copy=False)


@masked_softmax.vjp("x")
def _(dy: Array, y: Array, *, axis: int) -> Array:
    return y * (dy - np.sum(dy * y, axis=axis, keepdims=True))


masked_softmax.nondifferentiable("mask")


@op
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Array:
    """softmax(Q Kᵀ · scale + mask) V. Vaswani et al., *Attention is all you need*, 2017, equation (1).

    Args:
        query: (…, l, e).
        key: (…, s, e).
        value: (…, s, v). The leading axes of all three broadcast, as in `np.matmul`.
        mask: broadcasts to (…, l, s); bools, True where a query may look, or numbers that are added to the scores and
            may be learnt; −∞ there masks too.
        causal: the i-th query sees the first i + 1 keys alone.
        scale: 1/√e unless given.

    Returns:
        (…, l, v); zeros for a query that may look nowhere. The l × s weights are not kept for the backward sweep but
        computed again.

    >>> q, k, v = np.zeros((1, 2, 4)), np.zeros((1, 2, 4)), np.array([[[1.0], [3.0]]])
    >>> scaled_dot_product_attention(q, k, v, causal=True).ravel()
    array([1., 2.])
    """
    _check(query.shape, key.shape, value.shape, None if mask is None else np.shape(mask))
    p = _weights(query, key, mask, causal, _scale(scale, query.shape))
    if mask is None and not causal:
        return np.matmul(p, value)
    looked_at = np.matmul(p, np.any(~np.isfinite(value), axis=-1, keepdims=True).astype(p.dtype))
    return np.where(looked_at > 0, math.nan, np.matmul(p, _finite(value)))


def _finite(x: Array) -> Array:
    """x with 0 for nan and ±∞, which a weight of 0 must not meet in a sum: 0·∞ is nan."""
    return np.where(np.isfinite(x), x, 0)


def _scale(scale: float | None, query: tuple[int, ...]) -> float:
    return 1 / math.sqrt(query[-1]) if scale is None else scale


def _weights(query: Array, key: Array, mask: Array | None, causal: bool, scale: float) -> Array:
    scores = np.matmul(query * scale, np.swapaxes(key, -1, -2))
    keep = np.tri(scores.shape[-2], scores.shape[-1], dtype=bool) if causal else None
    if mask is not None:
        if mask.dtype == bool:
            keep = mask if keep is None else keep & mask
        else:
            scores = scores + mask
    return masked_softmax(scores, keep, axis=-1)


def _check(query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...], mask: tuple[int, ...] | None) -> None:
    """Refuse shapes that do not fit, and a mask that would enlarge the scores."""
    lead = None
    if min(len(query), len(key), len(value)) >= 2 and 0 < query[-1] == key[-1] and key[-2] == value[-2]:
        lead = _broadcast(query[:-2], key[:-2], value[:-2])
    if lead is None:
        raise ShapeError(
            "attention takes query (…, l, e), key (…, s, e) and value (…, s, v) with e ≥ 1, whose leading axes "
            f"broadcast; query is {query}, key {key} and value {value}"
        )
    scores = (*lead, query[-2], key[-2])
    if mask is not None and _broadcast(mask, scores) != scores:
        raise ShapeError(f"the mask is {mask}, which does not broadcast to the scores' shape {scores}")


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape that all of these broadcast to, or None."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


# With P the weights, S the scores and O = P V: δV = Pᵀ δO, δP = δO Vᵀ, δS = P ⊙ (δP − Σ δP⊙P) and, up to the scale,
# δQ = δS K, δK = δSᵀ Q.


@scaled_dot_product_attention.vjp("query", "key", "value", "mask")
def _(
    dy: Array, query: Array, key: Array, value: Array, mask: Any, wanted: Any,
    *, causal: bool, scale: float | None,
) -> tuple[Array | None, ...]:  # fmt: skip
    factor = _scale(scale, query.shape)
    p = _weights(query, key, mask, causal, factor)
    dvalue = sum_to(np.matmul(np.swapaxes(p, -1, -2), dy), shape=value.shape) if wanted[2] else None
    if not (wanted[0] or wanted[1] or wanted[3]):
        return None, None, dvalue, None
    if mask is not None or causal:
        key, value = _finite(key), _finite(value)
    dp = np.matmul(dy, np.swapaxes(value, -1, -2))
    ds = p * (dp - np.sum(dp * p, axis=-1, keepdims=True))
    return (
        sum_to(np.matmul(ds, key) * factor, shape=query.shape) if wanted[0] else None,
        sum_to(np.matmul(np.swapaxes(ds, -1, -2), query) * factor, shape=key.shape) if wanted[1] else None,
        dvalue,
        sum_to(ds, shape=mask.shape) if wanted[3] else None,
    )


# Operations: two products, and a softmax in between. Samples.


def _count(query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...], *rest: tuple[int, ...]) -> int:
    scores = math.prod(rest[-1][:-1]) * key[-2]
    return scores * (2 * query[-1] + 2 * value[-1] + 5)


scaled_dot_product_attention.operations(_count)
masked_softmax.operations(lambda x, *rest: 5 * math.prod(x))

_KEEP = np.array([[True, False, True, True], [False, False, False, False], [True, True, False, True]])
draw(masked_softmax, [(3, 4), _KEEP], [(2, 3, 4), _KEEP], [(3, 4), {"axis": 0}])
draw(
    scaled_dot_product_attention,
    [(2, 3, 2), (2, 4, 2), (2, 4, 3)],
    [(2, 3, 2), (4, 2), (2, 4, 1), _KEEP, {"scale": 0.5}],
    [(3, 2), (4, 2), (4, 2), (3, 4), {"causal": True}],
    [(2, 3, 2), (1, 3, 2), (3, 2), (3,)],
)
