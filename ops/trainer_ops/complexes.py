"""Parts of complex numbers.

Where a function is not analytic the convention is JAX's: for z = a + ib the cotangent of z is ∂C/∂a − i ∂C/∂b, so that
dC = Re(δz·dz). From Re(δy·dy) = Re(δz·dz) follow y = Re z: δz = δy; y = Im z: δz = −i·δy; y = z̄: δz = conj(δy).
A real input has a real cotangent.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer import op
from trainer_ops._common import Array, draw, elementwise
from trainer_ops.poles import over

conjugate = op(np.conjugate).defvjp(x=lambda dy, x_dtype: np.conjugate(dy) if x_dtype.kind == "c" else dy)


@op(implements=np.real, elementwise=True)
def real(x: Array) -> Array:
    """Re x, as `np.real`."""
    return np.real(x)


@op(implements=np.imag, elementwise=True)
def imag(x: Array) -> Array:
    """Im x, as `np.imag`; 0 for real x."""
    return np.imag(x)


@op(implements=np.angle, elementwise=True)
def angle(x: Array, *, deg: bool = False) -> Array:
    """The angle of x in the complex plane, in (−π, π], as `np.angle`."""
    return np.angle(x, deg=deg)


real.defvjp(x=lambda dy, x_dtype: dy.astype(x_dtype))
imag.defvjp(x=lambda dy, x_dtype: dy * -1j if x_dtype.kind == "c" else dy * 0)


@angle.vjp("x")
def _(dy: Array, x: Array, *, deg: bool) -> Array:
    # log z = log|z| + i·angle z, so d angle = Im(dz/z) = Re(−i·dz/z).
    if x.dtype.kind != "c":
        return dy * 0
    return over(dy * (-1j * (180 / np.pi if deg else 1)), x)


@op(implements=np.real_if_close)
def real_if_close(x: Array, *, tol: float = 100) -> Array:
    """Re x if every imaginary part is within `tol` rounding errors of 0, x otherwise, as `np.real_if_close`."""
    return np.real_if_close(x, tol=tol)


real_if_close.defvjp(x=lambda dy, x_dtype: dy.astype(x_dtype))


@op(implements=np.nan_to_num, elementwise=True)
def nan_to_num(
    x: Array, *, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Array:
    """x with numbers in place of nan and ±∞, whose derivative is 0, as `np.nan_to_num`."""
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


nan_to_num.defvjp(x=lambda dy, x: np.where(np.isfinite(x), dy, 0))


def _complex(rng: np.random.Generator) -> list[Any]:
    return [(rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)),), (rng.normal(size=(3, 4)),)]


for _op in (conjugate, real, imag, angle):
    _op.samples(_complex)
elementwise(nan_to_num)
draw(real_if_close, [(3, 4)])
