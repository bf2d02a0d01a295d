"""A contract that every op's rules must keep, checked on the op's own samples.

It shares no line with trainer/checker, on purpose: each of the two would find what the other was blind to.

The reference for a Jacobian is the complex step, f(x + ih)/h for a tiny h, which is exact to rounding and knows nothing
of the rules. It is valid where the forward function accepts complex numbers and treats them analytically, which central
differences confirm; where it is not, central differences of fourth order are the reference themselves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from trainer import Op, Tensor, vjp
from trainer.engine.dispatch import TABLE
from trainer.errors import OpError, TrainerError

EXACT, CLOSE, ROUGH = 1e-11, 1e-7, 1e-5  # complex step; differences; agreement that makes a complex step credible


class Call:
    """One call of an op, as a function from its differentiable arrays to all its results in one vector."""

    def __init__(self, op: Op, arrays: Sequence[Any], attributes: dict[str, Any]) -> None:
        self.op, self.arrays, self.attributes = op, tuple(arrays), attributes
        names = op.inputs * len(arrays) if op.variadic else op.inputs
        self.live = [
            i for i, a in enumerate(arrays)
            if names[i] in op.differentiable and isinstance(a, np.ndarray) and a.dtype.kind in "fc"
        ]  # fmt: skip

    @property
    def x(self) -> tuple[Any, ...]:
        return tuple(self.arrays[i] for i in self.live)

    def with_x(self, x: Sequence[Any]) -> Call:
        arrays = list(self.arrays)
        for i, value in zip(self.live, x, strict=True):
            arrays[i] = value
        return Call(self.op, arrays, self.attributes)

    def __call__(self, *x: Any) -> Any:
        arrays = list(self.arrays)
        for i, value in zip(self.live, x, strict=True):
            arrays[i] = value
        y = self.op(*arrays, **self.attributes)
        ys = [v for v in (y if isinstance(y, tuple) else (y,)) if v.dtype.kind in "fc"]
        if all(a.dtype.kind == "f" for a in x):  # complex results of real arrays are pairs of real ones
            ys = [part for v in ys for part in ((np.real(v), np.imag(v)) if v.dtype.kind == "c" else (v,))]
        flat = [v.reshape(-1) for v in ys]
        return flat[0] if len(flat) == 1 else np.concatenate(flat)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{a.dtype} {a.shape}" if isinstance(a, np.ndarray) else repr(a) for a in self.arrays)
        return f"{self.op.name}({shapes}, {self.attributes})"


def check(op: Op, seed: int = 0) -> int:
    """Hold an op to the whole contract on every sample. Returns how many samples had something to differentiate."""
    differentiated = 0
    for arrays, attributes in op.sample_calls(np.random.default_rng(seed)):
        call = Call(op, [_frozen(a) for a in arrays], attributes)
        plain = op(*call.arrays, **attributes)
        recorded = op(*[Tensor(a) if i in call.live else a for i, a in enumerate(call.arrays)], **attributes)
        _same(plain, recorded, call)
        floating = any(v.dtype.kind in "fc" for v in (plain if isinstance(plain, tuple) else (plain,)))
        if not call.live or not floating:
            continue
        differentiated += 1
        exact = True
        if all(a.dtype.kind == "f" for a in call.x):
            exact = check_jacobian(call)
            check_second_order(call)
            check_single_precision(call)
        check_complex(call, exact)
        check_layouts(call)
    return differentiated


def check_jacobian(call: Call) -> bool:
    """Every row of the Jacobian by the rules, every column by the reference. Whether complex steps were valid."""
    y, pullback = vjp(call, *call.x)
    rows = [pullback(dy) for dy in np.eye(y.size, dtype=y.dtype)]
    exact = True
    for k, x in enumerate(call.x):
        got = np.array([np.asarray(row[k]).reshape(-1) for row in rows]).reshape(y.size, x.size)
        columns = [derivative(lambda *v: call(*v), call.x, _direction(call.x, k, j)) for j in range(x.size)]
        want = np.array([c for c, _ in columns]).reshape(x.size, y.size).T
        exact = exact and all(e for _, e in columns)
        compare(got, want, EXACT if exact else CLOSE, f"∂y/∂{call.live[k]} of {call}")
    return exact


def check_second_order(call: Call) -> None:
    """The rules' own derivative: the product of c·y's Hessian and a direction, against the gradient's differences."""
    rng = np.random.default_rng(1)
    y = call(*call.x)
    c = rng.normal(size=y.shape)
    v = tuple(rng.normal(size=a.shape) for a in call.x)

    def gradient(*x: Any) -> Any:
        _, pullback = vjp(call, *x)
        dy = c if all(isinstance(a, Tensor) or a.dtype.kind == "f" for a in x) else c + 0j
        flat = [np.reshape(g, (-1,)) for g in pullback(dy)]
        return np.concatenate(flat)

    _, pullback = vjp(gradient, *call.x)
    got = np.concatenate([np.reshape(g, (-1,)) for g in pullback(np.concatenate([a.reshape(-1) for a in v]))])
    want, exact = derivative(gradient, call.x, v)
    compare(got, want, EXACT * 10 if exact else CLOSE * 10, f"second derivative of {call}")


def check_single_precision(call: Call) -> None:
    """float32 in, float32 out and back, near the float64 gradient."""
    single = Call(call.op, [_single(a) for a in call.arrays], call.attributes)
    y, pullback = vjp(single, *single.x)
    _, wide_pullback = vjp(call, *call.x)
    if call.op not in TABLE.values():  # NumPy's functions have the dtypes that NumPy gives them
        assert y.dtype == np.float32, f"{single} of float32 is {y.dtype}"
    dy = np.random.default_rng(2).normal(size=y.shape)
    for g, h in zip(pullback(dy.astype(y.dtype)), wide_pullback(dy), strict=True):
        assert g.dtype == np.float32, f"gradient of {single} is {g.dtype}"
        compare(g, h, 1e-4, f"float32 gradient of {single}")


