"""SciPy's hypergeometric functions, orthogonal polynomials and elliptic integrals.

A derivative of one is another of its kind with shifted parameters (DLMF 13.3, 15.5, 16.3, 18.9, 19.4, 22.13), so all
orders exist. The parameters and degrees have no derivative in closed form and are declared not differentiable.

Edges. The elliptic integrals are smooth at m = 0, and the incomplete ones at m = 1 too, up to φ = ±π/2: close to these
their slopes in m, which are 0/0 there, are series.
"""

from __future__ import annotations

import math

import numpy as np

from trainer_ops._common import Array, draw, elementwise
from trainer_ops._lazy import Lazy, deferred
from trainer_ops.poles import guard_family, times

sp = Lazy("scipy.special")
special = deferred("scipy.special", __name__)

hyp0f1 = special("hyp0f1", "v z", "₀F₁(; v; z)").defvjp(z=lambda dy, v, z: dy * sp.hyp0f1(v + 1, z) / v)
hyp1f1 = special("hyp1f1", "a b z", "₁F₁(a; b; z), Kummer's function").defvjp(
    z=lambda dy, a, b, z: dy * sp.hyp1f1(a + 1, b + 1, z) * (a / b)
)
hyp2f1 = special("hyp2f1", "a b c z", "₂F₁(a, b; c; z), Gauss's hypergeometric function").defvjp(
    z=lambda dy, a, b, c, z: dy * sp.hyp2f1(a + 1, b + 1, c + 1, z) * (a * b / c)
)
hyperu = special("hyperu", "a b x", "U(a, b, x), Tricomi's function").defvjp(
    x=lambda dy, a, b, x: -dy * sp.hyperu(a + 1, b + 1, x) * a
)
hyp0f1.nondifferentiable("v")
hyp1f1.nondifferentiable("a", "b")
hyp2f1.nondifferentiable("a", "b", "c")
hyperu.nondifferentiable("a", "b")
draw(hyp0f1, [1.5, (3, 4)], [np.array([[0.5], [2.0]]), (4,)])
draw(hyp1f1, [0.7, 1.5, (3, 4)], [np.array([[1.0], [2.0]]), 3.0, (4,)])
draw(hyp2f1, [0.7, 1.2, 1.5, (3, 4)], [np.array([[1.0], [2.0]]), 0.5, 3.0, (4,)], low=-0.8, high=0.8)
draw(hyperu, [0.7, 1.5, (3, 4)], [np.array([[1.0], [2.0]]), 0.5, (4,)], low=0.5)

# Orthogonal polynomials: the derivative of one of degree n is one of degree n − 1, times a factor, and 0 for degree 0.


def _lower(n: Array) -> Array:
    """The degree n − 1; 0 for 0, where `_times` drops the result."""
    return np.where(n == 0, 0, n - 1)


def _times(dy: Array, n: Array, slope: Array) -> Array:
    """dy times the slope, 0 for degree 0. The degree may be a float64; dy's dtype is the result's."""
    return np.astype(times(dy, np.where(n == 0, 0, slope)), dy.dtype)


