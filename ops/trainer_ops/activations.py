"""Activations: functions of one array, element by element, (20), for use between layers by name.

`tanh`, `sin`, `absolute` and every other ufunc of one array serve as well. At a corner the derivative is that of the
flat side, where there is one: relu'(0) = 0, as in JAX and PyTorch. Where the output gives the derivative, the output is
what is kept.
"""

from __future__ import annotations

import math

import numpy as np

from trainer import op
from trainer.engine.dispatch import instead
from trainer.errors import ShapeError
from trainer_ops._common import Array, draw, elementwise, shapes

# Rectifiers.


@op(elementwise=True)
def relu(x: Array) -> Array:
    """max(x, 0). Nair & Hinton, 2010. relu'(0) = 0.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(x, 0)


@op(elementwise=True)
def relu6(x: Array) -> Array:
    """min(max(x, 0), 6). Krizhevsky, 2010. Derivative 0 at both corners.

    >>> relu6(np.array([-1.0, 2.0, 7.0]))
    array([0., 2., 6.])
    """
    return np.minimum(np.maximum(x, 0), 6)


@op(elementwise=True)
def leaky_relu(x: Array, *, negative_slope: float = 0.01) -> Array:
    """x, times `negative_slope` where it is negative. Maas et al., 2013. At 0 the derivative is `negative_slope`.

    >>> leaky_relu(np.array([-1.0, 2.0]), negative_slope=0.1)
    array([-0.1,  2. ])
    """
    return np.where(x > 0, x, negative_slope * x)


@op(elementwise=True)
def prelu(x: Array, slope: Array) -> Array:
    """x, times the learnable `slope` (which broadcasts) where it is negative. He et al., 2015.

    >>> prelu(np.array([-1.0, 2.0]), np.array([0.5, 0.5]))
    array([-0.5,  2. ])
    """
    return np.where(x > 0, x, slope * x)


relu.defvjp(x=lambda dy, y: dy * (y > 0))
relu6.defvjp(x=lambda dy, y: dy * ((y > 0) & (y < 6)))
leaky_relu.defvjp(x=lambda dy, x, negative_slope: np.where(x > 0, dy, negative_slope * dy))
prelu.defvjp(x=lambda dy, x, slope: np.where(x > 0, dy, slope * dy), slope=lambda dy, x: np.where(x > 0, 0, x * dy))
elementwise(relu, relu6, leaky_relu, low=-3.0, high=7.5)
draw(leaky_relu, *shapes((3, 4)), [(3, 4), {"negative_slope": 0.2}])
draw(prelu, [(3, 4), (4,)], [(3, 4), ()])

# The logistic function and its kin.


@op(elementwise=True)
def sigmoid(x: Array) -> Array:
    """σ(x) = 1/(1 + e^−x), (12), with σ' = σ·(1 − σ).

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    with np.errstate(over="ignore"):  # 1/(1 + ∞) is the 0 that is meant
        return 1 / (1 + np.exp(-x))


@op(elementwise=True)
def log_sigmoid(x: Array) -> Array:
    """log σ(x) = −log(1 + e^−x), without overflow.

    >>> log_sigmoid(np.array([-1000.0, 0.0]))
    array([-1.00000000e+03, -6.93147181e-01])
    """
    return -np.logaddexp(0, -x)


@op(elementwise=True)
def softplus(x: Array) -> Array:
    """log(1 + e^x), a smooth relu. Dugas et al., 2001. Its derivative is σ.

    >>> softplus(np.array([0.0, 1000.0]))
    array([6.93147181e-01, 1.00000000e+03])
    """
    return np.logaddexp(0, x)


@op(elementwise=True)
def swish(x: Array, *, beta: float = 1.0) -> Array:
    """x·σ(βx). Ramachandran et al., 2017.

    >>> swish(np.array([0.0, 1.0]), beta=2.0)
    array([0.        , 0.88079708])
    """
    return x * sigmoid(beta * x)


@op(elementwise=True)
def silu(x: Array) -> Array:
    """x·σ(x). Elfwing et al., 2017.

    >>> silu(np.array([0.0, 1.0]))
    array([0.        , 0.73105858])
    """
    return x * sigmoid(x)


sigmoid.defvjp(x=lambda dy, y: dy * (y * (1 - y)))
log_sigmoid.defvjp(x=lambda dy, x: dy * sigmoid(-x))
softplus.defvjp(x=lambda dy, x: dy * sigmoid(x))
instead("scipy.special.softplus", softplus)


def _swish(dy: Array, x: Array, beta: float = 1.0) -> Array:
    """(x·s)' = s + x·βs(1 − s) with s = σ(βx), by (10)."""
    s = sigmoid(beta * x)
    return dy * (s + beta * x * s * (1 - s))


