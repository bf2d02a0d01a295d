"""Where elements are, how many there are, and which are members of what: integers and bools, without a derivative.

They stay on the record, so that a record replayed on other values finds other places.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from trainer import op, structural
from trainer_ops._common import Array, draw, shapes
from trainer_ops.indexing import gathered_from


@op(implements=np.nonzero)
def nonzero(x: Array) -> tuple[Array, ...]:
    """The indices of the elements that are not zero, per axis, as `np.nonzero`."""
    return np.nonzero(x)


@op(implements=np.flatnonzero)
def flatnonzero(x: Array) -> Array:
    """The indices, in the flattened array, of the elements that are not zero, as `np.flatnonzero`."""
    return np.flatnonzero(x)


@op(implements=np.argwhere)
def argwhere(x: Array) -> Array:
    """The indices of the elements that are not zero, a row each, as `np.argwhere`."""
    return np.argwhere(x)


@op(implements=np.searchsorted)
def searchsorted(a: Array, v: Array, *, side: Literal["left", "right"] = "left") -> Array:
    """Where to insert v into the sorted a, as `np.searchsorted`."""
    return np.asarray(np.searchsorted(a, v, side))[()]


@op(implements=np.digitize)
def digitize(x: Array, bins: Array, *, right: bool = False) -> Array:
    """The number of the bin that each element falls into, as `np.digitize`."""
    return np.asarray(np.digitize(x, bins, right))[()]


@op(implements=np.isin)
def isin(element: Array, test_elements: Array, *, invert: bool = False) -> Array:
    """Whether each element is among others, as `np.isin`."""
    return np.isin(element, test_elements, invert=invert)


@op(implements=np.histogram_bin_edges)
def histogram_bin_edges(x: Array, *, bins: Any = 10, range: tuple[float, float] | None = None) -> Array:
    """The edges of a histogram's bins, as `np.histogram_bin_edges`."""
    return np.histogram_bin_edges(x, bins, range)


@op(implements=np.histogram)
def histogram(x: Array, *, bins: Any = 10, range: tuple[float, float] | None = None) -> tuple[Array, Array]:
    """How many elements fall into each bin, and the bins' edges, as `np.histogram`."""
    return np.histogram(x, bins, range)


@op(implements=np.lexsort)
def lexsort(*keys: Array, axis: int = -1) -> Array:
    """The indices that sort by several keys, the last one first, as `np.lexsort`."""
    return np.lexsort(keys, axis=axis)


@op(implements=np.ix_)
def ix_(*arrays: Array) -> tuple[Array, ...]:
    """Indices of every combination of places, as `np.ix_`."""
    return np.ix_(*arrays)


@op(implements=np.unique)
def unique(x: Array) -> Array:
    """The different elements in ascending order, as `np.unique`. The first of equal elements takes the gradient."""
    return np.unique(x)


@unique.vjp("x")
def _(dy: Array, x: Array) -> Array:
    from trainer import Tensor

    value = x.value if isinstance(x, Tensor) else x
    places = np.unique(value, return_index=True)[1]
    return gathered_from(dy, value.shape, lambda numbers: np.ravel(numbers)[places])


for _op in (nonzero, flatnonzero, argwhere, histogram, histogram_bin_edges, digitize):
    _op.nondifferentiable("x")
digitize.nondifferentiable("bins")
searchsorted.nondifferentiable("a", "v")
isin.nondifferentiable("element", "test_elements")
lexsort.nondifferentiable("keys")
ix_.nondifferentiable("arrays")
for _op in (nonzero, flatnonzero, argwhere, histogram, histogram_bin_edges, unique):
    draw(_op, *shapes((3, 4), (5,)))
draw(histogram, [(3, 4), {"bins": 3}])
for _op in (searchsorted, digitize):
    draw(_op, [np.array([0.0, 1.0, 2.0]), np.array([-1.0, 0.5, 3.0])])
draw(isin, [(4,), (3,)])
draw(lexsort, [(4,), (4,)])
draw(ix_, [np.array([0, 2]), np.array([1, 3])])
structural(np.min_scalar_type, np.einsum_path, np.tril_indices_from, np.triu_indices_from)
