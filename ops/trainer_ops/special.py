"""SciPy's special functions: error functions, gamma and beta functions, entropies, integrals, (27)-(28).

Bessel functions are in bessel.py, polynomials and elliptic integrals in hypergeometric.py, distribution functions in
probability.py. Formulas are those of the NIST Digital Library of Mathematical Functions (DLMF). SciPy is imported when
one of these is first called. An input with respect to which no function gives the derivative, such as the `a` of
`gammainc`, is declared not differentiable. SciPy's functions that are no ufuncs refuse a Tensor; their ops are called
themselves: `trainer_ops.special.polygamma(n, x)`.

Edges. In their removable singularities exprel, boxcox, spence and rgamma (at the poles of Γ) have their right
derivatives, of every order; sici and shichi, whose second result is infinite at 0, have nan there. xlogy(x1, x2) and
xlog1py have derivative 0 with respect to x2 where x1 is 0, also where the logarithm is −inf; so has rel_entr, and
kl_div has 1. With respect to x1, and entr's, the derivative at 0 is infinite, as the true slope is. huber and
pseudo_huber are smooth in r; huber's slope in δ is 0 at |r| = δ. The gamma functions are nan at their poles.
"""

from __future__ import annotations

import math

import numpy as np

from trainer import op
from trainer.engine.dispatch import bind, instead
from trainer_ops._common import Array, draw, elementwise, shapes
from trainer_ops._lazy import Lazy, deferred, weak
from trainer_ops.arithmetic import cbrt
from trainer_ops.exponential import exp2, expm1, log1p
from trainer_ops.poles import guard_family, over, times
from trainer_ops.trigonometric import hypot1

sp = Lazy("scipy.special")
log = weak(np.log)
ROOT_PI = math.sqrt(math.pi)
DEGREE = math.pi / 180
special = deferred("scipy.special", __name__)

# SciPy's own versions of functions that NumPy has.

for _function, _op in {"cbrt": cbrt, "exp2": exp2, "expm1": expm1, "log1p": log1p}.items():
    bind(f"scipy.special.{_function}", _op)

# Elementary functions with care for rounding. exprel' = ₁F₁(2; 3; x)/2 has no singularity at 0, and neither have the
# derivatives that follow from it.

exp10 = special("exp10", "x", "10^x").defvjp(x=lambda dy, y: dy * y * math.log(10))
exprel = special("exprel", "x", "(e^x − 1)/x, and 1 at 0").defvjp(x=lambda dy, x: dy * sp.hyp1f1(2.0, 3.0, x) / 2)
cosm1 = special("cosm1", "x", "cos x − 1").defvjp(x=lambda dy, x: -dy * np.sin(x))
powm1 = special("powm1", "x1 x2", "x1^x2 − 1").defvjp(
    x1=lambda dy, x1, x2: dy * x2 * x1 ** (x2 - 1), x2=lambda dy, x1, y: dy * (y + 1) * log(x1)
)
sindg = special("sindg", "x", "sin of x degrees").defvjp(x=lambda dy, x: dy * sp.cosdg(x) * DEGREE)
cosdg = special("cosdg", "x", "cos of x degrees").defvjp(x=lambda dy, x: -dy * sp.sindg(x) * DEGREE)
tandg = special("tandg", "x", "tan of x degrees").defvjp(x=lambda dy, y: dy * (1 + y * y) * DEGREE)
cotdg = special("cotdg", "x", "cot of x degrees").defvjp(x=lambda dy, y: -dy * (1 + y * y) * DEGREE)
elementwise(exp10, exprel, cosm1)
elementwise(powm1, low=0.3)
elementwise(sindg, cosdg, tandg, cotdg, low=10.0, high=80.0)

# The logistic function. σ' = σ(x)·σ(−x), which keeps its digits where 1 − σ(x) has lost them.

