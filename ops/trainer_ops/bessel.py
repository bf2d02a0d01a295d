"""SciPy's Bessel functions and their kin: Airy, Struve, Kelvin, parabolic cylinder functions, and integrals of them.

Recurrences and differential equations are DLMF's: 9.2.1, 10.6.1, 10.29.1, 10.51, 10.61.3, 11.4, 12.2. With respect to
its order a Bessel function has no derivative in closed form; the order is declared not differentiable.

Edges. Functions that are smooth at 0 have their right derivative there (the recurrences chosen do not divide by x). The
exponentially scaled i0e, i1e and ive have a kink at 0, where the kink's part of the derivative counts 0. For complex z
the scalings of ive, jve and yve are not analytic; their gradients are the real ones, as `np.absolute`'s is.
"""

from __future__ import annotations

import math

import numpy as np

from trainer import Op, op
from trainer.engine.dispatch import instead
from trainer_ops._common import Array, draw, elementwise
from trainer_ops._lazy import Lazy, deferred
from trainer_ops.poles import guard_family, times

sp = Lazy("scipy.special")
special = deferred("scipy.special", __name__)
ORDERS = np.array([[0.0], [1.0], [2.5]])


def of_order(*ops: Op, low: float = 0.3, high: float = 4.0) -> None:
    """The first input of these ops is an order: declared not differentiable, and given some samples."""
    for one in ops:
        one.nondifferentiable(one.inputs[0])
        draw(one, [2.0, (3, 4)], [ORDERS, (4,)], [0.0, ()], low=low, high=high)


# Bessel functions of the first and second kind: C_v' = (C_{v−1} − C_{v+1})/2, and C₀' = −C₁.

j0 = special("j0", "x", "J₀(x)").defvjp(x=lambda dy, x: -dy * sp.j1(x))
j1 = special("j1", "x", "J₁(x)").defvjp(x=lambda dy, x: dy * (sp.j0(x) - sp.jv(2.0, x)) / 2)
y0 = special("y0", "x", "Y₀(x)").defvjp(x=lambda dy, x: -dy * sp.y1(x))
y1 = special("y1", "x", "Y₁(x)").defvjp(x=lambda dy, x: dy * (sp.y0(x) - sp.yv(2.0, x)) / 2)
jv = special("jv", "v z", "J_v(z)").defvjp(z=lambda dy, v, z: dy * (sp.jv(v - 1, z) - sp.jv(v + 1, z)) / 2)
yv = special("yv", "v z", "Y_v(z)").defvjp(z=lambda dy, v, z: dy * (sp.yv(v - 1, z) - sp.yv(v + 1, z)) / 2)
yn = special("yn", "n x", "Y_n(x) of integer order").defvjp(
    x=lambda dy, n, x: dy * (sp.yn(n - 1, x) - sp.yn(n + 1, x)) / 2
)
hankel1 = special("hankel1", "v z", "J_v(z) + i Y_v(z); its result is complex").defvjp(
    z=lambda dy, v, z: dy * (sp.hankel1(v - 1, z) - sp.hankel1(v + 1, z)) / 2
)
hankel2 = special("hankel2", "v z", "J_v(z) − i Y_v(z); its result is complex").defvjp(
    z=lambda dy, v, z: dy * (sp.hankel2(v - 1, z) - sp.hankel2(v + 1, z)) / 2
)
hankel1e = special("hankel1e", "v z", "hankel1(v, z) e^(−iz)").defvjp(
    z=lambda dy, v, z, y: dy * ((sp.hankel1e(v - 1, z) - sp.hankel1e(v + 1, z)) / 2 - 1j * y)
)
hankel2e = special("hankel2e", "v z", "hankel2(v, z) e^(iz)").defvjp(
    z=lambda dy, v, z, y: dy * ((sp.hankel2e(v - 1, z) - sp.hankel2e(v + 1, z)) / 2 + 1j * y)
)
elementwise(j0, j1)
elementwise(y0, y1, low=0.3)
of_order(jv, yv, hankel1, hankel2, hankel1e, hankel2e)
draw(yn.nondifferentiable("n"), [2, (3, 4)], [np.array([[0], [1]]), (4,)], low=0.5)


def _imaginary_scale(g: Array, dz: Array, z: Array) -> Array:
    """Add to `g` what the factor e^(−|Im z|) gives: Re(dz)·d(−|Im z|), where Re(i·s·dz) = −s·Im(dz)."""
    return g + 1j * np.sign(z.imag) * np.real(dz) if z.dtype.kind == "c" else g


