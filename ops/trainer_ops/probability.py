"""SciPy's distribution functions and their inverses.

The slope of a distribution function is its density; of the inverse, one over the density at the result. Densities
are exponentials of logarithms, so that no factor overflows. With respect to degrees of freedom and counts there is no
derivative in closed form, or none at all; they are declared not differentiable.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainer_ops._common import Array, draw, elementwise
from trainer_ops._lazy import Lazy, deferred, weak
from trainer_ops.poles import guard_family
from trainer_ops.special import beta_density, gamma_density, wofz_slope

sp = Lazy("scipy.special")
floor, sqrt = weak(np.floor), weak(np.sqrt)
special = deferred("scipy.special", __name__)
ROOT_2, ROOT_2_PI = math.sqrt(2), math.sqrt(2 * math.pi)

# The normal distribution. The slope of log_ndtr, φ(x)/Φ(x) = √(2/π)/erfcx(−x/√2), keeps its digits far down the tail,
# where φ and Φ are 0.


def normal_density(x: Array) -> Array:
    """φ(x) = e^(−x²/2)/√(2π)."""
    return np.exp(-x * x / 2) / ROOT_2_PI


ndtr = special("ndtr", "x", "Φ(x), the standard normal distribution function").defvjp(
    x=lambda dy, x: dy * normal_density(x)
)
log_ndtr = special("log_ndtr", "x", "log Φ(x)").defvjp(x=lambda dy, x: dy * (2 / ROOT_2_PI) / sp.erfcx(-x / ROOT_2))
ndtri = special("ndtri", "p", "the x for which Φ(x) is p").defvjp(p=lambda dy, y: dy / normal_density(y))
ndtri_exp = special("ndtri_exp", "p", "the x for which log Φ(x) is p").defvjp(
    p=lambda dy, y: dy * sp.erfcx(-y / ROOT_2) * (ROOT_2_PI / 2)
)
elementwise(ndtr, log_ndtr)
elementwise(ndtri, low=0.1, high=0.9)
elementwise(ndtri_exp, low=-5.0, high=-0.2)

# x = mean + deviation·z with z = Φ⁻¹(p), solved for the mean and for the deviation; dz/dp = 1/φ(z).

nrdtrimn = special("nrdtrimn", "p std x", "the mean for which a normal variable is below x with probability p").defvjp(
    p=lambda dy, y, std, x: -dy * std / normal_density((x - y) / std),
    std=lambda dy, y, std, x: -dy * (x - y) / std,
    x=lambda dy: dy,
)
nrdtrisd = special("nrdtrisd", "mn p x", "the deviation for which a normal variable is below x with probability p")
nrdtrisd.defvjp(
    mn=lambda dy, p: -dy / sp.ndtri(p),
    p=lambda dy, y, p: -dy * y / (sp.ndtri(p) * normal_density(sp.ndtri(p))),
    x=lambda dy, p: dy / sp.ndtri(p),
)
draw(nrdtrimn, [np.array([[0.2], [0.7]]), (2, 3), (3,)], [0.4, 1.5, ()], low=0.5)
draw(nrdtrisd, [np.array([0.1, 0.3, -0.4]), np.array([[0.6], [0.8]]), (2, 3)], low=0.5)

# Gamma, chi-square and Poisson: incomplete gamma functions in other words.

chdtr = special("chdtr", "v x", "the chi-square distribution function").defvjp(
    x=lambda dy, v, x: dy * gamma_density(v / 2, x / 2) / 2
)
chdtrc = special("chdtrc", "v x", "1 − chdtr(v, x)").defvjp(x=lambda dy, v, x: -dy * gamma_density(v / 2, x / 2) / 2)
chdtri = special("chdtri", "v p", "the x for which chdtrc(v, x) is p").defvjp(
    p=lambda dy, v, y: -2 * dy / gamma_density(v / 2, y / 2)
)
gdtr = special("gdtr", "a b x", "the distribution function of a gamma variable of rate a and shape b").defvjp(
    a=lambda dy, a, b, x: dy * x * gamma_density(b, a * x), x=lambda dy, a, b, x: dy * a * gamma_density(b, a * x)
)
gdtrc = special("gdtrc", "a b x", "1 − gdtr(a, b, x)").defvjp(
    a=lambda dy, a, b, x: -dy * x * gamma_density(b, a * x), x=lambda dy, a, b, x: -dy * a * gamma_density(b, a * x)
)
gdtrix = special("gdtrix", "a b p", "the x for which gdtr(a, b, x) is p").defvjp(
    a=lambda dy, a, y: -dy * y / a, p=lambda dy, a, b, y: dy / (a * gamma_density(b, a * y))
)
gdtria = special("gdtria", "p b x", "the rate a for which gdtr(a, b, x) is p").defvjp(
    p=lambda dy, b, x, y: dy / (x * gamma_density(b, x * y)), x=lambda dy, x, y: -dy * y / x
)
pdtr = special("pdtr", "k m", "the probability of at most k events, Poisson of mean m").defvjp(
    m=lambda dy, k, m: -dy * gamma_density(floor(k) + 1, m)
)
pdtrc = special("pdtrc", "k m", "1 − pdtr(k, m)").defvjp(m=lambda dy, k, m: dy * gamma_density(floor(k) + 1, m))
pdtri = special("pdtri", "k p", "the mean m for which pdtr(k, m) is p").defvjp(
    p=lambda dy, k, y: -dy / gamma_density(k + 1, y)
)
for _op in (chdtr, chdtrc, chdtri, pdtr, pdtrc, pdtri):
    _op.nondifferentiable(_op.inputs[0])
for _op in (gdtr, gdtrc, gdtrix, gdtria):
    _op.nondifferentiable("b")
for _op in (chdtr, chdtrc, pdtr, pdtrc):
    draw(_op, [3.0, (3, 4)], [np.array([[1.0], [4.0]]), (4,)], low=0.5, high=5.0)
for _op in (chdtri, pdtri):
    draw(_op, [3, (3, 4)], [np.array([[1], [4]]), (4,)], low=0.2, high=0.8)
for _op in (gdtr, gdtrc):
    draw(_op, [(3, 1), 2.5, (4,)], [(3,), np.array([0.8, 1.0, 3.0]), (3,)], low=0.5)
draw(gdtrix, [(3, 1), 2.5, (4,)], [1.0, 1.0, ()], low=0.2, high=0.8)
draw(gdtria, [(3, 1), 2.5, (4,)], [0.5, 1.0, ()], low=0.2, high=0.8)

# Binomial and negative binomial: incomplete beta functions in other words.

bdtr = special("bdtr", "k n p", "the probability of at most k successes in n trials").defvjp(
    p=lambda dy, k, n, p: -dy * beta_density(floor(k) + 1, n - floor(k), p)
)
bdtrc = special("bdtrc", "k n p", "1 − bdtr(k, n, p)").defvjp(
    p=lambda dy, k, n, p: dy * beta_density(floor(k) + 1, n - floor(k), p)
)
bdtri = special("bdtri", "k n p", "the probability of a success for which bdtr(k, n, ·) is p").defvjp(
    p=lambda dy, k, n, y: -dy / beta_density(floor(k) + 1, n - floor(k), y)
)
nbdtr = special("nbdtr", "k n p", "the probability of at most k failures before n successes").defvjp(
    p=lambda dy, k, n, p: dy * beta_density(n, k + 1, p)
)
nbdtrc = special("nbdtrc", "k n p", "1 − nbdtr(k, n, p)").defvjp(p=lambda dy, k, n, p: -dy * beta_density(n, k + 1, p))
nbdtri = special("nbdtri", "k n p", "the probability of a success for which nbdtr(k, n, ·) is p").defvjp(
    p=lambda dy, k, n, y: dy / beta_density(n, k + 1, y)
)
for _op in (bdtr, bdtrc, bdtri, nbdtr, nbdtrc, nbdtri):
    _op.nondifferentiable("k", "n")
    draw(_op, [2, np.array(5), (3, 4)], [np.array([[1], [3]]), np.array(6), (4,)], low=0.2, high=0.8)

# Fisher's F: fdtr = betainc(d₁/2, d₂/2, w) with w = d₁x/(d₁x + d₂), and dw/dx = d₁d₂/(d₁x + d₂)².


def _f_density(dfn: Array, dfd: Array, x: Array) -> Array:
    s = dfn * x + dfd
    return beta_density(dfn / 2, dfd / 2, dfn * x / s) * dfn * dfd / (s * s)


fdtr = special("fdtr", "dfn dfd x", "the F distribution function").defvjp(
    x=lambda dy, dfn, dfd, x: dy * _f_density(dfn, dfd, x)
)
fdtrc = special("fdtrc", "dfn dfd x", "1 − fdtr(dfn, dfd, x)").defvjp(
    x=lambda dy, dfn, dfd, x: -dy * _f_density(dfn, dfd, x)
)
fdtri = special("fdtri", "dfn dfd p", "the x for which fdtr(dfn, dfd, x) is p").defvjp(
    p=lambda dy, dfn, dfd, y: dy / _f_density(dfn, dfd, y)
)
for _op in (fdtr, fdtrc, fdtri):
    _op.nondifferentiable("dfn", "dfd")
    draw(_op, [3.0, 4.0, (3, 4)], [np.array([[1.0], [5.0]]), 6.5, (4,)], low=0.2, high=0.8)

# Student's t: density (1 + t²/ν)^(−(ν+1)/2)/(√ν B(½, ν/2)).


def _t_density(df: Array, t: Array) -> Array:
    return np.exp(-(df + 1) / 2 * np.log1p(t * t / df) - sp.betaln(0.5, df / 2)) / sqrt(df)


stdtr = special("stdtr", "df t", "Student's t distribution function").defvjp(t=lambda dy, df, t: dy * _t_density(df, t))
stdtrit = special("stdtrit", "df p", "the t for which stdtr(df, t) is p").defvjp(
    p=lambda dy, df, y: dy / _t_density(df, y)
)
for _op in (stdtr, stdtrit):
    _op.nondifferentiable("df")
    draw(_op, [3.0, (3, 4)], [np.array([[1.0], [5.5]]), (4,)], low=0.2, high=0.8)

# Owen's T(h, a) = 1/2π ∫₀ᵃ e^(−h²(1+t²)/2)/(1+t²) dt.

owens_t = special("owens_t", "h a", "P(X > h and 0 < Y < aX) for independent standard normal X and Y").defvjp(
    h=lambda dy, h, a: -dy * normal_density(h) * sp.erf(a * h / ROOT_2) / 2,
    a=lambda dy, h, a: dy * np.exp(-h * h * (1 + a * a) / 2) / (2 * math.pi * (1 + a * a)),
)
elementwise(owens_t)

# The Voigt profile is Re w(z)/(σ√(2π)) with z = (x + iγ)/(σ√2), and w' is special.py's wofz_slope.


def _voigt(x: Array, sigma: Array, gamma: Array) -> tuple[Array, Array]:
    """z, and w'(z)/(σ√(2π)·σ√2): the slope in x is its real part, in γ minus its imaginary part."""
    z = (x + 1j * gamma) / (sigma * ROOT_2)
    return z, wofz_slope(z, sp.wofz(z)) / (sigma * sigma * ROOT_2_PI * ROOT_2)


def _voigt_sigma(dy: Array, y: Array, x: Array, sigma: Array, gamma: Array) -> Array:
    z, slope = _voigt(x, sigma, gamma)
    return -dy * (y / sigma + np.real(z * slope) * ROOT_2)


voigt_profile = special("voigt_profile", "x sigma gamma", "the density of a normal plus a Cauchy variable").defvjp(
    x=lambda dy, x, sigma, gamma: dy * np.real(_voigt(x, sigma, gamma)[1]),
    sigma=_voigt_sigma,
    gamma=lambda dy, x, sigma, gamma: -dy * np.imag(_voigt(x, sigma, gamma)[1]),
)


@voigt_profile.samples
def _(rng: np.random.Generator) -> Any:
    for shapes in (((3, 4), (3, 4), (3, 4)), ((3, 1), (), (4,))):
        x, sigma, gamma = (
            np.asarray(rng.uniform(low, low + 0.7, n)) for low, n in zip((-0.4, 1.3, 0.3), shapes, strict=True)
        )
        yield x, sigma, gamma


guard_family(vars())