expit = special("expit", "x", "1/(1 + e^(−x)), the logistic function").defvjp(
    x=lambda dy, x: dy * sp.expit(x) * sp.expit(-x)
)
logit = special("logit", "x", "log(x/(1 − x)), the inverse of expit").defvjp(x=lambda dy, x: dy / (x * (1 - x)))
log_expit = special("log_expit", "x", "log of expit").defvjp(x=lambda dy, x: dy * sp.expit(-x))
elementwise(expit, log_expit)
elementwise(logit, low=0.1, high=0.9)

# Error functions. DLMF 7.2; all of them but the inverses take complex numbers.

erf = special("erf", "x", "2/√π ∫₀ˣ e^(−t²) dt").defvjp(x=lambda dy, x: dy * np.exp(-x * x) * (2 / ROOT_PI))
erfc = special("erfc", "x", "1 − erf x").defvjp(x=lambda dy, x: -dy * np.exp(-x * x) * (2 / ROOT_PI))
erfi = special("erfi", "x", "−i erf(ix)").defvjp(x=lambda dy, x: dy * np.exp(x * x) * (2 / ROOT_PI))
erfcx = special("erfcx", "x", "e^(x²) erfc x").defvjp(x=lambda dy, x, y: dy * _erfcx_slope(x, y))
dawsn = special("dawsn", "x", "e^(−x²) ∫₀ˣ e^(t²) dt, Dawson's integral").defvjp(
    x=lambda dy, x, y: dy * _dawsn_slope(x, y)
)
wofz = special("wofz", "z", "e^(−z²) erfc(−iz), the Faddeeva function; its result is complex").defvjp(
    z=lambda dy, z, y: dy * wofz_slope(z, y)
)
erfinv = special("erfinv", "x", "the inverse of erf").defvjp(x=lambda dy, y: dy * np.exp(y * y) * (ROOT_PI / 2))
erfcinv = special("erfcinv", "x", "the inverse of erfc").defvjp(x=lambda dy, y: -dy * np.exp(y * y) * (ROOT_PI / 2))
fresnel = special("fresnel", "x", "(∫₀ˣ sin(πt²/2) dt, ∫₀ˣ cos(πt²/2) dt), the Fresnel integrals").defvjp(
    x=lambda dy, x: times(dy[0], np.sin(math.pi / 2 * x * x)) + times(dy[1], np.cos(math.pi / 2 * x * x))
)

# The slopes of erfcx, dawsn and wofz, 2xy − 2/√π, 1 − 2xy and 2i/√π − 2zy, cancel where x is large. There they are
# what remains of DLMF 7.12.1's expansion without its first term: Σ (2n−1)!!·tⁿ over n ≥ 1, with t = ∓1/(2x²).


def _tail(t: Array) -> Array:
    total = 1.0
    for n in range(11, 0, -1):
        total = 1 + (2 * n + 1) * t * total
    return t * total


def _erfcx_slope(x: Array, y: Array) -> Array:
    far = x.real > 16
    return (2 / ROOT_PI) * np.where(far, _tail(-0.5 / np.where(far, x, 16) ** 2), ROOT_PI * x * y - 1)


def _dawsn_slope(x: Array, y: Array) -> Array:
    far = np.abs(x.real) > 16 + np.abs(x.imag)
    return np.where(far, -_tail(0.5 / np.where(far, x, 16) ** 2), 1 - 2 * x * y)


def wofz_slope(z: Array, w: Array) -> Array:
    """The derivative of the Faddeeva function at z, where it is w."""
    far = (np.abs(z) > 16) & (z.imag >= 0)
    return (2j / ROOT_PI) * np.where(far, -_tail(0.5 / np.where(far, z, 16) ** 2), 1 + ROOT_PI * 1j * z * w)


elementwise(erf, erfc, erfi, fresnel)
draw(erfcx, *shapes((3, 4), ()), [np.array([0.3, 20.0, 40.0])])
draw(dawsn, *shapes((3, 4), ()), [np.array([0.3, -20.0, 40.0])])
draw(wofz, *shapes((3, 4), ()), [np.array([0.3 + 0.4j, -1.2 + 2j])])
elementwise(erfinv, low=-0.9, high=0.9)
elementwise(erfcinv, low=0.1, high=1.9)