def check_complex(call: Call, exact: bool) -> None:
    """At complex points, Re(δz·dz) = Re(δy·dy) in the real and the imaginary direction of every element."""
    if not exact:
        return
    rng = np.random.default_rng(3)
    x = tuple(a if a.dtype.kind == "c" else a + 0.1j * rng.normal(size=a.shape) for a in call.x)
    at = call.with_x(x)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            y = at(*x)
    except (TypeError, ValueError, TrainerError, Warning):
        return
    dy = rng.normal(size=y.shape) + (1j * rng.normal(size=y.shape) if y.dtype.kind == "c" else 0)
    _, pullback = vjp(at, *x)
    try:
        gradients = pullback(dy)
    except OpError:  # a cost of real numbers says so
        return
    for k, g in enumerate(gradients):
        for j in range(x[k].size):
            for unit in (1.0, 1j):
                step = _direction(x, k, j)
                moved = central(lambda *v: np.real(at(*v) * dy).sum(), x, tuple(s * unit for s in step))
                compare(np.real(g.reshape(-1)[j] * unit), moved, CLOSE * 10, f"complex gradient of {at}, element {j}")


def check_layouts(call: Call) -> None:
    """Strided and reversed inputs give what contiguous ones give; so do, for an element-wise op, its parts."""
    y, pullback = vjp(call, *call.x)
    dy = np.random.default_rng(4).normal(size=y.shape).astype(y.dtype)
    want = pullback(dy)
    spread = tuple(np.repeat(a[..., None], 2, axis=-1)[..., 0] for a in call.x)
    other, other_pullback = vjp(call.with_x(spread), *spread)
    compare(other, y, EXACT, f"strided result of {call}")
    for g, h in zip(other_pullback(dy[::-1].copy()[::-1]), want, strict=True):
        compare(g, h, EXACT, f"strided gradient of {call}")
    if call.op.elementwise and all(isinstance(a, np.ndarray) and a.shape == call.arrays[0].shape for a in call.arrays):
        for part in ((0,), slice(0, 0), ()):
            parts = [a.reshape(-1)[part] if part != () else np.asarray(a.reshape(-1)[0]) for a in call.arrays]
            small = Call(call.op, [np.asarray(p) for p in parts], call.attributes)
            result, back = vjp(small, *small.x)
            for g, a in zip(back(np.ones_like(result)), small.x, strict=True):
                assert g.shape == a.shape, f"gradient of {small} has shape {g.shape}"


# References.


def derivative(f: Callable[..., Any], x: Sequence[Any], v: Sequence[Any]) -> tuple[Any, bool]:
    """The derivative of `f` at `x` along `v`, and whether it is exact to rounding."""
    differences = np.asarray(central(f, x, v))
    h = 1e-30
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y = np.asarray(f(*[a + 1j * h * d for a, d in zip(x, v, strict=True)]))
    except (TypeError, ValueError, AttributeError, TrainerError):
        return differences, False
    if y.shape != differences.shape:  # complex results of real arrays, which at real points are pairs
        return differences, False
    step = y.imag / h if y.dtype.kind == "c" else np.zeros(y.shape)
    credible = bool(np.all(np.abs(step - differences) <= ROUGH * (1 + np.abs(differences))))
    return (step, True) if credible else (differences, False)


def central(f: Callable[..., Any], x: Sequence[Any], v: Sequence[Any]) -> Any:
    """Central differences of fourth order."""
    h = 5e-4
    near, far = (f(*_moved(x, v, n * h)) - f(*_moved(x, v, -n * h)) for n in (1, 2))
    return (8 * near - far) / (12 * h)


def _moved(x: Sequence[Any], v: Sequence[Any], t: float) -> list[Any]:
    return [a + t * d for a, d in zip(x, v, strict=True)]


def _direction(x: Sequence[Any], k: int, j: int) -> tuple[Any, ...]:
    direction = tuple(np.zeros(a.shape) for a in x)
    direction[k].reshape(-1)[j] = 1
    return direction


def compare(got: Any, want: Any, tolerance: float, what: str) -> None:
    """Fail with the worst element where `got` is further from `want` than `tolerance`, relative to 1 + |want|."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, reference {want.shape}"
    error = np.abs(got - want) / (1 + np.abs(want))
    if error.size and not np.max(error) <= tolerance:
        worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
        raise AssertionError(
            f"{what}: element {worst} is {got[worst]}, reference {want[worst]}, error {error[worst]:.1e}"
        )


def _same(plain: Any, recorded: Any, call: Call) -> None:
    pairs = zip(_tuple(plain), _tuple(recorded), strict=True)
    for p, r in pairs:
        value = r.value if isinstance(r, Tensor) else r
        assert np.array_equal(p, value, equal_nan=np.asarray(p).dtype.kind in "fc"), f"recorded {call} differs"


def _tuple(y: Any) -> Iterator[Any]:
    return iter(y if isinstance(y, tuple) else (y,))


def _frozen(a: Any) -> Any:
    """Read-only, so that an op that writes to its input fails."""
    if isinstance(a, np.ndarray):
        a = a.copy()
        a.flags.writeable = False
    return a


def _single(a: Any) -> Any:
    return a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype == np.float64 else a
