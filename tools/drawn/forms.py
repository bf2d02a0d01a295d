"""What random programs are made of: lines as users write them, each on values of the kinds that it takes.

A form is given a `Draw`, takes values and settings from it, and returns a function of these values. Whether the line
makes sense for their shapes is not its business: who draws tries it, and takes another where NumPy refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import scipy.special as sp

from tools import graphs
from trainer import Op, grad
from trainer.checker.case import Case, Subject, cases_of

Line = Callable[..., Any]
Form = Callable[["Draw"], Line]

FLOATS, REALS, INTEGERS, MASKS, NUMBERS = "fc", "f", "iu", "b", "fciu"


class NothingOfTheKind(LookupError):
    """There is no value yet that a form could take."""


class Draw:
    """Random choices for one line.

    Attributes:
        places: of the values that were taken, in the order in which the line wants them.
    """

    def __init__(self, rng: np.random.Generator, values: Sequence[Any]) -> None:
        self.rng, self.values, self.places = rng, values, list[int]()

    def take(self, kinds: str = NUMBERS, at_least: int = 0) -> Any:
        """One of the values, later ones preferred, which becomes the line's next argument. Python's floats are of kind
        p."""
        fitting = [
            i for i, v in enumerate(self.values) if kind_of(v) in kinds and (kinds == "p" or np.ndim(v) >= at_least)
        ]
        if not fitting:
            raise NothingOfTheKind(kinds)
        self.places.append(fitting[-1 - min(int(self.rng.exponential(3)), len(fitting) - 1)])
        return self.values[self.places[-1]]

    def one(self, *options: Any) -> Any:
        return options[self.rng.integers(len(options))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def axis(self, x: Any) -> int:
        return int(self.rng.integers(-x.ndim, x.ndim))

    def axes(self, x: Any) -> Any:
        """None, an axis or some of them."""
        if x.ndim == 0 or self.chance(0.25):
            return None
        if x.ndim == 1 or self.chance(0.7):
            return self.axis(x)
        return tuple(int(a) for a in self.rng.permutation(x.ndim)[:2])


def kind_of(value: Any) -> str:
    return "p" if type(value) is float else value.dtype.kind


def array(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    """Random elements: around 0 and of both signs, or whole numbers below 4, or truths."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.6
    if dtype.kind in "iu":
        return rng.integers(0, 4, shape).astype(dtype)
    real = np.asarray(rng.normal(size=shape))
    return (real + 1j * rng.normal(size=shape) if dtype.kind == "c" else real).astype(dtype)


# How an array may lie. The first are dense.
def _unaligned(x: Any) -> Any:
    moved: Any = np.ndarray(x.shape, x.dtype, np.zeros(x.nbytes + 1, np.uint8)[1:].data)
    moved[...] = x
    return moved


def _with_gaps(x: Any) -> Any:
    wide = np.zeros([2 * n for n in x.shape], x.dtype)
    gaps = tuple(slice(None, None, 2) for _ in x.shape)
    wide[gaps] = x
    return wide[gaps]


LAYOUTS: dict[str, Line] = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "axes turned": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -1, 0)), 0, -1) if x.ndim else x,
    "reversed": lambda x: np.flip(np.ascontiguousarray(np.flip(x))),
    "gaps": _with_gaps,
    "broadcast": lambda x: np.broadcast_to(x[:1] if x.ndim else x, x.shape),
    "broadcast within": lambda x: np.broadcast_to(x[..., :1] if x.ndim else x, x.shape),
    "unaligned": _unaligned,
    "another byte order": lambda x: x.astype(x.dtype.newbyteorder()),
}
DENSE = 3