# Gamma functions. ψ = (log Γ)', and ψ⁽ⁿ⁾ is polygamma. 1/Γ(x) = sin(πx)·Γ(1−x)/π is entire: its
# derivative at the poles of Γ comes from that product, and elsewhere from −ψ(x)/Γ(x).

gamma = special("gamma", "x", "Γ(x)").defvjp(x=lambda dy, x, y: dy * y * sp.psi(x))
gammaln = special("gammaln", "x", "log |Γ(x)|").defvjp(x=lambda dy, x: dy * sp.psi(x))
loggamma = special("loggamma", "x", "log Γ(x), for complex x").defvjp(x=lambda dy, x: dy * sp.psi(x))
gammasgn = special("gammasgn", "x", "the sign of Γ(x)").zero("x")
psi = special("psi", "x", "(log Γ)'(x), the digamma function")
rgamma = special("rgamma", "x", "1/Γ(x)").defvjp(x=lambda dy, x: dy * _rgamma_slope(x))
poch = special("poch", "z m", "Γ(z + m)/Γ(z), Pochhammer's symbol").defvjp(
    z=lambda dy, z, m, y: dy * _poch_slope(z, m, y),
    m=lambda dy, z, m, y: dy * y * sp.psi(z + m),
)
binom = special("binom", "n k", "n over k").defvjp(
    n=lambda dy, n, k, y: dy * _binom_slopes(n, k, y)[0], k=lambda dy, n, k, y: dy * _binom_slopes(n, k, y)[1]
)


def _rgamma_slope(x: Array) -> Array:
    left, right = np.where(x.real < 0.5, x, 0.25), np.where(x.real < 0.5, 0.75, x)
    reflected = (math.pi * np.cos(math.pi * left) - np.sin(math.pi * left) * sp.psi(1 - left)) * sp.gamma(1 - left)
    return np.where(x.real < 0.5, reflected / math.pi, -sp.psi(right) * sp.rgamma(right))


def _psi_step(x: Array, h: Array) -> Array:
    """ψ(x + h) − ψ(x); far out, where the two agree in most of their digits, from the series of DLMF 5.11.2."""
    far = np.minimum(x, x + h) > 1e3
    a, b = (np.where(far, z, 1e3) for z in (x + 0 * h, x + h))  # either may be a Python number, which has no dtype
    ratio = np.where(far, h / a, 0)
    series = np.log1p(ratio) + ratio / b / 2 + ratio / b * (1 / a + 1 / b) / 12
    return np.where(far, series, sp.psi(x + h) - sp.psi(x))


def _poch_slope(z: Array, m: Array, y: Array) -> Array:
    """In z. Where 1/Γ(z) is 0 its ψ is infinite, and its slope is not."""
    zero = y == 0
    log_slope = _psi_step(np.where(zero, 1, z), m)
    at_zero = sp.gamma(z + m) * (sp.psi(z + m) * sp.rgamma(z) + _rgamma_slope(z))
    return np.where(zero, at_zero, y * log_slope)


def _binom_slopes(n: Array, k: Array, y: Array) -> tuple[Array, Array]:
    """In n and in k, of Γ(n + 1)·(1/Γ(k + 1))·(1/Γ(n − k + 1)), which is 0 where one of the latter two is."""
    zero = y == 0
    below, rest = k + 1, n - k + 1
    log_n, log_below, log_rest = sp.psi(n + 1), sp.psi(np.where(zero, 1, below)), sp.psi(np.where(zero, 1, rest))
    log_step = _psi_step(np.where(zero, 1, rest), k)
    size, by_rest = sp.gamma(n + 1), sp.rgamma(below) * _rgamma_slope(rest)
    in_n = np.where(zero, size * (log_n * sp.rgamma(below) * sp.rgamma(rest) + by_rest), y * log_step)
    in_k = np.where(zero, size * (_rgamma_slope(below) * sp.rgamma(rest) - by_rest), y * (log_rest - log_below))
    return in_n, in_k