jve = special("jve", "v z", "jv(v, z) e^(−|Im z|)").defvjp(
    z=lambda dy, v, z, y: _imaginary_scale(times(dy, (sp.jve(v - 1, z) - sp.jve(v + 1, z)) / 2), times(dy, y), z)
)
yve = special("yve", "v z", "yv(v, z) e^(−|Im z|)").defvjp(
    z=lambda dy, v, z, y: _imaginary_scale(times(dy, (sp.yve(v - 1, z) - sp.yve(v + 1, z)) / 2), times(dy, y), z)
)
of_order(jve, yve)

# Modified Bessel functions: I_v' = (I_{v−1} + I_{v+1})/2 and K_v' = −(K_{v−1} + K_{v+1})/2; the scaled ones by the
# product rule.


def _scaled(sign: int, v: Array, x: Array, y: Array, near: Array) -> Array:
    """The slope of the scaled I_v (sign −1) or K_v (sign 1) at real x: `near`, but where |x| is so large that the terms
    of that cancel. There y = Σ c_k |x|^(−k−½) by DLMF 10.40, and y'/y = −Σ (k + ½) c_k |x|^(−k−3/2) / Σ c_k |x|^(−k−½).
    """
    size = np.abs(x)
    far = (size > 500) & (size > 8 * v * v)
    t = far.astype(x.dtype) / np.where(far, size, 1)  # 1/|x|
    term, total, steeper = 1.0, 1.0, 0.5
    for k in range(1, 9):
        term = term * (sign * (4 * v * v - (2 * k - 1) ** 2) / (8 * k)) * t
        total, steeper = total + term, steeper + (k + 0.5) * term
    return np.where(far, -np.sign(x) * y * (t * steeper / total), near)


def _i0e_slope(x: Array, y: Array) -> Array:
    return _scaled(-1, 0.0, x, y, sp.i1e(x) - np.sign(x) * y)


def _i1e_slope(x: Array, y: Array) -> Array:
    return _scaled(-1, 1.0, x, y, (sp.i0e(x) + sp.ive(2.0, x)) / 2 - np.sign(x) * y)


def _k0e_slope(x: Array, y: Array) -> Array:
    return _scaled(1, 0.0, x, y, y - sp.k1e(x))


def _k1e_slope(x: Array, y: Array) -> Array:
    return _scaled(1, 1.0, x, y, y - (sp.k0e(x) + sp.kve(2.0, x)) / 2)


def _ive_rule(dy: Array, v: Array, z: Array, y: Array) -> Array:
    sides = (sp.ive(v - 1, z) + sp.ive(v + 1, z)) / 2
    if z.dtype.kind == "c":
        return times(dy, sides) - times(np.real(times(dy, y)), np.sign(z.real))
    return times(dy, _scaled(-1, v, z, y, sides - np.sign(z) * y))


def _kve_rule(dy: Array, v: Array, z: Array, y: Array) -> Array:
    near = y - (sp.kve(v - 1, z) + sp.kve(v + 1, z)) / 2
    return dy * (near if z.dtype.kind == "c" else _scaled(1, v, z, y, near))


i0 = special("i0", "x", "I₀(x)", name="scipy_i0").defvjp(x=lambda dy, x: dy * sp.i1(x))
i1 = special("i1", "x", "I₁(x)").defvjp(x=lambda dy, x: dy * (sp.i0(x) + sp.iv(2.0, x)) / 2)
i0e = special("i0e", "x", "I₀(x) e^(−|x|)").defvjp(x=lambda dy, x, y: dy * _i0e_slope(x, y))
i1e = special("i1e", "x", "I₁(x) e^(−|x|)").defvjp(x=lambda dy, x, y: dy * _i1e_slope(x, y))
k0 = special("k0", "x", "K₀(x)").defvjp(x=lambda dy, x: -dy * sp.k1(x))
k1 = special("k1", "x", "K₁(x)").defvjp(x=lambda dy, x: -dy * (sp.k0(x) + sp.kv(2.0, x)) / 2)
k0e = special("k0e", "x", "K₀(x) e^x").defvjp(x=lambda dy, x, y: dy * _k0e_slope(x, y))
k1e = special("k1e", "x", "K₁(x) e^x").defvjp(x=lambda dy, x, y: dy * _k1e_slope(x, y))
iv = special("iv", "v z", "I_v(z)").defvjp(z=lambda dy, v, z: dy * (sp.iv(v - 1, z) + sp.iv(v + 1, z)) / 2)
kv = special("kv", "v z", "K_v(z)").defvjp(z=lambda dy, v, z: -dy * (sp.kv(v - 1, z) + sp.kv(v + 1, z)) / 2)
kn = special("kn", "n x", "K_n(x) of integer order").defvjp(
    x=lambda dy, n, x: -dy * (sp.kn(np.abs(n - 1), x) + sp.kn(n + 1, x)) / 2
)
ive = special("ive", "v z", "iv(v, z) e^(−|Re z|)").defvjp(z=_ive_rule)
kve = special("kve", "v z", "kv(v, z) e^z").defvjp(z=_kve_rule)
elementwise(i0, i1, i0e, i1e)