eval_legendre = special("eval_legendre", "n x", "Legendre's P_n(x)").defvjp(
    x=lambda dy, n, x: _times(dy, n, sp.eval_jacobi(_lower(n), 1.0, 1.0, x) * (n + 1) / 2)
)
eval_sh_legendre = special("eval_sh_legendre", "n x", "Legendre's P_n(2x − 1)").defvjp(
    x=lambda dy, n, x: _times(dy, n, sp.eval_jacobi(_lower(n), 1.0, 1.0, 2 * x - 1) * (n + 1))
)
eval_chebyt = special("eval_chebyt", "n x", "Chebyshev's T_n(x)").defvjp(
    x=lambda dy, n, x: _times(dy, n, n * sp.eval_chebyu(_lower(n), x))
)
eval_chebyu = special("eval_chebyu", "n x", "Chebyshev's U_n(x)").defvjp(
    x=lambda dy, n, x: _times(dy, n, 2 * sp.eval_gegenbauer(_lower(n), 2.0, x))
)
eval_chebyc = special("eval_chebyc", "n x", "Chebyshev's C_n(x) = 2T_n(x/2)").defvjp(
    x=lambda dy, n, x: _times(dy, n, n * sp.eval_chebys(_lower(n), x))
)
eval_chebys = special("eval_chebys", "n x", "Chebyshev's S_n(x) = U_n(x/2)").defvjp(
    x=lambda dy, n, x: _times(dy, n, sp.eval_gegenbauer(_lower(n), 2.0, x / 2))
)
eval_sh_chebyt = special("eval_sh_chebyt", "n x", "Chebyshev's T_n(2x − 1)").defvjp(
    x=lambda dy, n, x: _times(dy, n, 2 * n * sp.eval_sh_chebyu(_lower(n), x))
)
eval_sh_chebyu = special("eval_sh_chebyu", "n x", "Chebyshev's U_n(2x − 1)").defvjp(
    x=lambda dy, n, x: _times(dy, n, 4 * sp.eval_gegenbauer(_lower(n), 2.0, 2 * x - 1))
)
eval_hermite = special("eval_hermite", "n x", "the physicist's Hermite polynomial H_n(x)").defvjp(
    x=lambda dy, n, x: _times(dy, n, 2 * n * sp.eval_hermite(_lower(n), x))
)
eval_hermitenorm = special("eval_hermitenorm", "n x", "the probabilist's Hermite polynomial He_n(x)").defvjp(
    x=lambda dy, n, x: _times(dy, n, n * sp.eval_hermitenorm(_lower(n), x))
)
eval_laguerre = special("eval_laguerre", "n x", "Laguerre's L_n(x)").defvjp(
    x=lambda dy, n, x: _times(dy, n, -sp.eval_genlaguerre(_lower(n), 1.0, x))
)
eval_genlaguerre = special("eval_genlaguerre", "n alpha x", "Laguerre's L_n^(α)(x)").defvjp(
    x=lambda dy, n, alpha, x: _times(dy, n, -sp.eval_genlaguerre(_lower(n), alpha + 1, x))
)
eval_gegenbauer = special("eval_gegenbauer", "n alpha x", "Gegenbauer's C_n^(α)(x)").defvjp(
    x=lambda dy, n, alpha, x: _times(dy, n, 2 * alpha * sp.eval_gegenbauer(_lower(n), alpha + 1, x))
)
eval_jacobi = special("eval_jacobi", "n alpha beta x", "Jacobi's P_n^(α,β)(x)").defvjp(
    x=lambda dy, n, alpha, beta, x: _times(
        dy, n, sp.eval_jacobi(_lower(n), alpha + 1, beta + 1, x) * (n + alpha + beta + 1) / 2
    )
)
eval_sh_jacobi = special("eval_sh_jacobi", "n p q x", "the shifted Jacobi polynomial G_n^(p,q)(x), of leading term xⁿ")
eval_sh_jacobi.defvjp(x=lambda dy, n, p, q, x: _times(dy, n, n * sp.eval_sh_jacobi(_lower(n), p + 2, q + 1, x)))

_OF_DEGREE = (
    eval_legendre, eval_sh_legendre, eval_chebyt, eval_chebyu, eval_chebyc, eval_chebys, eval_sh_chebyt, eval_sh_chebyu,
    eval_hermite, eval_hermitenorm, eval_laguerre, eval_genlaguerre, eval_gegenbauer, eval_jacobi, eval_sh_jacobi,
)  # fmt: skip
for _op in _OF_DEGREE:
    _op.nondifferentiable(*_op.inputs[:-1])
    _parameters = [2.5, 1.5][: len(_op.inputs) - 2]
    draw(
        _op, [3, *_parameters, (3, 4)], [np.array([[0], [1], [2]]), *_parameters, (4,)], [0, *_parameters, ()],
        low=0.1, high=0.9,
    )  # fmt: skip

lpmv = special("lpmv", "m v x", "P_v^m(x), the associated Legendre function of integer order m").nondifferentiable(
    "m", "v"
)