UNARY: list[Line] = [
    np.sin, np.tanh, np.negative, np.square, np.conj, np.real, np.imag, np.abs, np.arctan, np.expm1, np.exp, np.cos,
    lambda x: x**2, lambda x: x**3, lambda x: 1 / (2 + x * x), lambda x: np.sqrt(np.abs(x) + 1), lambda x: x * x * x,
    lambda x: np.log1p(np.abs(x)), lambda x: np.where(x > 0, x, 0.1 * x), lambda x: np.maximum(x, 0), np.sign,
    lambda x: np.clip(x, -0.5, 1), lambda x: (x - np.mean(x)) / (np.std(x) + 1e-3), lambda x: np.exp(1j * x),
    lambda x: x / (1 + np.abs(x)), lambda x: abs(-x) ** 0.5, lambda x: 2**x, lambda x: x * 1j, np.floor, sp.erf,
    lambda x: np.log(x * x + 1), sp.expit, lambda x: -x + x.real, np.round, np.cbrt, np.reciprocal, np.sinc, np.angle,
    lambda x: np.nan_to_num(np.log(x)), lambda x: np.where(x > 0, np.sqrt(x), 0), lambda x: x.astype(np.float32),
    lambda x: x.astype(np.complex64), lambda x: x * np.float32(0.7), lambda x: x * np.pi - 2, lambda x: x // 0.3,
    lambda x: x % 0.7, lambda x: np.float64(2) ** x, lambda x: 3 - x * np.array(2), lambda x: np.abs(x) ** x,
]  # fmt: skip
BINARY: list[Line] = [
    np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.hypot, np.arctan2, np.logaddexp, np.copysign,
    np.fmax, lambda x, y: x / (2 + np.abs(y)), lambda x, y: np.where(x > y, x, y * 0.5),
    lambda x, y: (np.abs(x) + 1) ** y, lambda x, y: x * np.conj(y), lambda x, y: x * y - y * x + x,
    lambda x, y: 0.9 * x + 0.1 * y * y, lambda x, y: x - 0.01 * y / (np.sqrt(np.abs(y)) + 1e-8),
    lambda x, y: (x == y) * x, lambda x, y: x * (y > 0), np.greater, np.less_equal, np.not_equal, np.fmod, np.power,
    np.true_divide, np.heaviside, np.remainder, lambda x, y: np.select([x > 1, y > 0], [x, y], 0.5),
    lambda x, y: x * y + 1j * (x - y), lambda x, y: (x + y) * (x - y),
]  # fmt: skip
REDUCTIONS: list[Line] = [
    np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std, np.sum, np.mean, np.median, np.ptp, np.amax,
    np.linalg.norm,
    lambda x, axis=None, keepdims=False: np.sqrt(np.sum(np.abs(x) ** 2, axis=axis, keepdims=keepdims)),
    lambda x, axis=None, keepdims=False: x.sum(axis=axis, keepdims=keepdims) / x.size,
    lambda x, axis=None, keepdims=False: np.log(np.sum(np.exp(np.tanh(x)), axis=axis, keepdims=keepdims)),
]  # fmt: skip
SCANS: list[Line] = [np.cumsum, np.cumprod, np.diff, np.sort, np.flip, np.gradient, np.argsort]
LAID: list[Line] = [
    lambda x: x.T, lambda x: x[::-1], lambda x: x[..., ::-1], lambda x: x[..., ::2], lambda x: x[1:],
    lambda x: x[:, None], lambda x: np.broadcast_to(x, (3, *x.shape)),
    lambda x: np.broadcast_to(x[..., None], (*x.shape, 4)), np.ravel, lambda x: np.reshape(x, -1),
    lambda x: np.ravel(x, order="F"), lambda x: np.swapaxes(x, 0, -1), np.squeeze, lambda x: np.moveaxis(x, 0, -1),
    lambda x: np.roll(x, 1, axis=0), lambda x: np.tile(x, 2), lambda x: np.repeat(x, 2, 0), lambda x: np.pad(x, 1),
    lambda x: x[..., 0], lambda x: x[0], lambda x: x[-1:, ...], lambda x: np.copy(x, order="F"),
    lambda x: np.stack([x, 2 * x], axis=-1), lambda x: np.concatenate([x, x[::-1]]), np.diagonal, np.tril,
    np.atleast_2d, lambda x: np.reshape(x, x.shape[::-1]), lambda x: np.rot90(x),
    lambda x: x[np.arange(x.shape[0])[::-1]], np.trace, lambda x: np.split(x, 2)[1],
    lambda x: np.array_split(x, 2, axis=-1)[0], lambda x: x.reshape(-1, 1) + 0 * x.reshape(-1),
]  # fmt: skip
PRODUCTS: list[Line] = [
    lambda x, y: x @ y, lambda x, y: x @ y.T, lambda x, y: x.T @ y, np.dot, np.outer, np.inner,
    lambda x, y: np.tensordot(x, y, 1), lambda x, y: np.einsum("...i,...i->...", x, y),
    lambda x, y: np.einsum("ij,kj->ik", x, y), np.kron, np.vdot, lambda x, y: np.concatenate([x, y]),
    lambda x, y: np.concatenate([x.ravel(), y.ravel()]), lambda x, y: np.stack([x, y]),
    lambda x, y: np.hstack([x, y]), lambda x, y: np.vstack([x, y]),
    lambda x, y: np.convolve(x.ravel(), y.ravel()[:3]),
]  # fmt: skip
BY_INTEGERS: list[Line] = [
    lambda x, i: x[i % x.shape[0]], lambda x, i: np.take(x, i % x.shape[-1], axis=-1), lambda x, i: x * i,
    lambda x, i: x**i, lambda x, i: x[np.arange(x.shape[0]), i.ravel()[0] % x.shape[1]],
    lambda x, i: np.eye(4)[i] * x.ravel()[0], lambda x, i: x[:, i % x.shape[1]], lambda x, i: x[i % x.shape[0], None],
    lambda x, i: np.where(i > 1, 1.0, 0.5) * np.sum(x),
    lambda x, i: np.take_along_axis(x, (i.ravel()[:1] % x.shape[-1]).reshape([-1] + [1] * (x.ndim - 1)), -1),
    lambda x, i: nll(x, np.resize(i, x.shape[0])), lambda x, i: x + i // 2, lambda x, i: np.sum(x) * (i % 3),
    lambda x, i: np.arange(4.0)[i] + np.mean(x), lambda x, i: np.choose(i.ravel()[0] % 2, [x, 2 * x]),
    lambda x, i: x[..., i.ravel() % x.shape[-1]], lambda x, i: np.roll(x, 1) * i.ravel()[0],
]  # fmt: skip
BY_MASKS: list[Line] = [
    lambda x, m: np.where(m, x, 0), lambda x, m: x * m, lambda x, m: np.where(m, np.sqrt(x), x),
    lambda x, m: np.sum(x, where=m), lambda x, m: np.mean(x, where=m, axis=-1), lambda x, m: np.where(~m, -np.inf, x),
    lambda x, m: x * (m & (x > 0)), lambda x, m: np.where(m[..., None], x[..., None], 1.0),
    lambda x, m: x * np.any(m), lambda x, m: x + np.sum(m), lambda x, m: softmax(np.where(m, x, -np.inf)),
    lambda x, m: np.where(m, x, np.nan), lambda x, m: np.prod(x, where=m, axis=0),
]  # fmt: skip
BY_A_FLOAT: list[Line] = [
    lambda x, s: x * s, lambda x, s: x - s * s * x, lambda x, s: np.sin(s) * x, lambda x, s: s / (2 + x * x),
    lambda x, s: x + s, lambda x, s: np.clip(x, -abs(s), abs(s)), lambda x, s: x * (1 - s) + s,
    lambda x, s: np.where(x > s, x, s), lambda x, s: x**s,
]  # fmt: skip
INTEGER: list[Line] = [
    lambda i: i + 1, lambda i: i // 2, lambda i: i % 3, lambda i: i * i, lambda i: -i, lambda i: i / 2,
    lambda i: i == 1, lambda i: i.T, lambda i: i[::-1], lambda i: i.astype(np.float32), np.cumsum, np.sum, np.prod,
    np.max, lambda i: i << 1,
]  # fmt: skip


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def nll(scores: Any, labels: Any) -> Any:
    z = scores - np.max(scores, axis=1, keepdims=True)
    logp = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -logp[np.arange(len(labels)), labels % scores.shape[1]]