swish.defvjp(x=lambda dy, x, beta: _swish(dy, x, beta))
silu.defvjp(x=lambda dy, x: _swish(dy, x))
elementwise(sigmoid, log_sigmoid, softplus, silu)
draw(swish, *shapes((3, 4), ()), [(3, 4), {"beta": 2.0}])


@op(elementwise=True)
def mish(x: Array) -> Array:
    """x·tanh(softplus(x)). Misra, 2019.

    >>> mish(np.array([0.0, 1.0]))
    array([0.        , 0.86509839])
    """
    return x * np.tanh(np.logaddexp(0, x))


@mish.vjp("x")
def _(dy: Array, x: Array) -> Array:
    t = np.tanh(np.logaddexp(0, x))
    return dy * (t + x * (1 - t * t) * sigmoid(x))


@op(elementwise=True)
def normal_cdf(x: Array) -> Array:
    """Φ(x), the standard normal distribution function, with Φ' = φ. SciPy's `ndtr`, imported at the first call.

    >>> normal_cdf(np.array([0.0]))
    array([0.5])
    """
    from scipy.special import ndtr

    return ndtr(x)


def _density(x: Array) -> Array:
    """φ(x) = e^(−x²/2)/√(2π)."""
    return np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))


@op(elementwise=True)
def gelu(x: Array, *, approximate: bool = True) -> Array:
    """x·Φ(x), with Φ the normal distribution function. Hendrycks & Gimpel, 2016.

    Args:
        approximate: take Φ(x) ≈ ½(1 + tanh(√(2/π)(x + 0.044715 x³))), as the paper and JAX do; False is exact.

    >>> gelu(np.array([0.0, 1.0]))
    array([0.        , 0.84119199])
    """
    return x * _gelu_cdf(x) if approximate else x * normal_cdf(x)


def _gelu_cdf(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


@gelu.vjp("x")
def _(dy: Array, x: Array, *, approximate: bool) -> Array:
    if not approximate:
        return dy * (normal_cdf(x) + x * _density(x))
    p = _gelu_cdf(x)  # with p = ½(1 + t): p' = ½(1 − t²)u' = 2p(1 − p)u', where u' must not overflow
    return dy * (p + x * (2 * p * (1 - p)) * (math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * np.minimum(x * x, 1e9))))


normal_cdf.defvjp(x=lambda dy, x: dy * _density(x))
elementwise(mish, normal_cdf)
draw(gelu, *shapes((3, 4), ()), [(3, 4), {"approximate": False}])

# Exponential on the left, linear on the right. The exponential sees min(x, 0), so that no branch overflows.


