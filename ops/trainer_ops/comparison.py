"""Comparisons, logic, and what else answers about values without a derivative.

Their results are bools or integers, through which no gradient passes; they stay on the record all the same, so that a
record replayed on other values decides anew. Functions that look at shapes and dtypes alone are declared structural:
on a Tensor they give plain results.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer import op, structural
from trainer.engine.dispatch import way_out
from trainer_ops._common import Array, draw, elementwise, shapes

COMPARISONS = tuple(
    op(f).nondifferentiable("x1", "x2")
    for f in (
        np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
        np.logical_and, np.logical_or, np.logical_xor,
    )
)  # fmt: skip
TESTS = tuple(op(f).nondifferentiable("x") for f in (np.logical_not, np.isnan, np.isinf, np.isfinite, np.signbit))
elementwise(*COMPARISONS, *TESTS)

BITWISE = tuple(
    op(f).nondifferentiable("x1", "x2")
    for f in (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.left_shift, np.right_shift, np.gcd, np.lcm)
)
invert = op(np.invert).nondifferentiable("x")
bitwise_count = op(np.bitwise_count).nondifferentiable("x")
for _op in BITWISE:
    draw(_op, [np.array([3, 5, 6]), np.array([1, 4, 2])])
for _op in (invert, bitwise_count):
    draw(_op, [np.array([3, 5, 6])])


@op(implements=np.isclose)
def isclose(a: Array, b: Array, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """Whether two arrays agree within a tolerance, element by element, as `np.isclose`."""
    return np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


@op(implements=np.allclose)
def allclose(a: Array, b: Array, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """Whether two arrays agree within a tolerance everywhere, as `np.allclose`, as a 0-d bool."""
    return np.bool_(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan))


@op(implements=np.array_equal)
def array_equal(a1: Array, a2: Array, *, equal_nan: bool = False) -> Array:
    """Whether two arrays have the same shape and elements, as `np.array_equal`, as a 0-d bool."""
    return np.bool_(np.array_equal(a1, a2, equal_nan=equal_nan))


@op(implements=np.array_equiv)
def array_equiv(a1: Array, a2: Array) -> Array:
    """Whether two arrays are equal once broadcast, as `np.array_equiv`, as a 0-d bool."""
    return np.bool_(np.array_equiv(a1, a2))


for _op in (isclose, allclose):
    _op.nondifferentiable("a", "b")
for _op in (array_equal, array_equiv):
    _op.nondifferentiable("a1", "a2")
for _op in (isclose, allclose, array_equal, array_equiv):
    draw(_op, [(3, 4), (3, 4)])


def _test(function: Any) -> Any:
    """The op of a NumPy function of one array that says something about each element."""

    def forward(x: Array) -> Array:
        return function(x)

    forward.__doc__ = f"As `np.{function.__name__}`; no derivative."
    return draw(op(forward, name=function.__name__, implements=function).nondifferentiable("x"), *shapes((3, 4)))


ELEMENT_TESTS = tuple(map(_test, (np.isposinf, np.isneginf, np.iscomplex, np.isreal)))

structural(
    np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.result_type, np.can_cast, np.common_type,
    np.iscomplexobj, np.isrealobj, np.shares_memory, np.may_share_memory, np.array_repr, np.array_str, np.array2string,
    np.broadcast_shapes, np.diag_indices_from, np.tril_indices_from, np.triu_indices_from,
)  # fmt: skip

# What to write in place of functions that write to an array, or steer Python by the values, and so have no op.

way_out("np.where or np.select, which take the pieces as arrays", np.piecewise)
way_out("np.stack([f(row) for row in np.moveaxis(t, axis, -1)])", np.apply_along_axis, np.apply_over_axes)
way_out("np.linalg.eigvals(trainer_ops.structured_matrices.companion(p))", np.roots)
way_out("np.linalg.lstsq(np.vander(x, degree + 1), y)[0]", np.polyfit)
way_out("the product of its factors: functools.reduce(np.polymul, [np.stack([one, -root]) for root in roots])", np.poly)
way_out("np.where(mask, values, t)", np.copyto, np.put, np.place, np.putmask, np.fill_diagonal)
way_out(
    "np.where(mask, trainer_ops.scatter_along_axis(values, indices, shape=t.shape, axis=axis), t)", np.put_along_axis
)
way_out("trainer_ops.segment_sum, or np.stack of the parts' sums", np.add.reduceat)
way_out("t + trainer_ops.scatter_add(values, index, shape=t.shape)", np.add.at)
way_out("trainer_ops.logsumexp(t)", np.logaddexp.reduce)
way_out("np.broadcast_to(t, shape)", np.full)
way_out("start + step * np.arange(n), with an n that is known", np.arange)
way_out("t[first:last], with places that no value decides", np.trim_zeros)