@op(name="i0", implements=np.i0, elementwise=True)
def numpys_i0(x: Array) -> Array:
    """I₀(x), as `np.i0`, of real numbers."""
    return np.i0(x)


numpys_i0.defvjp(x=lambda dy, x: dy * sp.i1(x))
elementwise(numpys_i0)
elementwise(k0, k1, k0e, k1e, low=0.3)
of_order(iv, kv, ive, kve)
draw(kn.nondifferentiable("n"), [2, (3, 4)], [np.array([[0], [1]]), (4,)], low=0.5)

# Spherical Bessel functions: (2n + 1)·f_n' = n·f_{n−1} − (n + 1)·f_{n+1}, with + for i_n, and its negative for k_n.


def _spherical(name: str, doc: str, before: int, after: int, shown: float) -> Op:
    """The op of one kind, from the signs of its two neighbours in (2n + 1)·f_n'; `shown` is f₀(1)."""

    def forward(n: Array, z: Array) -> Array:
        y = getattr(sp, name)(n, z)
        return np.asarray(y, np.result_type(np.asarray(z), np.float16))[()]

    forward.__doc__ = (
        f"{doc} of integer order, as `scipy.special.{name}(n, z)`.\n\n"
        f"    >>> round(float({name}(0, 1.0)), 6)\n    {shown}\n    "
    )
    made = op(forward, name=name, elementwise=True)
    instead(f"scipy.special.{name}", made)

    def rule(dy: Array, n: Array, z: Array) -> Array:
        below = np.where(n == 0, 0, n - 1)  # for n = 0 the factor n drops it
        slope = (before * n * made(below, z) + after * (n + 1) * made(n + 1, z)) / (2 * n + 1)
        return np.astype(times(dy, slope), dy.dtype)

    draw(made, [2, (3, 4)], [np.array([[0], [1]]), (4,)], low=0.5, high=4.0)
    return made.nondifferentiable("n").defvjp(z=rule)


spherical_jn = _spherical("spherical_jn", "j_n(z), the spherical Bessel function of the first kind", 1, -1, 0.841471)
spherical_yn = _spherical("spherical_yn", "y_n(z), the spherical Bessel function of the second kind", 1, -1, -0.540302)
spherical_in = _spherical(
    "spherical_in", "i_n(z), the modified spherical Bessel function of the first kind", 1, 1, 1.175201
)
spherical_kn = _spherical(
    "spherical_kn", "k_n(z), the modified spherical Bessel function of the second kind", -1, -1, 0.577864
)

# Airy functions solve w'' = z·w.

airy = special("airy", "z", "(Ai, Ai', Bi, Bi') at z").defvjp(
    z=lambda dy, z, y: sum(map(times, dy, (y[1], z * y[0], y[3], z * y[2])))
)
elementwise(airy)

# Integrals of Bessel and Struve functions.


def _over(y: Array, x: Array, near: Array) -> Array:
    """y/x, which is 0/0 at 0; there it is `near`, the beginning of its series, whose derivatives are right too."""
    return np.where(x == 0, near, y / np.where(x == 0, 1, x))


iti0k0 = special("iti0k0", "x", "the integrals from 0 to x of I₀ and K₀").defvjp(
    x=lambda dy, x: times(dy[0], sp.i0(x)) + times(dy[1], sp.k0(x))
)
itj0y0 = special("itj0y0", "x", "the integrals from 0 to x of J₀ and Y₀").defvjp(
    x=lambda dy, x: times(dy[0], sp.j0(x)) + times(dy[1], sp.y0(x))
)
it2i0k0 = special("it2i0k0", "x", "∫₀ˣ (I₀(t) − 1)/t dt and ∫ₓ^∞ K₀(t)/t dt").defvjp(
    x=lambda dy, x: times(dy[0], (sp.i0(x) - 1) / x) - times(dy[1], sp.k0(x) / x)
)
it2j0y0 = special("it2j0y0", "x", "∫₀ˣ (1 − J₀(t))/t dt and ∫ₓ^∞ Y₀(t)/t dt").defvjp(
    x=lambda dy, x: times(dy[0], (1 - sp.j0(x)) / x) - times(dy[1], sp.y0(x) / x)
)
itstruve0 = special("itstruve0", "x", "∫₀ˣ H₀(t) dt").defvjp(x=lambda dy, x: dy * sp.struve(0.0, x))
it2struve0 = special("it2struve0", "x", "∫ₓ^∞ H₀(t)/t dt").defvjp(
    x=lambda dy, x: -dy * _over(sp.struve(0.0, x), x, 2 / math.pi * (1 - x * x / 9))
)
itmodstruve0 = special("itmodstruve0", "x", "∫₀ˣ L₀(t) dt").defvjp(x=lambda dy, x: dy * sp.modstruve(0.0, x))
elementwise(iti0k0, itj0y0, it2i0k0, it2j0y0, itstruve0, it2struve0, itmodstruve0, low=0.5)