@op(elementwise=True)
def elu(x: Array, *, alpha: float = 1.0) -> Array:
    """x, or α(e^x − 1) where it is negative. Clevert et al., 2015.

    >>> elu(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


@op(elementwise=True)
def selu(x: Array) -> Array:
    """λ·elu(x) with the λ and α that keep mean 0 and variance 1. Klambauer et al., 2017.

    >>> selu(np.array([-1000.0, 1.0]))
    array([-1.75809934,  1.05070099])
    """
    return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0)))


@op(elementwise=True)
def celu(x: Array, *, alpha: float = 1.0) -> Array:
    """x, or α(e^(x/α) − 1) where it is negative. Barron, 2017.

    >>> celu(np.array([-1000.0, 2.0]), alpha=0.5)
    array([-0.5,  2. ])
    """
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


elu.defvjp(x=lambda dy, x, alpha: np.where(x > 0, dy, dy * alpha * np.exp(np.minimum(x, 0))))
selu.defvjp(x=lambda dy, x: SELU_SCALE * np.where(x > 0, dy, dy * SELU_ALPHA * np.exp(np.minimum(x, 0))))
celu.defvjp(x=lambda dy, x, alpha: np.where(x > 0, dy, dy * np.exp(np.minimum(x, 0) / alpha)))
for _op in (elu, celu):
    draw(_op, *shapes((3, 4), ()), [(3, 4), {"alpha": 0.5}])
elementwise(selu)

# Rational and piecewise linear.


@op(elementwise=True)
def softsign(x: Array) -> Array:
    """x/(1 + |x|). Turian et al., 2009.

    >>> softsign(np.array([-1.0, 0.0, 3.0]))
    array([-0.5 ,  0.  ,  0.75])
    """
    return x / (1 + np.abs(x))


@op(elementwise=True)
def squareplus(x: Array, *, b: float = 4.0) -> Array:
    """½(x + √(x² + b)), a relu without transcendental functions. Barron, 2021.

    >>> squareplus(np.array([0.0, 1.5]))
    array([1., 2.])
    """
    y = 0.5 * np.abs(x) + 0.5 * np.hypot(x, math.sqrt(b))
    return np.where(x > 0, y, 0.25 * b / y)  # ½(x + √…) cancels below 0, and its product with ½(−x + √…) is b/4


@op(elementwise=True)
def hard_tanh(x: Array) -> Array:
    """x held between −1 and 1. Derivative 0 at the corners.

    >>> hard_tanh(np.array([-2.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    return np.minimum(np.maximum(x, -1), 1)


@op(elementwise=True)
def hard_sigmoid(x: Array) -> Array:
    """min(max(x + 3, 0), 6)/6. Howard et al., 2019. Derivative 0 at the corners.

    >>> hard_sigmoid(np.array([-4.0, 0.0, 4.0]))
    array([0. , 0.5, 1. ])
    """
    return np.minimum(np.maximum(x + 3, 0), 6) / 6


@op(elementwise=True)
def hard_swish(x: Array) -> Array:
    """x·hard_sigmoid(x). Howard et al., 2019.

    >>> hard_swish(np.array([-4.0, 0.0, 4.0]))
    array([-0.,  0.,  4.])
    """
    return x * hard_sigmoid(x)


@op(elementwise=True)
def softshrink(x: Array, *, threshold: float = 0.5) -> Array:
    """x moved towards 0 by `threshold`, and 0 where it is nearer.

    >>> softshrink(np.array([-2.0, 0.2, 2.0]))
    array([-1.5,  0. ,  1.5])
    """
    return np.maximum(x - threshold, 0) + np.minimum(x + threshold, 0)


@op(elementwise=True)
def hardshrink(x: Array, *, threshold: float = 0.5) -> Array:
    """x, or 0 where |x| is at most `threshold`.

    >>> hardshrink(np.array([-2.0, 0.2, 2.0]))
    array([-2.,  0.,  2.])
    """
    return np.where((x > threshold) | (x < -threshold), x, 0)


def _softsign(dy: Array, x: Array) -> Array:
    size = np.abs(x)
    r = 1 + size
    if x.dtype.kind == "c":  # d(x/r) = dx/r − x·Re(s̄·dx)/r² with s = sign x
        return (dy - np.conjugate(np.sign(x)) * np.real(dy * x) / r) / r
    return dy / (r * r)


softsign.defvjp(x=_softsign)
squareplus.defvjp(x=lambda dy, x, y, b: dy * (y / np.hypot(x, math.sqrt(b))))
hard_tanh.defvjp(x=lambda dy, y: dy * ((y > -1) & (y < 1)))
hard_sigmoid.defvjp(x=lambda dy, x: dy * ((x > -3) & (x < 3)) / 6)
hard_swish.defvjp(x=lambda dy, x: dy * (hard_sigmoid(x) + x * ((x > -3) & (x < 3)) / 6))
for _op in (softshrink, hardshrink):
    _op.defvjp(x=lambda dy, x, threshold: dy * ((x > threshold) | (x < -threshold)))
    draw(_op, *shapes((3, 4), ()), [(3, 4), {"threshold": 0.25}])
elementwise(softsign, hard_tanh)
elementwise(hard_sigmoid, hard_swish, low=-4.0, high=4.0)
draw(squareplus, *shapes((3, 4)), [(3, 4), {"b": 1.0}])

# Of whole arrays: one half opens and closes the other.


@op
def glu(x: Array, *, axis: int = -1) -> Array:
    """a·σ(b) for the halves a, b of x along `axis`, (…, 2k) → (…, k). Dauphin et al., 2017.

    >>> glu(np.array([3.0, 0.0]))
    array([1.5])
    """
    a, b = _halves(x, axis)
    return a * sigmoid(b)


def _halves(x: Array, axis: int) -> tuple[Array, Array]:
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"glu halves axis {axis}, and x is {x.shape}, without such an axis")
    before, n = (slice(None),) * (axis % x.ndim), x.shape[axis] // 2
    if x.shape[axis] % 2:
        raise ShapeError(f"glu halves axis {axis}, whose length {x.shape[axis]} is odd")
    return x[(*before, slice(None, n))], x[(*before, slice(n, None))]


@glu.vjp("x")
def _(dy: Array, x: Array, *, axis: int) -> Array:
    a, b = _halves(x, axis)
    s = sigmoid(b)
    return np.concatenate([dy * s, dy * a * s * (1 - s)], axis=axis)


draw(glu, *shapes((3, 4), (2,)), [(4, 3), {"axis": 0}])