@op
def zeta(s: Array, q: Array) -> Array:
    """Σₖ (k + q)^(−s) over k ≥ 0, Hurwitz' zeta function, as `scipy.special.zeta(s, q)`; in q, for s > 1.

    For complex q too, by the sum's first terms and Euler and Maclaurin's formula (DLMF 25.11.7) for the others.

    >>> float(zeta(2, 1.0))  # π²/6
    1.6449340668482266
    """
    if np.iscomplexobj(q):
        return _complex_zeta(np.asarray(s, float), np.asarray(q))
    return sp.zeta(s, q)


def _complex_zeta(s: Array, q: Array) -> Array:
    terms = int(max(0.0, np.ceil(14 - q.real.min(initial=14.0))))  # from Re q > 14 the formula's eight terms suffice
    y = sum((q + k) ** -s for k in range(terms))
    q = q + terms
    y = y + q ** (1 - s) / (s - 1) + q**-s / 2
    factor = s * q ** (-s - 1)  # s(s+1)…(s+2j−2)·q^(−s−2j+1)
    for j, bernoulli in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510), 1):
        y = y + bernoulli / math.factorial(2 * j) * factor
        factor = factor * (s + 2 * j - 1) * (s + 2 * j) / (q * q)
    return np.asarray(y, q.dtype)[()]


@op
def polygamma(n: Array, x: Array) -> Array:
    """The n-th derivative of psi, as `scipy.special.polygamma(n, x)`, for n ≥ 1: (−1)^(n+1) n! ζ(n + 1, x).

    >>> float(polygamma(1, 1.0))  # π²/6
    1.6449340668482266
    """
    if np.iscomplexobj(x):
        y = (-1.0) ** (np.asarray(n) + 1) * sp.gamma(np.asarray(n) + 1.0) * zeta.forward(np.asarray(n) + 1, x)
    else:
        y = sp.polygamma(n, x)
    return np.asarray(y, np.result_type(np.asarray(x), np.float16))[()]


@op
def multigammaln(a: Array, *, d: int) -> Array:
    """log Γ_d(a), the multivariate gamma function's logarithm, as `scipy.special.multigammaln(a, d)`.

    >>> float(multigammaln(np.float64(1.0), d=1))
    0.0
    """
    constant = d * (d - 1) / 4 * math.log(math.pi)
    return constant + sum(sp.gammaln(a - j / 2) for j in range(d))


zeta.elementwise = polygamma.elementwise = multigammaln.elementwise = True
zeta.nondifferentiable("s").defvjp(q=lambda dy, s, q: -dy * s * zeta(s + 1, q))
psi.defvjp(x=lambda dy, x: dy * polygamma(1, x))
polygamma.nondifferentiable("n").defvjp(x=lambda dy, n, x: dy * polygamma(n + 1, x))
multigammaln.defvjp(a=lambda dy, a, d: dy * sum(sp.psi(a - j / 2) for j in range(d)))
elementwise(gamma, gammaln, loggamma, gammasgn, psi, rgamma, poch, low=0.3, high=3.0)
draw(binom, [np.array([4.5, 7.2, 3.1]), np.array([1.3, 2.0, 0.4])], [5.5, (4,)], low=0.3)
draw(zeta, [np.array([2.0, 3.0, 4.5]), (3,)], [2.5, (3, 4)], low=0.3)
draw(polygamma, [1, (3, 4)], [np.array([[1], [2]]), (3,)], [3, ()], low=0.5)
draw(multigammaln, [(3, 4), {"d": 3}], [(), {"d": 1}], low=2.0, high=4.0)

# The incomplete gamma functions: γ(a, x)/Γ(a) has the slope x^(a−1) e^(−x)/Γ(a). Where y = f(x), the inverse has
# 1/f'(y).


def gamma_density(a: Array, x: Array) -> Array:
    """x^(a−1) e^(−x)/Γ(a), from logarithms lest its factors overflow."""
    return np.exp(sp.xlogy(a - 1, x) - x - sp.gammaln(a))


