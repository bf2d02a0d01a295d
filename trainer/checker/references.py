"""Derivatives that no rule has touched: what rules are compared with.

Three ways, from sharp to general. The *complex step* f'(x) ≈ Im f(x + ih)/h (Squire & Trapp, 1998) subtracts nothing,
so that h can be 1e-20 and the derivative is exact to rounding; it needs a real function that accepts complex numbers
and is analytic. *Cauchy's formula* averages f(z + rω)/ω over the eighth roots of unity (Lyness & Moler, 1967); it needs
a holomorphic function and is good to some 1e-13. *Central differences*, extrapolated after Ridders (1982), need nothing
but float64 and come with an estimate of their own error.

Whether a function is analytic is found out, not believed: `abs`, `real`, `conj` and a comparison of complex numbers
accept them and mean something else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from trainer.checker.spaces import Space
from trainer.errors import TrainerError
from trainer.types import ArrayLike

__all__ = ["Function", "Reference", "derive", "differences", "one_sided", "quietly"]

Function = Callable[[list[ArrayLike]], Sequence[ArrayLike]]

STEP = 1e-20
LEVELS = 6


@dataclass(frozen=True)
class Reference:
    """Derivatives of all output coordinates by some input coordinates.

    Attributes:
        values: (outputs, columns).
        errors: their own estimated errors, of the same shape.
        source: where they are from, in words.
        relative: what a rule may differ by, relative to an element's scale, besides `errors`.
    """

    values: ArrayLike
    errors: ArrayLike
    source: str
    relative: float


def derive(f: Function, xs: list[ArrayLike], columns: Sequence[int]) -> Reference:
    """The derivatives of `f` at `xs` by the input coordinates `columns`, by the sharpest way that applies."""
    with quietly():
        ys = f(xs)
        real = all(np.result_type(x).kind == "f" for x in xs) and all(np.result_type(y).kind != "c" for y in ys)
        try:
            found = _complex_step(f, xs, ys, columns) if real else _cauchy(f, xs, ys, columns)
        except Exception:  # a function that takes some complex numbers and chokes on others
            found = None
    return found or differences(f, xs, columns)


class quietly:  # a class that reads as a word: `with quietly():`
    """No warnings of NumPy's about infinities on the way; a complex number cast to a real one is an error."""

    def __enter__(self) -> None:
        self._state = np.errstate(all="ignore")
        self._state.__enter__()
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", np.exceptions.ComplexWarning)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self._warnings.__exit__(kind, error, traceback)
        self._state.__exit__(kind, error, traceback)


def _as_complex(
    f: Function, xs: list[ArrayLike], ys: Sequence[ArrayLike]
) -> tuple[list[ArrayLike], Sequence[ArrayLike]] | None:
    """The inputs as complex numbers and what `f` makes of them, if it does and the values are the same."""
    zs = [np.array(x, np.complex128) for x in xs]
    try:
        outputs = f(zs)
    except Exception:  # whatever a function does with numbers that it was not written for
        return None
    if len(outputs) != len(ys):
        return None
    for z, y in zip(outputs, ys, strict=True):
        if np.shape(z) != np.shape(y):
            return None
        if np.result_type(y).kind in "fc" and not (np.result_type(z).kind == "c" and _same(z, y, 1e-10)):
            return None
    return zs, outputs


def _same(a: ArrayLike, b: ArrayLike, relative: float) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    finite = np.isfinite(b)
    scale = float(np.max(np.abs(b[finite]), initial=0.0))
    return bool(np.all(np.abs(a[finite] - b[finite]) <= relative * scale))


def _complex_step(
    f: Function, xs: list[ArrayLike], ys: Sequence[ArrayLike], columns: Sequence[int]
) -> Reference | None:
    """Im f(x + ih)/h per input element; None where `f` is not an analytic function of real numbers."""
    found = _as_complex(f, xs, ys)
    if found is None or not _analytic(f, xs, found[0], ys):
        return None
    zs, space, inputs = found[0], Space(ys), Space(xs)
    values = np.empty((space.size, len(columns)))
    for k, column in enumerate(columns):
        array, index, _ = inputs.locate(column)
        here = zs[array][index]
        zs[array][index] = here + STEP * 1j
        values[:, k] = _imaginary(space, f(zs))
        zs[array][index] = here
    if not np.all(np.isfinite(values)):
        return None
    return Reference(values, np.zeros_like(values), "complex step", 1e-12)


