"""numpy.fft: discrete Fourier transforms.

The transform of one axis, y_k = c Σ_j x_j e^(−2πijk/n), has a symmetric matrix: its rule (16), without conjugation, is
the same transform of δy. An input that was cut or padded to n gets its cotangent padded with zeros or cut. A real
transform keeps half of the result, so its rule transforms back into real numbers; the interior frequencies, which stand
for two, are weighted.

>>> from trainer import vjp
>>> y, pullback = vjp(lambda x: np.fft.rfft(x), np.array([1.0, 2.0, 3.0]))
>>> pullback(np.array([1.0 + 0j, 0.0]))  # y₀ is the sum
(array([1., 1., 1.]),)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from trainer import Op, op
from trainer_ops._common import Array, axes_of, draw

Axes = Sequence[int] | None
Norm = Literal["backward", "ortho", "forward"] | None
# `norm` says on which side the factor 1/n is; the transform back that keeps a factor has it on the other.
SWAPPED: dict[Norm, Norm] = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def fitted(g: Array, shape: Sequence[int]) -> Array:
    """`g` cut or padded with zeros at the end of each axis: what a transform does to its input, transposed."""
    g = g[tuple(slice(0, n) for n in shape)]
    missing = [(0, n - m) for n, m in zip(shape, g.shape, strict=True)]
    return np.pad(g, missing) if any(after for _, after in missing) else g


def transformed(ndim: int, s: Sequence[int] | None, axes: Axes) -> tuple[int, ...]:
    """The axes that an n-dimensional transform takes: the last ones that `s` has lengths for, or all."""
    return axes_of(tuple(range(-len(s), 0)) if axes is None and s is not None else axes, ndim)  # type: ignore[arg-type]


def weights(g: Array, n: int, axis: int, inside: float) -> Array:
    """1 for frequency 0 and, for even n, n/2; `inside` for the others, which stand for two frequencies."""
    w = np.full(g.shape[axis], inside)
    w[[0, -1] if n % 2 == 0 else [0]] = 1
    real = np.finfo(g.dtype).dtype
    return w.astype(real).reshape([-1 if i == axis % g.ndim else 1 for i in range(g.ndim)])


def real_adjoint(dy: Array, n: int, axis: int, norm: Norm) -> Array:
    """δx of y = rfft(x): Re Σ_k δy_k e^(−2πijk/n). As irfft counts interior frequencies twice, they are halved."""
    return np.fft.irfft(np.conjugate(dy) * weights(dy, n, axis, 0.5), n, axis, SWAPPED[norm])


def complex_adjoint(dy: Array, n: int, axis: int, norm: Norm) -> Array:
    """δx of y = irfft(x): Σ_j δy_j e^(2πijk/n), and twice that for interior frequencies."""
    g = np.conjugate(np.fft.rfft(dy, n, axis, SWAPPED[norm]))
    return g * weights(g, n, axis, 2.0)


# One axis.


@op(implements=np.fft.fft)
def fft(a: Array, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Array:
    """The discrete Fourier transform along an axis, as `np.fft.fft`."""
    return np.fft.fft(a, n, axis, norm)


@op(implements=np.fft.ifft)
def ifft(a: Array, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Array:
    """The inverse discrete Fourier transform along an axis, as `np.fft.ifft`."""
    return np.fft.ifft(a, n, axis, norm)


@op(implements=np.fft.rfft)
def rfft(a: Array, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Array:
    """The Fourier transform of real numbers at the frequencies 0 to n/2, as `np.fft.rfft`."""
    return np.fft.rfft(a, n, axis, norm)


@op(implements=np.fft.irfft)
def irfft(a: Array, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Array:
    """The real numbers, n of them, of which a holds the frequencies 0 to n/2, as `np.fft.irfft`."""
    return np.fft.irfft(a, n, axis, norm)


@op(implements=np.fft.hfft)
def hfft(a: Array, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Array:
    """The real spectrum, of length n, of a signal with Hermitian symmetry, of which a is half, as `np.fft.hfft`."""
    return np.fft.hfft(a, n, axis, norm)


@op(implements=np.fft.ihfft)
def ihfft(a: Array, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Array:
    """Half of the signal that has the real spectrum a, as `np.fft.ihfft`."""
    return np.fft.ihfft(a, n, axis, norm)


fft.defvjp(a=lambda dy, a_shape, axis, norm: fitted(np.fft.fft(dy, None, axis, norm), a_shape))
ifft.defvjp(a=lambda dy, a_shape, axis, norm: fitted(np.fft.ifft(dy, None, axis, norm), a_shape))
rfft.defvjp(a=lambda dy, a_shape, n, axis, norm: fitted(real_adjoint(dy, n or a_shape[axis], axis, norm), a_shape))
irfft.defvjp(
    a=lambda dy, a_shape, a_dtype, axis, norm: _of_dtype(
        fitted(complex_adjoint(dy, dy.shape[axis], axis, norm), a_shape), a_dtype
    )
)
# hfft(a) is irfft(conj a) and ihfft(a) is conj rfft(a), with the factor on the other side.
hfft.defvjp(
    a=lambda dy, a_shape, a_dtype, axis, norm: _of_dtype(
        fitted(np.conjugate(complex_adjoint(dy, dy.shape[axis], axis, SWAPPED[norm])), a_shape), a_dtype
    )
)
ihfft.defvjp(
    a=lambda dy, a_shape, n, axis, norm: fitted(
        real_adjoint(np.conjugate(dy), n or a_shape[axis], axis, SWAPPED[norm]), a_shape
    )
)


def _of_dtype(g: Array, dtype: Any) -> Array:
    """The real part where the input was real: it was taken for complex."""
    return g if dtype.kind == "c" else np.real(g)


# Several axes.


@op(implements=np.fft.fftn)
def fftn(a: Array, *, s: Sequence[int] | None = None, axes: Axes = None, norm: Norm = None) -> Array:
    """The discrete Fourier transform along several axes, all by default, as `np.fft.fftn`."""
    return np.fft.fftn(a, s, axes, norm)


@op(implements=np.fft.ifftn)
def ifftn(a: Array, *, s: Sequence[int] | None = None, axes: Axes = None, norm: Norm = None) -> Array:
    """The inverse discrete Fourier transform along several axes, all by default, as `np.fft.ifftn`."""
    return np.fft.ifftn(a, s, axes, norm)


@op(implements=np.fft.rfftn)
def rfftn(a: Array, *, s: Sequence[int] | None = None, axes: Axes = None, norm: Norm = None) -> Array:
    """`rfft` along the last of several axes and `fft` along the others, as `np.fft.rfftn`."""
    return np.fft.rfftn(a, s, axes, norm)


@op(implements=np.fft.irfftn)
def irfftn(a: Array, *, s: Sequence[int] | None = None, axes: Axes = None, norm: Norm = None) -> Array:
    """`ifft` along several axes but for the last of them, and `irfft` along that one, as `np.fft.irfftn`."""
    return np.fft.irfftn(a, s, axes, norm)


def _complex_rule(transform: Callable[..., Array]) -> Callable[..., Array]:
    def rule(dy: Array, a_shape: Any, s: Any, axes: Axes, norm: Norm) -> Array:
        return fitted(transform(dy, None, transformed(dy.ndim, s, axes), norm), a_shape)

    return rule


def _from_real(dy: Array, a_shape: Any, s: Any, axes: Axes, norm: Norm) -> Array:
    *others, last = transformed(dy.ndim, s, axes)
    n = a_shape[last] if s is None or s[-1] == -1 else s[-1]
    g = np.fft.fftn(dy, None, others, norm) if others else dy
    return fitted(real_adjoint(g, n, last, norm), a_shape)


def _to_real(dy: Array, a_shape: Any, a_dtype: Any, s: Any, axes: Axes, norm: Norm) -> Array:
    *others, last = transformed(dy.ndim, s, axes)
    g = complex_adjoint(dy, dy.shape[last], last, norm)
    return _of_dtype(fitted(np.fft.ifftn(g, None, others, norm) if others else g, a_shape), a_dtype)


def _plane(name: str) -> Op:
    """The transform of two axes, by default the last two, that numpy.fft calls `name`."""
    function = getattr(np.fft, name)

    def forward(
        a: Array, *, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: Norm = None
    ) -> Array:
        return function(a, s, axes, norm)

    forward.__doc__ = f"`{name[:-1]}n` of two axes, by default the last two, as `np.fft.{name}`."
    return op(forward, name=name, implements=function)


fft2, ifft2, rfft2, irfft2 = map(_plane, ("fft2", "ifft2", "rfft2", "irfft2"))
for _op in (fftn, fft2):
    _op.defvjp(a=_complex_rule(np.fft.fftn))
for _op in (ifftn, ifft2):
    _op.defvjp(a=_complex_rule(np.fft.ifftn))
for _op in (rfftn, rfft2):
    _op.defvjp(a=_from_real)
for _op in (irfftn, irfft2):
    _op.defvjp(a=_to_real)

# Rolls by half a length, which undo each other.


@op(implements=np.fft.fftshift)
def fftshift(x: Array, *, axes: int | Sequence[int] | None = None) -> Array:
    """Frequency 0 in the middle, as `np.fft.fftshift`."""
    return np.fft.fftshift(x, axes)


@op(implements=np.fft.ifftshift)
def ifftshift(x: Array, *, axes: int | Sequence[int] | None = None) -> Array:
    """Frequency 0 back in the first place, as `np.fft.ifftshift`."""
    return np.fft.ifftshift(x, axes)


fftshift.defvjp(x=lambda dy, axes: np.fft.ifftshift(dy, axes))
ifftshift.defvjp(x=lambda dy, axes: np.fft.fftshift(dy, axes))

_COMPLEX = np.array([[0.5 - 1j, 2.0 + 0.3j, -0.7 + 0.2j, 1.1 - 0.4j]]) * np.array([[1.0], [1j], [0.4 - 2j]])
_CASES: list[list[Any]] = [
    [(5,)], [(6,)], [(3, 4), {"axis": 0}], [(3, 4), {"n": 3}], [(3, 4), {"n": 7, "norm": "ortho"}],
    [(2, 3, 4), {"axis": 1, "norm": "forward"}], [(5,), {"n": 2, "norm": "backward"}],
]  # fmt: skip
_SEVERAL: list[list[Any]] = [
    [(3, 4)], [(2, 3, 5), {"axes": (0, 2), "norm": "ortho"}], [(3, 4), {"s": (2, 6), "axes": (1, 0)}],
    [(3, 4), {"s": (5, 3), "axes": (0, 1), "norm": "forward"}], [(2, 2, 3), {"axes": (-1, 0)}],
]  # fmt: skip
for _op in (fft, ifft, irfft, hfft):
    draw(_op, *_CASES, [_COMPLEX], [_COMPLEX, {"n": 3, "axis": 0}], [_COMPLEX, {"n": 9}])
for _op in (rfft, ihfft):
    draw(_op, *_CASES)
for _op in (fftn, ifftn, irfftn, fft2, ifft2, irfft2):
    draw(_op, *_SEVERAL, [_COMPLEX], [_COMPLEX, {"s": (4, 4), "axes": (0, 1), "norm": "ortho"}])
for _op in (rfftn, rfft2):
    draw(_op, *_SEVERAL)
for _op in (fftshift, ifftshift):
    draw(_op, [(5,)], [(3, 4)], [(3, 4), {"axes": 0}], [(2, 3, 5), {"axes": (0, 2)}], [_COMPLEX])