def recurrence(x: Any) -> Any:
    h, steps = 0.0, []
    for row in x:
        h = np.tanh(0.5 * h + row)
        steps.append(h)
    return np.stack(steps)


def normalised(x: Any) -> Any:
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5)


def attention(x: Any) -> Any:
    return softmax(x @ np.swapaxes(x, -1, -2) / np.sqrt(x.shape[-1])) @ x


def spectrum(x: Any) -> Any:
    return np.abs(np.fft.fft(x)) ** 2


def stepped(x: Any) -> Any:
    return x - 0.1 * grad(lambda t: np.sum(np.tanh(t) * t))(x)


WHOLE: list[Line] = [
    softmax, recurrence, normalised, attention, spectrum, stepped, np.fft.ifft, lambda x: np.fft.rfft(x, axis=0),
    lambda x: np.linalg.inv(x @ x.T + np.eye(len(x))),
    lambda x: np.linalg.solve(x.T @ x + 2 * np.eye(x.shape[1]), x.T), lambda x: np.linalg.det(np.tanh(x @ x.T)),
    lambda x: np.max(x, axis=-1, keepdims=True) - x, lambda x: np.cov(x),
]  # fmt: skip


def _of(lines: list[Line], *kinds: str, at_least: int = 0) -> Form:
    def form(draw: Draw) -> Line:
        for kind in kinds:
            draw.take(kind, at_least)
        line: Line = draw.one(*lines)
        return line

    return form