# Struve functions: 2H_v' = H_{v−1} − H_{v+1} + (x/2)^v/(√π Γ(v + 3/2)), and with + for the modified ones. For v = 0,
# where H₋₁ has no derivative at 0 in these terms, H₀' = 2/π − H₁ and L₀' = 2/π + L₁.


def _struve_term(v: Array, x: Array) -> Array:
    return (x / 2) ** v * sp.rgamma(v + 1.5) / math.sqrt(math.pi)


struve = special("struve", "v x", "H_v(x)").defvjp(
    x=lambda dy, v, x: (
        dy
        * np.where(
            v == 0,
            2 / math.pi - sp.struve(1.0, x),
            (sp.struve(v - 1, x) - sp.struve(v + 1, x) + _struve_term(v, x)) / 2,
        )
    )
)
modstruve = special("modstruve", "v x", "L_v(x), the modified Struve function").defvjp(
    x=lambda dy, v, x: (
        dy
        * np.where(
            v == 0,
            2 / math.pi + sp.modstruve(1.0, x),
            (sp.modstruve(v - 1, x) + sp.modstruve(v + 1, x) + _struve_term(v, x)) / 2,
        )
    )
)
of_order(struve, modstruve)

# Kelvin functions: w = ber + i·bei, and w = ker + i·kei too, solve w'' = i·w − w'/x. At 0 ber'/x is −x²/16, and
# bei'/x is ½ − x⁴/384.

ber = special("ber", "x", "ber x").defvjp(x=lambda dy, x: dy * sp.berp(x))
bei = special("bei", "x", "bei x").defvjp(x=lambda dy, x: dy * sp.beip(x))
ker = special("ker", "x", "ker x").defvjp(x=lambda dy, x: dy * sp.kerp(x))
kei = special("kei", "x", "kei x").defvjp(x=lambda dy, x: dy * sp.keip(x))
berp = special("berp", "x", "ber' x").defvjp(x=lambda dy, x, y: -dy * (sp.bei(x) + _over(y, x, -x * x / 16)))
beip = special("beip", "x", "bei' x").defvjp(x=lambda dy, x, y: dy * (sp.ber(x) - _over(y, x, 0.5 - x**4 / 384)))
kerp = special("kerp", "x", "ker' x").defvjp(x=lambda dy, x, y: -dy * (sp.kei(x) + y / x))
keip = special("keip", "x", "kei' x").defvjp(x=lambda dy, x, y: dy * (sp.ker(x) - y / x))
kelvin = special("kelvin", "x", "ber + i·bei, ker + i·kei, and the derivatives of both, at x").defvjp(
    x=lambda dy, x, y: np.real(sum(map(times, dy, (y[2], y[3], 1j * y[0] - y[2] / x, 1j * y[1] - y[3] / x))))
)
elementwise(ber, bei, ker, kei, berp, beip, kerp, keip, kelvin, low=0.5)

# Parabolic cylinder functions with their derivatives solve w'' = (x²/4 − v − ½)·w, and pbwa's w'' = (a − x²/4)·w.

pbdv = special("pbdv", "v x", "D_v(x) and its derivative").defvjp(
    x=lambda dy, v, x, y: times(dy[0], y[1]) + times(dy[1], (x * x / 4 - v - 0.5) * y[0])
)
pbwa = special("pbwa", "a x", "W(a, x) and its derivative").defvjp(
    x=lambda dy, a, x, y: times(dy[0], y[1]) + times(dy[1], (a - x * x / 4) * y[0])
)
of_order(pbdv, pbwa, high=2.0)

# Wright's generalisation Φ(a, b; x) = Σ xᵏ/(k! Γ(ak + b)): differentiating shifts b by a.

wright_bessel = special("wright_bessel", "a b x", "Φ(a, b; x) = Σₖ xᵏ/(k! Γ(ak + b))").nondifferentiable("a", "b")
wright_bessel.defvjp(x=lambda dy, a, b, x: dy * sp.wright_bessel(a, a + b, x))
draw(wright_bessel, [0.5, 1.5, (3, 4)], [np.array([[1.0], [2.0]]), 1.0, (4,)], low=0.3)

guard_family(
    vars(), jve, yve, ive, airy, iti0k0, itj0y0, it2i0k0, it2j0y0, kelvin, pbdv, pbwa, spherical_jn, spherical_yn,
    spherical_in, spherical_kn,
)  # fmt: skip
