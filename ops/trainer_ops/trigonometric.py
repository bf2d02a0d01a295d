"""Trigonometric and hyperbolic functions and their inverses, (27)-(28)."""

from __future__ import annotations

import math
import operator
from functools import reduce

import numpy as np

from trainer import op
from trainer_ops._common import Array, draw, elementwise, shapes
from trainer_ops.poles import over, times

DEGREE = math.pi / 180

sin = op(np.sin).defvjp(x=lambda dy, x: times(dy, np.cos(x)))
cos = op(np.cos).defvjp(x=lambda dy, x: times(-dy, np.sin(x)))
tan = op(np.tan).defvjp(x=lambda dy, y: times(dy, 1 + y * y))
sinh = op(np.sinh).defvjp(x=lambda dy, x: times(dy, np.cosh(x)))
cosh = op(np.cosh).defvjp(x=lambda dy, x: times(dy, np.sinh(x)))
# Written 1 + y·(−y), which NumPy computes in one temporary array; 1 − y² takes two.
tanh = op(np.tanh).defvjp(x=lambda dy, y: (1 + y * -y) * dy)


def hypot1(x: Array) -> Array:
    """√(1 + x²), whose square may leave the range; for complex x by its two roots, on the right branch."""
    return np.sqrt(1 + 1j * x) * np.sqrt(1 - 1j * x) if x.dtype.kind == "c" else np.hypot(x, 1)


# From x = sin y follows dy/dx = 1/cos y = 1/√(1 − x²); the others likewise.

arcsin = op(np.arcsin).defvjp(x=lambda dy, x: over(dy, np.sqrt((1 - x) * (1 + x))))
arccos = op(np.arccos).defvjp(x=lambda dy, x: over(-dy, np.sqrt((1 - x) * (1 + x))))
arctan = op(np.arctan).defvjp(x=lambda dy, x: over(dy, 1 + x * x))
arcsinh = op(np.arcsinh).defvjp(x=lambda dy, x: over(dy, hypot1(x)))
arccosh = op(np.arccosh).defvjp(
    x=lambda dy, x: over(dy, np.sqrt(x - 1) * np.sqrt(x + 1))
)  # two roots: right branch for complex x
arctanh = op(np.arctanh).defvjp(x=lambda dy, x: over(dy, (1 - x) * (1 + x)))

# The angle of the point (x2, x1): turning it moves along the circle of radius r² = x1² + x2².


def _turn(dy: Array, across: Array, other: Array) -> Array:
    """δy·across/r², divided by r twice, for r² may leave the range where the quotient does not."""
    r = np.hypot(across, other)
    return over(times(dy, across / r), r)


arctan2 = op(np.arctan2).defvjp(x1=lambda dy, x1, x2: _turn(dy, x2, x1), x2=lambda dy, x1, x2: _turn(-dy, x1, x2))

TO_RADIANS = tuple(op(f).defvjp(x=lambda dy: dy * DEGREE) for f in (np.deg2rad, np.radians))
TO_DEGREES = tuple(op(f).defvjp(x=lambda dy: dy / DEGREE) for f in (np.rad2deg, np.degrees))

elementwise(sin, cos, sinh, cosh, tanh, arctan, arcsinh, *TO_RADIANS, *TO_DEGREES)
elementwise(tan, low=-1.2, high=1.2)
elementwise(arcsin, arccos, arctanh, low=-0.9, high=0.9)
elementwise(arccosh, low=1.2)
elementwise(arctan2, low=0.3)


@op(implements=np.sinc)
def sinc(x: Array) -> Array:
    """sin(πx)/(πx), and 1 at 0, as `np.sinc`. Derivatives of every order are right at 0 and near it."""
    return np.sinc(x)


@op
def sinc_derivative(x: Array, *, order: int = 1) -> Array:
    """The derivative of that order of sin(πx)/(πx).

    From x·s⁽ⁿ⁾ + n·s⁽ⁿ⁻¹⁾ = πⁿ⁻¹ sin(πx + nπ/2), the n-th derivative of x·sinc(x), away from 0. Near 0 that recurrence
    cancels, and the series Σₖ (−1)ᵏ π²ᵏ/(2k+1)! · (2k)!/(2k−n)! · x²ᵏ⁻ⁿ is used.

    >>> float(sinc_derivative(np.float64(0.0), order=2))  # −π²/3
    -3.289868133696453
    """
    near = np.abs(x.real) < 0.5 + 0.5 * order
    inside = np.where(near, x, 0).astype(np.float32 if x.dtype == np.float16 else x.dtype)  # whose powers stay finite
    terms = (_term(k, order) * inside ** (2 * k - order) for k in range((order + 1) // 2, 22 + 3 * order))
    series = reduce(operator.add, terms)
    far = np.where(near, 1, x)
    y = np.sin(math.pi * far) / (math.pi * far)
    for n in range(1, order + 1):
        y = (math.pi ** (n - 1) * np.sin(math.pi * far + n * math.pi / 2) - n * y) / far
    return np.where(near, series.astype(x.dtype), y)


def _term(k: int, n: int) -> float:
    return float((-1) ** k * math.pi ** (2 * k) / (2 * k + 1) * (1 / math.factorial(2 * k - n)))


sinc.defvjp(x=lambda dy, x: times(dy, sinc_derivative(x, order=1)))
sinc_derivative.defvjp(x=lambda dy, x, order: times(dy, sinc_derivative(x, order=order + 1)))
draw(sinc, *shapes((3, 4), ()), [np.array([0.0, -1e-3, 0.4])])
draw(sinc_derivative, *shapes((3, 4), ()), [(3, 4), {"order": 2}], [np.array([0.0, 1e-9, -1e-3])])


@op(implements=np.unwrap)
def unwrap(p: Array, *, discont: float | None = None, axis: int = -1, period: float = 2 * math.pi) -> Array:
    """Angles without jumps of more than half a period, as `np.unwrap`: whole periods are added, so the slope is 1."""
    return np.unwrap(p, discont=discont, axis=axis, period=period)


unwrap.defvjp(p=lambda dy: dy)
draw(unwrap, *shapes((7,), (3, 4)), [(3, 4), {"axis": 0}], low=-6.0, high=6.0)