def _legendre_slope(m: Array, v: Array, x: Array, y: Array) -> Array:
    """In x; at ±1, where this is 0/0, from y = (−1)^m (1 − x²)^(m/2)·Gₘ with Gₘ = (2m − 1)!!·C(v − m, m + ½; x), whose
    slope is Gₘ₊₁."""
    end = x * x == 1

    def G(m: Array) -> Array:
        return 2.0**m * sp.gamma(m + 0.5) / math.sqrt(math.pi) * sp.eval_gegenbauer(v - m, m + 0.5, x)

    sign, lower, square = np.cos(math.pi * m), np.where(m == 0, 1, m / 2 - 1), np.where(end, 1 - x * x, 0.5)
    at_end = sign * (np.power(square, m / 2) * G(m + 1) - m * x * np.power(square, lower) * G(m))
    return np.where(
        end, at_end.astype(y.dtype), (v * x * y - (v + m) * sp.lpmv(m, v - 1, x)) / np.where(end, 1, x * x - 1)
    )


lpmv.defvjp(x=lambda dy, y, m, v, x: dy * _legendre_slope(m, v, x, y))
draw(lpmv, [1.0, 2.5, (3, 4)], [np.array([[0.0], [2.0]]), 3.0, (4,)], low=-0.8, high=0.8)

# Complete elliptic integrals, of the parameter m = k². K = π/2·₂F₁(½, ½; 1; m) has K' = π/8·₂F₁(½, ½; 2; m)/(1 − m), by
# Euler's transformation, and E = π/2·₂F₁(−½, ½; 1; m). Far below 0, where SciPy's ₂F₁ overflows, (19.4) has
# K' = (E/(1 − m) − K)/(2m) and E' = (E − K)/(2m) without cancellation.


def _sides(m: Array) -> tuple[Array, Array, Array]:
    """Whether m is far below 0; m, or a number near 0 where it is; m, or a number far below where it is not."""
    far = m < -8
    return far, np.where(far, 0, m), np.where(far, m, -8)


def _first_kind(m: Array, rest: Array) -> Array:
    """K'(m), where `rest` is 1 − m."""
    far, close, below = _sides(m)
    away = (sp.ellipe(below) / (1 - below) - sp.ellipkm1(1 - below)) / (2 * below)
    return np.where(far, away, sp.hyp2f1(0.5, 0.5, 2.0, close) * (math.pi / 8) / np.where(far, 1, rest))


def _second_kind(m: Array) -> Array:
    far, close, below = _sides(m)
    away = (sp.ellipe(below) - sp.ellipkm1(1 - below)) / (2 * below)
    return np.where(far, away, sp.hyp2f1(0.5, 1.5, 2.0, close) * (-math.pi / 8))


ellipk = special("ellipk", "m", "K(m), the complete elliptic integral of the first kind").defvjp(
    m=lambda dy, m: dy * _first_kind(m, 1 - m)
)
ellipkm1 = special("ellipkm1", "p", "K(1 − p), precise where p is small").defvjp(
    p=lambda dy, p: -dy * _first_kind(1 - p, p)
)
ellipe = special("ellipe", "m", "E(m), the complete elliptic integral of the second kind").defvjp(
    m=lambda dy, m: dy * _second_kind(m)
)
elementwise(ellipk, ellipe, low=-1.0, high=0.9)
elementwise(ellipkm1, low=0.1, high=1.5)

# Incomplete ones and Jacobi's functions. ph(u, m) is the φ for which F(φ, m) = u; so ∂φ/∂u = dn and
# ∂φ/∂m = −dn·∂F/∂m, and sn = sin φ, cn = cos φ, dn² = 1 − m·sn².


TERMS = 8
NEAR = 0.01


