"""Exponentials and logarithms, (27)-(28). Where the output is all that the derivative needs, it is all that is kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer import op
from trainer_ops._common import Array, elementwise
from trainer_ops.poles import over, times

LN2, LN10 = math.log(2), math.log(10)

exp = op(np.exp).defvjp(x=lambda dy, y: times(dy, y))
exp2 = op(np.exp2).defvjp(x=lambda dy, y: times(dy, y) * LN2)
expm1 = op(np.expm1).defvjp(x=lambda dy, x: times(dy, np.exp(x)))
log = op(np.log).defvjp(x=lambda dy, x: over(dy, x))
log2 = op(np.log2).defvjp(x=lambda dy, x: over(dy, x * LN2))
log10 = op(np.log10).defvjp(x=lambda dy, x: over(dy, x * LN10))
log1p = op(np.log1p).defvjp(x=lambda dy, x: over(dy, 1 + x))

# y = log(e^x1 + e^x2) has ∂y/∂x1 = e^x1/(e^x1 + e^x2) = e^(x1−y)/(e^(x1−y) + e^(x2−y)), which never overflows, and
# in which the rounding of y plays no part.

# An infinite x1 takes it all, and ∞ − ∞ would be nan; of two −∞ no share exists.


def _below(x: Array, y: Array) -> Array:
    return np.where(x == math.inf, 0, x - y)


def _share(power: Any, x: Array, other: Array, y: Array) -> Array:
    own = power(_below(x, y))
    return own / (own + power(_below(other, y)))


logaddexp = op(np.logaddexp).defvjp(
    x1=lambda dy, x1, x2, y: times(dy, _share(np.exp, x1, x2, y)),
    x2=lambda dy, x1, x2, y: times(dy, _share(np.exp, x2, x1, y)),
)
logaddexp2 = op(np.logaddexp2).defvjp(
    x1=lambda dy, x1, x2, y: times(dy, _share(np.exp2, x1, x2, y)),
    x2=lambda dy, x1, x2, y: times(dy, _share(np.exp2, x2, x1, y)),
)

elementwise(exp, exp2, expm1, logaddexp, logaddexp2)
elementwise(log, log2, log10, log1p, low=0.3)