def _imaginary(space: Space, outputs: Sequence[ArrayLike]) -> ArrayLike:
    """Im/h per coordinate of `space`, whose arrays are real."""
    parts = [np.empty(0)]
    parts += [np.imag(np.ravel(y)) / STEP for y, d in zip(outputs, space.dtypes, strict=True) if d.kind == "f"]
    return np.concatenate(parts)


def _analytic(f: Function, xs: list[ArrayLike], zs: list[ArrayLike], ys: Sequence[ArrayLike]) -> bool:
    """Whether Cauchy and Riemann's equation holds: the slope along i is i times the slope along the real axis.

    Asked in one direction that moves every element, and in the mirrored one too: f(z̄) is the conjugate of f(z).
    """
    space = Space(ys)
    rng = np.random.default_rng(len(xs))
    directions = [rng.choice([-1.0, 1.0], np.shape(x)) * rng.uniform(0.5, 1, np.shape(x)) for x in xs]
    up = _imaginary(space, f([z + 1j * STEP * d for z, d in zip(zs, directions, strict=True)]))
    down = _imaginary(space, f([z - 1j * STEP * d for z, d in zip(zs, directions, strict=True)]))
    lengths = [1e-6 * np.maximum(np.abs(x), 1e-2) for x in xs]
    moves = [d * s for d, s in zip(directions, lengths, strict=True)]
    ahead = space.flatten(f([x + m for x, m in zip(xs, moves, strict=True)]))
    behind = space.flatten(f([x - m for x, m in zip(xs, moves, strict=True)]))
    along = _imaginary(space, f([z + 1j * STEP * m for z, m in zip(zs, moves, strict=True)]))
    base = np.abs(space.flatten(ys))
    allowed = 1e-3 * np.abs(along) + 1e-12 * (base + space.largest(ys))
    return bool(
        np.all(np.isfinite(up))
        and np.all(np.abs(up + down) <= 1e-9 * np.max(np.abs(up), initial=0.0))
        and np.all(np.abs((ahead - behind) / 2 - along) <= allowed)
    )


ROOTS = np.exp(2j * np.pi * np.arange(8) / 8)


def _cauchy(f: Function, xs: list[ArrayLike], ys: Sequence[ArrayLike], columns: Sequence[int]) -> Reference | None:
    """The holomorphic derivative per input element from eight points on a circle; None where `f` is not holomorphic."""
    found = _as_complex(f, xs, ys)
    if found is None:
        return None
    zs, inputs, outputs = found[0], Space(xs), Space(found[1])
    known: dict[tuple[int, tuple[int, ...]], tuple[ArrayLike, ArrayLike]] = {}
    values = np.empty((Space(ys).size, len(columns)))
    errors = np.empty_like(values)
    for k, column in enumerate(columns):
        array, index, imaginary = inputs.locate(column)
        if (array, index) not in known:
            radius = max(abs(complex(zs[array][index])), 0.5) / 64
            wide = _circle(f, zs, outputs, array, index, radius)
            narrow = _circle(f, zs, outputs, array, index, radius / 2)
            if wide is None or narrow is None:
                return None
            known[array, index] = narrow, np.abs(wide - narrow)
        slope, error = known[array, index]
        slope = 1j * slope if imaginary else slope
        values[:, k] = Space(ys).flatten(_split(slope, ys))
        errors[:, k] = Space(ys).flatten(_split(error * (1 + 1j), ys))
    if np.any(errors > 1e-9 * np.max(np.abs(values), initial=0.0)):
        return None
    return Reference(values, errors, "Cauchy's formula", 1e-11)


def _circle(
    f: Function, zs: list[ArrayLike], outputs: Space, array: int, index: tuple[int, ...], radius: float
) -> ArrayLike | None:
    """(1/8r) Σ f(z + rω)/ω. The same sum with 1/ω̄ is ∂f/∂z̄, and is 0 for a holomorphic function."""
    here = zs[array][index]
    points = []
    for root in ROOTS:
        zs[array][index] = here + radius * root
        points.append(_joined(f(zs), outputs))
    zs[array][index] = here
    samples = np.array(points)
    slope = np.mean(samples / ROOTS[:, None], axis=0) / radius
    other = np.mean(samples * ROOTS[:, None], axis=0) / radius
    scale = np.max(np.abs(slope), initial=0.0) + 1e-6 * np.max(np.abs(samples), initial=0.0)
    if not np.all(np.isfinite(slope)) or np.any(np.abs(other) > 1e-9 * scale):
        return None
    return slope