gammainc = special("gammainc", "a x", "1/Γ(a) ∫₀ˣ t^(a−1) e^(−t) dt").defvjp(
    x=lambda dy, a, x: dy * gamma_density(a, x)
)
gammaincc = special("gammaincc", "a x", "1 − gammainc(a, x)").defvjp(x=lambda dy, a, x: -dy * gamma_density(a, x))
gammaincinv = special("gammaincinv", "a p", "the x for which gammainc(a, x) is p").defvjp(
    p=lambda dy, a, y: dy / gamma_density(a, y)
)
gammainccinv = special("gammainccinv", "a p", "the x for which gammaincc(a, x) is p").defvjp(
    p=lambda dy, a, y: -dy / gamma_density(a, y)
)
for _op in (gammainc, gammaincc, gammaincinv, gammainccinv):
    _op.nondifferentiable("a")
elementwise(gammainc, gammaincc, low=0.3, high=3.0)
elementwise(gammaincinv, gammainccinv, low=0.3, high=0.8)

# Beta functions: B(a, b) = Γ(a)Γ(b)/Γ(a+b), and the incomplete one has the slope x^(a−1) (1−x)^(b−1)/B(a, b).


def beta_density(a: Array, b: Array, x: Array) -> Array:
    """x^(a−1) (1−x)^(b−1)/B(a, b), from logarithms lest its factors overflow."""
    return np.exp(sp.xlogy(a - 1, x) + sp.xlog1py(b - 1, -x) - sp.betaln(a, b))


beta = special("beta", "a b", "B(a, b) = Γ(a)Γ(b)/Γ(a + b)").defvjp(
    a=lambda dy, a, b, y: -dy * y * _psi_step(a, b), b=lambda dy, a, b, y: -dy * y * _psi_step(b, a)
)
betaln = special("betaln", "a b", "log |B(a, b)|").defvjp(
    a=lambda dy, a, b: -dy * _psi_step(a, b), b=lambda dy, a, b: -dy * _psi_step(b, a)
)
betainc = special("betainc", "a b x", "1/B(a, b) ∫₀ˣ t^(a−1) (1−t)^(b−1) dt").defvjp(
    x=lambda dy, a, b, x: dy * beta_density(a, b, x)
)
betaincc = special("betaincc", "a b x", "1 − betainc(a, b, x)").defvjp(
    x=lambda dy, a, b, x: -dy * beta_density(a, b, x)
)
betaincinv = special("betaincinv", "a b p", "the x for which betainc(a, b, x) is p").defvjp(
    p=lambda dy, a, b, y: dy / beta_density(a, b, y)
)
betainccinv = special("betainccinv", "a b p", "the x for which betaincc(a, b, x) is p").defvjp(
    p=lambda dy, a, b, y: -dy / beta_density(a, b, y)
)
elementwise(beta, betaln, low=0.3, high=3.0)
for _op in (betainc, betaincc, betaincinv, betainccinv):
    _op.nondifferentiable("a", "b")
    draw(_op, [2.5, 1.5, (3, 4)], [np.array([[0.7], [3.0]]), 2.0, (4,)], [1.0, 1.0, ()], low=0.1, high=0.9)

# Entropies and their parts.

entr = special("entr", "x", "−x log x").defvjp(x=lambda dy, x: -dy * (np.log(x) + 1))
rel_entr = special("rel_entr", "x1 x2", "x1 log(x1/x2)").defvjp(
    x1=lambda dy, x1, x2: dy * (np.log(x1 / x2) + 1), x2=lambda dy, x1, x2: -dy * x1 / x2
)
kl_div = special("kl_div", "x1 x2", "x1 log(x1/x2) − x1 + x2").defvjp(
    x1=lambda dy, x1, x2: dy * np.log(x1 / x2), x2=lambda dy, x1, x2: dy * (1 - x1 / x2)
)
xlogy = special("xlogy", "x1 x2", "x1 log x2, and 0 where x1 is 0").defvjp(
    x1=lambda dy, x2: dy * np.log(x2),
    x2=lambda dy, x1, x2: dy * over(x1, x2),
)
xlog1py = special("xlog1py", "x1 x2", "x1 log(1 + x2), and 0 where x1 is 0").defvjp(
    x1=lambda dy, x2: dy * np.log1p(x2),
    x2=lambda dy, x1, x2: dy * over(x1, 1 + x2),
)
elementwise(entr, rel_entr, kl_div, xlogy, xlog1py, low=0.3)

