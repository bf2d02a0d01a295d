"""Exponentials and logarithms, (27)-(28). Where the output is all that the derivative needs, it is all that is kept."""

from __future__ import annotations

import math

import numpy as np

from trainer import op
from trainer_ops._common import elementwise

LN2, LN10 = math.log(2), math.log(10)

exp = op(np.exp).defvjp(x=lambda dy, y: dy * y)
exp2 = op(np.exp2).defvjp(x=lambda dy, y: dy * y * LN2)
expm1 = op(np.expm1).defvjp(x=lambda dy, y: dy * (y + 1))
log = op(np.log).defvjp(x=lambda dy, x: dy / x)
log2 = op(np.log2).defvjp(x=lambda dy, x: dy / (x * LN2))
log10 = op(np.log10).defvjp(x=lambda dy, x: dy / (x * LN10))
log1p = op(np.log1p).defvjp(x=lambda dy, x: dy / (1 + x))

# y = log(e^x1 + e^x2) has ∂y/∂x1 = e^x1/(e^x1 + e^x2) = e^(x1−y), which never overflows.

logaddexp = op(np.logaddexp).defvjp(x1=lambda dy, x1, y: dy * np.exp(x1 - y), x2=lambda dy, x2, y: dy * np.exp(x2 - y))
logaddexp2 = op(np.logaddexp2).defvjp(
    x1=lambda dy, x1, y: dy * np.exp2(x1 - y), x2=lambda dy, x2, y: dy * np.exp2(x2 - y)
)

elementwise(exp, exp2, expm1, logaddexp, logaddexp2)
elementwise(log, log2, log10, log1p, low=0.3)