def reduction(draw: Draw) -> Line:
    x, f = draw.take(FLOATS), draw.one(*REDUCTIONS)
    settings: dict[str, Any] = {"axis": draw.axes(x)} | ({"keepdims": True} if draw.chance(0.4) else {})
    return lambda x: f(x, **settings)


def along(draw: Draw) -> Line:
    x, f = draw.take(FLOATS, 1), draw.one(*SCANS)
    axis = draw.axis(x)
    return lambda x: f(x, axis=axis)


def with_a_constant(draw: Draw) -> Line:
    """An array of any layout that the function closes over."""
    x = draw.take(FLOATS)
    shape = tuple(n if draw.chance(0.8) else 1 for n in x.shape)
    constant = array(draw.rng, shape, draw.one(np.float32, np.float64, x.dtype, np.bool_, np.int64))
    constant = LAYOUTS[draw.one(*LAYOUTS)](constant)
    line: Line = draw.one(
        lambda x: x * constant, lambda x: constant - x, lambda x: x @ constant.T,
        lambda x: np.where(constant > 0, x, 0), lambda x: np.sum(x * constant, axis=0),
        lambda x: x * np.sum(constant), lambda x: np.prod(1 + 0.1 * constant) * x,
        lambda x: np.concatenate([x, constant]), lambda x: np.einsum("...i,...i->...", x, constant),
        lambda x: x.T @ constant,
    )  # fmt: skip
    return line


@cache
def cases(op: Op) -> tuple[Case, ...]:
    """The small samples of an op."""
    return tuple(c for c in cases_of(Subject(op), (), "-") if c.xs and sum(x.size for x in c.xs) <= 64)


def of_the_registry(draw: Draw) -> Line:
    """An op that ships, on one of its samples, made of earlier values as in `tools/graphs.py`."""
    op = draw.one(*graphs.ops())
    floats = [v for v in draw.values if kind_of(v) in REALS and np.size(v)]
    if not cases(op) or not floats:
        raise NothingOfTheKind(op.name)
    call = graphs.wired(draw.one(*cases(op)), floats, draw.rng)
    places = [i for i, v in enumerate(draw.values) if kind_of(v) in REALS and np.size(v)]
    draw.places[:] = places
    return lambda *values: call.run(list(values))


FORMS: list[tuple[float, Form]] = [
    (3, _of(UNARY, FLOATS)), (3, _of(BINARY, FLOATS, FLOATS)), (3, reduction), (1, along), (2.5, _of(LAID, FLOATS)),
    (2, _of(PRODUCTS, FLOATS, FLOATS)), (2, _of(BY_INTEGERS, FLOATS, INTEGERS)), (1.5, _of(BY_MASKS, FLOATS, MASKS)),
    (1, _of(BY_A_FLOAT, FLOATS, "p")), (1, _of(INTEGER, INTEGERS)), (1.5, _of(WHOLE, FLOATS, at_least=1)),
    (1.5, with_a_constant), (2, of_the_registry), (0.5, _of(BINARY, NUMBERS, NUMBERS)), (0.5, _of(LAID, MASKS)),
]  # fmt: skip