# Robust losses. With s = √(1 + (r/δ)²), ∂/∂δ of δ²(s − 1) is 2δ(s−1) − δ(s²−1)/s = δ(s−1)²/s.


def _pseudo_huber_delta(dy: Array, delta: Array, r: Array) -> Array:
    v = r / delta
    s = hypot1(v)
    excess = v * (v / (s + 1))  # s − 1
    return dy * delta * (excess * (excess / s))


scipy_huber = special("huber", "delta r", "r²/2 for |r| ≤ δ, else δ(|r| − δ/2)", name="scipy_huber").defvjp(
    delta=lambda dy, delta, r: dy * np.maximum(np.abs(r) - delta, 0),
    r=lambda dy, delta, r: dy * np.minimum(np.maximum(r, -delta), delta),
)
pseudo_huber = special("pseudo_huber", "delta r", "δ²(√(1 + (r/δ)²) − 1)").defvjp(
    delta=_pseudo_huber_delta, r=lambda dy, delta, r: dy * (r / hypot1(r / delta))
)
draw(scipy_huber, [np.array([0.5, 1.0, 1.5]), (4, 3)], [1.0, (3, 4)])
draw(pseudo_huber, [np.array([0.5, 1.0, 1.5]), (4, 3)], [1.0, (3, 4)])

# The Box-Cox transform is L·exprel(λL) with L = log x, so its slope in λ is L²·exprel'(λL), also at λ = 0. For the
# inverse y(p, λ), from boxcox(y, λ) = p: ∂y/∂λ = −∂λ boxcox/∂x boxcox, and 1/∂x boxcox = y^(1−λ).


def _boxcox_lam(L: Array, lam: Array) -> Array:
    return L * L * sp.hyp1f1(2.0, 3.0, lam * L) / 2


boxcox = special("boxcox", "x lam", "(x^λ − 1)/λ, and log x for λ = 0").defvjp(
    x=lambda dy, x, lam: dy * x ** (lam - 1), lam=lambda dy, x, lam: dy * _boxcox_lam(np.log(x), lam)
)
boxcox1p = special("boxcox1p", "x lam", "boxcox(1 + x, λ)").defvjp(
    x=lambda dy, x, lam: dy * (1 + x) ** (lam - 1), lam=lambda dy, x, lam: dy * _boxcox_lam(np.log1p(x), lam)
)
inv_boxcox = special("inv_boxcox", "p lam", "the x for which boxcox(x, λ) is p").defvjp(
    p=lambda dy, y, lam: dy * y ** (1 - lam),
    lam=lambda dy, y, lam: -dy * _boxcox_lam(np.log(y), lam) * y ** (1 - lam),
)
inv_boxcox1p = special("inv_boxcox1p", "p lam", "the x for which boxcox1p(x, λ) is p").defvjp(
    p=lambda dy, y, lam: dy * (1 + y) ** (1 - lam),
    lam=lambda dy, y, lam: -dy * _boxcox_lam(np.log1p(y), lam) * (1 + y) ** (1 - lam),
)
for _op in (boxcox, boxcox1p, inv_boxcox, inv_boxcox1p):
    draw(_op, [(3, 4), (3, 4)], [(3, 1), np.array([0.0, 0.5, -0.3])], [(), ()], low=0.3, high=1.5)

# Integrals and inverses. DLMF 6.2, 25.12 and 4.13. spence' = log x/(1 − x) = −₂F₁(1, 1; 2; 1 − x), which is smooth at
# 1; sinh x/x is the mean of exprel(x) and exprel(−x). E₀ = e^(−x)/x, and E₋₁ = E₀·(1 + 1/x).


def _spence_slope(x: Array) -> Array:
    near = np.abs(x - 1) < 0.5
    away, close = np.where(near, 0.25, x), np.where(near, x, 1)
    return np.where(near, -sp.hyp2f1(1.0, 1.0, 2.0, 1 - close), np.log(away) / (1 - away))