def _near_0(phi: Array, m: Array, power: float) -> Array:
    """½∫ sin² t·(1 − m sin² t)^(−power) dt from 0 to φ, for small m."""
    sin, cos = np.sin(phi), np.cos(phi)
    factor, integral = 1.0, (phi - sin * cos) / 2  # of sin^(2k + 2)
    total = integral
    for k in range(1, TERMS + 1):
        factor = factor * (power + k - 1) / k
        integral = ((2 * k + 1) * integral - sin ** (2 * k + 1) * cos) / (2 * k + 2)
        total = total + factor * m**k * integral
    return total / 2


def _near_1(phi: Array, rest: Array) -> Array:
    """The same for power = 3/2 and small `rest` = 1 − m, times 1/cos² φ."""
    sin, cos = np.sin(phi), np.cos(phi)
    factor, integral = 1.0, (sin / cos**2 - np.arcsinh(sin / cos)) / 2  # of sin^(2k + 2)/cos^(2k + 3)
    total = integral
    for k in range(1, TERMS + 1):
        factor = -factor * (k + 0.5) / k
        integral = ((sin / cos) ** (2 * k + 1) / cos - (2 * k + 1) * integral) / (2 * k + 2)
        total = total + factor * rest**k * integral
    return total / 2


def _first_kind_m(phi: Array, m: Array, F: Array) -> Array:
    """∂F/∂m = (E/(1−m) − F)/(2m) − sin φ cos φ/(2(1−m)·√(1 − m sin² φ))."""
    zero = np.abs(m) < NEAR
    one = (np.abs(phi) < math.pi / 2) & (np.abs(1 - m) < NEAR * np.cos(phi) ** 2)
    away, inside = np.where(zero | one, 0.5, m), np.where(one, phi, 0)
    sin, cos = np.sin(phi), np.cos(phi)
    slope = (sp.ellipeinc(phi, away) / (1 - away) - F) / (2 * away)
    slope = slope - sin * cos / (2 * (1 - away) * np.sqrt(1 - away * sin * sin))
    slope = np.where(one, _near_1(inside, np.where(one, 1 - m, 0)), slope)
    return np.where(zero, _near_0(phi, np.where(zero, m, 0), 1.5), slope)


def _second_kind_m(phi: Array, m: Array, E: Array) -> Array:
    """∂E/∂m = (E − F)/(2m)."""
    zero = np.abs(m) < NEAR
    slope = (E - sp.ellipkinc(phi, m)) / (2 * np.where(zero, 1, m))
    return np.where(zero, -_near_0(phi, np.where(zero, m, 0), 0.5), slope)


ellipkinc = special("ellipkinc", "phi m", "F(φ, m) = ∫₀^φ 1/√(1 − m sin² t) dt").defvjp(
    phi=lambda dy, phi, m: dy / np.sqrt(1 - m * np.sin(phi) ** 2),
    m=lambda dy, phi, m, y: dy * _first_kind_m(phi, m, y),
)
ellipeinc = special("ellipeinc", "phi m", "E(φ, m) = ∫₀^φ √(1 − m sin² t) dt").defvjp(
    phi=lambda dy, phi, m: dy * np.sqrt(1 - m * np.sin(phi) ** 2),
    m=lambda dy, phi, m, y: dy * _second_kind_m(phi, m, y),
)


def _jacobi_m(dy: tuple[Array, ...], u: Array, m: Array, y: tuple[Array, ...]) -> Array:
    sn, cn, dn, ph = y
    turn = -dn * _first_kind_m(ph, m, u)
    slopes = cn * turn, -sn * turn, -(sn * sn / 2 + m * sn * cn * turn) / dn, turn
    return sum(map(times, dy, slopes))


ellipj = special("ellipj", "u m", "Jacobi's elliptic functions (sn, cn, dn, ph)").defvjp(
    u=lambda dy, m, y: sum(map(times, dy, (y[1] * y[2], -y[0] * y[2], -m * y[0] * y[1], y[2]))),
    m=_jacobi_m,
)
for _op in (ellipkinc, ellipeinc, ellipj):
    draw(_op, [(3, 4), (3, 4)], [(3, 1), (4,)], [(), ()], low=0.2, high=0.8)

guard_family(vars(), *_OF_DEGREE, ellipj)
