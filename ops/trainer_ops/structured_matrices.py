"""scipy.linalg's structured matrices: Toeplitz, Hankel, circulant and their kin, and systems of them.

Their definitions are NumPy's indexing of the elements that they repeat, and so are their rules: what is repeated is
summed. They are called themselves: `trainer_ops.structured_matrices.toeplitz(c, r)`. Those of one vector also work on
stacks of vectors, the last axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainer import Op, op, vjp
from trainer.engine.dispatch import instead
from trainer.errors import ShapeError
from trainer_ops._common import Array, draw, with_axes
from trainer_ops._composed import composed
from trainer_ops._lazy import Lazy

sl = Lazy("scipy.linalg")


def _structured(definition: Callable[..., Array]) -> Op:
    return composed(op(definition), definition)


@_structured
def toeplitz(c: Array, r: Array) -> Array:
    """The matrix of constant diagonals with column c and row r, as `scipy.linalg.toeplitz(c, r)`; r[0] is not used.

    >>> toeplitz(np.array([1.0, 2.0]), np.array([1.0, 3.0, 4.0])).tolist()
    [[1.0, 3.0, 4.0], [2.0, 1.0, 3.0]]
    """
    with_axes("toeplitz", 1, c, r)
    n, m = c.shape[0], r.shape[0]
    elements = np.concatenate([c[::-1], r[1:]])
    return elements[np.arange(m)[None, :] - np.arange(n)[:, None] + n - 1]


@op
def solve_toeplitz(c: Array, r: Array, b: Array) -> Array:
    """The x for which toeplitz(c, r) @ x is b, a vector, as `scipy.linalg.solve_toeplitz((c, r), b)`.

    >>> c, r = np.array([2.0, 1.0]), np.array([2.0, 0.0])
    >>> solve_toeplitz(c, r, np.array([2.0, 5.0])).tolist()
    [1.0, 2.0]
    """
    return np.asarray(sl.solve_toeplitz((c, r), b), np.result_type(c, r, b))


@solve_toeplitz.vjp("c", "r", "b")
def _(dy: Array, c: Array, r: Array, y: Array) -> tuple[Array, Array, Array]:
    """The transpose of toeplitz(c, r) is toeplitz(r, c), which takes the common element from its column."""
    turned = np.concatenate([c[:1], r[1:]])
    db = solve_toeplitz(turned, c, dy)
    dm = -db[:, None] * y[None, :]
    _, pullback = vjp(toeplitz, c, r)
    return (*pullback(np.astype(dm, np.result_type(c, r))), db)


@_structured
def hankel(c: Array, r: Array) -> Array:
    """The matrix of constant antidiagonals with column c and last row r, as `scipy.linalg.hankel`; r[0] is not used.

    >>> hankel(np.array([1.0, 2.0]), np.array([2.0, 3.0, 4.0])).tolist()
    [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]
    """
    with_axes("hankel", 1, c, r)
    n, m = c.shape[0], r.shape[0]
    return np.concatenate([c, r[1:]])[np.arange(n)[:, None] + np.arange(m)[None, :]]


@_structured
def circulant(c: Array) -> Array:
    """The matrix whose columns are c, each rolled one further, as `scipy.linalg.circulant`.

    >>> circulant(np.array([1.0, 2.0, 3.0])).tolist()
    [[1.0, 3.0, 2.0], [2.0, 1.0, 3.0], [3.0, 2.0, 1.0]]
    """
    with_axes("circulant", 1, c)
    n = c.shape[-1]
    return c[..., (np.arange(n)[:, None] - np.arange(n)[None, :]) % n]


@_structured
def solve_circulant(c: Array, b: Array) -> Array:
    """The x for which circulant(c) @ x is b, as `scipy.linalg.solve_circulant`, for vectors.

    >>> solve_circulant(np.array([2.0, 1.0]), np.array([4.0, 5.0])).round(6).tolist()
    [1.0, 2.0]
    """
    x = np.fft.ifft(np.fft.fft(b) / np.fft.fft(c))
    return x if "c" in (c.dtype.kind, b.dtype.kind) else np.real(x)


@_structured
def companion(a: Array) -> Array:
    """The companion matrix of the polynomial with coefficients a, highest first, as `scipy.linalg.companion`.

    >>> companion(np.array([1.0, -3.0, 2.0])).tolist()  # of the roots 1 and 2
    [[3.0, -2.0], [1.0, 0.0]]
    """
    with_axes("companion", 1, a)
    n = a.shape[-1] - 1
    below = np.broadcast_to(np.eye(n - 1, n, dtype=a.dtype), (*a.shape[:-1], n - 1, n))
    return np.concatenate([(-a[..., 1:] / a[..., :1])[..., None, :], below], axis=-2)


@_structured
def leslie(f: Array, s: Array) -> Array:
    """The matrix of fecundities f in its first row and survivals s below the diagonal, as `scipy.linalg.leslie`.

    >>> leslie(np.array([0.1, 2.0]), np.array([0.5])).tolist()
    [[0.1, 2.0], [0.5, 0.0]]
    """
    with_axes("leslie", 1, f, s)
    n = f.shape[0]
    below = np.concatenate([s[:, None] * np.eye(n - 1, dtype=s.dtype), np.zeros((n - 1, 1), s.dtype)], axis=1)
    return np.concatenate([f[None, :], below])


@_structured
def fiedler(a: Array) -> Array:
    """The matrix |aᵢ − aⱼ|, as `scipy.linalg.fiedler`.

    >>> fiedler(np.array([1.0, 4.0])).tolist()
    [[0.0, 3.0], [3.0, 0.0]]
    """
    with_axes("fiedler", 1, a)
    same = np.eye(a.shape[-1], dtype=bool)  # complex 0 has a corner, and the diagonal is no function of a
    return np.where(same, 0, np.abs(np.where(same, 1, a[..., :, None] - a[..., None, :])))


@_structured
def khatri_rao(a: Array, b: Array) -> Array:
    """The Kronecker product of each column of a with the same of b, as `scipy.linalg.khatri_rao`.

    >>> khatri_rao(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0], [3.0, 4.0]])).tolist()
    [[1.0, 2.0], [3.0, 8.0]]
    """
    with_axes("khatri_rao", 2, a, b)
    product = a[..., :, None, :] * b[..., None, :, :]
    return np.reshape(product, (*product.shape[:-3], -1, product.shape[-1]))


@op
def convolution_matrix(a: Array, *, n: int, mode: str = "full") -> Array:
    """The matrix that convolves vectors of length n with a, as `scipy.linalg.convolution_matrix`.

    >>> convolution_matrix(np.array([1.0, 2.0]), n=2).tolist()
    [[1.0, 0.0], [2.0, 1.0], [0.0, 2.0]]
    """
    return _convolution_matrix(a, n=n, mode=mode)


def _convolution_matrix(a: Array, *, n: int, mode: str) -> Array:
    with_axes("convolution_matrix", 1, a)
    m = a.shape[-1]
    if not m:
        raise ShapeError("convolution_matrix takes vectors of one element or more")
    short, long = min(m, n), max(m, n)
    first, rows = {
        "full": (0, m + n - 1),
        "same": ((short - 1) // 2, long),
        "valid": (short - 1, long - short + 1),
    }[mode]
    place = np.arange(first, first + rows)[:, None] - np.arange(n)[None, :]
    return np.where((place >= 0) & (place < m), a[..., np.clip(place, 0, m - 1)], 0)


composed(convolution_matrix, _convolution_matrix)


@op
def block_diag(*arrays: Array) -> Array:
    """The matrix with the given ones on its diagonal and zeros elsewhere, as `scipy.linalg.block_diag`.

    >>> block_diag(np.array([[1.0, 2.0]]), np.array([[3.0]])).tolist()
    [[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]]
    """
    return sl.block_diag(*arrays)


@block_diag.vjp("arrays")
def _(dy: Array, arrays_shape: Any) -> list[Array]:
    i = j = 0
    found = []
    for shape in arrays_shape:
        n, m = ((1, 1)[: 2 - len(shape)] + tuple(shape))[-2:]
        found.append(np.reshape(dy[i : i + n, j : j + m], shape))
        i, j = i + n, j + m
    return found


draw(toeplitz, [(3,), (4,)], [(4,), (2,)], [(1,), (1,)])
draw(hankel, [(3,), (4,)], [(4,), (2,)])
draw(circulant, [(4,)], [(2, 3)])
draw(solve_circulant, [np.array([4.0, 1.0, 0.5]), (3,)], [np.array([4.0, 1.0, -0.5, 0.3]), (4,)])
draw(companion, [np.array([2.0, -1.0, 3.0, 0.5])], [(2, 4)], low=0.5)
draw(leslie, [(4,), (3,)])
draw(fiedler, [(4,)])
draw(khatri_rao, [(2, 3), (4, 3)], [(2, 2, 3), (2, 1, 3)])
draw(convolution_matrix, *([(3,), {"n": n, "mode": mode}] for n in (2, 4) for mode in ("full", "same", "valid")))
draw(block_diag, [(2, 3), (1, 2)], [(2, 2)], [(3,), (2, 2), ()])
draw(solve_toeplitz, [np.array([4.0, 0.5, -1.0, 0.3]), np.array([4.0, 1.0, 0.7, -0.4]), (4,)])

for _op in [value for value in vars().values() if isinstance(value, Op)]:
    instead(f"scipy.linalg.{_op.name}", _op)
