"""Makes ops/trainer_ops/references.json: derivatives to double precision, computed with 60 digits. Run by hand:

    pip install mpmath
    python tests/checker/make_references.py

The points are those where complex steps and differences are blunt: near removable singularities, near kinks that are
none, where a naive formula overflows or cancels, and far out in tails. Every derivative is mpmath's, of the function's
definition here and not of our rule, at exactly the double that is named.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp

from trainer.checker.library import registered_ops
from trainer.plugins import shared

TARGET = Path(__file__).parents[2] / "ops" / "trainer_ops" / "references.json"
mp.mp.dps = 60

one, two = mp.mpf(1), mp.mpf(2)
TAILS = [-700.5, -40.25, -5.5, -1.0, -1e-8, 1e-300, 1e-8, 0.5, 5.5, 40.25, 700.5]
WIDE = [-40.25, -5.5, -0.5, -1e-8, 1e-8, 0.5, 5.5, 40.25]
NEAR_0 = [-0.3, -1e-3, -1e-9, 1e-12, 1e-5, 0.3, 1.7]
POSITIVE = [1e-8, 0.01, 0.5, 1.0, 1.5, 4.25, 30.5]
BELOW_1 = [-0.999999, -0.5, -1e-9, 1e-9, 0.5, 0.999999]


def logistic(x: Any) -> Any:
    return one / (1 + mp.exp(-x))


def normal(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def softplus(x: Any) -> Any:
    return mp.log1p(mp.exp(x)) if x < 0 else x + mp.log1p(mp.exp(-x))


# Of one input: the function and the points.
SINGLE: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "exp": (mp.exp, [-700.5, -1.0, 0.0, 700.5]),
    "expm1": (mp.expm1, TAILS),
    "log": (mp.log, [1e-300, 1e-8, 0.5, 1 + 2**-40, 1e300]),
    "log1p": (mp.log1p, [-0.999999, -1e-9, 1e-300, 1e-9, 1e15]),
    "sqrt": (mp.sqrt, [1e-300, 1e-8, 0.5, 1e300]),
    "tanh": (mp.tanh, [-5.5, -0.5, -1e-9, 1e-9, 0.5]),
    "sinh": (mp.sinh, WIDE),
    "cosh": (mp.cosh, WIDE),
    "arcsin": (mp.asin, [-0.999, -1e-9, 1e-9, 0.5]),
    "arccos": (mp.acos, [-0.999, -1e-9, 1e-9, 0.5]),
    "arctan": (mp.atan, WIDE),
    "arcsinh": (mp.asinh, WIDE),
    "arccosh": (mp.acosh, [1 + 2**-40, 1.5, 1e15]),
    "arctanh": (mp.atanh, [-0.999, -1e-9, 1e-9, 0.5]),
    "sinc": (lambda x: mp.sin(mp.pi * x) / (mp.pi * x), NEAR_0),
    "sigmoid": (logistic, TAILS),
    "expit": (logistic, TAILS),
    "log_expit": (lambda x: -softplus(-x), TAILS),
    "log_sigmoid": (lambda x: -softplus(-x), TAILS),
    "softplus": (softplus, TAILS),
    "silu": (lambda x: x * logistic(x), TAILS),
    "swish": (lambda x: x * logistic(x), TAILS),
    "gelu": (lambda x: x * normal(x), [-30.5, -5.5, -1e-8, 1e-8, 0.5, 5.5, 30.5]),
    "mish": (lambda x: x * mp.tanh(softplus(x)), [-40.25, -5.5, -1e-8, 1e-8, 0.5, 5.5, 40.25]),
    "exprel": (lambda x: mp.expm1(x) / x, NEAR_0),
    "cosm1": (lambda x: mp.cos(x) - 1, NEAR_0),
    "erf": (mp.erf, [-6.0, -0.5, 1e-9, 0.5, 6.0, 20.0]),
    "erfc": (mp.erfc, [-6.0, -0.5, 1e-9, 0.5, 6.0, 20.0]),
    "erfi": (mp.erfi, [-6.0, -0.5, 1e-9, 0.5, 6.0]),
    "erfinv": (mp.erfinv, [-0.999, -0.5, 1e-9, 0.5, 0.999]),
    "gamma": (mp.gamma, [-2.5, -0.5, 1e-8, 0.5, 1.5, 5.25, 100.5]),
    "gammaln": (lambda x: mp.log(mp.gamma(x)), POSITIVE),
    "psi": (mp.psi0 if hasattr(mp, "psi0") else lambda x: mp.psi(0, x), [1e-3, 0.5, 1.0, 5.25, 100.5]),
    "rgamma": (mp.rgamma, [-2.5, -1.0, 1e-9, 0.5, 5.25]),
    "logit": (lambda x: mp.log(x / (1 - x)), [1e-300, 1e-9, 0.5, 1 - 2**-40]),
    "entr": (lambda x: -x * mp.log(x), POSITIVE),
    "normal_cdf": (normal, [-30.5, -5.5, -0.5, 1e-9, 0.5, 5.5]),
    "ndtr": (normal, [-37.5, -5.5, -0.5, 1e-9, 0.5, 5.5]),
    "log_ndtr": (lambda x: mp.log(normal(x)), [-200.5, -37.5, -5.5, -0.5, 1e-9, 0.5, 5.5]),
    "spence": (lambda x: mp.polylog(2, 1 - x), [0.01, 0.5, 1 + 2**-20, 1.5]),
    "expi": (mp.ei, [-5.5, 1e-3, 0.5, 5.5, 40.25]),
    "exp1": (mp.e1, [1e-3, 0.5, 5.5, 40.25]),
    "i0": (lambda x: mp.besseli(0, x), [-5.5, 1e-9, 0.5, 5.5, 40.25]),
    "i0e": (lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), [0.5, 5.5, 40.25]),
    "i1": (lambda x: mp.besseli(1, x), [-5.5, 1e-3, 0.5, 5.5, 40.25]),
    "j0": (lambda x: mp.besselj(0, x), [-5.5, 1e-9, 0.5, 5.5, 40.25]),
    "j1": (lambda x: mp.besselj(1, x), [-5.5, 1e-3, 0.5, 5.5, 40.25]),
    "y0": (lambda x: mp.bessely(0, x), [1e-3, 0.5, 5.5, 40.25]),
    "k0": (lambda x: mp.besselk(0, x), [1e-3, 0.5, 5.5, 40.25]),
    "ellipk": (mp.ellipk, [-3.5, 0.1, 0.5, 0.99]),
    "ellipe": (mp.ellipe, [-3.5, 0.1, 0.5, 0.99]),
}

# Of two inputs: the function and the points.
PAIRS: dict[str, tuple[Callable[[Any, Any], Any], list[tuple[float, float]]]] = {
    "logaddexp": (
        lambda a, b: mp.log(mp.exp(a) + mp.exp(b)),
        [(1000.0, 1000.5), (-1000.0, -1001.0), (0.0, 1e-9), (5.0, -30.0)],
    ),
    "hypot": (
        lambda a, b: mp.sqrt(a * a + b * b),
        [(3.0, 4.0), (1e-200, 2e-200), (1e200, 2e200), (1e-9, 1.0)],
    ),
    "power": (
        lambda a, b: mp.exp(b * mp.log(a)),
        [(0.5, 3.0), (1e-8, 2.5), (30.25, -2.5), (1 + 2**-30, 1e6)],
    ),
    "divide": (lambda a, b: a / b, [(1.0, 3.0), (1e-200, 1e-100), (1e200, -1e150)]),
    "arctan2": (mp.atan2, [(1e-9, 1.0), (1.0, 1e-9), (-0.5, -0.25), (1e100, 1e100)]),
    "beta": (mp.beta, [(0.5, 1.5), (2.25, 3.5), (0.01, 4.0)]),
    "betaln": (lambda a, b: mp.log(mp.beta(a, b)), [(0.5, 1.5), (2.25, 3.5), (100.5, 200.5)]),
    "xlogy": (lambda a, b: a * mp.log(b), [(0.5, 1e-300), (2.0, 3.0)]),
    "xlog1py": (lambda a, b: a * mp.log1p(b), [(0.5, 1e-12), (2.0, 3.0)]),
    "rel_entr": (lambda a, b: a * mp.log(a / b), [(0.5, 1e-300), (2.0, 3.0), (1e-9, 0.5)]),
}  # fmt: skip


# Rules that keep their output alone, as 1 − y² for tanh, lose the digits of a slope that is far below 1.
ABSOLUTE = {"tanh": 1e-15, "expm1": 1e-15, "gelu": 1e-15, "sigmoid": 1e-15, "normal_cdf": 1e-15}
ATTRIBUTES = {"gelu": {"approximate": False}}


def slope(f: Callable[..., Any], point: tuple[float, ...], i: int) -> float:
    """∂f/∂x_i at exactly these doubles, rounded to the nearest double."""
    exact = [mp.mpf(x) for x in point]
    extreme = not 1e-20 < abs(exact[i]) < 100
    with mp.workdps(750 if extreme else 120):
        scale = abs(exact[i]) or one

        def along(t: Any) -> Any:
            return f(*[x + scale * t if k == i else x for k, x in enumerate(exact)])

        return float(mp.diff(along, mp.mpf(0), h=mp.mpf(10) ** -40) / scale)


def main() -> None:
    """Write the table, for the ops that are registered."""
    ops = registered_ops(shared())
    entries: dict[str, Any] = {}
    missing = []
    everything: dict[str, Any] = {**{n: (f, [(p,) for p in points]) for n, (f, points) in SINGLE.items()}, **PAIRS}
    for name, (f, points) in sorted(everything.items()):
        if name not in ops:
            missing.append(name)
            continue
        inputs = ops[name].target.inputs
        columns = {inputs[i]: [p[i] for p in points] for i in range(len(inputs))}
        derivatives = {inputs[i]: [slope(f, p, i) for p in points] for i in range(len(inputs))}
        entries[name] = [{"points": columns, "derivatives": derivatives}]
        entries[name][0] |= {"absolute": ABSOLUTE[name]} if name in ABSOLUTE else {}
        entries[name][0] |= {"attributes": ATTRIBUTES[name]} if name in ATTRIBUTES else {}
    lines = [f'"{name}": {json.dumps(entry)}' for name, entry in entries.items()]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(entries)} ops in {TARGET}; not registered: {', '.join(missing) or 'none'}")  # noqa: T201


if __name__ == "__main__":
    main()