def _joined(arrays: Sequence[ArrayLike], space: Space) -> ArrayLike:
    parts = [np.empty(0, complex)]
    parts += [np.ravel(a) for a, d in zip(arrays, space.dtypes, strict=True) if d.kind == "c"]
    return np.concatenate(parts)


def _split(vector: ArrayLike, ys: Sequence[ArrayLike]) -> list[ArrayLike]:
    arrays, start = [], 0
    for y in ys:
        count = np.size(y) if np.result_type(y).kind in "fc" else 0
        arrays.append(vector[start : start + count].reshape(np.shape(y)) if count else np.zeros(np.shape(y)))
        start += count
    return arrays


def differences(f: Function, xs: list[ArrayLike], columns: Sequence[int]) -> Reference:
    """Central differences per input coordinate, extrapolated to a step of nothing, element by element of the output.

    Each output element takes the entry of Neville's tableau that its neighbours agree with best.
    """
    inputs = Space(xs)
    with quietly():
        ys = f(xs)
        space = Space(ys)
        values = np.empty((space.size, len(columns)))
        errors = np.empty_like(values)
        for k, column in enumerate(columns):
            best = _extrapolated(f, xs, inputs, space, column, 2.0**-5)
            closer = 2.0**-11
            while np.any(best[1] > 1e-8 * (1e-3 + np.abs(best[0]))) and closer > 1e-6:
                again = _extrapolated(f, xs, inputs, space, column, closer)
                take = again[1] < best[1]
                best = np.where(take, again[0], best[0]), np.where(take, again[1], best[1])
                closer /= 64
            values[:, k], errors[:, k] = best
    return Reference(values, errors, "central differences", 1e-10)


def _extrapolated(
    f: Function, xs: list[ArrayLike], inputs: Space, space: Space, column: int, step: float
) -> tuple[ArrayLike, ArrayLike]:
    array, index, imaginary = inputs.locate(column)
    here = xs[array][index]
    start = step * max(float(abs(here)) if np.isfinite(here) else 1.0, 0.5)
    rows: list[list[ArrayLike]] = []
    best, error = np.full(space.size, np.nan), np.full(space.size, np.inf)
    for level in range(LEVELS):
        h = start / 2**level
        row = [_slope(f, xs, space, array, index, 1j * h if imaginary else h)]
        for j in range(1, level + 1):
            factor = 4.0**j
            row.append(row[j - 1] + (row[j - 1] - rows[-1][j - 1]) / (factor - 1))
            guess = np.maximum(np.abs(row[j] - row[j - 1]), np.abs(row[j] - rows[-1][j - 1]))
            better = guess < error
            best, error = np.where(better, row[j], best), np.where(better, guess, error)
        rows.append(row)
    return best, error


def _slope(f: Function, xs: list[ArrayLike], space: Space, array: int, index: tuple[int, ...], h: complex) -> ArrayLike:
    """(f(x + h) − f(x − h)) / 2h, with the h that the rounded points really have."""
    moved = list(xs)
    points = []
    for sign in (1, -1):
        moved[array] = np.array(xs[array])
        moved[array][index] += sign * h
        points.append((moved[array][index], _coordinates(f, moved, space)))
    (above, y_above), (below, y_below) = points
    return (y_above - y_below) / abs(above - below)


def _coordinates(f: Function, xs: list[ArrayLike], space: Space) -> ArrayLike:
    """The results' coordinates; nan where there is no result of that shape so near."""
    try:
        ys = f(xs)
    except (ValueError, ArithmeticError, TrainerError):  # LinAlgError is a ValueError
        return np.full(space.size, np.nan)
    return space.flatten(ys) if [np.shape(y) for y in ys] == space.shapes else np.full(space.size, np.nan)


def one_sided(f: Function, xs: list[ArrayLike], column: int) -> tuple[ArrayLike, ArrayLike]:
    """The slopes to the left and to the right of a point, to some 1e-6: they differ where the function has a kink."""
    inputs = Space(xs)
    with quietly():
        space = Space(f(xs))
        array, index, imaginary = inputs.locate(column)
        base = space.flatten(f(xs))
        slopes = []
        for sign in (-1, 1):
            estimates = []
            for h in (2e-5, 1e-5):
                step = sign * h * max(float(abs(xs[array][index])), 0.5)
                moved = list(xs)
                moved[array] = np.array(xs[array])
                moved[array][index] += 1j * step if imaginary else step
                length = sign * abs(moved[array][index] - xs[array][index])
                estimates.append((_coordinates(f, moved, space) - base) / length)
            slopes.append(2 * estimates[1] - estimates[0])
    return slopes[0], slopes[1]
