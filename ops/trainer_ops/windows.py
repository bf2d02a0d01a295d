"""Two ops that convolution and pooling are made of, each the other's kind of transpose: taking the elements of windows
apart is slicing and stacking, which NumPy has; putting them together again, added where windows overlap, it has not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer import op
from trainer_ops._common import Array, draw, summed_to
from trainer_ops._geometry import Geometry

__all__ = ["contiguous", "framed", "overlap_add", "turned"]

_All = slice(None)


@op
def overlap_add(*parts: Array, places: tuple[Any, ...], shape: tuple[int, ...], overlapping: bool = True) -> Array:
    """Zeros of `shape` with each part added at its place: the transpose of slicing an array into `parts`.

    Args:
        parts: arrays of one dtype, with as many axes as the result.
        places: per part a tuple of slices, as would pick it from an array of `shape`.
        overlapping: False where the caller knows that no two places share an element; then nothing is added.

    The result's memory has the order of the first part's.

    >>> overlap_add(np.ones(3), np.ones(3), places=((slice(0, 3),), (slice(1, 4),)), shape=(4,))
    array([1., 2., 2., 1.])
    """
    y = np.zeros_like(parts[0], shape=shape, dtype=np.result_type(*parts))
    for part, place in zip(parts, places, strict=True):
        if overlapping:
            y[place] += part
        else:
            y[place] = part
    return y


@overlap_add.assembled
def _(y: Array, *parts: Array, places: Any, shape: Any, overlapping: bool = True) -> list[Any]:
    return [(y[place], part, overlapping) for part, place in zip(parts, places, strict=True)]


@overlap_add.vjp("parts")
def _(dy: Array, parts_shape: Any, wanted: Any, *, places: Any) -> list[Any]:
    each = zip(places, parts_shape, wanted, strict=True)
    return [summed_to(dy[place], shape) if want else None for place, shape, want in each]


@op
def contiguous(x: Array) -> Array:
    """The same array with its elements in row-major order in memory: a copy, unless they already are.

    >>> contiguous(np.zeros((2, 3)).T).strides
    (16, 8)
    """
    if np.ndim(x) == 0 or (isinstance(x, np.ndarray) and x.flags.c_contiguous):
        return x
    return np.copy(x, order="C")


contiguous.defvjp(x=lambda dy: dy)


def turned(x: Array) -> Array:
    """(n, *spatial, channels) as (channels, *spatial, n), in that order in memory. No copy where it lies so already."""
    return contiguous(np.swapaxes(x, 0, -1))


def framed(x: Array, g: Geometry, value: float = 0) -> Array:
    """`turned`, with the padding around it."""
    if not g.pads:
        return turned(x)
    return np.pad(np.swapaxes(x, 0, -1), ((0, 0), *g.padding, (0, 0)), constant_values=value)


draw(contiguous, [(3, 4)], [()])
draw(
    overlap_add,
    [(3,), (3,), {"places": ((slice(0, 3),), (slice(1, 4),)), "shape": (4,)}],
    [
        (2, 2),
        (2, 2),
        {"places": ((_All, slice(0, 3, 2)), (_All, slice(1, 4, 2))), "shape": (2, 5), "overlapping": False},
    ],
)
overlap_add.operations(lambda *shapes: sum(int(np.prod(s)) for s in shapes[:-1]))
