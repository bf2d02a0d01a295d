"""Arithmetic, element by element.

Edges. `maximum` and its kin share a tie between both inputs, half each. `absolute` has derivative 0 at 0. In x1**x2 the
derivative with respect to x1 is 0 where x2 is 0, and with respect to x2 is 0 where x1 is 0. All of these are JAX's.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from trainer import op
from trainer_ops._common import Array, draw, elementwise
from trainer_ops.poles import direction, over, times

# Sums and products, (21)-(26).

add = op(np.add).defvjp(x1=lambda dy: dy, x2=lambda dy: dy)
subtract = op(np.subtract).defvjp(x1=lambda dy: dy, x2=lambda dy: -dy)
negative = op(np.negative).defvjp(x=lambda dy: -dy)
positive = op(np.positive).defvjp(x=lambda dy: dy)
multiply = op(np.multiply).defvjp(x1=lambda dy, x2: times(dy, x2), x2=lambda dy, x1: times(dy, x1))

# Quotients. y = x1/x2 has ∂y/∂x2 = −x1/x2² = −y/x2.

divide = op(np.divide).defvjp(x1=lambda dy, x2: over(dy, x2), x2=lambda dy, y, x2: over(times(-dy, y), x2))
reciprocal = op(np.reciprocal).defvjp(x=lambda dy, y: times(times(-dy, y), y))
elementwise(add, subtract, negative, positive, multiply)
elementwise(divide, reciprocal, low=0.5)

# x1 = x2·⌊x1/x2⌋ + remainder; the floor is constant between its jumps. `fmod` rounds towards zero instead.

floor_divide = op(np.floor_divide).zero("x1", "x2")
remainder = op(np.remainder).defvjp(x1=lambda dy: dy, x2=lambda dy, x1, x2: times(-dy, np.floor_divide(x1, x2)))
fmod = op(np.fmod).defvjp(x1=lambda dy: dy, x2=lambda dy, x1, x2: times(-dy, np.trunc(x1 / x2)))
divmod_ = op(np.divmod).defvjp(x1=lambda dy: dy[1], x2=lambda dy, y: times(dy[1], -y[0]))
modf = op(np.modf).defvjp(x=lambda dy: dy[0])  # (fractional part, whole part)
elementwise(floor_divide, remainder, fmod, low=0.3, high=4.0)
draw(divmod_, [(3, 4), (3, 4)], [(3, 1), (4,)], low=0.3, high=4.0)
elementwise(modf)

# Powers.

square = op(np.square).defvjp(x=lambda dy, x: times(dy, 2 * x))
sqrt = op(np.sqrt).defvjp(x=lambda dy, y: over(dy, 2 * y))
cbrt = op(np.cbrt).defvjp(x=lambda dy, y: over(dy, 3 * y * y))


def _base(dy: Array, x1: Array, x2: Array) -> Array:
    """x2·x1^(x2−1). Where both are 0 the exponent is replaced, lest 0·0⁻¹ be nan."""
    if type(x2) in (int, float):  # a constant of the program, and weak: np.where would give it a dtype
        return times(dy, x2 * x1 ** (x2 - 1 if x2 else 1))
    return times(dy, x2 * x1 ** np.where((x1 == 0) & (x2 == 0), 1, x2 - 1))


def _exponent(dy: Array, x1: Array, y: Array) -> Array:
    """y·log x1. Where x1 is 0 so is the derivative: y has a zero there that is stronger than the logarithm's pole."""
    return times(times(dy, y), np.log(np.where(x1 == 0, 1, x1).astype(y.dtype)))


power = op(np.power).defvjp(x1=_base, x2=_exponent)
float_power = op(np.float_power).defvjp(x1=_base, x2=_exponent)
elementwise(square)
elementwise(sqrt, cbrt, power, float_power, low=0.3)


# NumPy's numbers multiply (where complex) and raise in an arithmetic of their own, which is not the ufunc's to the bit.


@op(implements=operator.mul)
def number_multiply(x1: Array, x2: Array) -> Array:
    """x1·x2 of two numbers, as NumPy's numbers multiply."""
    return _number(x1) * _number(x2)


@op(implements=operator.pow)
def number_power(x1: Array, x2: Array) -> Array:
    """x1^x2 of two numbers, as NumPy's numbers raise."""
    return _number(x1) ** _number(x2)


def _number(x: Array) -> Any:
    """The number in an array (); a program keeps each of its numbers in one."""
    return x[()] if isinstance(x, np.ndarray) else x


