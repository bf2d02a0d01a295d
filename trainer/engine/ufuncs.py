"""What a ufunc can be asked for besides its result: another method, other axes.

`outer` and the axes of `np.matmul` and its kin come down to the ufunc itself on arrays that are laid out for it, so
every ufunc that has an op has them too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainer.errors import OpError

__all__ = ["along_axes", "outer"]


def outer(ufunc: np.ufunc, x1: Any, x2: Any, **others: Any) -> Any:
    """`ufunc` of every pair of an element of x1 and one of x2: the shape is x1's and then x2's."""
    return ufunc(np.reshape(x1, np.shape(x1) + (1,) * np.ndim(x2)), x2, **others)


def along_axes(
    ufunc: np.ufunc,
    *inputs: object,
    axes: Any = None,
    axis: int | None = None,
    keepdims: bool = False,
    **others: object,
) -> Any:
    """A ufunc of vectors or matrices along other axes than the last ones: those go to the end and the results' back.

    Args:
        axes: per input and result its axes, as NumPy's `axes`; results may be left out where they have none.
        axis: the one axis of each input, in place of `axes`.
        keepdims: whether `axis` stays, with length 1.
    """
    assert ufunc.signature is not None
    counts = [len(re.findall(r"\w+", core)) for core in re.findall(r"\(([^)]*)\)", ufunc.signature)]
    if axis is not None:
        axes = [axis] * ufunc.nin
    if axes is None:
        axes = [tuple(range(-n, 0)) for n in counts]
    places = [a if isinstance(a, Sequence) else (a,) for a in axes]
    if keepdims and counts[ufunc.nin :] != [0]:
        raise OpError(f"np.{ufunc.__name__} has no keepdims: its results have axes of their own")
    turned = [_to_end(x, place) for x, place in zip(inputs, places, strict=False)]
    y = ufunc(*turned, **others)
    if keepdims:
        return np.moveaxis(np.expand_dims(y, -1), -1, places[0][0])
    for place in places[ufunc.nin :]:
        y = np.moveaxis(y, tuple(range(-len(place), 0)), tuple(place)) if place else y
    return y


def _to_end(x: Any, axes: Sequence[int]) -> Any:
    """With these axes last; a vector's only axis stays where it is."""
    last = tuple(range(-len(axes), 0))
    return x if not axes or tuple(axes) == last else np.moveaxis(x, tuple(axes), last)