def _sinhc(x: Array) -> Array:
    """sinh x/x, for complex x as sinc(ix)."""
    return np.sinc(1j / math.pi * x) if x.dtype.kind == "c" else (sp.exprel(x) + sp.exprel(-x)) / 2


spence = special("spence", "x", "−∫₁ˣ log t/(t − 1) dt, the dilogarithm of 1 − x").defvjp(
    x=lambda dy, x: dy * _spence_slope(x)
)
expi = special("expi", "x", "−∫₋ₓ^∞ e^(−t)/t dt, the exponential integral Ei").defvjp(
    x=lambda dy, x: dy * np.exp(x) / x
)
exp1 = special("exp1", "x", "∫ₓ^∞ e^(−t)/t dt, the exponential integral E₁").defvjp(
    x=lambda dy, x: -dy * np.exp(-x) / x
)
expn = special("expn", "n x", "∫₁^∞ e^(−xt)/tⁿ dt, the exponential integral Eₙ").nondifferentiable("n")
expn.defvjp(
    x=lambda dy, n, x: -dy * np.where(n == 0, np.exp(-x) * (1 + 1 / x) / x, sp.expn(np.where(n == 0, n, n - 1), x))
)
sici = special("sici", "x", "(∫₀ˣ sin t/t dt, the integral of cos t/t), Si and Ci").defvjp(
    x=lambda dy, x: times(dy[0], np.sinc(x / math.pi)) + times(dy[1], np.cos(x) / x)
)
shichi = special("shichi", "x", "(∫₀ˣ sinh t/t dt, the integral of cosh t/t), Shi and Chi").defvjp(
    x=lambda dy, x: times(dy[0], _sinhc(x)) + times(dy[1], np.cosh(x) / x)
)
wrightomega = special("wrightomega", "x", "the y for which y + log y is x").defvjp(x=lambda dy, y: dy * y / (1 + y))
elementwise(spence, expi, exp1, sici, shichi, low=0.3)
elementwise(wrightomega)
draw(expn, [2, (3, 4)], [np.array([[0], [1], [3]]), (4,)], low=0.3)


@op
def lambertw(z: Array, *, k: int = 0) -> Array:
    """The y for which y·e^y is z, on the k-th branch, as `scipy.special.lambertw(z, k)`; complex, as SciPy's.

    >>> complex(lambertw(np.e))
    (1+0j)
    """
    y = sp.lambertw(z, k)
    return np.asarray(y, np.result_type(np.asarray(z), np.complex64))[()]


lambertw.elementwise = True
lambertw.defvjp(z=lambda dy, y: dy * np.exp(-y) / (1 + y))
draw(lambertw, *shapes((3, 4), ()), [np.array([0.3 + 0.4j, -1.2 + 2j])], [(3,), {"k": -1}], low=0.3)

# SciPy's functions that are no ufuncs refuse a Tensor; the error names the op.

for _op in (zeta, polygamma, multigammaln, lambertw):
    instead(f"scipy.special.{_op.name}", _op)

# The arithmetic-geometric mean is M = π(a+b)/(4K(m)), m = ((a−b)/(a+b))², DLMF 19.8.5. K'(m) = π/8·₂F₁(3/2, 3/2; 2; m).


def _agm_slope(a: Array, b: Array, y: Array) -> Array:
    """∂M/∂a = M/(a+b) − M·K'/K·∂m/∂a, with K from M itself."""
    s, d = a + b, a - b
    return y / s - 2 * y * y * sp.hyp2f1(1.5, 1.5, 2.0, (d / s) ** 2) * b * d / s**4


agm = special("agm", "a b", "the arithmetic-geometric mean of a and b").defvjp(
    a=lambda dy, a, b, y: dy * _agm_slope(a, b, y), b=lambda dy, a, b, y: dy * _agm_slope(b, a, y)
)
elementwise(agm, low=0.3)

guard_family(vars(), fresnel, sici, shichi)