number_multiply.defvjp(x1=lambda dy, x2: times(dy, x2), x2=lambda dy, x1: times(dy, x1))
number_power.defvjp(x1=_base, x2=_exponent)
draw(number_multiply, [(), ()])
draw(number_power, [(), ()], low=0.3)

# Distances and signs. For complex x, d|x| = Re(x̄/|x| · dx) and sign x = x/|x|.

absolute = op(np.absolute).defvjp(x=lambda dy, x: times(dy, np.conjugate(np.sign(x))))
fabs = op(np.fabs).defvjp(x=lambda dy, x: times(dy, np.sign(x)))
# At the origin every direction is as good as its opposite.
hypot = op(np.hypot).defvjp(
    x1=lambda dy, x1, y: times(dy, direction(x1, y)), x2=lambda dy, x2, y: times(dy, direction(x2, y))
)
sign = op(np.sign)


@sign.vjp("x")
def _(dy: Array, x: Array, y: Array) -> Array:
    """A step for real x. For complex x, with r = |x|: dy = dx/r − y·Re(ȳ·dx)/r."""
    if x.dtype.kind != "c":
        return np.zeros(x.shape, x.dtype)
    r = np.abs(x)
    return (dy - np.conjugate(y) * np.real(dy * y)) / np.where(r == 0, np.nan, r)


copysign = op(np.copysign).zero("x2")
copysign.defvjp(x1=lambda dy, x1, x2: np.where(np.signbit(x1) == np.signbit(x2), dy, -dy))
elementwise(absolute, fabs, hypot, copysign, sign)

# The larger and the smaller. fmax and fmin pass a nan over, so its gradient goes to the other input.


def _half(dy: Array, ahead: Array, tie: Array) -> Array:
    """δy where this input is ahead, half of it in a tie, and 0 elsewhere."""
    return np.where(ahead, dy, np.where(tie, dy / 2, 0))


maximum = op(np.maximum).defvjp(
    x1=lambda dy, x1, x2: _half(dy, x1 > x2, x1 == x2), x2=lambda dy, x1, x2: _half(dy, x2 > x1, x1 == x2)
)
minimum = op(np.minimum).defvjp(
    x1=lambda dy, x1, x2: _half(dy, x1 < x2, x1 == x2), x2=lambda dy, x1, x2: _half(dy, x2 < x1, x1 == x2)
)
fmax = op(np.fmax).defvjp(
    x1=lambda dy, x1, x2: _half(dy, (x1 > x2) | np.isnan(x2), x1 == x2),
    x2=lambda dy, x1, x2: _half(dy, (x2 > x1) | np.isnan(x1), x1 == x2),
)
fmin = op(np.fmin).defvjp(
    x1=lambda dy, x1, x2: _half(dy, (x1 < x2) | np.isnan(x2), x1 == x2),
    x2=lambda dy, x1, x2: _half(dy, (x2 < x1) | np.isnan(x1), x1 == x2),
)
elementwise(maximum, minimum, fmax, fmin)

# Steps, and the parts of a floating-point number. heaviside is 0, x2 or 1 as x1 is below, at or above 0.

heaviside = op(np.heaviside).zero("x1").defvjp(x2=lambda dy, x1: np.where(x1 == 0, dy, 0))
nextafter = op(np.nextafter).zero("x2").defvjp(x1=lambda dy: dy)
ldexp = op(np.ldexp).nondifferentiable("x2").defvjp(x1=lambda dy, x2: np.ldexp(dy, x2))  # y = x1·2^x2
frexp = op(np.frexp).defvjp(x=lambda dy, y: np.ldexp(dy[0], -y[1]))  # x = mantissa·2^exponent
elementwise(heaviside)
elementwise(nextafter)
elementwise(ldexp, cast=lambda b: np.rint(b).astype(np.int32))
elementwise(frexp, low=1.1, high=1.9)

# Steps that are flat between their jumps.

FLAT = tuple(op(f).zero("x") for f in (np.floor, np.ceil, np.rint, np.trunc, np.spacing))
elementwise(*FLAT)


def _rounding(function: Any) -> Any:
    def forward(x: Array) -> Array:
        return function(x)

    forward.__doc__ = f"Towards 0, as `np.{function.__name__}`; derivative 0 between the jumps."
    made = op(forward, name=function.__name__, implements=function, elementwise=True).zero("x")
    elementwise(made)
    return made


fix = _rounding(np.fix)


@op(name="round", implements=(np.round, np.around), elementwise=True)
def round_(x: Array, *, decimals: int = 0) -> Array:
    """To so many decimals, as `np.round`; derivative 0 between the jumps."""
    return np.round(x, decimals)


round_.zero("x")
draw(round_, [(3, 4)], [(3, 4), {"decimals": 1}])
